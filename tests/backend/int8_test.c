/* int8_test.c - products with quantised weights: every kernel against exact sums of its own codes,
 * the codes against the file's weights, the whole op against float64 and against what ggml's scheme
 * would give (written out here as plain formulas), and the same bits for any threads and rows. */
#include "testing.h"

#include <math.h>

#include "backend/cpu/cpu.h"
#include "base/random.h"

enum { BLOCK = TI_INT8_BLOCK, PANEL = TI_INT8_PANEL };

/* The I-th of the kernels that this processor can run; NULL beyond the last. The best for q8_0 and
 * for q4_k come first, which may be the same. */
static const ti_int8_kernel *kernels(int i)
{
    const ti_cpu_features f = ti_cpu_detect(), none = {0}, avx2 = {.avx2 = f.avx2};
    const ti_cpu_features vnni = {.avx512_vnni = f.avx512_vnni, .neon_dot = f.neon_dot};
    const ti_int8_kernel *all[] = {
        ti_int8_kernel_for(&f, TI_Q8_0),    ti_int8_kernel_for(&f, TI_Q4_K),
        ti_int8_kernel_for(&vnni, TI_Q8_0), ti_int8_kernel_for(&vnni, TI_Q4_K),
        ti_int8_kernel_for(&avx2, TI_Q8_0), ti_int8_kernel_for(&none, TI_Q8_0)};
    for (size_t k = 0, n = 0; k < TEST_LENGTH(all); k++) {
        bool known = false;
        for (size_t before = 0; before < k; before++) known = known || all[before] == all[k];
        if (!known && (int)n++ == i) return all[k];
    }
    return NULL;
}

static void *room(size_t bytes)
{
    void *p = ti_aligned_alloc(bytes);
    assert_non_null(p);
    return p;
}

static float normal(uint64_t stream, uint64_t i)
{
    return (float)ti_random_normal((ti_random){11, stream}, i);
}

