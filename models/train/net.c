/* net.c - see net.h */
#include "net.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ti_net_init(ti_net *net, ti_params *params, int batch, int groups, float eps)
{
    memset(net, 0, sizeof *net);
    net->device = params->device;
    net->params = params;
    net->batch = batch;
    net->groups = groups;
    net->eps = eps;
}

void ti_net_clear(ti_net *net)
{
    ti_train_device *d = net->device;
    if (!d) return;
    for (int i = 0; i < net->n_values; i++) {
        d->op->release(d, net->values[i].data);
        if (net->values[i].shares < 0) d->op->release(d, net->values[i].grad);
    }
    for (int i = 0; i < net->n_nodes; i++) d->op->release(d, net->nodes[i].stats);
    d->op->release(d, net->lfq_terms);
    free(net->spans);
    memset(net, 0, sizeof *net);
}

static int fail(ti_net *net, const char *what)
{
    if (!net->status) net->status = ti_fail(&net->error, TE_INVALID, "the network %s", what);
    return 0;
}

static int add_value(ti_net *net, int height, int width, int channels)
{
    if (net->n_values == TI_NET_MAX) return fail(net, "has too many layers");
    if (channels < 1 || channels > TI_TRAIN_MAX_CHANNELS) return fail(net, "has too many channels");
    if ((int64_t)height * width * channels > TI_TRAIN_MAX_IMAGE) return fail(net, "is too large");
    net->values[net->n_values] =
        (ti_value){.height = height, .width = width, .channels = channels, .shares = -1};
    return net->n_values++;
}

int ti_net_input(ti_net *net, int height, int width, int channels)
{
    return add_value(net, height, width, channels);
}

/* A new node reading IN and writing a new value of this size. */
static ti_node *add_node(ti_net *net, ti_node_kind kind, int in, int height, int width,
                         int channels)
{
    static ti_node spare; /* written to by builders of a network that has failed; never read */
    int out = add_value(net, height, width, channels);
    if (net->status) return &spare;
    ti_node *node = &net->nodes[net->n_nodes++];
    *node = (ti_node){.kind = kind, .in = {in, -1, -1}, .out = out, .residual = -1};
    return node;
}

static int add_param(ti_net *net, const char *name, const char *suffix, int n_dims,
                     const int64_t *shape)
{
    char full[TI_PARAM_NAME];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    return ti_params_add(net->params, full, n_dims, shape, n_dims > 1 ? TI_DECAYS : 0);
}

int ti_net_conv(ti_net *net, const char *name, int in, int channels, int kernel, int stride,
                int residual)
{
    const ti_value from = net->values[in];
    if (stride == 2 && (from.height % 2 || from.width % 2)) return fail(net, "halves an odd size");
    ti_node *node =
        add_node(net, TI_NODE_CONV, in, from.height / stride, from.width / stride, channels);
    node->kernel = kernel;
    node->stride = stride;
    node->pad = kernel == 3 && stride == 1 ? 1 : 0;
    node->residual = residual;
    if (net->status) return 0;
    node->weight =
        add_param(net, name, "weight", 4, (int64_t[]){channels, from.channels, kernel, kernel});
    node->bias = add_param(net, name, "bias", 1, (int64_t[]){channels});
    if (residual >= 0) net->values[residual].shares = node->out;
    return node->out;
}

int ti_net_group_norm(ti_net *net, const char *name, int in, bool silu)
{
    const ti_value from = net->values[in];
    if (from.channels % net->groups) return fail(net, "has channels that its groups do not divide");
    ti_node *node = add_node(net, TI_NODE_GROUP_NORM, in, from.height, from.width, from.channels);
    node->silu = silu;
    if (net->status) return 0;
    node->weight = add_param(net, name, "weight", 1, (int64_t[]){from.channels});
    node->bias = add_param(net, name, "bias", 1, (int64_t[]){from.channels});
    return node->out;
}

int ti_net_upsample(ti_net *net, int in)
{
    const ti_value from = net->values[in];
    return add_node(net, TI_NODE_UPSAMPLE, in, 2 * from.height, 2 * from.width, from.channels)->out;
}

