/* weight.c - binds a tensor of the model file to the CPU. Matrices are read where they lie in the
 * file's mapping unless their kernel wants its own arrangement; vectors are small and become
 * float32. */
#include "backend/cpu/cpu.h"

#include <stdlib.h>

static te_status bind_vector(ti_weight *w, te_error *err)
{
    int64_t n = w->tensor.shape[0];
    w->values = ti_malloc_array((size_t)n, sizeof *w->values);
    if (!w->values) return ti_fail_memory(err, w->tensor.name, (size_t)n * sizeof *w->values);
    ti_dequantize(w->tensor.type, w->tensor.data, w->values, n);
    return TE_OK;
}

te_status ti_cpu_weight_create(ti_backend *be, const ti_tensor *tensor, ti_weight **out,
                               te_error *err)
{
    *out = NULL;
    ti_weight *w = ti_calloc(1, sizeof *w);
    if (!w) return ti_fail_memory(err, "a weight", sizeof *w);
    w->tensor = *tensor;
    w->rows = tensor->shape[0];
    w->cols = 1;
    for (int i = 1; i < tensor->n_dims; i++) w->cols *= tensor->shape[i];
    te_status st = TE_OK;
    if (tensor->n_dims != 1 && !ti_type_row_bytes(tensor->type, w->cols))
        st = ti_fail(err, TE_FORMAT, "%s: rows of %lld elements cannot be of type %s", tensor->name,
                     (long long)w->cols, ti_type_name(tensor->type));
    else if (tensor->n_dims == 1)
        st = bind_vector(w, err);
    else if (tensor->n_dims == 4)
        st = ti_cpu_pack_conv(ti_cpu_of(be), w, err);
    if (st) {
        ti_cpu_weight_free(be, w);
        return st;
    }
    *out = w;
    return TE_OK;
}

void ti_cpu_weight_free(ti_backend *be, ti_weight *w)
{
    (void)be;
    if (!w) return;
    free(w->values);
    free(w->packed);
    free(w);
}
