/* module.h - the seam between the trainer and its CUDA module: one function. */
#ifndef TI_TRAIN_CUDA_MODULE_H
#define TI_TRAIN_CUDA_MODULE_H

#include "ops/ops.h"

#define TI_TRAIN_CUDA_MODULE    "libthinkedit-train-cuda.so"
#define TI_TRAIN_CUDA_ENTRY     "ti_train_cuda_create"
#define TI_TRAIN_MODULE_VERSION 1 /* grows with every change of ti_train_ops */

typedef te_status (*ti_train_cuda_create_fn)(ti_train_device **out, int card, int version,
                                             te_error *err);
te_status ti_train_cuda_create(ti_train_device **out, int card, int version, te_error *err);

#endif