int ti_net_attention(ti_net *net, int q, int k, int v)
{
    const ti_value from = net->values[q];
    if (from.height * from.width > TI_TRAIN_MAX_TOKENS)
        return fail(net, "attends over too many pixels");
    ti_node *node = add_node(net, TI_NODE_ATTENTION, q, from.height, from.width, from.channels);
    node->in[1] = k;
    node->in[2] = v;
    return node->out;
}

int ti_net_quantise(ti_net *net, int in)
{
    const ti_value from = net->values[in];
    return add_node(net, TI_NODE_QUANTISE, in, from.height, from.width, from.channels)->out;
}

/* ---- memory ------------------------------------------------------------------------------ */

static size_t value_floats(const ti_net *net, const ti_value *v)
{
    return (size_t)net->batch * (size_t)v->height * (size_t)v->width * (size_t)v->channels;
}

static te_status take(ti_net *net, float **to, size_t floats, te_error *err)
{
    void *memory = NULL;
    te_status st = net->device->op->alloc(net->device, floats * sizeof(float), &memory, err);
    *to = memory;
    return st;
}

static te_status allocate_values(ti_net *net, te_error *err)
{
    te_status st = TE_OK;
    for (int i = 0; !st && i < net->n_values; i++)
        st = take(net, &net->values[i].data, value_floats(net, &net->values[i]), err);
    for (int i = net->n_values - 1; !st && i >= 0; i--) {
        ti_value *v = &net->values[i];
        if (v->shares < 0)
            st = take(net, &v->grad, value_floats(net, v), err);
        else
            v->grad = net->values[v->shares].grad; /* a later value: already there */
    }
    return st;
}

te_status ti_net_allocate(ti_net *net, te_error *err)
{
    if (net->status) return ti_fail(err, net->status, "%s", net->error.message);
    te_status st = allocate_values(net, err);
    for (int i = 0; !st && i < net->n_nodes; i++) {
        ti_node *node = &net->nodes[i];
        const ti_value *v = &net->values[node->out];
        if (node->kind == TI_NODE_GROUP_NORM)
            st = take(net, &node->stats, (size_t)(net->batch * net->groups * 2), err);
        if (node->kind == TI_NODE_ATTENTION)
            st = take(net, &node->stats, (size_t)(net->batch * v->height * v->width), err);
    }
    if (!st) st = take(net, &net->lfq_terms, 3, err);
    if (!st) {
        net->spans = ti_calloc((size_t)net->batch, sizeof *net->spans);
        if (!net->spans) st = ti_fail_memory(err, "the network", sizeof *net->spans);
    }
    return st;
}

/* ---- running ----------------------------------------------------------------------------- */

static ti_conv_shape conv_shape(const ti_net *net, const ti_node *node)
{
    const ti_value *x = &net->values[node->in[0]], *y = &net->values[node->out];
    return (ti_conv_shape){.n = net->batch,
                           .height = x->height,
                           .width = x->width,
                           .in = x->channels,
                           .out_height = y->height,
                           .out_width = y->width,
                           .out = y->channels,
                           .kernel = node->kernel,
                           .stride = node->stride,
                           .pad = node->pad,
                           .bf16 = net->bf16};
}

static ti_group_shape group_shape(const ti_net *net, const ti_node *node)
{
    const ti_value *x = &net->values[node->in[0]];
    return (ti_group_shape){.n = net->batch,
                            .pixels = x->height * x->width,
                            .channels = x->channels,
                            .groups = net->groups,
                            .eps = net->eps,
                            .silu = node->silu};
}

static ti_attention_shape attention_shape(ti_net *net, const ti_node *node)
{
    const ti_value *x = &net->values[node->in[0]];
    const int pixels = x->height * x->width;
    for (int i = 0; i < net->batch; i++) net->spans[i] = (ti_span){i * pixels, pixels};
    return (ti_attention_shape){.spans = net->spans,
                                .n_spans = net->batch,
                                .heads = 1,
                                .head_size = x->channels,
                                .ld = x->channels};
}