static float *normals(size_t n, uint64_t stream)
{
    float *x = room(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = normal(stream, i);
    return x;
}

/* ---- kernels -------------------------------------------------------------------------------- */

/* Codes of every size, among them the extremes, summed in float64. */
static void check_tile(const ti_int8_kernel *k)
{
    enum { N = 3 };
    ti_int8_block w[N];
    float x[TI_INT8_MAX_ROWS][N * BLOCK], y[TI_INT8_MAX_ROWS * PANEL];
    unsigned char *xs = room(N * k->x_bytes), *ws = room(N * k->w_bytes);
    for (int b = 0; b < N; b++) {
        for (int o = 0; o < PANEL; o++) {
            w[b].scale[o] = 0.01f * (float)(o + b + 1);
            for (int i = 0; i < BLOCK; i++)
                w[b].code[o][i] =
                    o == 0   ? -128
                    : o == 1 ? 127
                             : (int8_t)ti_random_below((ti_random){3, 4},
                                                       (uint64_t)(b * 1024 + o * 32 + i), 256);
        }
        k->pack_w(ws + (size_t)b * k->w_bytes, &w[b]);
        for (int r = 0; r < k->rows; r++) {
            for (int i = 0; i < BLOCK; i++)
                x[r][b * BLOCK + i] =
                    r == 0 ? -1.0f : normal(5, (uint64_t)((r * N + b) * BLOCK + i));
            k->pack_x(xs + (size_t)b * k->x_bytes, r, r == k->rows - 1 ? NULL : &x[r][b * BLOCK]);
            k->unpack_x(&x[r][b * BLOCK], r, xs + (size_t)b * k->x_bytes);
        }
    }
    for (int i = 0; i < k->rows * PANEL; i++) y[i] = 5.0f;
    k->tile(y, xs, ws, 1, false, 0);
    k->tile(y, xs + k->x_bytes, ws + k->w_bytes, N - 1, true, k->x_bytes);
    for (int r = 0; r < k->rows; r++)
        for (int o = 0; o < PANEL; o++) {
            double sum = 0, size = 0;
            for (int i = 0; i < N * BLOCK; i++) {
                double term =
                    (double)x[r][i] * w[i / BLOCK].scale[o] * w[i / BLOCK].code[o][i % BLOCK];
                sum += term;
                size += fabs(term);
            }
            if (fabs(y[r * PANEL + o] - sum) > 1e-6 * size)
                fail_msg("row %d output %d: %g is not %g", r, o, y[r * PANEL + o], sum);
            if (r == k->rows - 1) assert_true(y[r * PANEL + o] == 0.0f);
        }
    free(xs);
    free(ws);
}

static void test_tiles(void **state)
{
    (void)state;
    for (int i = 0; kernels(i); i++) check_tile(kernels(i));
}

/* All kernels round x alike: scale of the value largest in magnitude, nearest code, nothing wraps.
 */
static void test_rounding(void **state)
{
    (void)state;
    float x[BLOCK], back[BLOCK];
    for (int i = 0; kernels(i); i++) {
        const ti_int8_kernel *k = kernels(i);
        unsigned char *to = room(k->x_bytes);
        for (int trial = 0; trial < 200; trial++) {
            float most = 0;
            for (int j = 0; j < BLOCK; j++) {
                x[j] = normal(6, (uint64_t)(trial * BLOCK + j)) * (j == trial % 40 ? 100.0f : 1.0f);
                most = fmaxf(most, fabsf(x[j]));
            }
            k->pack_x(to, 1, x);
            k->unpack_x(back, 1, to);
            for (int j = 0; j < BLOCK; j++)
                assert_true(fabsf(back[j] - x[j]) <=
                            most / 128.0f * (k->coarse ? 0.6251f : 0.5001f));
        }
        memset(x, 0, sizeof x);
        k->pack_x(to, 0, x);
        k->unpack_x(back, 0, to);
        for (int j = 0; j < BLOCK; j++) assert_true(back[j] == 0.0f);
        free(to);
    }
}

/* ---- codes ---------------------------------------------------------------------------------- */

/* Largest and mean square difference between the file's weights and the codes', relative to their
 * size. */
static double code_error(const ti_int8_kernel *kernel, ti_type type, const float *w, int cols)
{
    size_t stride = ti_type_row_bytes(type, cols);
    unsigned char *file = room(stride * PANEL);
    float *exact = room((size_t)cols * sizeof *exact);
    ti_int8_block *blocks = room((size_t)cols / BLOCK * sizeof *blocks);
    for (int o = 0; o < PANEL; o++)
        ti_quantize(type, w + o * cols, file + (size_t)o * stride, cols);
    for (int b = 0; b < cols / BLOCK; b += TI_INT8_DECODED)
        kernel->decode(blocks + b, type, file, stride, PANEL, b, TI_INT8_DECODED);
    double error = 0, size = 0;
    for (int o = 0; o < PANEL; o++) {
        ti_dequantize(type, file + (size_t)o * stride, exact, cols);
        for (int i = 0; i < cols; i++) {
            double code = blocks[i / BLOCK].scale[o] * blocks[i / BLOCK].code[o][i % BLOCK];
            error += (code - exact[i]) * (code - exact[i]);
            size += (double)exact[i] * exact[i];
        }
    }
    free(file);
    free(exact);
    free(blocks);
    return size > 0 ? sqrt(error / size) : error;
}

/* Random weights, weights all of one sign, equal ones, and none. */
static void test_codes(void **state)
{
    (void)state;
    enum { COLS = 512, CELLS = PANEL * COLS };
    float *w = normals(CELLS, 7), *offset = room(CELLS * sizeof *offset);
    float *equal = room(CELLS * sizeof *equal), *zero = room(CELLS * sizeof *zero);
    for (int i = 0; i < CELLS; i++) {
        offset[i] = 1.0f + 0.001f * w[i];
        equal[i] = -3.0f;
        zero[i] = 0.0f;
    }
    for (int i = 0; kernels(i); i++) {
        const ti_int8_kernel *k = kernels(i);
        assert_true(code_error(k, TI_Q8_0, w, COLS) == 0.0);
        assert_true(code_error(k, TI_Q4_K, w, COLS) < 0.004);
        assert_true(code_error(k, TI_Q4_K, offset, COLS) < 0.003);
        assert_true(code_error(k, TI_Q4_K, equal, COLS) < 0.003);
        assert_true(code_error(k, TI_Q4_K, zero, COLS) == 0.0);
    }
    free(w);
    free(offset);
    free(equal);
    free(zero);
}

/* ---- accuracy against ggml's scheme --------------------------------------------------------- */

/* What ggml makes of x before it multiplies: blocks of 32 for q8_0 weights, of 256 for q4_k. */
static void ggml_activations(ti_type type, float *to, const float *x, int n)
{
    const int size = type == TI_Q8_0 ? 32 : 256;
    for (int b = 0; b < n; b += size) {
        float extreme = 0;
        for (int i = 0; i < size; i++)
            if (fabsf(x[b + i]) > fabsf(extreme)) extreme = x[b + i];
        float scale = type == TI_Q8_0 ? fabsf(extreme) / 127 : extreme / -127;
        float inverse = scale != 0 ? 1 / scale : 0;
        float stored = type == TI_Q8_0 ? ti_half_to_float(ti_float_to_half(scale)) : scale;
        for (int i = 0; i < size; i++) to[b + i] = stored * fminf(127, roundf(x[b + i] * inverse));
    }
}

typedef struct errors {
    double ours, ggml, ours_file, ggml_file; /* against float weights, and against the file's */
} errors;

static double relative(const double *a, const double *b, int n)
{
    double error = 0, size = 0;
    for (int i = 0; i < n; i++) {
        error += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return sqrt(error / size);
}

static void multiply(double *y, const float *x, const float *w, int m, int n, int k)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int p = 0; p < k; p++) sum += (double)x[i * k + p] * w[j * k + p];
            y[i * n + j] = sum;
        }
}

