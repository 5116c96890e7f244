/* plain.h - the judge of every backend: each backbone op as its formula says, one row after
 * another, float32 arrays in and out, sums in double. The contracts are those of backend.h; no
 * threads, no blocks, no scratch beyond what is said. Not used in an edit. */
#ifndef TI_BACKEND_CPU_PLAIN_H
#define TI_BACKEND_CPU_PLAIN_H

#include "backend/cpu/cpu.h"

/* ROOM holds one row of the weight where one is named. */
void ti_plain_embed(float *x, const ti_weight *table, const int32_t *tokens, int n_rows);
void ti_plain_embed_kept(float *x, const ti_weight *table, const ti_keep *keep, const int32_t *rows,
                         int first_row);
void ti_plain_norm(float *y, const float *x, const int32_t *rows, int n_rows, const float *gain,
                   int width, float eps);
void ti_plain_linear(float *y, const float *x, const ti_weight *w, int n_rows, float *room);
void ti_plain_linear_rope(float *y, const float *x, const ti_weight *w, int n_rows,
                          const ti_rope *rope, float *room);
/* ROOM holds one query's scores. */
void ti_plain_attention(float *y, const float *q, const float *k, const float *v,
                        const ti_heads *heads, const ti_segment *segments, int n_segments,
                        float *room);
void ti_plain_linear_add(float *x, const float *h, const ti_weight *w, int n_rows, float *room);
void ti_plain_gate(float *y, const float *h, const ti_weight *w_gate, const ti_weight *w_up,
                   int n_rows, float *room);
void ti_plain_gather(float *y, const float *x, const int32_t *rows, int n_rows, int width);
void ti_plain_head(float *logits, const float *h, int first_row, int n_rows, const ti_weight *w,
                   int first_out, int n_out, float scale, float *room);
void ti_plain_pick(const ti_pick *pick);
void ti_plain_keep(const ti_keep *keep);

#endif
