/* muon.h - Muon, the optimiser of weight matrices (Jordan 2024; Liu et al., arXiv 2502.16982): the
 * momentum's singular values are all made about one, so a step turns every direction of the matrix
 * by the same amount, rare ones too. A small network on few samples learns in about half the steps
 * that AdamW needs. */
#ifndef TI_TRAIN_MUON_H
#define TI_TRAIN_MUON_H

#include "params.h"

/* Floats of device memory that a step of P's matrices works in. */
size_t ti_muon_room(const ti_params *p);

/* One step of parameter ITEM, a matrix: gradient (times SCALE) into momentum, momentum into value
 * and average. RATE and DECAY as of AdamW: the step's root mean square is about a fifth of RATE, as
 * there. */
void ti_muon_step(ti_params *p, const ti_param *item, float *room, const ti_recipe *recipe,
                  const ti_adamw *o);

#endif