static void measure(errors *e, ti_backend *be, ti_type type, const float *x, int m, int n, int k)
{
    te_error err;
    float *w = normals((size_t)n * (size_t)k, 8),
          *from_file = room((size_t)n * (size_t)k * sizeof *w);
    float *rounded = room((size_t)m * (size_t)k * sizeof *rounded),
          *y = room((size_t)m * (size_t)n * sizeof *y);
    size_t bytes = ti_type_row_bytes(type, (int64_t)n * k), cells = (size_t)m * (size_t)n;
    unsigned char *file = room(bytes);
    double *results = room(4 * cells * sizeof *results), *exact = results,
           *exact_file = exact + cells;
    double *ours = exact_file + cells, *ggml = ours + cells;
    ti_quantize(type, w, file, (int64_t)n * k);
    ti_dequantize(type, file, from_file, (int64_t)n * k);
    ti_tensor tensor = {.name = "w",
                        .type = type,
                        .n_dims = 2,
                        .shape = {n, k, 1, 1},
                        .data = file,
                        .bytes = bytes};
    ti_weight *weight;
    assert_ok(be->op->weight_create(be, &tensor, &weight, &err), err);
    be->op->linear(be, y, x, weight, m);
    be->op->weight_free(be, weight);
    for (int i = 0; i < m; i++) ggml_activations(type, rounded + i * k, x + i * k, k);
    for (size_t i = 0; i < cells; i++) ours[i] = y[i];
    multiply(exact, x, w, m, n, k);
    multiply(exact_file, x, from_file, m, n, k);
    multiply(ggml, rounded, from_file, m, n, k);
    *e = (errors){relative(ours, exact, m * n), relative(ggml, exact, m * n),
                  relative(ours, exact_file, m * n), relative(ggml, exact_file, m * n)};
    free(w);
    free(from_file);
    free(rounded);
    free(y);
    free(file);
    free(results);
}

