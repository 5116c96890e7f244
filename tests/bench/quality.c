/* quality.c - how well a model edits: held-out edits and generations of the procedural world.
 *
 *     quality-bench MODEL -o RESULTS.jsonl [--edits N] [--generations N] [--strategy NAME]...
 *                   [--shard I/N] [--option NAME=VALUE]... [--threads N] [--pictures DIR]
 *                   [--ceiling | --targets]
 *     quality-bench --report RESULTS.jsonl...
 *
 * --report writes Markdown tables to standard output. Judged are the picture that the model draws
 * and what a person gets, the edit carried over onto the input.
 *
 * Runs through the public API. Every answer is one line of RESULTS, written as soon as it is known;
 * a run that was cut goes on where it stopped, and shards (1/2, 2/2) may run side by side into
 * files of their own. The same model, options and sample give the same answer: the sample's number
 * is the seed. --ceiling judges the truth instead, encoded and decoded by the model's image
 * tokeniser: what a backbone without faults could reach. --targets does so too, but with the codes
 * that training asks for: the input's where a token stays.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "picture/picture.h"
#include "quality.h"
#include "start_gegl.h"
#include "tools.h"
#include "world/check.h"
#include "world/pngfile.h"
#include "world/world.h"

enum { MAX_OPTIONS = 16, FIRST_SEED = 1000000 };

typedef struct {
    const char *model, *results, *pictures;
    long edits, generations, shard, shards;
    int threads;
    bool strategies[QUALITY_STRATEGIES], ceiling, targets; /* targets: and ceiling */
    char *options[MAX_OPTIONS];                            /* NAME=VALUE */
    int n_options;
} request;

typedef struct {
    const request *r;
    te_model *model;
    te_model_info info;
    quality_answer *done;
    size_t n_done;
    FILE *out;
} run;

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool is_done(const run *b, int strategy, long index)
{
    for (size_t i = 0; i < b->n_done; i++)
        if (b->done[i].strategy == strategy && b->done[i].index == index) return true;
    return false;
}

static te_status set_options(const run *b, int strategy, long index, te_options *opt, te_error *err)
{
    te_options_init(opt);
    opt->seed = index;
    opt->strategy = (te_strategy)strategy;
    te_status st = TE_OK;
    for (int i = 0; !st && i < b->r->n_options; i++) {
        char *name = b->r->options[i], *value = strchr(name, '=');
        if (!value) return ti_fail(err, TE_INVALID, "--option %s: write NAME=VALUE", name);
        *value = '\0';
        st = te_options_set(opt, name, value + 1, err);
        *value = '=';
    }
    return st;
}

/* Input, answer, what is delivered, and truth side by side, with the words in the name's place:
 * DIR/INDEX-STRATEGY.png and .txt */
static te_status keep_picture(const run *b, const ti_world_sample *s, const uint8_t *answer,
                              const uint8_t *delivered, const char *said, const quality_answer *a,
                              te_error *err)
{
    char path[4096];
    int size = s->size;
    size_t row = (size_t)size * 3;
    uint8_t *sheet = ti_calloc((size_t)size * row, 4);
    if (!sheet) return ti_fail_memory(err, "a picture to keep", (size_t)size * row * 4);
    const uint8_t *parts[4] = {s->input, answer, delivered, s->output};
    for (int y = 0; y < size; y++)
        for (int p = 0; p < 4; p++)
            if (parts[p])
                memcpy(sheet + ((size_t)y * 4 + (size_t)p) * row, parts[p] + (size_t)y * row, row);
    snprintf(path, sizeof path, "%s/%05ld-%s.png", b->r->pictures, a->index,
             quality_strategy_name(a->strategy));
    te_status st = ti_world_png_write(path, sheet, 4 * size, size, err);
    free(sheet);
    if (st) return st;
    snprintf(path, sizeof path, "%s/%05ld-%s.txt", b->r->pictures, a->index,
             quality_strategy_name(a->strategy));
    FILE *file = fopen(path, "w");
    if (!file) return ti_fail(err, TE_IO, "%s: cannot be written; check the folder", path);
    fprintf(file, "%s / %s\ntext %d image %d output %d psnr %.1f\n%s\nsaid:  %s\ntruth: %s\n",
            ti_world_category_name(s->category), s->kind, a->text, a->image, a->output, a->psnr,
            s->instruction, said, s->reasoning);
    fclose(file);
    return TE_OK;
}

/* Pixels of an API image as rgb [size][size][3]. */
static te_status take_pixels(const te_image *image, int size, uint8_t *rgb, te_error *err)
{
    if (image->width != size || image->height != size || image->channels != 3 ||
        image->depth != TE_U8)
        return ti_fail(err, TE_UNSUPPORTED,
                       "the model answers with %d x %d pixels; the bench wants %d x %d",
                       image->width, image->height, size, size);
    for (int y = 0; y < size; y++)
        memcpy(rgb + (size_t)y * (size_t)size * 3,
               (const uint8_t *)image->pixels + (size_t)y * image->stride, (size_t)size * 3);
    return TE_OK;
}

