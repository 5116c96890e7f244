/* split.h - the Split pre-tokeniser: cuts a text at the matches of a regular expression.
 *
 * The files' expressions are written for Oniguruma in Ruby syntax and run here in PCRE2 with
 * Unicode properties, untranslated. What the two read differently (nested classes, && in a class,
 * \h, (?m)) is refused by name. A budget of match steps ends an expression that backtracks without
 * end. */
#ifndef TI_TEXT_SPLIT_H
#define TI_TEXT_SPLIT_H

#include "base/error.h"

typedef enum ti_split_behavior {
    TI_SPLIT_REMOVED,
    TI_SPLIT_ISOLATED,
    TI_SPLIT_MERGED_WITH_PREVIOUS,
    TI_SPLIT_MERGED_WITH_NEXT,
    TI_SPLIT_CONTIGUOUS
} ti_split_behavior;

typedef struct ti_splitter ti_splitter;

/* PATTERN of N bytes; LITERAL takes it as plain text. INVERT swaps matches and the rest. NAME
 * stands in messages. */
te_status ti_splitter_create(ti_splitter **out, const char *name, const char *pattern, size_t n,
                             bool literal, ti_split_behavior behavior, bool invert, te_error *err);
void ti_splitter_free(ti_splitter *splitter);

typedef struct ti_piece {
    size_t start, end; /* bytes */
    bool match;
} ti_piece;

typedef struct ti_pieces {
    ti_piece *list;
    size_t n, capacity;
} ti_pieces;

void ti_pieces_clear(ti_pieces *pieces);
/* The pieces of TEXT (valid UTF-8), in order; some may be empty. Safe from several threads. */
te_status ti_splitter_run(const ti_splitter *splitter, const char *text, size_t n, ti_pieces *out,
                          te_error *err);

#endif
