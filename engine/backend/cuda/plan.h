/* plan.h - which weights lie on the card, and of what type: arithmetic alone, so that cards of any
 * size can be tested.
 *
 * Of what is free a margin is left to the desktop and room to an edit, with the slots through which
 * weights stream. What is left takes the weights. If it does not take all of them, the token table
 * goes out first - an edit reads a few thousand of its rows, which the card fetches over the bus -
 * and then every n-th matrix, so that the bus works all the time instead of at the end of every
 * pass.
 *
 * The type is the file's if that fits, or if what has to stream costs no time: a pass multiplies
 * while the bus works. It reads TI_CUDA_HIDDEN bytes an element at most: with 2340 rows, one
 * sequence of a 512 pixel edit, an element is 4680 operations, so on a card of 100 TFLOP/s behind a
 * bus of 13 GB/s (PCIe 4 x8) streaming takes 0.8 of the products' time, and less on slower cards,
 * faster buses or two sequences. (Data sheets' figures; not measured.) Where more than that would
 * stream, or main memory has no place for it, the matrices are made of a smaller type as they are
 * bound: the largest of bf16, q8_0 and q4_k that fits or streams for free, else the one that
 * streams least. Quantised files stay as they are. */
#ifndef TI_BACKEND_CUDA_PLAN_H
#define TI_BACKEND_CUDA_PLAN_H

#include "format/tensor.h"

#define TI_CUDA_MARGIN      ((uint64_t)512 << 20)  /* left to the desktop */
#define TI_CUDA_ROOM        ((uint64_t)1536 << 20) /* left to an edit and the slots */
#define TI_CUDA_LOCK_MARGIN ((uint64_t)2 << 30)    /* of main memory, left to everybody else */
#define TI_CUDA_HIDDEN      0.5 /* bytes an element that stream behind the products */
#define TI_CUDA_FORMS       4

/* What the matrices may be kept as. */
typedef struct ti_cuda_form {
    bool made; /* of TYPE, those that are F32, F16 or BF16; else as in the file */
    ti_type type;
    uint64_t matrices, table; /* bytes of all, the table's among them */
} ti_cuda_form;

typedef struct ti_cuda_plan {
    uint64_t budget;   /* bytes of weights the card may still take */
    uint64_t outside;  /* of the matrices expected, these wait in main memory; of them */
    uint64_t streamed; /* these come to the card in every pass */
    ti_cuda_form form; /* taken */
    uint64_t spared;   /* that would stream of the file's own form */
    bool expected, table_outside;
    double share, owed; /* of a matrix that goes out; bytes that should have gone so far */
} ti_cuda_plan;

typedef struct ti_cuda_needs {
    ti_cuda_form forms[TI_CUDA_FORMS]; /* the file's own, then smaller ones; the largest first */
    int n_forms;
    uint64_t floats;   /* bytes of what is no matrix: it lies on the card in any case */
    uint64_t elements; /* numbers in the matrices */
    bool has_head;     /* the table is not the head as well */
    uint64_t lockable; /* main memory there is */
} ti_cuda_needs;

/* FREE: bytes of the card nobody uses. */
void ti_cuda_plan_begin(ti_cuda_plan *p, uint64_t free);
/* Chooses the form and what of it waits outside. Without it the file's form it is; the first
 * weights take the card, and the last wait outside. TE_NOMEM: not to be done. */
te_status ti_cuda_plan_expect(ti_cuda_plan *p, const ti_cuda_needs *needs, te_error *err);
/* Whether a weight of BYTES goes on the card; counts it. Only matrices can be outside. */
bool ti_cuda_plan_place(ti_cuda_plan *p, uint64_t bytes, bool matrix, bool table);

#endif
