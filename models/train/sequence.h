/* sequence.h - one training sequence: a sample in variant M's layout with part of its output
 * masked.
 *
 *     edit        task soi input eoi bos instruction eos | soi OUTPUT eoi bos REASONING
 *     generation  task bos instruction eos               | soi OUTPUT eoi bos REASONING
 *
 * Instructions are filled up with eos to one length (models/FORMAT.md, instruction_len), so that an
 * output token keeps its distance from the input's. REASONING is the sample's, then eos to the end
 * of the region. Capitals are masked with a ratio that follows a cosine of a uniform time, shared
 * by both regions or (for a share of the samples, so that sequential decoding has been seen too)
 * drawn for each. A share of the samples is instruction and reasoning alone, at the positions they
 * have in the whole: a fifth of the work, and what an instruction's words mean is learnt sooner.
 * Image tokens of a drawn scene, masked or not, can be asked for a word as well: the name of what
 * is to be seen there. Conditions are dropped as guidance drops them: input tokens become id 0 and
 * the instruction eos.
 */
#ifndef TI_TRAIN_SEQUENCE_H
#define TI_TRAIN_SEQUENCE_H

#include "base/random.h"
#include "denoise/layout.h"
#include "llada.h"
#include "pool.h"

typedef struct ti_objective {
    bool text_by_time, image_by_time; /* weights 1 / t instead of 1: the paper's table 9 */
    double kept_weight;               /* of image tokens that stay as they are */
    double balance; /* exponent by which a changed token counts more the fewer there are: 1 makes
                     * all edits count alike, a small thing moved as much as nightfall */
    double independent; /* share of samples whose regions have ratios of their own */
    double words_alone; /* share of samples without their pictures */
    double names;       /* weight of saying what is to be seen in a token, input's and output's */
    double min_ratio;
    double drop;         /* share of samples without their conditions */
    int text_len;        /* text region, bos included */
    int instruction_len; /* shorter instructions are filled up with eos; 0: none are */
} ti_objective;

te_status ti_objective_read(ti_objective *o, const json_t *config, te_error *err);

/* Host arrays for a packed batch, filled sequence by sequence. */
typedef struct ti_packer {
    ti_objective objective;
    ti_layout layout;
    int max_rows, max_spans;
    int skipped; /* positions left out of the sequence being packed, so far */
    int32_t *tokens, *positions;
    ti_span *spans;
    int32_t *rows[TI_READINGS], *targets[TI_READINGS];
    float *weights[TI_READINGS];
    ti_packed packed;
} ti_packer;

te_status ti_packer_init(ti_packer *p, const ti_objective *objective, const ti_layout *layout,
                         int vocab, int sequences, te_error *err);
void ti_packer_clear(ti_packer *p);
void ti_packer_reset(ti_packer *p);
/* RANDOM draws everything about this one; SHARE scales its weights. */
void ti_packer_add(ti_packer *p, const ti_pool_sample *s, ti_random random, double share);

#endif
