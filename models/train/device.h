/* device.h - turns a device's name into one: "cpu", or "cuda" (or "cuda:N") when the module of
 * ops/cuda lies beside the program. */
#ifndef TI_TRAIN_DEVICE_H
#define TI_TRAIN_DEVICE_H

#include "ops/ops.h"

/* THREADS of the CPU; 0: all. */
te_status ti_train_device_create(ti_train_device **out, const char *name, int threads,
                                 te_error *err);

#endif
