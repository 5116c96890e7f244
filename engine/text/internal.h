/* internal.h - what a tokenizer is, for the two files that make and use it. */
#ifndef TI_TEXT_INTERNAL_H
#define TI_TEXT_INTERNAL_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/split.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

#define TI_MAX_STEPS 16

/* One pre-tokeniser. The byte-level one is always last: behind it there is no text left to cut. */
typedef struct ti_pre_step {
    ti_splitter *splitter; /* NULL: the byte-level step does not cut */
    bool byte_level, add_prefix_space;
} ti_pre_step;

struct ti_tokenizer {
    char *name;
    ti_normal_form forms[TI_MAX_STEPS];
    int n_forms;
    ti_pre_step steps[TI_MAX_STEPS];
    int n_steps;
    ti_added_set added_raw;        /* looked for before normalising */
    ti_added_set added_normalized; /* and after */
    ti_vocab vocab;
    ti_merges merges;
    int32_t byte_id[256]; /* the token of a single byte, or -1 */
    int32_t unknown_id;   /* for a byte without a token; -1: such bytes are left out */
    bool fuse_unknown;
    bool ignore_merges; /* a word that is a token is that token */
};

/* Fills the zeroed *t from tokenizer.json; on failure the caller frees what is there. */
te_status ti_tokenizer_load(ti_tokenizer *t, const char *json, size_t length, te_error *err);

#endif
