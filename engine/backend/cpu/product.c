/* product.c - see product.h. Sixteen rows of w are widened and turned into a panel [cols][16] that stays
 * in a core's cache while all of x passes; threads take whole panels. Each output is one sum in order of
 * k, so its bits do not depend on rows beside it or on the threads. */
#include "backend/cpu/product.h"
#include "backend/cpu/exp.h"

#include <omp.h>
#include <string.h>

#define PANEL 16
#define TILE 4

static void fill_panel(const ti_product *p, int first, int n, float *panel, float *row)
{
    int k_count = (int)p->w->cols;
    if (n < PANEL) memset(panel, 0, (size_t)k_count * PANEL * sizeof *panel);
    for (int j = 0; j < n; j++) {
        ti_weight_row(p->w, p->first_out + first + j, row);
        for (int k = 0; k < k_count; k++) panel[(size_t)k * PANEL + j] = row[k];
    }
}

static void finish_row(const ti_product *p, float *y, const float *acc, int n)
{
    for (int j = 0; j < n; j++) {
        if (p->finish == TI_FINISH_STORE)
            y[j] = p->scale * acc[j];
        else if (p->finish == TI_FINISH_ADD)
            y[j] += acc[j];
        else
            y[j] = ti_cpu_silu(y[j]) * acc[j];
    }
}

static void multiply_tile(const float *x, size_t x_stride, int n_rows, const float *panel, int k_count,
                          float acc[TILE][PANEL])
{
    memset(acc, 0, TILE * sizeof acc[0]);
    for (int k = 0; k < k_count; k++)
        for (int i = 0; i < n_rows; i++)
            for (int j = 0; j < PANEL; j++)
                acc[i][j] += x[(size_t)i * x_stride + k] * panel[(size_t)k * PANEL + j];
}

void ti_cpu_product(ti_cpu *cpu, const ti_product *p)
{
    int k_count = (int)p->w->cols, n_panels = (p->n_out + PANEL - 1) / PANEL;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int b = 0; b < n_panels; b++) {
        float *panel = ti_cpu_scratch(cpu, omp_get_thread_num());
        float *row = panel + (size_t)k_count * PANEL;
        int first = b * PANEL, n = p->n_out - first < PANEL ? p->n_out - first : PANEL;
        fill_panel(p, first, n, panel, row);
        for (int r = 0; r < p->n_rows; r += TILE) {
            float acc[TILE][PANEL];
            int n_rows = p->n_rows - r < TILE ? p->n_rows - r : TILE;
            multiply_tile(p->x + (size_t)r * (size_t)k_count, (size_t)k_count, n_rows, panel, k_count,
                          acc);
            for (int i = 0; i < n_rows; i++)
                finish_row(p, p->y + (size_t)(r + i) * (size_t)p->n_out + first, acc[i], n);
        }
    }
}
