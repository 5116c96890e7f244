/* table.c - one instruction set's row of functions. */
#include "ops/cpu.h"

#define TI_FILL_JOIN2(isa) ti_train_fill_##isa
#define TI_FILL_JOIN(isa)  TI_FILL_JOIN2(isa)

void TI_FILL_JOIN(TI_TRAIN_ISA)(ti_train_ops *ops)
{
    ops->zero = TI_OP(zero);
    ops->copy = TI_OP(copy);
    ops->mix = TI_OP(mix);
    ops->embed = TI_OP(embed);
    ops->embed_back = TI_OP(embed_back);
    ops->norm = TI_OP(norm);
    ops->norm_back = TI_OP(norm_back);
    ops->rope = TI_OP(rope);
    ops->attention = TI_OP(attention);
    ops->attention_back = TI_OP(attention_back);
    ops->swiglu = TI_OP(swiglu);
    ops->swiglu_back = TI_OP(swiglu_back);
    ops->gather = TI_OP(gather);
    ops->scatter = TI_OP(scatter);
    ops->cross_entropy = TI_OP(cross_entropy);
    ops->conv = TI_OP(conv);
    ops->conv_back_input = TI_OP(conv_back_input);
    ops->conv_back_weight = TI_OP(conv_back_weight);
    ops->group_norm = TI_OP(group_norm);
    ops->group_norm_back = TI_OP(group_norm_back);
    ops->upsample = TI_OP(upsample);
    ops->upsample_back = TI_OP(upsample_back);
    ops->quantise = TI_OP(quantise);
    ops->quantise_back = TI_OP(quantise_back);
    ops->picture_loss = TI_OP(picture_loss);
    ops->sum_squares = TI_OP(sum_squares);
    ops->adamw = TI_OP(adamw);
}
