/* ops_data.c - see ops.h */
#include "ops.h"

ti_backend *ops_judge;

ti_backend *ops_open_device(const char *name)
{
    te_error err;
    ti_backend *be = NULL;
    assert_ok(ti_backend_create(&be, name, 1, &err), err);
    return be;
}

bool ops_emulated(const ti_backend *be)
{
    return strstr(be->description, "emulated") != NULL;
}

float *ops_floats(size_t n, uint64_t stream)
{
    float *x = calloc(n + 1, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)ti_random_normal((ti_random){21, stream}, i);
    return x;
}

bool ops_is_exact(ti_backend *be)
{
    return be->op->values_bytes(be, 1, 64) == 256;
}

void *ops_to_device(ti_backend *be, float *x, size_t n, bool cells)
{
    te_error err;
    void *memory;
    bool half = cells && !ops_is_exact(be);
    uint16_t *bits = calloc(n + 1, sizeof *bits);
    assert_non_null(bits);
    for (size_t i = 0; i < n && half; i++) {
        bits[i] = ti_float_to_bf16(x[i]);
        x[i] = ti_bf16_to_float(bits[i]);
    }
    assert_ok(be->op->alloc(be, 4 * n + 16, &memory, &err), err);
    assert_ok(be->op->upload(be, memory, half ? (void *)bits : x, n * (half ? 2 : 4), &err), err);
    free(bits);
    return memory;
}

void ops_from_device(ti_backend *be, float *x, const void *memory, size_t n, bool cells)
{
    te_error err;
    bool half = cells && !ops_is_exact(be);
    uint16_t *bits = calloc(n + 1, sizeof *bits);
    assert_non_null(bits);
    assert_ok(be->op->download(be, half ? (void *)bits : x, memory, n * (half ? 2 : 4), &err), err);
    for (size_t i = 0; i < n && half; i++) x[i] = ti_bf16_to_float(bits[i]);
    free(bits);
}

double ops_error_of(const float *got, const float *expected, size_t n)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double e = (double)got[i] - (double)expected[i];
        assert_false(isnan(e));
        off += e * e;
        size += (double)expected[i] * (double)expected[i];
    }
    return n ? sqrt(off / (size + 1e-30)) : 0;
}

double ops_tolerance(ti_backend *be, bool coded)
{
    return coded ? 6e-2 : ops_is_exact(be) ? 2e-6 : 1e-2;
}

ops_matrix ops_make_weight(ti_backend *be, const char *name, ti_type type, int rows, int cols,
                           uint64_t stream)
{
    ops_matrix m = {
        .tensor = {.name = name, .type = type, .n_dims = cols ? 2 : 1, .shape = {rows, 1, 1, 1}}};
    int64_t width = cols ? cols : rows, n_rows = cols ? rows : 1;
    te_error err;
    if (cols) m.tensor.shape[1] = cols;
    size_t row_bytes = ti_type_row_bytes(type, width);
    m.tensor.bytes = row_bytes * (size_t)n_rows;
    m.bytes = malloc(m.tensor.bytes);
    assert_non_null(m.bytes);
    m.tensor.data = m.bytes;
    float *values = ops_floats((size_t)(width * n_rows), stream);
    for (int64_t r = 0; r < n_rows; r++)
        ti_quantize(type, values + r * width, (char *)m.bytes + (size_t)r * row_bytes, width);
    free(values);
    assert_ok(ops_judge->op->weight_create(ops_judge, &m.tensor, &m.plain, &err), err);
    assert_ok(be->op->weight_create(be, &m.tensor, &m.w, &err), err);
    return m;
}

void ops_free_weight(ti_backend *be, ops_matrix *m)
{
    ops_judge->op->weight_free(ops_judge, m->plain);
    be->op->weight_free(be, m->w);
    free(m->bytes);
}

ti_backend *ops_open_first(ti_type type)
{
    ti_backend *be = ops_open_device("cuda");
    ops_matrix m = ops_make_weight(be, "test", type, 8, 8, 9);
    ops_free_weight(be, &m);
    return be;
}

ti_backend *ops_open_kind(bool exact)
{
    ti_backend *be = ops_open_first(exact ? TI_F32 : TI_BF16);
    assert_int_equal(ops_is_exact(be), exact);
    return be;
}

void ops_on_other_cards(void (*check)(bool old))
{
    static const char *const archs[] = {"80", "86", "89", "100", "120", "75"};
    ti_backend *own = ops_open_device("cuda");
    bool whole = ops_emulated(own);
    ti_backend_free(own);
    if (!whole) skip();
    for (size_t a = 0; a < TEST_LENGTH(archs); a++) {
        setenv("EMULATED_ARCH", archs[a], 1);
        check(!strcmp(archs[a], "75"));
        unsetenv("EMULATED_ARCH");
    }
}
