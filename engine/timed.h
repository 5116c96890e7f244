/* timed.h - a backend that passes the ops of a forward pass on to another one and keeps the time
 * they took. Each op is waited for, so that a device which only enqueues is timed truly. The rest
 * of the table (head, pick, pictures, copies) is absent. */
#ifndef TI_TIMED_H
#define TI_TIMED_H

#include "backend/backend.h"

typedef enum ti_timed_op {
    TI_TIMED_EMBED,
    TI_TIMED_NORM,
    TI_TIMED_LINEAR,
    TI_TIMED_LINEAR_ROPE,
    TI_TIMED_ATTENTION,
    TI_TIMED_LINEAR_ADD,
    TI_TIMED_GATE,
    TI_TIMED_GATHER,
    TI_TIMED_OPS
} ti_timed_op;

typedef struct ti_timed {
    ti_backend base; /* first: an op's ti_backend * is a ti_timed * */
    ti_backend *inner;
    double seconds[TI_TIMED_OPS], cpu_seconds[TI_TIMED_OPS]; /* the latter of all threads */
} ti_timed;

/* INNER must outlive TIMED, and stays the caller's. */
void ti_timed_init(ti_timed *timed, ti_backend *inner);
void ti_timed_reset(ti_timed *timed);
const char *ti_timed_name(ti_timed_op op);
double ti_seconds(void);     /* of a clock that only goes forward */
double ti_cpu_seconds(void); /* all threads of this process so far */

#endif