static ti_lfq_shape lfq_shape(const ti_net *net, const ti_node *node)
{
    const ti_value *x = &net->values[node->in[0]];
    ti_lfq_shape s = net->lfq;
    s.n = net->batch * x->height * x->width;
    s.bits = x->channels;
    return s;
}

static void forward_node(ti_net *net, const ti_node *node)
{
    ti_train_device *d = net->device;
    const ti_value *x = &net->values[node->in[0]];
    float *y = net->values[node->out].data;
    if (node->kind == TI_NODE_CONV) {
        ti_conv_shape s = conv_shape(net, node);
        d->op->conv(d, y, x->data, ti_param_value(net->params, node->weight),
                    ti_param_value(net->params, node->bias),
                    node->residual >= 0 ? net->values[node->residual].data : NULL, &s);
    } else if (node->kind == TI_NODE_GROUP_NORM) {
        ti_group_shape s = group_shape(net, node);
        d->op->group_norm(d, y, node->stats, x->data, ti_param_value(net->params, node->weight),
                          ti_param_value(net->params, node->bias), &s);
    } else if (node->kind == TI_NODE_UPSAMPLE) {
        d->op->upsample(d, y, x->data, net->batch, x->height, x->width, x->channels);
    } else if (node->kind == TI_NODE_ATTENTION) {
        ti_attention_shape s = attention_shape(net, node);
        d->op->attention(d, y, node->stats, x->data, net->values[node->in[1]].data,
                         net->values[node->in[2]].data, &s);
    } else {
        ti_lfq_shape s = lfq_shape(net, node);
        d->op->quantise(d, y, x->data, &s);
    }
}

void ti_net_forward(ti_net *net, int first, int last)
{
    for (int i = first; i < last; i++) forward_node(net, &net->nodes[i]);
}

static void backward_conv(ti_net *net, const ti_node *node)
{
    ti_train_device *d = net->device;
    ti_value *x = &net->values[node->in[0]];
    const float *dy = net->values[node->out].grad;
    ti_conv_shape s = conv_shape(net, node);
    d->op->conv_back_weight(d, ti_param_grad(net->params, node->weight),
                            ti_param_grad(net->params, node->bias), dy, x->data, &s);
    if (node->in[0] != 0)
        d->op->conv_back_input(d, x->grad, dy, ti_param_value(net->params, node->weight), &s,
                               x->has_grad);
    x->has_grad = true;
    if (node->residual >= 0) net->values[node->residual].has_grad = true;
}

static void backward_node(ti_net *net, const ti_node *node)
{
    ti_train_device *d = net->device;
    ti_value *x = &net->values[node->in[0]];
    const ti_value *y = &net->values[node->out];
    if (node->kind == TI_NODE_CONV) {
        backward_conv(net, node);
        return;
    }
    if (node->kind == TI_NODE_GROUP_NORM) {
        ti_group_shape s = group_shape(net, node);
        d->op->group_norm_back(d, x->grad, ti_param_grad(net->params, node->weight),
                               ti_param_grad(net->params, node->bias), y->grad, x->data,
                               node->stats, ti_param_value(net->params, node->weight),
                               ti_param_value(net->params, node->bias), &s, x->has_grad);
    } else if (node->kind == TI_NODE_UPSAMPLE) {
        d->op->upsample_back(d, x->grad, y->grad, net->batch, x->height, x->width, x->channels);
    } else if (node->kind == TI_NODE_ATTENTION) {
        ti_value *k = &net->values[node->in[1]], *v = &net->values[node->in[2]];
        ti_attention_shape s = attention_shape(net, node);
        d->op->attention_back(d, x->grad, k->grad, v->grad, y->grad, y->data, node->stats, x->data,
                              k->data, v->data, &s);
        k->has_grad = v->has_grad = true;
    } else {
        ti_lfq_shape s = lfq_shape(net, node);
        d->op->quantise_back(d, x->grad, net->lfq_terms, y->grad, x->data, &s);
    }
    x->has_grad = true;
}

void ti_net_backward(ti_net *net, int first)
{
    for (int i = 0; i < net->n_values; i++) net->values[i].has_grad = false;
    for (int i = net->n_nodes - 1; i >= first; i--) backward_node(net, &net->nodes[i]);
}
