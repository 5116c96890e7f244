/* attend.h - attention of one head over one block of queries, on the matrix kernels: what
 * attention.c does for every head of the backbone and pixel_attention.c for the one of an image
 * tokeniser. */
#ifndef TI_BACKEND_CPU_ATTEND_H
#define TI_BACKEND_CPU_ATTEND_H

#include "backend/cpu/cpu.h"

/* y = softmax(q k^T / sqrt(size)) v. Rows of q and y are q_step floats apart, of k and v kv_step.
 */
typedef struct ti_attend {
    const ti_cpu_features *features;
    const float *q, *k, *v;
    float *y;
    ptrdiff_t q_step, kv_step;
    int n_queries, n_keys, size;
    bool bf16; /* round q, k, v and the softmax's weights, where the processor multiplies bf16
                  faster */
} ti_attend;

/* Queries one call should take of N_QUERIES for each of N_HEADS; a multiple of the matrix kernel's
 * tile. */
int ti_attend_block(const ti_cpu *cpu, int n_queries, int n_heads);
/* SCRATCH is one thread's (ti_cpu_scratch); heads of up to 2048 channels fit. */
void ti_cpu_attend(const ti_attend *a, void *scratch);

/* The same in bf16, any number of queries to a call (the more, the better: keys and values are laid
 * out once for all of them). For AVX-512 BF16 only, and where SCRATCH has these bytes. */
size_t ti_attend_bf16_bytes(int size, int n_keys);
void ti_cpu_attend_bf16(const ti_attend *a, void *scratch);

#endif
