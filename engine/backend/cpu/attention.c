/* attention.c - bidirectional attention of every head: a task is one head and one block of queries
 * of one segment (attend.h). Float32, unless the queries come from a product that rounded its
 * operands already. */
#include "backend/cpu/attend.h"

#include <omp.h>

void ti_cpu_attention(ti_backend *be, void *operand, const void *q, const void *k, const void *v,
                      const ti_heads *heads, const ti_segment *segments, int n_segments)
{
    ti_cpu *cpu = ti_cpu_of(be);
    ptrdiff_t size = heads->head_size;
    ptrdiff_t q_step = heads->n_heads * size, kv_step = heads->n_kv_heads * size;
    for (int s = 0; s < n_segments; s++) {
        const ti_segment *g = &segments[s];
        int block = ti_attend_block(cpu, g->q_count, heads->n_heads);
        int n_blocks = (g->q_count + block - 1) / block;
#pragma omp parallel for collapse(2) num_threads(cpu->threads) schedule(dynamic)
        for (int h = 0; h < heads->n_heads; h++)
            for (int b = 0; b < n_blocks; b++) {
                ptrdiff_t at_q = (g->q_first + b * block) * q_step + h * size;
                ptrdiff_t kv_head = h * heads->n_kv_heads / heads->n_heads;
                ptrdiff_t at_kv = g->kv_first * kv_step + kv_head * size;
                int left = g->q_count - b * block;
                ti_cpu_attend(&(ti_attend){.features = &cpu->features,
                                           .q = (const float *)q + at_q,
                                           .k = (const float *)k + at_kv,
                                           .v = (const float *)v + at_kv,
                                           .y = (float *)operand + at_q,
                                           .q_step = q_step,
                                           .kv_step = kv_step,
                                           .n_queries = left < block ? left : block,
                                           .n_keys = g->kv_count,
                                           .size = heads->head_size,
                                           .bf16 = q == cpu->rounded},
                              ti_cpu_scratch(cpu, omp_get_thread_num()));
            }
    }
    ti_cpu_operand_written(cpu, operand);
}
