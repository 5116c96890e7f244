/* peak_bench.c - what cuBLASLt reaches on this card: large squares in bf16, which is the peak
 * everything else is measured against, then the shapes of a forward pass in bf16 and FP8. Random
 * data: zeros run faster. The last line is the peak in TFLOP/s alone. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backend/cuda/matmul.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(cudaError_t code)
{
    if (code == cudaSuccess) return;
    fprintf(stderr, "peak_bench: %s\n", cudaGetErrorString(code));
    exit(1);
}

/* BYTES on the card: bf16 between -1 and 1, or E4M3 below 1 when EIGHT. Repeats after 64 MB. */
static void *random_bytes(size_t bytes, bool eight)
{
    enum { PERIOD = 64 << 20 };
    char *memory;
    unsigned char *host = malloc(PERIOD);
    if (!host) exit(1);
    unsigned state = 12345;
    for (size_t i = 0; i < PERIOD && i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        unsigned random = state >> 24;
        host[i] = (unsigned char)(eight   ? random & 0xB7
                                  : i % 2 ? (random & 0x80) | 0x3F
                                          : random & 0x7F);
    }
    check(cudaMalloc((void **)&memory, bytes));
    for (size_t at = 0; at < bytes; at += PERIOD)
        check(cudaMemcpy(memory + at, host, bytes - at < PERIOD ? bytes - at : PERIOD,
                         cudaMemcpyHostToDevice));
    free(host);
    return memory;
}

static double rate(ti_matmuls *m, cudaStream_t stream, int rows, int out, int in, ti_scalar type,
                   bool adds)
{
    size_t cell = type == TI_SCALAR_BF16 ? 2 : 1, most = (size_t)(rows > out ? rows : out);
    float *ones = malloc(most * sizeof *ones);
    void *scales, *y, *x = random_bytes((size_t)rows * (size_t)in * cell, cell == 1);
    void *w = random_bytes((size_t)out * (size_t)in * cell, cell == 1);
    for (size_t i = 0; ones && i < most; i++) ones[i] = 1;
    check(cudaMalloc(&scales, most * sizeof *ones));
    check(cudaMemcpy(scales, ones, most * sizeof *ones, cudaMemcpyHostToDevice));
    check(cudaMalloc(&y, (size_t)rows * (size_t)out * 4));
    check(cudaMemset(y, 0, (size_t)rows * (size_t)out * 4));
    ti_matmul p = {.rows = rows,
                   .out = out,
                   .in = in,
                   .in_type = type,
                   .out_type = adds ? TI_SCALAR_F32 : TI_SCALAR_BF16,
                   .x = x,
                   .w = w,
                   .x_scale = scales,
                   .w_scale = scales,
                   .y = y,
                   .y_stride = out,
                   .alpha = 1,
                   .beta = adds};
    enum { ROUNDS = 20 };
    double begin = 0, seconds;
    const char *why = NULL;
    for (int i = -5; i < ROUNDS && !why; i++) {
        if (i == 0) check(cudaStreamSynchronize(stream)), begin = now();
        why = ti_matmuls_run(m, &p, stream);
    }
    check(cudaStreamSynchronize(stream));
    seconds = (now() - begin) / ROUNDS;
    if (why) fprintf(stderr, "  %d x %d x %d: %s\n", rows, out, in, why);
    cudaFree(x), cudaFree(w), cudaFree(y), cudaFree(scales);
    free(ones);
    return why ? 0 : 2e-12 * rows * out * in / seconds;
}

int main(void)
{
    te_error err;
    ti_matmuls *m;
    cudaStream_t stream;
    static const int squares[] = {4096, 8192, 16384};
    static const int shapes[][3] = {{2340, 4096, 4096},  {2340, 12288, 4096}, {2340, 4096, 12288},
                                    {4680, 4096, 4096},  {4680, 12288, 4096}, {4680, 4096, 12288},
                                    {256, 134656, 4096}, {2048, 8192, 4096}};
    double peak = 0;
    check(cudaStreamCreate(&stream));
    if (ti_matmuls_create(&m, &err)) {
        fprintf(stderr, "peak_bench: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < sizeof squares / sizeof *squares; i++) {
        double r = rate(m, stream, squares[i], squares[i], squares[i], TI_SCALAR_BF16, false);
        printf("bf16 %d cubed: %.0f TFLOP/s\n", squares[i], r);
        if (r > peak) peak = r;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int *s = shapes[i];
        printf("%d x %d x %d: bf16 %.0f, onto float32 %.0f, FP8 %.0f, onto float32 %.0f TFLOP/s\n",
               s[0], s[1], s[2], rate(m, stream, s[0], s[1], s[2], TI_SCALAR_BF16, false),
               rate(m, stream, s[0], s[1], s[2], TI_SCALAR_BF16, true),
               rate(m, stream, s[0], s[1], s[2], TI_SCALAR_E4M3, false),
               rate(m, stream, s[0], s[1], s[2], TI_SCALAR_E4M3, true));
    }
    ti_matmuls_free(m);
    printf("%.0f\n", peak);
    return 0;
}
