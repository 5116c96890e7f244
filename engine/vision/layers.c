/* layers.c - see layers.h */
#include "vision/layers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

/* ---- binding --------------------------------------------------------------------------------- */

void ti_binder_clear(ti_binder *b)
{
    for (int i = 0; i < b->n_weights; i++) b->backend->op->weight_free(b->backend, b->weights[i]);
    free(b->weights);
    b->weights = NULL;
    b->n_weights = b->capacity = 0;
}

void ti_binder_fail(ti_binder *b, te_status status, const char *format, ...)
{
    char text[256];
    va_list args;
    if (b->status) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    b->status = ti_fail(b->err, status, "%s: %s", ti_gguf_path(b->file), text);
}

/* Every name begins "image."; one that is too long for anything to bear it becomes "". */
static void make_name(char name[TI_IMAGE_NAME], const char *format, va_list args)
{
    int n = snprintf(name, TI_IMAGE_NAME, "image.");
    if (vsnprintf(name + n, TI_IMAGE_NAME - (size_t)n, format, args) >= TI_IMAGE_NAME - n)
        name[0] = 0;
}

/* "NAME.PART" in TO. */
static const char *join(char to[TI_IMAGE_NAME], const char *name, const char *part)
{
    if (snprintf(to, TI_IMAGE_NAME, "%s.%s", name, part) >= TI_IMAGE_NAME) to[0] = 0;
    return to;
}

#define MAKE_NAME(name, format)                                                                    \
    do {                                                                                           \
        va_list args_;                                                                             \
        va_start(args_, format);                                                                   \
        make_name(name, format, args_);                                                            \
        va_end(args_);                                                                             \
    } while (0)

static const ti_tensor *find(const ti_binder *b, const char *name, const char *part)
{
    char full[TI_IMAGE_NAME];
    return ti_gguf_find(b->file, join(full, name, part));
}

bool ti_binder_has(const ti_binder *b, const char *format, ...)
{
    char name[TI_IMAGE_NAME];
    MAKE_NAME(name, format);
    return find(b, name, "weight") != NULL;
}

/* The kernel TENSOR as float32, which no backend rounds. */
static te_status create_exact(ti_binder *b, const ti_tensor *tensor, ti_weight **out)
{
    ti_tensor wide = *tensor;
    const int64_t per_row = tensor->shape[1] * tensor->shape[2] * tensor->shape[3];
    const size_t n = (size_t)tensor->shape[0] * (size_t)per_row;
    float *values = ti_malloc_array(n, sizeof *values);
    if (!values) return ti_fail_memory(b->err, tensor->name, n * sizeof *values);
    ti_dequantize(tensor->type, tensor->data, values, (int64_t)n);
    wide.type = TI_F32;
    wide.data = values;
    wide.bytes = n * sizeof *values;
    te_status st = b->backend->op->weight_create(b->backend, &wide, out, b->err);
    free(values);
    return st;
}

/* Room for the weight comes first, so that a bound weight is never lost. */
static ti_weight *bind_tensor(ti_binder *b, const ti_tensor *tensor)
{
    ti_weight *w = NULL;
    if (b->status) return NULL;
    if (b->n_weights == b->capacity) {
        int more = b->capacity ? 2 * b->capacity : 64;
        ti_weight **grown = ti_realloc_array(b->weights, (size_t)more, sizeof *grown);
        if (!grown) {
            b->status = ti_fail_memory(b->err, "the image tokeniser", (size_t)more * sizeof *grown);
            return NULL;
        }
        b->weights = grown;
        b->capacity = more;
    }
    const bool half = tensor->type == TI_F16 || tensor->type == TI_BF16;
    b->status = b->exact && half && tensor->n_dims == 4
                    ? create_exact(b, tensor, &w)
                    : b->backend->op->weight_create(b->backend, tensor, &w, b->err);
    if (!w) return NULL;
    b->weights[b->n_weights++] = w;
    ti_gguf_forget(b->file, tensor); /* every backend keeps its own arrangement of these */
    return w;
}

static ti_weight *bind_vector(ti_binder *b, const char *name, const char *part, int n)
{
    const ti_tensor *t = b->status ? NULL : find(b, name, part);
    if (!t || t->n_dims != 1 || t->shape[0] != n) {
        ti_binder_fail(b, TE_FORMAT, "the image tokeniser needs a tensor %s.%s of %d elements",
                       name, part, n);
        return NULL;
    }
    return bind_tensor(b, t);
}

