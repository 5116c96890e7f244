/* matmul_plain.c - matmul.h by its formula, in place of cuBLASLt where there is no card. */
#include "backend/cuda/matmul.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "format/tensor.h"

struct ti_matmuls {
    int unused;
};

te_status ti_matmuls_create(ti_matmuls **out, te_error *err)
{
    *out = ti_calloc(1, sizeof **out);
    return *out ? TE_OK : ti_fail_memory(err, "the matrix products", sizeof **out);
}

void ti_matmuls_free(ti_matmuls *m)
{
    free(m);
}

bool ti_matmuls_fp8(ti_matmuls *m)
{
    (void)m;
    return emulated_arch() >= 89;
}

/* As it is with cuBLASLt 13. That on Hopper few rows have no product with scales is known from its
 * users, where the border lies is not: here at 16 rows, so that every way is gone. */
bool ti_matmuls_has(ti_matmuls *m, const ti_matmul *p)
{
    if (p->in_type == TI_SCALAR_BF16) return emulated_arch() >= 80;
    if (p->in_type != TI_SCALAR_E4M3) return true;
    if (!ti_matmuls_fp8(m) || !ti_matmul_is_sixteens(p)) return false;
    return p->x_scale ? emulated_arch() == 90 && p->rows > 16 : p->out_type == TI_SCALAR_BF16;
}

static float e4m3(unsigned char code)
{
    int exponent = code >> 3 & 15, fraction = code & 7;
    float size =
        exponent ? ldexpf((float)(8 + fraction), exponent - 10) : ldexpf((float)fraction, -9);
    if ((code & 127) == 127) size = NAN;
    return code & 128 ? -size : size;
}

static void row_of(float *to, const void *from, ti_scalar type, int64_t row, int width)
{
    for (int i = 0; i < width; i++) {
        int64_t at = row * width + i;
        to[i] = type == TI_SCALAR_F32    ? ((const float *)from)[at]
                : type == TI_SCALAR_BF16 ? ti_bf16_to_float(((const uint16_t *)from)[at])
                                         : e4m3(((const unsigned char *)from)[at]);
    }
}

static void put(const ti_matmul *p, int row, int out, float value)
{
    int64_t at = row * p->y_stride + out;
    if (p->out_type == TI_SCALAR_F32) {
        float *y = p->y;
        y[at] = value + (p->beta != 0 ? p->beta * y[at] : 0);
    } else {
        ((uint16_t *)p->y)[at] = ti_float_to_bf16(value);
    }
}

static void run(void *data)
{
    const ti_matmul *p = data;
    float *x = ti_malloc_array((size_t)p->rows * (size_t)p->in, sizeof *x);
    float *w = ti_malloc_array((size_t)p->in, sizeof *w);
    for (int r = 0; x && r < p->rows; r++)
        row_of(x + (int64_t)r * p->in, p->x, p->in_type, r, p->in);
    for (int o = 0; x && w && o < p->out; o++) {
        row_of(w, p->w, p->in_type, o, p->in);
        for (int r = 0; r < p->rows; r++) {
            double sum = 0;
            for (int i = 0; i < p->in; i++) sum += (double)(x[(int64_t)r * p->in + i] * w[i]);
            if (p->x_scale && p->in_type == TI_SCALAR_E4M3)
                sum *= (double)(p->x_scale[r] * p->w_scale[o]);
            put(p, r, o, (float)(p->alpha * sum));
        }
    }
    if (!x || !w) abort();
    free(x);
    free(w);
}

const char *ti_matmuls_run(ti_matmuls *m, const ti_matmul *p, cudaStream_t stream)
{
    if (!ti_matmuls_has(m, p)) return "cuBLASLt has no such matrix product";
    emulated_later(stream, run, p, sizeof *p);
    return NULL;
}
