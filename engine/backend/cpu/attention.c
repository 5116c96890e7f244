/* attention.c - bidirectional attention of every head: a task is one head and some of the queries
 * of one segment (attend.h). Float32, unless the queries come from a product that rounded its
 * operands already. */
#include "backend/cpu/attend.h"

#include <omp.h>

/* What all tasks of a segment share. */
typedef struct job {
    const float *q, *k, *v; /* first rows of the segment */
    float *y;
    const ti_heads *heads;
    int n_queries, n_keys, block; /* block: queries of a task */
    bool bf16, whole;             /* whole: by attend_bf16.c */
} job;

static void run_task(ti_cpu *cpu, const job *j, int head, int first)
{
    const ti_heads *h = j->heads;
    const ptrdiff_t size = h->head_size, q_step = h->n_heads * size, kv_step = h->n_kv_heads * size;
    const ptrdiff_t at_q = first * q_step + head * size;
    const ptrdiff_t at_kv = (ptrdiff_t)head * h->n_kv_heads / h->n_heads * size;
    const int left = j->n_queries - first;
    const ti_attend task = {.features = &cpu->features,
                            .q = j->q + at_q,
                            .k = j->k + at_kv,
                            .v = j->v + at_kv,
                            .y = j->y + at_q,
                            .q_step = q_step,
                            .kv_step = kv_step,
                            .n_queries = left < j->block ? left : j->block,
                            .n_keys = j->n_keys,
                            .size = h->head_size,
                            .bf16 = j->bf16};
    void *scratch = ti_cpu_scratch(cpu, omp_get_thread_num());
    if (j->whole)
        ti_cpu_attend_bf16(&task, scratch);
    else
        ti_cpu_attend(&task, scratch);
}

/* Queries of a task: as many as leave several tasks to each thread, when laying keys out costs. */
static int whole_block(const ti_cpu *cpu, int n_queries, int n_heads)
{
    const int parts = (4 * cpu->threads + n_heads - 1) / n_heads;
    const int queries = (n_queries + parts - 1) / parts;
    return queries > 64 ? queries : 64;
}

void ti_cpu_attention(ti_backend *be, void *operand, const void *q, const void *k, const void *v,
                      const ti_heads *heads, const ti_segment *segments, int n_segments)
{
    ti_cpu *cpu = ti_cpu_of(be);
    const ptrdiff_t size = heads->head_size;
    for (int s = 0; s < n_segments; s++) {
        const ti_segment *g = &segments[s];
        const ptrdiff_t at_q = g->q_first * heads->n_heads * size;
        const ptrdiff_t at_kv = g->kv_first * heads->n_kv_heads * size;
        job j = {.q = (const float *)q + at_q,
                 .k = (const float *)k + at_kv,
                 .v = (const float *)v + at_kv,
                 .y = (float *)operand + at_q,
                 .heads = heads,
                 .n_queries = g->q_count,
                 .n_keys = g->kv_count,
                 .bf16 = q == cpu->rounded};
        j.whole = j.bf16 && cpu->features.avx512_bf16 &&
                  ti_attend_bf16_bytes(heads->head_size, g->kv_count) <= TI_CPU_SCRATCH;
        j.block = j.whole ? whole_block(cpu, g->q_count, heads->n_heads)
                          : ti_attend_block(cpu, g->q_count, heads->n_heads);
        const int n_blocks = (g->q_count + j.block - 1) / j.block;
#pragma omp parallel for collapse(2) num_threads(cpu->threads) schedule(dynamic)
        for (int h = 0; h < heads->n_heads; h++)
            for (int b = 0; b < n_blocks; b++) run_task(cpu, &j, h, b * j.block);
    }
    ti_cpu_operand_written(cpu, operand);
}
