/* llada_internal.h - what llada.c (the mathematics), llada_init.c (first weights),
 * llada_file.c (model files) and grow.c share. */
#ifndef TI_TRAIN_LLADA_INTERNAL_H
#define TI_TRAIN_LLADA_INTERNAL_H

#include "llada.h"

#define TI_LLADA_PREFIX "model.transformer."

typedef struct ti_llada_layer {
    int attn_norm, qkv, attn_out, ff_norm, gate_up,
        ff_out;                                      /* parameters; qkv and gate_up: the first */
    float *in, *rstd1, *h1, *qkv_rows, *lse, *mixed; /* kept for the way back */
    float *middle, *rstd2, *h2, *gates, *gated;
} ti_llada_layer;

struct ti_llada {
    ti_llada_config config;
    ti_train_device *device;
    ti_params params;
    int embedding, norm, head;
    ti_llada_layer *layers;
    int max_rows, read_rows;
    void *memory; /* all of the below and the layers' */
    float *x, *dx, *wide,
        *narrow; /* [rows][d], [rows][d], [rows][max(3 d, 2 f)], [rows][max(d, f)] */
    float *read, *read_h, *read_dh, *read_rstd, *logits; /* read_rows rows at a time */
    float *row_loss, *row_hit,
        *weights; /* of all read rows, 2 max_rows; row_hit follows row_loss */
    int32_t *tokens, *positions, *index, *targets;
    float *host; /* [2][2 max_rows] */
};

#endif
