/* product.h - the one matrix product of the backbone: y = x w^T over some of w's rows, with what
 * happens to each element when it is done. linear, linear_add, gate and head are this and nothing
 * else. */
#ifndef TI_BACKEND_CPU_PRODUCT_H
#define TI_BACKEND_CPU_PRODUCT_H

#include "backend/cpu/cpu.h"

typedef enum ti_finish {
    TI_FINISH_STORE, /* y = scale * acc */
    TI_FINISH_ADD,   /* y += acc */
    TI_FINISH_GATE   /* y = silu(x w_gate^T) * acc */
} ti_finish;

typedef struct ti_product {
    const float *x; /* [n_rows][w->cols] */
    int n_rows;
    const ti_weight *w, *w_gate; /* w_gate: of TI_FINISH_GATE, the shape and kind of w */
    int first_out, n_out;        /* rows of w */
    float *y;                    /* [n_rows][n_out] */
    ti_finish finish;
    float scale;
} ti_product;

void ti_cpu_product(ti_cpu *cpu, const ti_product *p);
/* The same through int8.h, if it takes these weights: quantised, and both of a gate. */
bool ti_cpu_product_int8_takes(const ti_product *p);
void ti_cpu_product_int8(ti_cpu *cpu, const ti_product *p);

#endif
