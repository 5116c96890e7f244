/* added.h - added tokens: strings found in the text itself before anything cuts it up. */
#ifndef TI_TEXT_ADDED_H
#define TI_TEXT_ADDED_H

#include "text/unicode.h"

typedef struct ti_added {
    char *content; /* owned */
    size_t length;
    int32_t id;
    bool single_word;    /* only between characters that are no part of a word */
    bool lstrip, rstrip; /* takes the white space before, behind */
} ti_added;

/* A set to look for; where several match, the leftmost counts, and the longest of those. */
typedef struct ti_added_set {
    ti_added *list;
    int n, capacity;
    int first[257]; /* list[first[b] .. first[b + 1] - 1] begin with byte b; valid once sorted */
} ti_added_set;

te_status ti_added_set_add(ti_added_set *set, ti_added token,
                           te_error *err); /* takes its content */
void ti_added_set_sort(ti_added_set *set); /* after the last add */
void ti_added_set_clear(ti_added_set *set);

/* Looks for the next token in TEXT. *at is where to look from, and behind the token afterwards;
 * DONE is the end of the last token found. The token, and the span it takes; NULL when there is
 * none. */
const ti_added *ti_added_set_next(const ti_added_set *set, const char *text, size_t n, size_t *at,
                                  size_t done, size_t *start, size_t *end);

#endif
