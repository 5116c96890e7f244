/* vocab.h - token bytes by id and ids by token bytes.
 *
 * A token is kept as the bytes it stands for (see ti_byte_level_append()), so that merging and
 * decoding need no detour over the alphabet. A token with characters outside the alphabet keeps its
 * own bytes and is never found as the bytes of a text ("unmapped"). */
#ifndef TI_TEXT_VOCAB_H
#define TI_TEXT_VOCAB_H

#include "text/unicode.h"

enum { TI_TOKEN_PRESENT = 1, TI_TOKEN_UNMAPPED = 2, TI_TOKEN_SPECIAL = 4 };

#define TI_TOKEN_MAX_BYTES 65535
#define TI_VOCAB_MAX       (1 << 22)

typedef struct ti_token {
    uint32_t offset; /* into the vocabulary's bytes */
    uint16_t length;
    uint8_t flags;
} ti_token;

typedef struct ti_vocab {
    ti_token *tokens; /* [size], by id */
    int size;
    ti_text bytes;
    int32_t *slots; /* open addressing: an id, or -1 */
    size_t mask;
} ti_vocab;

te_status ti_vocab_init(ti_vocab *vocab, int size, te_error *err); /* room for ids 0 .. size - 1 */
void ti_vocab_clear(ti_vocab *vocab);
/* TOKEN as the file spells it. An id or a spelling given twice is TE_FORMAT; the pair given again
 * is fine, and adds FLAGS. NAME stands in messages. */
te_status ti_vocab_add(ti_vocab *vocab, const char *name, int32_t id, const char *token, size_t n,
                       int flags, te_error *err);
/* The id of these bytes, or -1. */
int32_t ti_vocab_find(const ti_vocab *vocab, const char *bytes, size_t n, bool unmapped);

#endif
