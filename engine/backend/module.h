/* module.h - the seam between the library and the CUDA module: one function. */
#ifndef TI_BACKEND_MODULE_H
#define TI_BACKEND_MODULE_H

#include "backend/backend.h"

#define TI_CUDA_MODULE    "libthinkedit-cuda.so"
#define TI_CUDA_ENTRY     "ti_cuda_create"
#define TI_MODULE_VERSION 5 /* grows with every change of ti_ops */

/* Added to a card's number: matrices of the backbone's blocks as FP8, see backend/cuda/cuda.h. */
#define TI_CUDA_FP8 256
/* Matrices stay of the file's type, however little room the card has: backend/cuda/plan.h. */
#define TI_CUDA_AS_IS 512

/* A backend on CARD, or an error: TE_UNSUPPORTED when there is neither a card nor a driver,
 * TE_DEVICE when there is something and it does not work, or when VERSION is not the module's own.
 */
typedef te_status (*ti_cuda_create_fn)(ti_backend **out, int card, int version, te_error *err);

#endif
