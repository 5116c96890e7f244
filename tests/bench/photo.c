/* photo.c - what a model does to real photographs, measured in CIE Lab.
 *
 *     photo-bench MODEL PHOTO... [--keep DIR] [--seed N] [--ceiling]
 *     photo-bench MODEL PHOTO... --asked FILE
 *
 * Each photograph is edited at full size, as `thinkedit edit` does it, by instructions whose effect
 * can be measured: the mean of L* (lightness), of b* (blue to yellow) and of chroma before and
 * after, how far the colours moved (Delta E), and how well the edges - magnitudes of the gradient
 * of L* - correlate with the original's. A Markdown table on standard output, one row an edit, with
 * the reasoning; --keep writes the pictures. --ceiling applies the world's own tone in the model's
 * place: what image tokeniser and compositing leave of a perfect answer. Exit status 1 if any edit
 * misses what is asked of it.
 *
 * --asked reads lines "TONE<tab>INSTRUCTION" (asked.tsv has 80 ways to ask that are in no training)
 * and counts the reasonings that give the picture that tone; those that do not are printed.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "picture/picture.h"
#include "start_gegl.h"
#include "world/tone.h"

typedef struct {
    double lightness, b, chroma; /* means */
    double most_chroma;          /* of all pixels but the most colourful thousandth */
} tones;

/* What an instruction must do: how far the means move, at least (negative: downwards), and how much
 * chroma may stay. 0 asks for nothing. */
typedef struct {
    const char *instruction, *name;
    ti_tone tone;
    double lightness, b, chroma, most_chroma;
} demand;

static const demand demands[] = {
    {"make it black and white", "black-and-white", TI_BLACK_AND_WHITE, .most_chroma = 2},
    {"make it warmer", "warmer", TI_WARMER, .b = 4},
    {"make it cooler", "cooler", TI_COOLER, .b = -4},
    {"make it brighter", "brighter", TI_BRIGHTER, .lightness = 8},
    {"make it darker", "darker", TI_DARKER, .lightness = -8},
    {"make it night", "night", TI_NIGHT_LIGHT, .lightness = -8, .b = -1},
    {"give it a sepia tone", "sepia", TI_SEPIA, .b = 0},
    {"golden hour light", "golden-hour", TI_GOLDEN_LIGHT, .b = 4},
    {"what would this look like in snow light", "snow-light", TI_SNOW_LIGHT, .b = -1},
    {"put it in fog", "fog", TI_FOGGY, .chroma = -2},
    {"make the colours faded", "faded", TI_FADED, .chroma = -2},
};
enum { DEMANDS = sizeof demands / sizeof *demands, MOST_TOKENS = 64 * 64 };

