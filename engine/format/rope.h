/* rope.h - the two row orders of query and key matrices (models/FORMAT.md, "Rows of queries and
 * keys"). */
#ifndef TI_FORMAT_ROPE_H
#define TI_FORMAT_ROPE_H

#include "format/tensor.h"

/* The row of the rotate-half order that stands at ROW of the interleaved order. */
static inline int64_t ti_rope_half_row(int64_t row, int64_t head_size)
{
    int64_t in_head = row % head_size;
    return row - in_head + in_head / 2 + in_head % 2 * (head_size / 2);
}

/* Copies FROM, whose rows are interleaved, into TO in the rotate-half order. TO has from->bytes. */
void ti_rope_rows_half(const ti_tensor *from, int64_t head_size, void *to);

#endif
