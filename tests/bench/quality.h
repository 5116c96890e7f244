/* quality.h - one judged answer of a model, and what both halves of quality-bench know about it. */
#ifndef BENCH_QUALITY_H
#define BENCH_QUALITY_H

#include <stdbool.h>
#include <stdio.h>

#include "thinkedit.h"

enum { QUALITY_STRATEGIES = 3, QUALITY_CATEGORIES = 7 }; /* te_strategy; ti_world_category */

typedef struct quality_answer {
    int strategy, category;
    long index;
    char kind[32];
    bool held_out_phrasing; /* else a held-out pair of things, or of thing and colour */
    bool text, image, output, has_unchanged; /* of the picture that the model draws */
    bool delivered_image, delivered_output;  /* of the edit carried over onto the input */
    double psnr,
        psnr_tokens; /* dB against the input, and against the input after the image tokeniser */
    double changed, seconds;
} quality_answer;

const char *quality_strategy_name(int strategy);
int quality_strategy_of(const char *name); /* -1: no such one */

/* One line of a results file; false when it is none (a line cut by a kill). */
bool quality_read_line(const char *line, quality_answer *out);
bool quality_write_line(FILE *file, const quality_answer *answer);

/* Reads every answer of a results file; *out is the caller's. A missing file has none. */
te_status quality_read_file(const char *path, quality_answer **out, size_t *n, te_error *err);

/* Markdown tables of N answers. */
te_status quality_report(FILE *file, const quality_answer *answers, size_t n, te_error *err);

#endif