static int bind_conv(ti_binder *b, ti_conv_layer *layer, int in, int size, const char *name)
{
    const ti_tensor *t = b->status ? NULL : find(b, name, "weight");
    if (!t || t->n_dims != 4 || t->shape[1] != in || t->shape[2] != size || t->shape[3] != size) {
        ti_binder_fail(b, TE_FORMAT,
                       "the image tokeniser needs a tensor %s.weight of shape [n, %d, %d, %d]",
                       name, in, size, size);
        return 0;
    }
    if (t->shape[0] < 1 || t->shape[0] > TI_IMAGE_MAX_CHANNELS) {
        ti_binder_fail(b, TE_UNSUPPORTED, "%s has %lld channels; 1 to %d are supported", name,
                       (long long)t->shape[0], TI_IMAGE_MAX_CHANNELS);
        return 0;
    }
    *layer = (ti_conv_layer){.in = in, .out = (int)t->shape[0], .size = size};
    layer->kernel = bind_tensor(b, t);
    layer->bias = bind_vector(b, name, "bias", layer->out);
    return b->status ? 0 : layer->out;
}

static int bind_norm(ti_binder *b, ti_norm_layer *layer, int channels, const char *name)
{
    if (channels % b->groups)
        ti_binder_fail(b, TE_FORMAT, "%s: %d channels do not divide into %d groups", name, channels,
                       b->groups);
    *layer = (ti_norm_layer){.channels = channels};
    layer->gain = bind_vector(b, name, "weight", channels);
    layer->bias = bind_vector(b, name, "bias", channels);
    return b->status ? 0 : channels;
}

int ti_bind_conv(ti_binder *b, ti_conv_layer *layer, int in, int size, const char *format, ...)
{
    char name[TI_IMAGE_NAME];
    MAKE_NAME(name, format);
    return bind_conv(b, layer, in, size, name);
}

int ti_bind_norm(ti_binder *b, ti_norm_layer *layer, int channels, const char *format, ...)
{
    char name[TI_IMAGE_NAME];
    MAKE_NAME(name, format);
    return bind_norm(b, layer, channels, name);
}

int ti_bind_residual(ti_binder *b, ti_residual *block, int in, const char *shortcut,
                     const char *format, ...)
{
    char name[TI_IMAGE_NAME], part[TI_IMAGE_NAME];
    MAKE_NAME(name, format);
    bind_norm(b, &block->norm1, in, join(part, name, "norm1"));
    int out = bind_conv(b, &block->conv1, in, 3, join(part, name, "conv1"));
    bind_norm(b, &block->norm2, out, join(part, name, "norm2"));
    if (bind_conv(b, &block->conv2, out, 3, join(part, name, "conv2")) != out)
        ti_binder_fail(b, TE_FORMAT, "%s: the second convolution changes the channels", name);
    block->shortcut = (ti_conv_layer){0};
    if (out != in && bind_conv(b, &block->shortcut, in, 1, join(part, name, shortcut)) != out)
        ti_binder_fail(b, TE_FORMAT, "%s: the shortcut leads to other channels", name);
    return b->status ? 0 : out;
}

