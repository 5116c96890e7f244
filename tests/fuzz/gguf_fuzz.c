/* gguf_fuzz.c - a model file from hostile bytes. What opens must lie inside the bytes and be
 * describable. */
#include <stdlib.h>

#include "format/gguf.h"
#include "format/info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_gguf *file;
    char *text;
    if (ti_gguf_open_memory(&file, "fuzz", data, size, NULL)) return 0;
    for (int i = 0; i < ti_gguf_tensor_count(file); i++) {
        const ti_tensor *t = ti_gguf_tensor(file, i);
        const uint8_t *bytes = t->data;
        if (bytes < data || t->bytes > (size_t)(data + size - bytes)) abort();
        if (ti_gguf_find(file, t->name) != t) abort();
    }
    for (int json = 0; json < 2; json++)
        if (!ti_info(file, json, &text, NULL)) free(text);
    ti_gguf_free(file);
    return 0;
}
