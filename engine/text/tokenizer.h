/* tokenizer.h - byte-level BPE as tokenizer.json of the Hugging Face `tokenizers` library describes
 * it.
 *
 * Understands: normalisers NFC, NFD, NFKC, NFKD and sequences of them; pre-tokenisers Split (any
 * regex, every behaviour), ByteLevel and sequences; added and special tokens; ignore_merges; the
 * ByteLevel decoder. Anything else in a file is an error that names it, never a silent difference.
 */
#ifndef TI_TEXT_TOKENIZER_H
#define TI_TEXT_TOKENIZER_H

#include "base/error.h"

typedef struct ti_tokenizer ti_tokenizer;

/* JSON is LENGTH bytes, read and forgotten. NAME stands in messages. */
te_status ti_tokenizer_create(ti_tokenizer **out, const char *name, const char *json, size_t length,
                              te_error *err);
void ti_tokenizer_free(ti_tokenizer *tokenizer);

/* Encodes LENGTH bytes of UTF-8 (invalid bytes become U+FFFD). No bos or eos is added. *ids is the
 * caller's to free(), also when *n is 0. Safe from several threads at once. */
te_status ti_tokenizer_encode(const ti_tokenizer *tokenizer, const char *text, size_t length,
                              int32_t **ids, int *n, te_error *err);
/* UTF-8 text of IDS; ids outside the vocabulary are left out; special tokens too if SKIP_SPECIAL.
 * Incomplete UTF-8 becomes U+FFFD. *text is the caller's to free(). */
te_status ti_tokenizer_decode(const ti_tokenizer *tokenizer, const int32_t *ids, int n,
                              bool skip_special, char **text, te_error *err);
int ti_tokenizer_size(const ti_tokenizer *tokenizer);                      /* highest id + 1 */
int32_t ti_tokenizer_id(const ti_tokenizer *tokenizer, const char *token); /* -1 if absent */
bool ti_tokenizer_is_special(const ti_tokenizer *tokenizer, int32_t id);

#endif
