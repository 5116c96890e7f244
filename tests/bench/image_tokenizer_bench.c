/* image_tokenizer_bench.c - how fast the image tokeniser runs on the CPU.
 *
 *     image_tokenizer_bench full|small|MODEL.gguf SIZE [THREADS [ROUNDS [avx512|avx2|portable]]]
 *
 * `full` is MAGVIT-v2 as released and `small` a tenth of it, both of random weights. A picture of
 * SIZE x SIZE pixels is encoded and decoded ROUNDS times; printed are the best times, their parts,
 * the rate in multiply-adds x 2 of the convolutions and attention, a plain float32 matrix product
 * of the size of the largest convolution timed in between, the process's peak memory, and the
 * convolutions by shape. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm.h"
#include "random_network.h"
#include "vision/image_tokenizer.h"

static void must(te_status st, const te_error *err)
{
    if (!st) return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_model(const char *path, const random_network *n)
{
    te_error err;
    ti_gguf_writer *w = NULL;
    must(ti_gguf_writer_create(&w, path, &err), &err);
    must(random_network_declare(w, n, &err), &err);
    must(random_network_write(w, n, &err), &err);
    must(ti_gguf_finish(w, &err), &err);
    ti_gguf_writer_free(w);
}

/* ---- a backend that looks at the clock between the CPU's ops --------------------------------- */

typedef enum part { CONV, NORM, UPSAMPLE, ATTENTION, PARTS } part;

static const char *const part_names[PARTS] = {"conv", "group_norm", "upsample", "attention"};
static const ti_ops *cpu_ops; /* what the timed ops call: a benchmark has one device */
static double seconds[PARTS], work;

/* The convolutions of one shape: how many there were, and the quickest. */
static struct shape {
    ti_conv conv;
    int calls;
    double best, work;
} shapes[64];
static int n_shapes;

static void count_shape(const ti_conv *conv, double took, double done)
{
    int i = 0;
    while (i < n_shapes && memcmp(&shapes[i].conv, conv, sizeof *conv)) i++;
    if (i == n_shapes && n_shapes < (int)(sizeof shapes / sizeof *shapes))
        shapes[n_shapes++].conv = *conv;
    if (i == n_shapes) return;
    if (!shapes[i].calls++ || shapes[i].best > took) shapes[i].best = took;
    shapes[i].work = done;
}

static void timed_conv(ti_backend *be, float *y, const float *x, const ti_weight *w,
                       const ti_weight *bias, const ti_conv *s, bool accumulate)
{
    double start = now();
    cpu_ops->conv(be, y, x, w, bias, s, accumulate);
    double took = now() - start, done = 2.0 * s->out_height * s->out_width * s->out_channels *
                                        s->in_channels * s->kernel * s->kernel;
    seconds[CONV] += took;
    work += done;
    count_shape(s, took, done);
}

static void timed_norm(ti_backend *be, float *y, const float *x, const ti_weight *gain,
                       const ti_weight *bias, int n_pixels, int channels, int groups, float eps,
                       bool silu)
{
    double start = now();
    cpu_ops->group_norm(be, y, x, gain, bias, n_pixels, channels, groups, eps, silu);
    seconds[NORM] += now() - start;
}

static void timed_upsample(ti_backend *be, float *y, const float *x, int height, int width,
                           int channels)
{
    double start = now();
    cpu_ops->upsample(be, y, x, height, width, channels);
    seconds[UPSAMPLE] += now() - start;
}

static void timed_attention(ti_backend *be, float *y, const float *q, const float *k,
                            const float *v, int n_pixels, int channels)
{
    double start = now();
    cpu_ops->pixel_attention(be, y, q, k, v, n_pixels, channels);
    seconds[ATTENTION] += now() - start;
    work += 4.0 * n_pixels * n_pixels * channels;
}

/* ---- measuring ------------------------------------------------------------------------------- */

typedef struct figures {
    double best, parts[PARTS], work;
} figures;

static void take(figures *f, double took)
{
    if (f->best > took) {
        f->best = took;
        f->work = work;
        memcpy(f->parts, seconds, sizeof seconds);
    }
    memset(seconds, 0, sizeof seconds);
    work = 0;
}

static void print(const char *what, const figures *f)
{
    printf("%-7s %8.3f s %8.1f GFLOP %7.1f GFLOP/s", what, f->best, f->work * 1e-9,
           f->work / f->best * 1e-9);
    for (int p = 0; p < PARTS && f->parts[0] > 0; p++)
        printf("  %s %.3f", part_names[p], f->parts[p]);
    putchar('\n');
}

