/* preview.c - contact sheets of the world: input, output, instruction and reasoning, to look at.
 *
 *     world-preview OUT.png [--seed N] [--held-out] [--category NAME] [--columns N] [--rows N]
 *     world-preview OUT.png --pictures                pictures for the image tokeniser
 */
#include <cairo.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "world/world.h"

enum { SIZE = 128, GAP = 8, TEXT = 74 };

typedef struct {
    const char *path;
    long seed, columns, rows;
    int category; /* -1: all */
    bool held_out, pictures;
} request;

static void paint_rgb(cairo_t *cr, const uint8_t *rgb, double x, double y)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, SIZE, SIZE);
    if (cairo_surface_status(s) == CAIRO_STATUS_SUCCESS) {
        uint8_t *data = cairo_image_surface_get_data(s);
        int stride = cairo_image_surface_get_stride(s);
        for (int v = 0; v < SIZE; v++)
            for (int u = 0; u < SIZE; u++, rgb += 3) {
                uint32_t pixel = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
                memcpy(data + v * stride + u * 4, &pixel, sizeof pixel);
            }
        cairo_surface_mark_dirty(s);
        cairo_set_source_surface(cr, s, x, y);
        cairo_paint(cr);
    }
    cairo_surface_destroy(s);
}

/* Wraps TEXT at WIDTH; the y below it. */
static double write_text(cairo_t *cr, const char *text, double x, double y, double width)
{
    char line[1024];
    size_t have = 0;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " "), before = have;
        if (have + n + 2 > sizeof line) break;
        if (have) line[have++] = ' ';
        memcpy(line + have, p, n);
        have += n;
        line[have] = '\0';
        cairo_text_extents_t box;
        cairo_text_extents(cr, line, &box);
        if (box.width > width && before) { /* show it without the last word, and try that again */
            line[before] = '\0';
            cairo_move_to(cr, x, y);
            cairo_show_text(cr, line);
            y += 9.5;
            have = 0;
            continue;
        }
        p += n;
        while (*p == ' ') p++;
    }
    if (have) {
        cairo_move_to(cr, x, y);
        cairo_show_text(cr, line);
    }
    return y + 9.5;
}

static te_status draw_sample(cairo_t *cr, const request *r, uint64_t seed, double x, double y,
                             te_error *err)
{
    ti_world_sample s;
    ti_world_split split = r->held_out ? TI_WORLD_HELD_OUT : TI_WORLD_TRAIN;
    te_status st =
        r->category < 0
            ? ti_world_make(&s, seed, split, SIZE, err)
            : ti_world_make_category(&s, seed, split, (ti_world_category)r->category, SIZE, err);
    if (st) return st;
    if (s.input) paint_rgb(cr, s.input, x, y);
    paint_rgb(cr, s.output, x + SIZE + 2, y);
    char title[600];
    snprintf(title, sizeof title, "[%s / %s] %s", ti_world_category_name(s.category), s.kind,
             s.instruction);
    cairo_set_source_rgb(cr, 0, 0, 0.5);
    double below = write_text(cr, title, x, y + SIZE + 9, 2 * SIZE);
    cairo_set_source_rgb(cr, 0, 0, 0);
    write_text(cr, s.reasoning, x, below, 2 * SIZE);
    ti_world_clear(&s);
    return TE_OK;
}

static te_status draw_sheet(const request *r, te_error *err)
{
    long cell_w = r->pictures ? SIZE + 2 : 2 * SIZE + 2 + GAP,
         cell_h = r->pictures ? SIZE + 2 : SIZE + TEXT;
    cairo_surface_t *sheet = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)(cell_w * r->columns), (int)(cell_h * r->rows));
    cairo_t *cr = cairo_create(sheet);
    uint8_t *rgb = ti_malloc_array((size_t)SIZE * SIZE, 3);
    te_status st = rgb && !cairo_status(cr)
                       ? TE_OK
                       : ti_fail_memory(err, "a contact sheet",
                                        (size_t)(cell_w * cell_h * r->columns * r->rows * 4));
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_set_font_size(cr, 8.5);
    for (long i = 0; !st && i < r->columns * r->rows; i++) {
        double x = (double)(i % r->columns * cell_w), y = (double)(i / r->columns * cell_h);
        uint64_t seed = (uint64_t)(r->seed + i);
        if (r->pictures) {
            st = ti_world_picture(rgb, seed, SIZE, err);
            if (!st) paint_rgb(cr, rgb, x, y);
        } else {
            st = draw_sample(cr, r, seed, x, y, err);
        }
    }
    if (!st && cairo_surface_write_to_png(sheet, r->path) != CAIRO_STATUS_SUCCESS)
        st =
            ti_fail(err, TE_IO, "%s: cannot write the sheet; check folder and disk space", r->path);
    free(rgb);
    cairo_destroy(cr);
    cairo_surface_destroy(sheet);
    return st;
}

static int category_of(const char *name)
{
    for (int i = 0; i < TI_WORLD_CATEGORIES; i++)
        if (!strcmp(name, ti_world_category_name((ti_world_category)i))) return i;
    return -1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"held-out", no_argument, NULL, 'o'},
                                            {"category", required_argument, NULL, 'c'},
                                            {"columns", required_argument, NULL, 'w'},
                                            {"rows", required_argument, NULL, 'h'},
                                            {"pictures", no_argument, NULL, 'p'},
                                            {0}};
    request r = {.columns = 5, .rows = 5, .category = -1};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 's')
            r.seed = strtol(optarg, NULL, 10);
        else if (o == 'o')
            r.held_out = true;
        else if (o == 'c')
            r.category = category_of(optarg);
        else if (o == 'w')
            r.columns = strtol(optarg, NULL, 10);
        else if (o == 'h')
            r.rows = strtol(optarg, NULL, 10);
        else if (o == 'p')
            r.pictures = true;
        else
            return 2;
    }
    if (optind + 1 != argc || r.columns < 1 || r.rows < 1 || r.columns > 40 || r.rows > 40) {
        fputs("usage: world-preview OUT.png [--seed N] [--held-out] [--category NAME] [--columns "
              "N] [--rows N] [--pictures]\n",
              stderr);
        return 2;
    }
    te_error err;
    r.path = argv[optind];
    if (draw_sheet(&r, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