/* Pixels of BUFFER as Lab, three floats each; the caller's to free(). */
static float *read_lab(GeglBuffer *buffer, int *width, int *height, te_error *err)
{
    const GeglRectangle *all = gegl_buffer_get_extent(buffer);
    *width = all->width;
    *height = all->height;
    const size_t n = (size_t)all->width * (size_t)all->height;
    float *lab = ti_malloc_array(n, 3 * sizeof *lab);
    if (!lab) {
        ti_fail_memory(err, "a photograph", n * 12);
        return NULL;
    }
    gegl_buffer_get(buffer, all, 1.0, babl_format("CIE Lab float"), lab, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    return lab;
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* CHROMA: room for one float a pixel. */
static tones measure(const float *lab, size_t n, float *chroma)
{
    tones t = {0};
    for (size_t i = 0; i < n; i++) {
        const float *p = lab + 3 * i;
        chroma[i] = hypotf(p[1], p[2]);
        t.lightness += (double)p[0] / (double)n;
        t.b += (double)p[2] / (double)n;
        t.chroma += (double)chroma[i] / (double)n;
    }
    qsort(chroma, n, sizeof *chroma, ascending);
    t.most_chroma = (double)chroma[n - 1 - n / 1000];
    return t;
}

/* Mean distance of two pictures' colours (CIE 1976 Delta E). */
static double distance(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double l = (double)(a[3 * i] - b[3 * i]);
        sum += hypot(
            l, hypot((double)(a[3 * i + 1] - b[3 * i + 1]), (double)(a[3 * i + 2] - b[3 * i + 2])));
    }
    return sum / (double)n;
}

static double edge(const float *lab, int width, size_t i)
{
    const double dx = (double)(lab[3 * (i + 1)] - lab[3 * i]);
    const double dy = (double)(lab[3 * (i + (size_t)width)] - lab[3 * i]);
    return hypot(dx, dy);
}

/* Pearson's correlation of the two pictures' edges. */
static double edge_correlation(const float *a, const float *b, int width, int height)
{
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (int y = 0; y + 1 < height; y++)
        for (int x = 0; x + 1 < width; x++) {
            const size_t i = (size_t)y * (size_t)width + (size_t)x;
            const double p = edge(a, width, i), q = edge(b, width, i);
            n++;
            sa += p;
            sb += q;
            saa += p * p;
            sbb += q * q;
            sab += p * q;
        }
    const double both = (n * saa - sa * sa) * (n * sbb - sb * sb);
    return both > 0 ? (n * sab - sa * sb) / sqrt(both) : 0;
}

static bool moved(double by, double asked)
{
    return asked == 0 || (asked > 0 ? by >= asked : by <= asked);
}

typedef struct {
    te_model *model;
    const char *keep;
    te_options options;
    bool ceiling;
    float *chroma; /* room */
} bench;

/* The photograph after INSTRUCTION, at its own size, and what was said. */
static te_status edit(const bench *b, GeglBuffer *photo, const demand *d, GeglBuffer **out,
                      char **said, te_error *err)
{
    const GeglRectangle *all = gegl_buffer_get_extent(photo);
    int width, height;
    te_image *small = NULL;
    te_result *result = NULL, *perfect = NULL;
    te_model_working_size(b->model, all->width, all->height, &width, &height);
    te_status st = ti_picture_sample(&small, photo, NULL, width, height, err);
    if (!st) st = te_edit(b->model, small, d->instruction, &b->options, NULL, &result, err);
    if (!st && b->ceiling) {
        ti_tone_apply(d->tone, small->pixels, small->pixels, (size_t)width * (size_t)height);
        st = te_edit(b->model, small, d->instruction, &b->options, NULL, &perfect, err);
    }
    if (!st) {
        ti_carry job = {.original = photo,
                        .input = te_result_input(result),
                        .edited = te_result_image(result),
                        .format = ti_picture_colour_format(gegl_buffer_get_format(photo))};
        uint8_t every[MOST_TOKENS];
        memset(every, 1, sizeof every);
        job.change = te_result_change(result, &job.grid_width, &job.grid_height);
        if (perfect && job.grid_width * job.grid_height <= MOST_TOKENS) {
            job.edited = te_result_input(perfect);
            job.change = every;
        }
        *said = ti_strdup(te_result_reasoning(result));
        st = *said ? ti_picture_carry(&job, out, NULL, err)
                   : ti_fail_memory(err, "the reasoning", 1);
    }
    te_result_free(perfect);
    te_result_free(result);
    ti_picture_image_free(small);
    return st;
}

static te_status keep(const bench *b, GeglBuffer *after, const char *photo, const demand *d,
                      te_error *err)
{
    char path[4096];
    const char *slash = strrchr(photo, '/');
    if (!b->keep) return TE_OK;
    snprintf(path, sizeof path, "%s/%s-%s.png", b->keep, slash ? slash + 1 : photo, d->name);
    return ti_picture_save(after, path, err);
}

/* One row of the table; *missed counts edits that did not do what was asked. */
static te_status judge(const bench *b, const char *path, GeglBuffer *photo, const float *lab,
                       const demand *d, int *missed, te_error *err)
{
    GeglBuffer *after = NULL;
    char *said = NULL;
    float *edited = NULL;
    int width, height;
    te_status st = edit(b, photo, d, &after, &said, err);
    if (!st && !(edited = read_lab(after, &width, &height, err))) st = TE_NOMEM;
    if (!st) {
        const size_t n = (size_t)width * (size_t)height;
        const tones t = measure(lab, n, b->chroma), u = measure(edited, n, b->chroma);
        const double same = edge_correlation(lab, edited, width, height);
        const double far = distance(lab, edited, n);
        /* A grey photograph is black and white already, and stays. */
        const bool stays = d->most_chroma > 0 && t.most_chroma <= d->most_chroma;
        const bool holds = (far >= 3) != stays && moved(u.lightness - t.lightness, d->lightness) &&
                           moved(u.b - t.b, d->b) && same > 0.9 &&
                           moved(u.chroma - t.chroma, d->chroma) &&
                           (d->most_chroma == 0 || u.most_chroma <= d->most_chroma);
        *missed += !holds;
        printf("| %s | %+.1f | %+.1f | %.1f to %.1f | %.1f | %.3f | %s | %s |\n", d->instruction,
               u.lightness - t.lightness, u.b - t.b, t.chroma, u.chroma, far, same,
               holds ? "yes" : "**no**", said);
        st = keep(b, after, path, d, err);
    }
    free(edited);
    free(said);
    g_clear_object(&after);
    return st;
}

static te_status judge_photo(bench *b, const char *path, int *missed, te_error *err)
{
    GeglBuffer *photo = NULL;
    float *lab = NULL;
    int width, height;
    te_status st = ti_picture_load(&photo, path, err);
    if (!st && !(lab = read_lab(photo, &width, &height, err))) st = TE_NOMEM;
    if (!st) {
        b->chroma = ti_malloc_array((size_t)width * (size_t)height, sizeof *b->chroma);
        if (!b->chroma) st = ti_fail_memory(err, "a photograph", (size_t)width * (size_t)height);
    }
    if (!st)
        printf("\n%s, %d x %d\n\n| instruction | L* | b* | chroma | Delta E | edges | holds | "
               "reasoning |\n"
               "|---|---|---|---|---|---|---|---|\n",
               path, width, height);
    for (int i = 0; !st && i < DEMANDS; i++)
        st = judge(b, path, photo, lab, &demands[i], missed, err);
    free(b->chroma);
    free(lab);
    g_clear_object(&photo);
    return st;
}

/* The instruction of LINE, whose tone alone is left in it; NULL: it has no such form, or there is
 * no such tone. */
static const char *split(char *line)
{
    char *instruction = strchr(line, '\t');
    if (!instruction) return NULL;
    *instruction++ = 0;
    instruction[strcspn(instruction, "\n")] = 0;
    for (int t = 0; t < TI_TONES && *instruction; t++)
        if (!strcmp(line, ti_tone_phrase((ti_tone)t))) return instruction;
    return NULL;
}

/* Adds to *understood and *all what the model makes of FILE's instructions for the photograph. */
static te_status ask(const bench *b, const char *path, const char *file, int *understood, int *all,
                     te_error *err)
{
    GeglBuffer *photo = NULL;
    te_image *small = NULL;
    te_status st = ti_picture_load(&photo, path, err);
    if (!st) {
        const GeglRectangle *whole = gegl_buffer_get_extent(photo);
        int width, height;
        te_model_working_size(b->model, whole->width, whole->height, &width, &height);
        st = ti_picture_sample(&small, photo, NULL, width, height, err);
    }
    FILE *lines = st ? NULL : fopen(file, "r");
    if (!st && !lines) st = ti_fail(err, TE_IO, "%s cannot be read", file);
    for (char line[256], want[300]; !st && fgets(line, sizeof line, lines);) {
        te_result *result = NULL;
        const char *instruction = split(line);
        snprintf(want, sizeof want, "so give the picture %s.", line);
        st = instruction
                 ? te_edit(b->model, small, instruction, &b->options, NULL, &result, err)
                 : ti_fail(err, TE_INVALID, "%s: \"%s\" is no TONE<tab>INSTRUCTION", file, line);
        if (st) break;
        const bool right = strstr(te_result_reasoning(result), want) != NULL;
        *understood += right;
        ++*all;
        if (!right) printf("%s: %s\n", instruction, te_result_reasoning(result));
        te_result_free(result);
    }
    if (lines) fclose(lines);
    ti_picture_image_free(small);
    g_clear_object(&photo);
    return st;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"keep", required_argument, NULL, 'k'},
                                            {"asked", required_argument, NULL, 'a'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"ceiling", no_argument, NULL, 'c'},
                                            {0}};
    bench b = {0};
    te_error err;
    int missed = 0, understood = 0, all = 0;
    const char *asked = NULL;
    te_options_init(&b.options);
    b.options.seed = 1;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'k')
            b.keep = optarg;
        else if (o == 'a')
            asked = optarg;
        else if (o == 's')
            b.options.seed = strtol(optarg, NULL, 10);
        else if (o == 'c')
            b.ceiling = true;
        else
            optind = argc;
    }
    if (optind + 2 > argc) {
        fputs("usage: photo-bench MODEL PHOTO... [--keep DIR] [--seed N] [--ceiling] "
              "[--asked FILE]\n",
              stderr);
        return 2;
    }
    if (asked) b.options.image_steps = 1; /* the picture is not looked at */
    if (b.ceiling) b.options.text_steps = b.options.image_steps = 1;
    test_gegl_init();
    te_status st = te_model_open(&b.model, argv[optind], NULL, &err);
    for (int i = optind + 1; !st && i < argc; i++)
        st = asked ? ask(&b, argv[i], asked, &understood, &all, &err)
                   : judge_photo(&b, argv[i], &missed, &err);
    if (asked && !st) printf("%d of %d understood\n", understood, all);
    te_model_free(b.model);
    gegl_exit();
    if (st) fprintf(stderr, "%s\n", err.message);
    return st || missed ? 1 : 0;
}
