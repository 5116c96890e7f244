/* plan.h - which weights lie on the card: arithmetic alone, so that cards of any size can be tested.
 *
 * Of what is free a margin is left to the desktop and room to an edit, with the slots through which
 * weights stream. What is left takes the weights. If it does not take all of them, the token table
 * goes out first - an edit reads a few thousand of its rows, which the card fetches over the bus -
 * and then every n-th matrix, so that the bus works all the time instead of at the end of every
 * pass. Types stay the file's: a person who wants a smaller one takes a file of it, and is told which
 * would fit. */
#ifndef TI_BACKEND_CUDA_PLAN_H
#define TI_BACKEND_CUDA_PLAN_H

#include "base/error.h"

#define TI_CUDA_MARGIN ((uint64_t)512 << 20)  /* left to the desktop */
#define TI_CUDA_ROOM   ((uint64_t)1536 << 20) /* left to an edit and the slots */
#define TI_CUDA_LOCK_MARGIN ((uint64_t)2 << 30) /* of main memory, left to everybody else */

typedef struct ti_cuda_plan {
    uint64_t budget;  /* bytes of weights the card may still take */
    uint64_t outside; /* of the matrices expected, these wait in main memory */
    bool expected, table_outside;
    double share, owed; /* of a matrix that goes out; bytes that should have gone so far */
} ti_cuda_plan;

typedef struct ti_cuda_needs {
    uint64_t matrices, table; /* bytes of all, the table's among them */
    uint64_t floats;          /* of what is no matrix: it lies on the card in any case */
    uint64_t elements;        /* numbers in them */
    bool has_head;            /* the table is not the head as well */
    uint64_t lockable;        /* main memory there is */
} ti_cuda_needs;

/* FREE: bytes of the card nobody uses. */
void ti_cuda_plan_begin(ti_cuda_plan *p, uint64_t free);
/* Without it the first weights take the card, and the last wait outside. TE_NOMEM: not to be done. */
te_status ti_cuda_plan_expect(ti_cuda_plan *p, const ti_cuda_needs *needs, te_error *err);
/* Whether a weight of BYTES goes on the card; counts it. Only matrices can be outside. */
bool ti_cuda_plan_place(ti_cuda_plan *p, uint64_t bytes, bool matrix, bool table);

#endif
