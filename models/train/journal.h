/* journal.h - what a training run tells: a progress line on stderr, the curve as CSV, and a picture
 * of it. The CSV is cut back to the step a run resumes from, so that it is the same as if nothing
 * had happened. */
#ifndef TI_TRAIN_JOURNAL_H
#define TI_TRAIN_JOURNAL_H

#include "base/error.h"

#define TI_JOURNAL_COLUMNS 8

typedef struct ti_journal {
    char csv[512], png[512];
    const char *const *columns; /* NULL-terminated, at most TI_JOURNAL_COLUMNS; borrowed */
    int n;
    int64_t steps;
    double started; /* seconds */
    int64_t first_step;
} ti_journal;

/* STEM is the path of the run's files without ending. Rows of steps > STEP are dropped. */
te_status ti_journal_open(ti_journal *j, const char *stem, const char *const *columns, int64_t step,
                          int64_t steps, te_error *err);
/* One row; TOKENS: how many were trained on since the run began, for the progress line. */
te_status ti_journal_write(ti_journal *j, int64_t step, const double *values, double tokens,
                           te_error *err);
te_status ti_journal_draw(const ti_journal *j, te_error *err);
double ti_seconds(void); /* monotonic */

#endif
