/* bpe.h - byte-pair encoding of one word: the merge of lowest rank first, the leftmost of equals.
 */
#ifndef TI_TEXT_BPE_H
#define TI_TEXT_BPE_H

#include "base/error.h"

typedef struct ti_merge {
    int32_t left, right; /* ids; left is -1 in a free slot */
    int32_t rank, id;    /* id: what the pair becomes */
} ti_merge;

typedef struct ti_merges {
    ti_merge *slots; /* open addressing */
    size_t mask;
} ti_merges;

te_status ti_merges_init(ti_merges *merges, size_t n, te_error *err); /* room for n */
void ti_merges_clear(ti_merges *merges);
void ti_merges_put(ti_merges *merges, ti_merge merge); /* a pair put again replaces the first */

/* One symbol of the word being merged. */
typedef struct ti_symbol {
    int32_t id;         /* -1 once merged into its left neighbour */
    int32_t prev, next; /* -1 at the ends */
} ti_symbol;

/* Working memory, reused from word to word. Zero-initialised is empty. */
typedef struct ti_bpe {
    ti_symbol *symbols;
    struct ti_candidate *heap;
    size_t capacity;
} ti_bpe;

te_status ti_bpe_reserve(ti_bpe *bpe, size_t n, te_error *err); /* for a word of n symbols */
void ti_bpe_clear(ti_bpe *bpe);
/* Merges the first N symbols, of which the caller has filled in the ids (links are set here). Those
 * left over are the ones with id >= 0, in order. */
void ti_bpe_merge(ti_bpe *bpe, size_t n, const ti_merges *merges);

#endif
