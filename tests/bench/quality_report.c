/* quality_report.c - answers as Markdown tables with bootstrap intervals; see quality.h
 *
 * An interval is the middle 95 % of the figure over a thousand samples drawn with replacement, from
 * a fixed seed, so that the same results give the same page. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "quality.h"
#include "world/world.h"

enum { ROUNDS = 1000, EDITS = TI_WORLD_CATEGORIES, ALL, PHRASING, CONTENT };

typedef double (*figure_fn)(const quality_answer *answer); /* NAN: has none */

static double text_of(const quality_answer *a)
{
    return 100.0 * a->text;
}

static double image_of(const quality_answer *a)
{
    return 100.0 * a->image;
}

static double output_of(const quality_answer *a)
{
    return 100.0 * a->output;
}

static double delivered_image_of(const quality_answer *a)
{
    return 100.0 * a->delivered_image;
}

static double delivered_output_of(const quality_answer *a)
{
    return 100.0 * a->delivered_output;
}

static double psnr_of(const quality_answer *a)
{
    return a->has_unchanged ? a->psnr : NAN;
}

static double tokens_of(const quality_answer *a)
{
    return a->has_unchanged ? a->psnr_tokens : NAN;
}

static double changed_of(const quality_answer *a)
{
    return a->has_unchanged ? 100 * a->changed : NAN;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* "93.1 (91.0-95.2)" of N values; VALUES is only read. */
static void print_figure(FILE *file, const double *values, size_t n)
{
    double means[ROUNDS], sum = 0;
    if (!n) {
        fputs(" - |", file);
        return;
    }
    for (size_t i = 0; i < n; i++) sum += values[i];
    for (int r = 0; r < ROUNDS; r++) {
        ti_random random = {20251, (uint64_t)r};
        double drawn = 0;
        for (size_t i = 0; i < n; i++) drawn += values[ti_random_below(random, i, (uint32_t)n)];
        means[r] = drawn / (double)n;
    }
    qsort(means, ROUNDS, sizeof *means, ascending);
    fprintf(file, " %.1f (%.1f-%.1f) |", sum / (double)n, means[ROUNDS / 40],
            means[ROUNDS - 1 - ROUNDS / 40]);
}

/* CATEGORY may be EDITS, ALL, PHRASING or CONTENT: what of the sample training never saw. */
static bool belongs(const quality_answer *a, int strategy, int category)
{
    if (a->strategy != strategy) return false;
    if (category == EDITS) return a->category != TI_WORLD_GENERATION;
    if (category == PHRASING || category == CONTENT)
        return a->held_out_phrasing == (category == PHRASING);
    return category == ALL || a->category == category;
}

static void print_row(FILE *file, const char *name, const quality_answer *answers, size_t n,
                      int strategy, int category, double *values)
{
    static const figure_fn figures[] = {
        text_of, image_of,  output_of, delivered_image_of, delivered_output_of,
        psnr_of, tokens_of, changed_of};
    size_t rows = 0;
    double seconds = 0;
    for (size_t i = 0; i < n; i++)
        if (belongs(&answers[i], strategy, category)) {
            rows++;
            seconds += answers[i].seconds;
        }
    if (!rows) return;
    fprintf(file, "| %s | %zu |", name, rows);
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
        size_t found = 0;
        for (size_t i = 0; i < n; i++) {
            double v = belongs(&answers[i], strategy, category) ? figures[f](&answers[i]) : NAN;
            if (!isnan(v)) values[found++] = v;
        }
        print_figure(file, values, found);
    }
    fprintf(file, " %.1f |\n", seconds / (double)rows);
}

static void print_head(FILE *file, const char *first)
{
    fprintf(
        file,
        "| %s | n | text align. %% | image align. %% | output align. %% | image, delivered %% | "
        "output, delivered %% | unchanged, dB | against the tokeniser's input, dB | "
        "changed pixels %% | s |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|\n",
        first);
}

static const char *row_name(int category)
{
    static const char *const groups[] = {"all edits", "all", "phrasing never seen",
                                         "things never seen"};
    return category >= EDITS ? groups[category - EDITS]
                             : ti_world_category_name((ti_world_category)category);
}

/* Which kinds fail most, for those who train. */
static void print_weakest(FILE *file, const quality_answer *answers, size_t n, int strategy)
{
    fprintf(file,
            "\n### Kinds below 85 %% image alignment as delivered, %s decoding\n\n| kind | n | "
            "text %% | "
            "image %% | image, delivered %% | output, delivered %% |\n|---|---|---|---|---|---|\n",
            quality_strategy_name(strategy));
    for (size_t i = 0; i < n; i++) {
        int rows = 0, text = 0, image = 0, delivered = 0, output = 0;
        bool first = answers[i].strategy == strategy;
        for (size_t k = 0; k < n && first; k++) {
            const quality_answer *a = &answers[k];
            if (a->strategy != strategy || a->category != answers[i].category ||
                strcmp(a->kind, answers[i].kind) != 0)
                continue;
            if (k < i) first = false;
            rows++;
            text += a->text;
            image += a->image;
            delivered += a->delivered_image;
            output += a->delivered_output;
        }
        if (first && rows && delivered < 0.85 * rows)
            fprintf(file, "| %s / %s | %d | %.0f | %.0f | %.0f | %.0f |\n",
                    ti_world_category_name((ti_world_category)answers[i].category), answers[i].kind,
                    rows, 100.0 * text / rows, 100.0 * image / rows, 100.0 * delivered / rows,
                    100.0 * output / rows);
    }
}

static bool has_strategy(const quality_answer *answers, size_t n, int strategy)
{
    for (size_t i = 0; i < n; i++)
        if (answers[i].strategy == strategy) return true;
    return false;
}

te_status quality_report(FILE *file, const quality_answer *answers, size_t n, te_error *err)
{
    double *values = ti_malloc_array(n, sizeof *values);
    if (!values) return ti_fail_memory(err, "the report", n * sizeof *values);
    fputs("## Held-out bench\n\nEvery sample has a phrasing, or a pair of things or of thing and "
          "colour, that training never saw. In brackets: bootstrap intervals of 95 %.\n"
          "\"Delivered\" is judged on what a person gets: the edit carried over onto the input; "
          "all the rest on the picture that the model draws, before compositing.\n"
          "\"Unchanged\" is the mean PSNR where nothing should change.\n",
          file);
    fputs("\n### Decoding\n\n", file);
    print_head(file, "all edits");
    for (int s = 0; s < QUALITY_STRATEGIES; s++)
        print_row(file, quality_strategy_name(s), answers, n, s, EDITS, values);
    for (int s = 0; s < QUALITY_STRATEGIES; s++) {
        if (!has_strategy(answers, n, s)) continue;
        fprintf(file, "\n### By category, %s decoding\n\n", quality_strategy_name(s));
        print_head(file, "category");
        for (int c = 0; c <= CONTENT; c++) print_row(file, row_name(c), answers, n, s, c, values);
    }
    for (int s = 0; s < QUALITY_STRATEGIES; s++)
        if (has_strategy(answers, n, s)) print_weakest(file, answers, n, s);
    free(values);
    return TE_OK;
}
