/* gate.c - y = silu(h w_gate^T) * (h w_up^T), the wide half of the feed-forward layer. */
#include "backend/cpu/product.h"

void ti_cpu_gate(ti_backend *be, void *operand, const void *h, const ti_weight *w_gate,
                 const ti_weight *w_up, int n_rows)
{
    ti_cpu *cpu = ti_cpu_of(be);
    ti_cpu_product(cpu, &(ti_product){.x = h,
                                      .n_rows = n_rows,
                                      .w = w_up,
                                      .w_gate = w_gate,
                                      .n_out = (int)w_up->rows,
                                      .y = operand,
                                      .finish = TI_FINISH_GATE});
    ti_cpu_operand_written(cpu, operand);
}
