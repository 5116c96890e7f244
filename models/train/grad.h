/* grad.h - loss and gradients of a model file for given tokens. */
#ifndef TI_TRAIN_GRAD_H
#define TI_TRAIN_GRAD_H

#include "llada.h"

/* SFT: see grad.c. GRADS: where the gradients go, or NULL. */
te_status ti_grad_run(const char *model, const char *sft, const char *grads, ti_llada_loss *loss,
                      te_error *err);

#endif
