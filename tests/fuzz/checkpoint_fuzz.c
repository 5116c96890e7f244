/* checkpoint_fuzz.c - safetensors and PyTorch archives from hostile bytes. Tensors must lie inside
 * them. */
#include <stdlib.h>

#include "format/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_checkpoint *c;
    if (ti_checkpoint_open_memory(&c, "fuzz", data, size, NULL)) return 0;
    for (int i = 0; i < ti_checkpoint_count(c); i++) {
        const ti_tensor *t = ti_checkpoint_tensor(c, i);
        const uint8_t *bytes = t->data;
        if (bytes < data || t->bytes > (size_t)(data + size - bytes)) abort();
        if (ti_type_row_bytes(t->type, ti_tensor_elements(t)) != t->bytes) abort();
    }
    ti_checkpoint_free(c);
    return 0;
}