/* OUTLIERS: one channel of 1024 is 30 times larger, the same in every row. */
static void check_accuracy(ti_backend *be, int k, bool outliers, bool told)
{
    const ti_cpu *cpu = ti_cpu_of(be);
    enum { M = 24, N = 64 };
    float *x = normals((size_t)M * (size_t)k, 9);
    for (int i = 0; i < M * k && outliers; i++)
        if (i % k % 1024 == 77) x[i] *= 30;
    for (int t = 0; t < 2; t++) {
        errors e;
        if (!t && cpu->int8->coarse) continue;
        measure(&e, be, t ? TI_Q4_K : TI_Q8_0, x, M, N, k);
        if (told)
            print_message("| %s | %d |%s | %.3f | %.3f | %.3f | %.3f |\n", t ? "q4_k" : "q8_0", k,
                          outliers ? " outliers" : "", 100 * e.ours, 100 * e.ggml,
                          100 * e.ours_file, 100 * e.ggml_file);
        assert_true(e.ours <= e.ggml);
        assert_true(e.ours_file <= e.ggml_file);
    }
    free(x);
}

static void test_accuracy(void **state)
{
    (void)state;
    te_error err;
    print_message(
        "error in %%: | type | k | | ours | ggml | ours, of activations alone | ggml |\n");
    for (int i = 0; kernels(i); i++) {
        ti_backend *be;
        assert_ok(ti_cpu_create(&be, 2, &err), err);
        const bool best =
            kernels(i) == ((ti_cpu *)be)->int8 || kernels(i) == ((ti_cpu *)be)->int8_q4;
        ((ti_cpu *)be)->int8 = ((ti_cpu *)be)->int8_q4 = kernels(i);
        for (int outliers = 0; outliers < 2; outliers++) {
            check_accuracy(be, 4096, outliers, best);
            if (best) check_accuracy(be, 12288, outliers, true);
        }
        ti_backend_free(be);
    }
}

/* ---- bits ----------------------------------------------------------------------------------- */

/* linear over M rows with THREADS; then rows 3 .. 5 alone must be the same bits. */
static void run_linear(float *y, int threads, const ti_tensor *w, const float *x, int m)
{
    te_error err;
    ti_backend *be;
    ti_weight *weight;
    const int n = (int)w->shape[0], k = (int)w->shape[1];
    assert_ok(ti_cpu_create(&be, threads, &err), err);
    assert_ok(be->op->weight_create(be, w, &weight, &err), err);
    be->op->linear(be, y, x, weight, m);
    float *alone = room(3 * (size_t)n * sizeof *alone);
    be->op->linear(be, alone, x + 3 * k, weight, 3);
    assert_memory_equal(alone, y + 3 * n, 3 * (size_t)n * sizeof *alone);
    be->op->head(be, alone, x, 3, 3, weight, 32, 5, 1.0f);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(alone + i * 5, y + (3 + i) * n + 32, 5 * sizeof *alone);
    free(alone);
    be->op->weight_free(be, weight);
    ti_backend_free(be);
}

static void test_bits(void **state)
{
    (void)state;
    enum { M = 41, N = 75, K = 4608 };
    float *w = normals((size_t)N * K, 12), *x = normals((size_t)M * K, 13);
    float *one = room(sizeof(float) * M * N), *many = room(sizeof(float) * M * N);
    for (int i = 0; i < M; i++)
        x[i * K + 40 + i] *= 50; /* rows with extra blocks in various places */
    for (int t = 0; t < 2; t++) {
        ti_type type = t ? TI_Q4_K : TI_Q8_0;
        size_t bytes = ti_type_row_bytes(type, (int64_t)N * K);
        unsigned char *file = room(bytes);
        ti_quantize(type, w, file, (int64_t)N * K);
        ti_tensor tensor = {.name = "w",
                            .type = type,
                            .n_dims = 2,
                            .shape = {N, K, 1, 1},
                            .data = file,
                            .bytes = bytes};
        run_linear(one, 1, &tensor, x, M);
        for (int threads = 2; threads <= 5; threads += 3) {
            run_linear(many, threads, &tensor, x, M);
            assert_memory_equal(one, many, sizeof(float) * M * N);
        }
        free(file);
    }
    free(w);
    free(x);
    free(one);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles), cmocka_unit_test(test_rounding), cmocka_unit_test(test_codes),
        cmocka_unit_test(test_accuracy), cmocka_unit_test(test_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
