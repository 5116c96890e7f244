/* pool.h - training samples as tokens, each drawn, encoded and tokenised once and then kept in a
 * file.
 *
 * Sample K is a pure function of K and the configuration, so the file is only a cache: it is filled
 * as samples are asked for, may be deleted at any time, and refuses to serve another configuration.
 * Samples come from the procedural world, or from a JSONL file of quadruplets {"input",
 * "instruction", "reasoning", "output"} whose pictures are PNG files of the right size (relative to
 * the JSONL file; without "input": a generation).
 *
 * Where nothing changes in a token's pixels nor in those of the four beside it, its output code is
 * the input's: what an edit leaves alone is an exact copy, whatever the encoder makes of the
 * surroundings.
 */
#ifndef TI_TRAIN_POOL_H
#define TI_TRAIN_POOL_H

#include "magvit.h"
#include "text/tokenizer.h"
#include "world/world.h"

#define TI_MAX_INSTRUCTION 64

#define TI_NO_WORD 0xffff

typedef struct ti_pool ti_pool;

typedef struct ti_pool_config {
    const char *path;        /* of the cache */
    const char *quadruplets; /* JSONL; NULL: the world */
    int64_t samples, first;  /* sample 0 is the world's sample FIRST: a later run sees others */
    ti_world_mix mix;        /* of the world; all weights 0: the usual one */
    int text_len;            /* reasoning tokens kept, without bos: text_len - 1 */
} ti_pool_config;

typedef struct ti_pool_sample {
    bool generation;
    int n_instruction, n_reasoning;
    const uint16_t *input, *output; /* codes, [tokens]; input means nothing for a generation */
    /* Per token of a drawn scene a word for what is to be seen there, one of its object's look and
     * slot, or the place's; TI_NO_WORD where nobody knows, and for seven of eight tokens
     * that show the place alone in both pictures. */
    const uint16_t *input_words, *output_words;
    const uint16_t *instruction, *reasoning;
} ti_pool_sample;

/* ENCODER and TOKENIZER are borrowed. */
te_status ti_pool_open(ti_pool **out, const ti_pool_config *config, ti_magvit *encoder,
                       const ti_tokenizer *tokenizer, te_error *err);
void ti_pool_free(ti_pool *pool);
int64_t ti_pool_count(const ti_pool *pool);
/* Makes whatever of FIRST .. FIRST + n (modulo the count) is not there yet. */
te_status ti_pool_fill(ti_pool *pool, int64_t first, int n, te_error *err);
ti_pool_sample ti_pool_get(const ti_pool *pool, int64_t index);

#endif
