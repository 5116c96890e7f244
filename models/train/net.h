/* net.h - a small convolutional network as a list of nodes, run forwards and backwards.
 *
 * Building names values by number; a value is an image [n][height][width][channels] per node. A
 * builder that fails leaves the network's status set and returns 0, so that a whole network can be
 * written down without looking; ti_net_allocate() then reports it.
 *
 * Gradients: a value's first gradient is written, later ones are added. A residual shares its
 * gradient with the sum it went into, which is right because that sum is its last use.
 */
#ifndef TI_TRAIN_NET_H
#define TI_TRAIN_NET_H

#include "params.h"

typedef enum ti_node_kind {
    TI_NODE_CONV,
    TI_NODE_GROUP_NORM,
    TI_NODE_UPSAMPLE,
    TI_NODE_ATTENTION,
    TI_NODE_QUANTISE
} ti_node_kind;

typedef struct ti_node {
    ti_node_kind kind;
    int in[3], out;
    int residual; /* -1: none */
    int weight, bias;
    int kernel, stride, pad;
    bool silu;
    float *stats; /* group norms: [n][groups][2]; attention: [n][pixels] */
} ti_node;

typedef struct ti_value {
    int height, width, channels;
    float *data, *grad;
    int shares; /* value whose gradient this one's is, or -1 */
    bool has_grad;
} ti_value;

#define TI_NET_MAX 256

typedef struct ti_net {
    ti_train_device *device;
    ti_params *params;
    int batch, groups;
    float eps;
    bool bf16; /* convolutions may round their factors to bf16; off at first */
    ti_node nodes[TI_NET_MAX];
    ti_value values[TI_NET_MAX];
    int n_nodes, n_values;
    ti_lfq_shape lfq;
    float *lfq_terms; /* device, [3] */
    ti_span *spans;
    te_status status;
    te_error error;
} ti_net;

void ti_net_init(ti_net *net, ti_params *params, int batch, int groups, float eps);
void ti_net_clear(ti_net *net);
int ti_net_input(ti_net *net, int height, int width, int channels);
/* Adds parameters NAME.weight and NAME.bias. RESIDUAL -1: none. Kernel 3 at stride 1 pads by one;
 * at stride 2 only to the right and below. */
int ti_net_conv(ti_net *net, const char *name, int in, int channels, int kernel, int stride,
                int residual);
int ti_net_group_norm(ti_net *net, const char *name, int in, bool silu);
int ti_net_upsample(ti_net *net, int in);
int ti_net_attention(ti_net *net, int q, int k, int v);
int ti_net_quantise(ti_net *net, int in);
te_status ti_net_allocate(ti_net *net, te_error *err); /* after ti_params_allocate() */

void ti_net_forward(ti_net *net, int first, int last); /* nodes [first, last) */
/* Down to node FIRST; the gradient of the last node's value must be in place. */
void ti_net_backward(ti_net *net, int first);

#endif