/* The product a 3 x 3 convolution over 256 channels of 64 x 64 pixels is. */
static double time_product(ti_gemm *gemm, const float *a, const float *b, float *c)
{
    ti_gemm_shape s = {.form = TI_GEMM_NT,
                       .m = 4096,
                       .n = 256,
                       .k = 2304,
                       .alpha = 1.0f,
                       .lda = 2304,
                       .ldb = 2304,
                       .ldc = 256};
    double start = now();
    ti_gemm_run(gemm, &s, a, b, c);
    work = 2.0 * s.m * s.n * s.k;
    return now() - start;
}

static void run(ti_image_tokenizer *t, ti_gemm *gemm, int size, int rounds)
{
    te_error err;
    int grid = size / ti_image_tokenizer_patch(t);
    size_t n = 3 * (size_t)size * (size_t)size;
    figures encode = {.best = 1e9}, decode = {.best = 1e9}, product = {.best = 1e9};
    float *rgb = malloc(n * sizeof *rgb), *a = calloc(4096 * 2304, sizeof *a);
    float *b = calloc(256 * 2304, sizeof *b), *c = calloc(4096 * 256, sizeof *c);
    int32_t *codes = malloc((size_t)grid * (size_t)grid * sizeof *codes);
    if (!rgb || !a || !b || !c || !codes) exit(1);
    for (size_t i = 0; i < n; i++) rgb[i] = (float)(i * 7919 % 1000) / 1000;
    for (int r = 0; r < rounds; r++) {
        double start = now();
        must(ti_image_tokenizer_encode(t, rgb, size, size, codes, NULL, &err), &err);
        take(&encode, now() - start);
        start = now();
        must(ti_image_tokenizer_decode(t, codes, grid, grid, rgb, false, NULL, &err), &err);
        take(&decode, now() - start);
        take(&product, time_product(gemm, a, b, c));
    }
    print("encode", &encode);
    print("decode", &decode);
    print("product", &product);
    for (int i = 0; i < n_shapes; i++) {
        const ti_conv *s = &shapes[i].conv;
        printf("%4d x %-4d %4d -> %-4d %d x %d  %2d times %7.3f ms %7.1f GFLOP/s\n", s->out_width,
               s->out_height, s->in_channels, s->out_channels, s->kernel, s->kernel,
               shapes[i].calls / rounds, 1e3 * shapes[i].best,
               1e-9 * shapes[i].work / shapes[i].best);
    }
    free(rgb), free(a), free(b), free(c), free(codes);
}

int main(int argc, char **argv)
{
    te_error err;
    char made[] = "/tmp/image-tokenizer-bench-XXXXXX";
    int size = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    int rounds = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 3;
    if (argc < 3 || size < 16 || rounds < 1) {
        fprintf(stderr, "usage: %s full|small|MODEL.gguf SIZE [THREADS [ROUNDS [LIMIT]]]\n",
                argv[0]);
        return 2;
    }
    const random_network *random = !strcmp(argv[1], "full")    ? &random_network_full
                                   : !strcmp(argv[1], "small") ? &random_network_small
                                                               : NULL;
    if (random) {
        int fd = mkstemp(made);
        if (fd < 0) return 1;
        close(fd);
        write_model(made, random);
    }
    ti_gguf *file = NULL;
    ti_backend *be = NULL;
    ti_image_tokenizer *t = NULL;
    ti_gemm *gemm = NULL;
    must(ti_gguf_open(&file, random ? made : argv[1], &err), &err);
    if (random) unlink(made);
    must(ti_cpu_create_limited(&be, argc > 5 ? argv[5] : NULL, threads, &err), &err);
    ti_cpu *cpu = (ti_cpu *)be;
    must(ti_gemm_create(&gemm, &cpu->features, cpu->threads, &err), &err);
    cpu_ops = be->op;
    ti_ops ops = *be->op;
    ops.conv = timed_conv;
    ops.group_norm = timed_norm;
    ops.upsample = timed_upsample;
    ops.pixel_attention = timed_attention;
    be->op = &ops;
    must(ti_image_tokenizer_create(&t, file, be, &err), &err);
    printf("%s; working memory %.0f MB\n", be->description,
           (double)ti_image_tokenizer_memory(t, size, size) * 1e-6);
    run(t, gemm, size, rounds);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak resident %.0f MB\n", (double)usage.ru_maxrss * 1024e-6);
    ti_image_tokenizer_free(t);
    be->op = cpu_ops;
    ti_gemm_free(gemm);
    ti_backend_free(be);
    ti_gguf_free(file);
    return 0;
}
