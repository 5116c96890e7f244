/* product.c - see product.h. Float32 weights are multiplied where they lie. Others are widened a
 * panel of rows at a time into the threads' scratch taken together; wide ones are then multiplied
 * with operands rounded to bf16, as the released model runs, which is twice as fast where
 * processors have it. The gate's second product goes through a strip of sums, a few rows at a time.
 */
#include "backend/cpu/product.h"
#include "backend/cpu/exp.h"

#define STRIP_ROWS 64   /* rows of the gate's strip of sums */
#define WIDE       1024 /* columns from which operands are rounded: small models stay exact */

static bool rounds(const ti_weight *w)
{
    return w->tensor.type != TI_F32 && w->cols >= WIDE;
}

static ti_gemm_shape shape_of(const ti_product *p, int n_rows, int n_out)
{
    return (ti_gemm_shape){.form = TI_GEMM_NT,
                           .bf16 = rounds(p->w),
                           .accumulate = p->finish == TI_FINISH_ADD,
                           .m = n_rows,
                           .n = n_out,
                           .k = (int)p->w->cols,
                           .alpha = p->finish == TI_FINISH_STORE ? p->scale : 1.0f,
                           .lda = (ptrdiff_t)p->w->cols,
                           .ldb = (ptrdiff_t)p->w->cols,
                           .ldc = p->n_out};
}

/* y = silu(y) * (x w^T), y being x w_gate^T, for the panel's columns FIRST .. + N. */
static void gate_panel(ti_cpu *cpu, const ti_product *p, const float *w, int first, int n,
                       float *strip)
{
    for (int r = 0; r < p->n_rows; r += STRIP_ROWS) {
        int n_rows = p->n_rows - r < STRIP_ROWS ? p->n_rows - r : STRIP_ROWS;
        ti_gemm_shape shape = shape_of(p, n_rows, n);
        shape.ldc = n;
        ti_gemm_run(cpu->gemm, &shape, p->x + (size_t)r * (size_t)p->w->cols, w, strip);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
        for (int i = 0; i < n_rows; i++) {
            float *y = p->y + (size_t)(r + i) * (size_t)p->n_out + first;
            const float *sum = strip + (size_t)i * (size_t)n;
            ti_cpu_gate_values(y, y, sum, n);
        }
    }
}

static const float *widen_panel(ti_cpu *cpu, const ti_product *p, int first, int n, float *panel)
{
    size_t cols = (size_t)p->w->cols;
    if (p->w->tensor.type == TI_F32)
        return (const float *)p->w->tensor.data + (size_t)(p->first_out + first) * cols;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int j = 0; j < n; j++)
        ti_weight_row(p->w, p->first_out + first + j, panel + (size_t)j * cols);
    return panel;
}

static void product_float(ti_cpu *cpu, const ti_product *p)
{
    size_t cols = (size_t)p->w->cols,
           floats = (size_t)cpu->threads * TI_CPU_SCRATCH / sizeof(float);
    size_t fits = floats / (cols + STRIP_ROWS);
    int width = fits < (size_t)p->n_out ? (int)fits : p->n_out;
    float *panel = ti_cpu_scratch(cpu, 0), *strip = panel + (size_t)width * cols;
    for (int first = 0; first < p->n_out; first += width) {
        int n = p->n_out - first < width ? p->n_out - first : width;
        const float *w = widen_panel(cpu, p, first, n, panel);
        if (p->finish == TI_FINISH_GATE) {
            gate_panel(cpu, p, w, first, n, strip);
            continue;
        }
        ti_gemm_shape shape = shape_of(p, p->n_rows, n);
        ti_gemm_run(cpu->gemm, &shape, p->x, w, p->y + first);
    }
}

void ti_cpu_product(ti_cpu *cpu, const ti_product *p)
{
    if (p->n_rows <= 0) return;
    const bool coded = ti_cpu_product_int8_takes(p);
    if (coded || rounds(p->w))
        cpu->rounded = p->y;
    else if (cpu->rounded == p->y)
        cpu->rounded = NULL;
    if (coded) {
        ti_cpu_product_int8(cpu, p);
        return;
    }
    if (p->finish == TI_FINISH_GATE) {
        ti_product gate = *p;
        gate.w = p->w_gate;
        gate.finish = TI_FINISH_STORE;
        gate.scale = 1;
        product_float(cpu, &gate);
    }
    product_float(cpu, p);
}
