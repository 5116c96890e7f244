/* ops.h - shared by the parts of ops_test.c: data on host and device, weights, and the tests. */
#ifndef TESTS_CUDA_OPS_H
#define TESTS_CUDA_OPS_H

#include "testing.h"

#include <math.h>

#include "backend/cpu/plain.h"
#include "backend/cpu/plain_image.h"
#include "base/random.h"

extern ti_backend *ops_judge; /* a CPU, for the weights of plain.c */

/* A random weight, bound to the device and to the judge. */
typedef struct ops_matrix {
    ti_tensor tensor;
    ti_weight *w, *plain;
    void *bytes;
} ops_matrix;

ti_backend *ops_open_device(const char *name);
/* A backend whose first matrix is of TYPE. */
ti_backend *ops_open_first(ti_type type);
/* A backend whose operands are of the kind asked for: a float32 matrix makes it exact. */
ti_backend *ops_open_kind(bool exact);
bool ops_emulated(const ti_backend *be);
/* Operands and values are float32 or bf16; the backend tells by their size. */
bool ops_is_exact(ti_backend *be);

/* N + 1 random numbers of STREAM; the caller frees them. */
float *ops_floats(size_t n, uint64_t stream);
/* N floats on the device; CELLS: as operands and values are, and X is rounded as they are. */
void *ops_to_device(ti_backend *be, float *x, size_t n, bool cells);
void ops_from_device(ti_backend *be, float *x, const void *memory, size_t n, bool cells);
/* |got - expected| / |expected|. */
double ops_error_of(const float *got, const float *expected, size_t n);
double ops_tolerance(ti_backend *be, bool coded);
/* COLS 0: a vector. Freed by ops_free_weight. */
ops_matrix ops_make_weight(ti_backend *be, const char *name, ti_type type, int rows, int cols,
                           uint64_t stream);
void ops_free_weight(ti_backend *be, ops_matrix *m);

/* CHECK on the emulated kinds of card: those with little shared memory take shorter tiles, and the
 * OLD ones before bf16 the plain kernels, as their operands are float32. Skipped on a real card. */
void ops_on_other_cards(void (*check)(bool old));

/* ---- ops_products.c ---------------------------------------------------------------------- */

void test_products(void **state);
void test_fp8_products(void **state);
void test_fp8_of_other_cards(void **state);
void test_products_of_other_cards(void **state);
void test_mixed_matrices(void **state);
void test_weights_without_a_place(void **state);
void test_streamed_products(void **state);

/* ---- ops_rows.c -------------------------------------------------------------------------- */

void test_embed_and_gather(void **state);
void test_embed_kept(void **state);
void test_norm(void **state);
void test_rope(void **state);
void test_attention(void **state);
void test_attention_of_other_cards(void **state);

/* ---- ops_sampler.c ----------------------------------------------------------------------- */

void test_pick(void **state);
void test_pick_ties(void **state);
void test_keep(void **state);
void test_keep_belongs_to_its_pick(void **state);

/* ---- ops_image.c ------------------------------------------------------------------------- */

void test_conv(void **state);
void test_image_ops(void **state);
void test_pixel_attention(void **state);

#endif