/* What a person gets of the answer: the edit carried over onto the input, as PICTURE. */
static te_status deliver(const ti_world_sample *s, const te_result *result, uint8_t *picture,
                         te_error *err)
{
    const te_image input = {s->input, s->size, s->size, 3, TE_U8, (size_t)s->size * 3};
    GeglBuffer *original = ti_picture_to_buffer(&input), *out = NULL;
    ti_carry job = {
        .original = original, .input = te_result_input(result), .edited = te_result_image(result)};
    job.change = te_result_change(result, &job.grid_width, &job.grid_height);
    te_status st = original ? ti_picture_carry(&job, &out, NULL, err)
                            : ti_fail_memory(err, "the input", (size_t)s->size * input.stride);
    if (!st)
        gegl_buffer_get(out, NULL, 1, babl_format("R'G'B' u8"), picture, GEGL_AUTO_ROWSTRIDE,
                        GEGL_ABYSS_NONE);
    g_clear_object(&out);
    g_clear_object(&original);
    return st;
}

/* RESULT NULL: ANSWER stands for what a model without faults draws, and says the truth. */
static te_status judge(const run *b, const ti_world_sample *s, const te_result *result,
                       const te_image *answer, quality_answer *a, te_error *err)
{
    const char *said = result ? te_result_reasoning(result) : s->reasoning;
    size_t bytes = (size_t)s->size * (size_t)s->size * 3;
    uint8_t *picture = ti_malloc_array(bytes, 1), *reference = ti_malloc_array(bytes, 1);
    te_status st = picture && reference ? TE_OK : ti_fail_memory(err, "an answer", 2 * bytes);
    ti_verdict v;
    if (!st) st = take_pixels(answer, s->size, picture, err);
    if (!st) st = ti_check(&v, s, picture, s->input, said, err);
    if (!st) {
        a->text = v.text;
        a->image = v.image;
        a->output = v.output;
        a->has_unchanged = v.has_unchanged;
        a->psnr = v.psnr;
        a->changed = v.changed;
    }
    a->delivered_image = a->image;
    a->delivered_output = a->output;
    const bool edited = result && te_result_input(result);
    if (!st && edited) {
        st = take_pixels(te_result_input(result), s->size, reference, err);
        if (!st) st = ti_check(&v, s, picture, reference, said, err);
        if (!st) a->psnr_tokens = v.psnr;
        if (!st) st = deliver(s, result, reference, err);
        if (!st) st = ti_check(&v, s, reference, NULL, said, err);
        if (!st) {
            a->delivered_image = v.image;
            a->delivered_output = v.output;
        }
    }
    if (!st && b->r->pictures)
        st = keep_picture(b, s, picture, edited ? reference : NULL, said, a, err);
    free(picture);
    free(reference);
    return st;
}

/* The true output as the image tokeniser has it, by its own codes or by those of a target. */
static te_status draw_truth(const run *b, const ti_world_sample *s, te_image **out, te_error *err)
{
    const size_t row = (size_t)s->size * 3;
    const te_image after = {s->output, s->size, s->size, 3, TE_U8, row};
    const te_image before = {s->input, s->size, s->size, 3, TE_U8, row};
    int32_t *codes = NULL, *copied = NULL;
    int w, h;
    te_status st = te_tool_encode_picture(b->model, &after, &codes, &w, &h, err);
    if (!st && b->r->targets && s->input)
        st = te_tool_encode_picture(b->model, &before, &copied, &w, &h, err);
    for (int t = 0; !st && copied && t < w * h; t++)
        if (ti_world_token_stays(s, w, t)) codes[t] = copied[t];
    if (!st) st = te_tool_decode_picture(b->model, codes, w, h, out, err);
    te_free(codes);
    te_free(copied);
    return st;
}

static te_status answer_one(run *b, int strategy, long index, te_error *err)
{
    bool generation = index >= b->r->edits;
    int category = generation ? TI_WORLD_GENERATION : (int)(index % TI_WORLD_GENERATION);
    int size = b->info.width;
    te_options opt;
    ti_world_sample s;
    te_result *result = NULL;
    te_image *truth = NULL;
    te_status st = set_options(b, strategy, index, &opt, err);
    if (!st)
        st = ti_world_make_category(&s, (uint64_t)(FIRST_SEED + index), TI_WORLD_HELD_OUT,
                                    (ti_world_category)category, size, err);
    if (st) return st;
    quality_answer a = {.strategy = strategy, .category = category, .index = index};
    snprintf(a.kind, sizeof a.kind, "%s", s.kind);
    a.held_out_phrasing = s.facts->held_out_phrasing;
    double began = now_seconds();
    if (b->r->ceiling) {
        st = draw_truth(b, &s, &truth, err);
    } else if (generation) {
        st = te_generate(b->model, s.instruction, size, size, &opt, NULL, &result, err);
    } else {
        te_image picture = {s.input, size, size, 3, TE_U8, (size_t)size * 3};
        st = te_edit(b->model, &picture, s.instruction, &opt, NULL, &result, err);
    }
    a.seconds = now_seconds() - began;
    if (!st) st = judge(b, &s, result, truth ? truth : te_result_image(result), &a, err);
    if (!st && !quality_write_line(b->out, &a))
        st = ti_fail(err, TE_IO, "%s: cannot write; check disk space", b->r->results);
    te_image_free(truth);
    te_result_free(result);
    ti_world_clear(&s);
    return st;
}

