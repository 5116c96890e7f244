/* products_plain.c - product.h by its formula, in place of cuBLAS where there is no card. */
#include "ops/cuda/product.h"

#include <stdlib.h>

#include "base/memory.h"
#include "format/tensor.h"

struct ti_products {
    cudaStream_t stream;
};

typedef struct product {
    ti_product shape;
    const void *a, *b;
    float *c;
} product;

te_status ti_products_create(ti_products **out, cudaStream_t stream, te_error *err)
{
    *out = ti_calloc(1, sizeof **out);
    if (!*out) return ti_fail_memory(err, "the matrix products", sizeof **out);
    (*out)->stream = stream;
    return TE_OK;
}

void ti_products_free(ti_products *p)
{
    free(p);
}

static float element(const void *x, bool bf16, int64_t i)
{
    return bf16 ? ti_bf16_to_float(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

static void run(void *data)
{
    const product *own = data;
    const ti_product *s = &own->shape;
    for (int batch = 0; batch < s->batch; batch++)
        for (int i = 0; i < s->m; i++)
            for (int j = 0; j < s->n; j++) {
                double sum = 0;
                for (int k = 0; k < s->k; k++) {
                    int64_t at_a =
                        batch * s->step_a + (s->turn_a ? k * s->lda + i : i * s->lda + k);
                    int64_t at_b =
                        batch * s->step_b + (s->turn_b ? j * s->ldb + k : k * s->ldb + j);
                    sum +=
                        (double)(element(own->a, s->bf16, at_a) * element(own->b, s->bf16, at_b));
                }
                float *to = own->c + batch * s->step_c + i * s->ldc + j;
                *to = (float)((double)s->alpha * sum) + (s->beta != 0 ? s->beta * *to : 0.0f);
            }
}

const char *ti_products_run(ti_products *p, const ti_product *s, const void *a, const void *b,
                            float *c)
{
    if (s->batch < 1 || s->lda < 1 || s->ldb < 1 || s->ldc < 1 ||
        s->lda < (s->turn_a ? s->m : s->k) || s->ldb < (s->turn_b ? s->k : s->n) || s->ldc < s->n)
        return "a product of an impossible shape";
    const product own = {*s, a, b, c};
    emulated_later(p->stream, run, &own, sizeof own);
    return NULL;
}
