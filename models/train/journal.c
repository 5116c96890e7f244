/* journal.c - see journal.h */
#include "journal.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double ti_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Keeps the header and the rows of earlier steps. */
static te_status cut_back(const ti_journal *j, int64_t step, te_error *err)
{
    char line[512], part[sizeof j->csv + 8];
    snprintf(part, sizeof part, "%s.part", j->csv);
    FILE *from = fopen(j->csv, "r"), *to = fopen(part, "w");
    if (!to) {
        if (from) fclose(from);
        return ti_fail(err, TE_IO, "%s: cannot be written", part);
    }
    fputs("step", to);
    for (int i = 0; i < j->n; i++) fprintf(to, ",%s", j->columns[i]);
    fputc('\n', to);
    while (from && fgets(line, sizeof line, from)) {
        char *end;
        long long at = strtoll(line, &end, 10);
        if (end != line && at <= step) fputs(line, to);
    }
    if (from) fclose(from);
    bool bad = fclose(to) != 0 || rename(part, j->csv) != 0;
    return bad ? ti_fail(err, TE_IO, "%s: cannot be written", j->csv) : TE_OK;
}

te_status ti_journal_open(ti_journal *j, const char *stem, const char *const *columns, int64_t step,
                          int64_t steps, te_error *err)
{
    *j = (ti_journal){
        .columns = columns, .steps = steps, .first_step = step, .started = ti_seconds()};
    while (columns[j->n]) j->n++;
    snprintf(j->csv, sizeof j->csv, "%s.csv", stem);
    snprintf(j->png, sizeof j->png, "%s.png", stem);
    return cut_back(j, step, err);
}

te_status ti_journal_write(ti_journal *j, int64_t step, const double *values, double tokens,
                           te_error *err)
{
    FILE *file = fopen(j->csv, "a");
    if (!file) return ti_fail(err, TE_IO, "%s: cannot be written", j->csv);
    fprintf(file, "%lld", (long long)step);
    for (int i = 0; i < j->n; i++) fprintf(file, ",%.6g", values[i]);
    fputc('\n', file);
    if (fclose(file)) return ti_fail(err, TE_IO, "%s: cannot be written", j->csv);

    double spent = ti_seconds() - j->started, done = (double)(step - j->first_step);
    double left = done > 0 ? spent / done * (double)(j->steps - step) : 0;
    fprintf(stderr, "step %lld of %lld", (long long)step, (long long)j->steps);
    for (int i = 0; i < j->n; i++) fprintf(stderr, "  %s %.4g", j->columns[i], values[i]);
    fprintf(stderr, "  %.0f tokens/s  %.0f min left\n", tokens / spent, left / 60);
    return TE_OK;
}

/* ---- the picture: one small chart per column, smoothed by eye ---------------------------- */

typedef struct table {
    double *cells; /* [rows][1 + n] */
    int rows, capacity;
} table;

static te_status read_table(const ti_journal *j, table *t, te_error *err)
{
    char line[512];
    FILE *file = fopen(j->csv, "r");
    if (!file) return ti_fail(err, TE_IO, "%s: cannot be read", j->csv);
    while (fgets(line, sizeof line, file)) {
        if (t->rows == t->capacity) {
            int capacity = t->capacity ? 2 * t->capacity : 256;
            double *cells =
                realloc(t->cells, (size_t)capacity * (size_t)(j->n + 1) * sizeof *cells);
            if (!cells) {
                fclose(file);
                return ti_fail(err, TE_NOMEM, "no memory for the curve");
            }
            t->cells = cells;
            t->capacity = capacity;
        }
        double *row = t->cells + (size_t)t->rows * (size_t)(j->n + 1);
        char *at = line, *end;
        int i = 0;
        for (; i <= j->n; i++, at = end + (*end == ',')) {
            row[i] = strtod(at, &end);
            if (end == at) break;
        }
        if (i == j->n + 1) t->rows++;
    }
    fclose(file);
    return TE_OK;
}

#define CHART_WIDTH  360
#define CHART_HEIGHT 200

static void draw_chart(cairo_t *cr, const ti_journal *j, const table *t, int column, double x,
                       double y)
{
    const int n = j->n + 1;
    double low = INFINITY, high = -INFINITY, last = 0;
    for (int r = 0; r < t->rows; r++) {
        last = t->cells[r * n + column + 1];
        low = last < low ? last : low;
        high = last > high ? last : high;
    }
    char text[128];
    snprintf(text, sizeof text, "%s   %.4g .. %.4g   now %.4g", j->columns[column], low, high,
             last);
    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_move_to(cr, x + 10, y + 16);
    cairo_show_text(cr, text);
    cairo_set_source_rgb(cr, 0.8, 0.8, 0.8);
    cairo_rectangle(cr, x + 10.5, y + 24.5, CHART_WIDTH - 20, CHART_HEIGHT - 40);
    cairo_stroke(cr);
    cairo_set_source_rgb(cr, 0.1, 0.3, 0.7);
    const double first = t->cells[0], span = t->cells[(t->rows - 1) * n] - first;
    for (int r = 0; r < t->rows; r++) {
        double u = span > 0 ? (t->cells[r * n] - first) / span : 0;
        double v = high > low ? (t->cells[r * n + column + 1] - low) / (high - low) : 0.5;
        cairo_line_to(cr, x + 10 + u * (CHART_WIDTH - 20),
                      y + CHART_HEIGHT - 16 - v * (CHART_HEIGHT - 42));
    }
    cairo_stroke(cr);
}

te_status ti_journal_draw(const ti_journal *j, te_error *err)
{
    table t = {0};
    te_status st = read_table(j, &t, err);
    if (!st && t.rows > 1) {
        const int rows = (j->n + 1) / 2;
        cairo_surface_t *surface =
            cairo_image_surface_create(CAIRO_FORMAT_RGB24, 2 * CHART_WIDTH, rows * CHART_HEIGHT);
        cairo_t *cr = cairo_create(surface);
        cairo_set_source_rgb(cr, 1, 1, 1);
        cairo_paint(cr);
        cairo_set_line_width(cr, 1);
        for (int i = 0; i < j->n; i++)
            draw_chart(cr, j, &t, i, i % 2 * CHART_WIDTH, i / 2 * CHART_HEIGHT);
        cairo_destroy(cr);
        if (cairo_surface_write_to_png(surface, j->png) != CAIRO_STATUS_SUCCESS)
            st = ti_fail(err, TE_IO, "%s: cannot be written", j->png);
        cairo_surface_destroy(surface);
    }
    free(t.cells);
    return st;
}
