/* rope.c - see rope.h */
#include "format/rope.h"

#include <string.h>

void ti_rope_rows_half(const ti_tensor *from, int64_t head_size, void *to)
{
    size_t row_bytes = from->bytes / (size_t)from->shape[0];
    for (int64_t row = 0; row < from->shape[0]; row++)
        memcpy((char *)to + (size_t)ti_rope_half_row(row, head_size) * row_bytes,
               (const char *)from->data + (size_t)row * row_bytes, row_bytes);
}
