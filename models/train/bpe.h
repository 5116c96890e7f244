/* bpe.h - learns a byte-level BPE vocabulary and writes it as a tokenizer.json of the Hugging Face
 * `tokenizers` library: every byte is a token, so that any text can be written; then merges of the
 * most frequent pairs inside words; last the special tokens. */
#ifndef TI_TRAIN_BPE_H
#define TI_TRAIN_BPE_H

#include "base/error.h"

/* In this order behind the merges. */
enum ti_special {
    TI_BOS,
    TI_EOS,
    TI_SOI,
    TI_EOI,
    TI_THINK_EDIT,
    TI_THINK_GENERATE,
    TI_MASK,
    TI_SPECIALS
};
extern const char *const ti_special_names[TI_SPECIALS];

typedef struct ti_bpe ti_bpe;

te_status ti_bpe_create(ti_bpe **out, te_error *err);
void ti_bpe_free(ti_bpe *bpe);
te_status ti_bpe_add(ti_bpe *bpe, const char *text, te_error *err);
/* Merges until there are VOCAB tokens, special ones included, or no pair occurs twice. */
te_status ti_bpe_train(ti_bpe *bpe, int vocab, te_error *err);
te_status ti_bpe_write(const ti_bpe *bpe, const char *path, te_error *err);

#endif