int ti_bind_attention(ti_binder *b, ti_attention *block, int channels, const char *format, ...)
{
    static const char *const parts[] = {"q", "k", "v", "proj_out"};
    ti_conv_layer *layers[] = {&block->q, &block->k, &block->v, &block->out};
    char name[TI_IMAGE_NAME], part[TI_IMAGE_NAME];
    MAKE_NAME(name, format);
    bind_norm(b, &block->norm, channels, join(part, name, "norm"));
    for (int i = 0; i < 4; i++)
        if (bind_conv(b, layers[i], channels, 1, join(part, name, parts[i])) != channels)
            ti_binder_fail(b, TE_FORMAT, "%s.%s changes the channels", name, parts[i]);
    return b->status ? 0 : channels;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Whether to run the next layer, which wants FLOATS in one buffer; looks at the cancel flag. */
static bool proceed(ti_canvas *c, size_t floats)
{
    if (floats > c->peak) c->peak = floats;
    if (!c->status && c->cancel && *c->cancel)
        c->status = ti_fail(c->err, TE_CANCELLED, "cancelled");
    return !c->status && c->backend;
}

static size_t canvas_floats(const ti_canvas *c, int channels)
{
    return (size_t)c->height * (size_t)c->width * (size_t)channels;
}

static void swap(float **a, float **b)
{
    float *was = *a;
    *a = *b;
    *b = was;
}

static void convolve(ti_canvas *c, float *y, const float *x, const ti_conv_layer *layer,
                     bool accumulate)
{
    ti_conv shape = {.height = c->height,
                     .width = c->width,
                     .in_channels = layer->in,
                     .out_height = c->height,
                     .out_width = c->width,
                     .out_channels = layer->out,
                     .kernel = layer->size,
                     .stride = 1,
                     .pad_top = layer->size / 2,
                     .pad_left = layer->size / 2};
    c->backend->op->conv(c->backend, y, x, layer->kernel, layer->bias, &shape, accumulate);
}

static void normalise(ti_canvas *c, float *y, const float *x, const ti_norm_layer *layer, bool silu)
{
    c->backend->op->group_norm(c->backend, y, x, layer->gain, layer->bias, c->height * c->width,
                               layer->channels, c->groups, c->eps, silu);
}

void ti_canvas_conv(ti_canvas *c, const ti_conv_layer *layer)
{
    if (proceed(c, canvas_floats(c, layer->out > layer->in ? layer->out : layer->in))) {
        convolve(c, c->h, c->x, layer, false);
        swap(&c->x, &c->h);
    }
    c->channels = layer->out;
}

void ti_canvas_down(ti_canvas *c, const ti_conv_layer *layer)
{
    ti_conv shape = {.height = c->height,
                     .width = c->width,
                     .in_channels = layer->in,
                     .out_height = c->height / 2,
                     .out_width = c->width / 2,
                     .out_channels = layer->out,
                     .kernel = layer->size,
                     .stride = 2};
    c->height /= 2;
    c->width /= 2;
    if (proceed(c, canvas_floats(c, layer->out))) {
        c->backend->op->conv(c->backend, c->h, c->x, layer->kernel, layer->bias, &shape, false);
        swap(&c->x, &c->h);
    }
    c->channels = layer->out;
}

void ti_canvas_up(ti_canvas *c, const ti_conv_layer *layer)
{
    if (proceed(c, 4 * canvas_floats(c, c->channels))) {
        c->backend->op->upsample(c->backend, c->h, c->x, c->height, c->width, c->channels);
        swap(&c->x, &c->h);
    }
    c->height *= 2;
    c->width *= 2;
    ti_canvas_conv(c, layer);
}

void ti_canvas_norm_silu(ti_canvas *c, const ti_norm_layer *layer)
{
    if (proceed(c, 0)) normalise(c, c->x, c->x, layer, true);
}

void ti_canvas_residual(ti_canvas *c, const ti_residual *block)
{
    const bool same = !block->shortcut.kernel;
    if (proceed(c, canvas_floats(c, block->conv1.out))) {
        normalise(c, c->h, c->x, &block->norm1, true);
        convolve(c, c->t, c->h, &block->conv1, false);
    }
    if (proceed(c, 0)) {
        normalise(c, c->t, c->t, &block->norm2, true);
        if (!same) {
            convolve(c, c->h, c->x, &block->shortcut, false);
            swap(&c->x, &c->h);
        }
        convolve(c, c->x, c->t, &block->conv2, true);
    }
    c->channels = block->conv1.out;
}

void ti_canvas_attend(ti_canvas *c, const ti_attention *block)
{
    size_t n = canvas_floats(c, c->channels);
    if (!proceed(c, 4 * n)) return;
    float *q = c->t, *k = q + n, *v = k + n, *y = v + n;
    normalise(c, c->h, c->x, &block->norm, false);
    convolve(c, q, c->h, &block->q, false);
    convolve(c, k, c->h, &block->k, false);
    convolve(c, v, c->h, &block->v, false);
    c->backend->op->pixel_attention(c->backend, y, q, k, v, c->height * c->width, c->channels);
    convolve(c, c->x, y, &block->out, true);
}