static te_status run_all(run *b, te_error *err)
{
    te_status st = TE_OK;
    long n = b->r->edits + b->r->generations, done = 0;
    for (long i = b->r->shard; !st && i < n; i += b->r->shards)
        for (int s = 0; !st && s < QUALITY_STRATEGIES; s++) {
            if (!b->r->strategies[s] || is_done(b, s, i)) continue;
            st = answer_one(b, s, i, err);
            fprintf(stderr, "\r%ld answers, sample %ld of %ld ", ++done, i + 1, n);
        }
    fputc('\n', stderr);
    return st;
}

static te_status run_bench(const request *r, te_error *err)
{
    run b = {.r = r};
    te_model_options options = {.threads = r->threads};
    te_status st = te_model_open(&b.model, r->model, &options, err);
    if (!st) {
        te_model_get_info(b.model, &b.info);
        st = quality_read_file(r->results, &b.done, &b.n_done, err);
    }
    if (!st && b.info.width != b.info.height)
        st = ti_fail(err, TE_UNSUPPORTED, "%s works at %d x %d; the bench wants a square", r->model,
                     b.info.width, b.info.height);
    if (!st && !(b.out = fopen(r->results, "a")))
        st = ti_fail(err, TE_IO, "%s: cannot be written; check the folder", r->results);
    if (!st) st = run_all(&b, err);
    if (b.out) fclose(b.out);
    free(b.done);
    te_model_free(b.model);
    return st;
}

static te_status report_files(char **paths, int n_paths, te_error *err)
{
    quality_answer *answers = NULL;
    size_t n = 0;
    te_status st = TE_OK;
    for (int i = 0; !st && i < n_paths; i++) st = quality_read_file(paths[i], &answers, &n, err);
    if (!st && !n)
        st = ti_fail(err, TE_FORMAT, "%s: no answers in it; run the bench first", paths[0]);
    if (!st) st = quality_report(stdout, answers, n, err);
    free(answers);
    return st;
}

static bool parse(int argc, char **argv, request *r, bool *report)
{
    static const struct option options[] = {{"edits", required_argument, NULL, 'e'},
                                            {"generations", required_argument, NULL, 'g'},
                                            {"strategy", required_argument, NULL, 's'},
                                            {"shard", required_argument, NULL, 'h'},
                                            {"option", required_argument, NULL, 'p'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"pictures", required_argument, NULL, 'k'},
                                            {"report", no_argument, NULL, 'r'},
                                            {"ceiling", no_argument, NULL, 'c'},
                                            {"targets", no_argument, NULL, 'a'},
                                            {0}};
    bool any = false;
    for (int o; (o = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        int strategy = o == 's' ? quality_strategy_of(optarg) : 0;
        if (o == 'o')
            r->results = optarg;
        else if (o == 'e')
            r->edits = strtol(optarg, NULL, 10);
        else if (o == 'g')
            r->generations = strtol(optarg, NULL, 10);
        else if (o == 's' && strategy >= 0)
            any = r->strategies[strategy] = true;
        else if (o == 'h' && sscanf(optarg, "%ld/%ld", &r->shard, &r->shards) == 2)
            r->shard--;
        else if (o == 'p' && r->n_options < MAX_OPTIONS)
            r->options[r->n_options++] = optarg;
        else if (o == 't')
            r->threads = (int)strtol(optarg, NULL, 10);
        else if (o == 'k')
            r->pictures = optarg;
        else if (o == 'c')
            r->ceiling = true;
        else if (o == 'a')
            r->ceiling = r->targets = true;
        else if (o == 'r')
            *report = true;
        else
            return false;
    }
    for (int i = 0; i < QUALITY_STRATEGIES && !any; i++) r->strategies[i] = true;
    if (*report) return optind < argc;
    r->model = optind < argc ? argv[optind] : NULL;
    return optind + 1 == argc && r->results && r->edits >= 0 && r->generations >= 0 &&
           r->shard >= 0 && r->shard < r->shards;
}

int main(int argc, char **argv)
{
    request r = {.edits = 504, .generations = 100, .shards = 1};
    bool report = false;
    te_error err;
    if (!parse(argc, argv, &r, &report)) {
        fputs("usage: quality-bench MODEL -o RESULTS.jsonl [--edits N] [--generations N] "
              "[--strategy NAME]... [--shard I/N]\n"
              "                     [--option NAME=VALUE]... [--threads N] [--pictures DIR]\n"
              "                     [--ceiling | --targets]\n"
              "       quality-bench --report RESULTS.jsonl...\n",
              stderr);
        return 2;
    }
    test_gegl_init();
    te_status st = report ? report_files(argv + optind, argc - optind, &err) : run_bench(&r, &err);
    if (st) fprintf(stderr, "%s\n", err.message);
    return st ? 1 : 0;
}
