/* device.c - the card as a training device: memory, transfers, failures, and the op table. */
#include "ops/cuda/cuda.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/cuda/module.h"

bool ti_train_cuda_check(ti_train_cuda *c, cudaError_t code, const char *what)
{
    if (code != cudaSuccess && !c->failed) {
        c->failed = code;
        snprintf(c->failure, sizeof c->failure, "%s: %s", what, cudaGetErrorString(code));
    }
    return !c->failed;
}

void *ti_train_cuda_room(ti_train_cuda *c, ti_train_room room, size_t bytes)
{
    if (c->failed) return NULL;
    if (bytes <= c->room_bytes[room]) return c->rooms[room];
    if (c->rooms[room]) cudaFree(c->rooms[room]);
    c->rooms[room] = NULL;
    c->room_bytes[room] = 0;
    memset(c->packed, 0, sizeof c->packed);
    bytes += bytes / 8;
    if (!ti_train_cuda_check(c, cudaMalloc((void *)&c->rooms[room], bytes), "scratch memory"))
        return NULL;
    c->room_bytes[room] = bytes;
    return c->rooms[room];
}

static void cuda_free(ti_train_device *d)
{
    ti_train_cuda *c = (ti_train_cuda *)d;
    if (c->stream) cudaStreamSynchronize(c->stream);
    ti_products_free(c->products);
    for (int i = 0; i < TI_ROOMS; i++)
        if (c->rooms[i]) cudaFree(c->rooms[i]);
    if (c->spans) cudaFree(c->spans);
    for (int i = 0; i < TI_TRAIN_CUDA_SLOTS; i++) {
        if (c->slots[i].pinned) cudaFreeHost(c->slots[i].pinned);
        if (c->slots[i].sent) cudaEventDestroy(c->slots[i].sent);
    }
    if (c->stream) cudaStreamDestroy(c->stream);
    free(c->host_spans);
    free(c);
}

static te_status cuda_alloc(ti_train_device *d, size_t bytes, void **memory, te_error *err)
{
    bytes = (bytes + 255) & ~(size_t)255;
    if (!bytes) bytes = 256;
    cudaError_t code = cudaMalloc((void *)memory, bytes);
    if (code != cudaSuccess) {
        *memory = NULL;
        cudaGetLastError();
        return ti_fail(err, TE_NOMEM, "the card has no %zu MB left; take a smaller micro_batch",
                       bytes >> 20);
    }
    ti_train_cuda_zero(d, *memory, bytes / sizeof(float));
    return TE_OK;
}

static void cuda_release(ti_train_device *d, void *memory)
{
    (void)d;
    if (memory) cudaFree(memory);
}

/* The next slot, once what it held has left. */
static void turn_slot(ti_train_cuda *c)
{
    ti_train_cuda_check(c, cudaEventRecord(c->slots[c->slot].sent, c->stream), "an upload");
    c->slot = (c->slot + 1) % TI_TRAIN_CUDA_SLOTS;
    c->slot_used = 0;
    ti_train_cuda_check(c, cudaEventSynchronize(c->slots[c->slot].sent), "an upload");
}

void ti_train_cuda_upload(ti_train_device *d, void *to, const void *from, size_t bytes)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    for (size_t done = 0; done < bytes && !c->failed;) {
        if (c->slot_used == TI_TRAIN_CUDA_SLOT_BYTES) turn_slot(c);
        size_t left = TI_TRAIN_CUDA_SLOT_BYTES - c->slot_used;
        size_t n = bytes - done < left ? bytes - done : left;
        unsigned char *pinned = c->slots[c->slot].pinned + c->slot_used;
        memcpy(pinned, (const unsigned char *)from + done, n);
        ti_train_cuda_check(c,
                            cudaMemcpyAsync((unsigned char *)to + done, pinned, n,
                                            cudaMemcpyHostToDevice, c->stream),
                            "an upload");
        done += n;
        c->slot_used += (n + 255) & ~(size_t)255; /* slots are multiples of 256 */
    }
}

te_status ti_train_cuda_download(ti_train_device *d, void *to, const void *from, size_t bytes,
                                 te_error *err)
{
    ti_train_cuda *c = (ti_train_cuda *)d;
    if (bytes && !c->failed)
        ti_train_cuda_check(c, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, c->stream),
                            "a download");
    ti_train_cuda_check(c, cudaStreamSynchronize(c->stream), "the card");
    return c->failed ? ti_fail(err, TE_DEVICE, "the card failed at %s", c->failure) : TE_OK;
}

/* Layers ask for the same spans one after another: they are sent once. */
const ti_span *ti_train_cuda_spans(ti_train_cuda *c, const ti_span *spans, int n)
{
    const size_t bytes = (size_t)n * sizeof *spans;
    if (c->failed) return NULL;
    if (c->n_spans == n && !memcmp(c->host_spans, spans, bytes)) return c->spans;
    if (n > c->spans_room) {
        ti_span *grown = ti_realloc_array(c->host_spans, (size_t)n, sizeof *grown);
        if (grown) c->host_spans = grown;
        if (c->spans) cudaFree(c->spans);
        c->spans = NULL;
        cudaError_t code = grown ? cudaMalloc((void *)&c->spans, bytes) : cudaErrorMemoryAllocation;
        c->spans_room = c->n_spans = 0;
        if (!ti_train_cuda_check(c, code, "the list of sequences")) return NULL;
        c->spans_room = n;
    }
    memcpy(c->host_spans, spans, bytes);
    c->n_spans = n;
    ti_train_cuda_upload(&c->base, c->spans, spans, bytes);
    return c->failed ? NULL : c->spans;
}

void ti_train_cuda_product(ti_train_cuda *c, const ti_product *p, const void *a, const void *b,
                           float *to)
{
    if (c->failed || !p->m || !p->n || !p->batch) return;
    const char *why = ti_products_run(c->products, p, a, b, to);
    if (why) ti_train_cuda_check(c, cudaErrorUnknown, why);
}

static const ti_train_ops table = {
    .free = cuda_free,
    .alloc = cuda_alloc,
    .release = cuda_release,
    .upload = ti_train_cuda_upload,
    .download = ti_train_cuda_download,
    .zero = ti_train_cuda_zero,
    .copy = ti_train_cuda_copy,
    .mix = ti_train_cuda_mix,
    .gemm = ti_train_cuda_gemm,
    .embed = ti_train_cuda_embed,
    .embed_back = ti_train_cuda_embed_back,
    .norm = ti_train_cuda_norm,
    .norm_back = ti_train_cuda_norm_back,
    .rope = ti_train_cuda_rope,
    .attention = ti_train_cuda_attention,
    .attention_back = ti_train_cuda_attention_back,
    .swiglu = ti_train_cuda_swiglu,
    .swiglu_back = ti_train_cuda_swiglu_back,
    .gather = ti_train_cuda_embed,
    .scatter = ti_train_cuda_scatter,
    .cross_entropy = ti_train_cuda_cross_entropy,
    .conv = ti_train_cuda_conv,
    .conv_back_input = ti_train_cuda_conv_back_input,
    .conv_back_weight = ti_train_cuda_conv_back_weight,
    .group_norm = ti_train_cuda_group_norm,
    .group_norm_back = ti_train_cuda_group_norm_back,
    .upsample = ti_train_cuda_upsample,
    .upsample_back = ti_train_cuda_upsample_back,
    .quantise = ti_train_cuda_quantise,
    .quantise_back = ti_train_cuda_quantise_back,
    .picture_loss = ti_train_cuda_picture_loss,
    .sum_squares = ti_train_cuda_sum_squares,
    .adamw = ti_train_cuda_adamw,
};

static te_status start(ti_train_cuda *c, te_error *err)
{
    struct cudaDeviceProp about;
    int cards = 0;
    cudaError_t code = cudaGetDeviceCount(&cards);
    if (code != cudaSuccess || c->card >= cards)
        return ti_fail(err, TE_DEVICE, "no CUDA card %d: %s; train on the CPU", c->card,
                       code == cudaSuccess ? "there are fewer" : cudaGetErrorString(code));
    ti_train_cuda_check(c, cudaSetDevice(c->card), "the card");
    ti_train_cuda_check(c, cudaGetDeviceProperties(&about, c->card), "the card");
    int major = 0;
    ti_train_cuda_check(
        c, cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, c->card), "the card");
    if (!c->failed && major < 8)
        return ti_fail(err, TE_DEVICE,
                       "%.64s has no bf16: compute capability 8.0 is needed; train on the CPU",
                       about.name);
    ti_train_cuda_check(c, cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking),
                        "a stream");
    for (int i = 0; i < TI_TRAIN_CUDA_SLOTS; i++) {
        ti_train_cuda_check(c,
                            cudaHostAlloc((void *)&c->slots[i].pinned, TI_TRAIN_CUDA_SLOT_BYTES,
                                          cudaHostAllocDefault),
                            "pinned memory");
        ti_train_cuda_check(c, cudaEventCreateWithFlags(&c->slots[i].sent, cudaEventDisableTiming),
                            "an event");
    }
    if (c->failed) return ti_fail(err, TE_DEVICE, "the card failed at %s", c->failure);
    snprintf(c->text, sizeof c->text, "cuda (%.64s)", about.name);
    c->base.description = c->text;
    return ti_products_create(&c->products, c->stream, err);
}

__attribute__((visibility("default"))) te_status
ti_train_cuda_create(ti_train_device **out, int card, int version, te_error *err)
{
    *out = NULL;
    if (version != TI_TRAIN_MODULE_VERSION)
        return ti_fail(err, TE_DEVICE,
                       "%s is of another build of the trainer; build the two together",
                       TI_TRAIN_CUDA_MODULE);
    ti_train_cuda *c = ti_calloc(1, sizeof *c);
    if (!c) return ti_fail_memory(err, "the card", sizeof *c);
    c->base.op = &table;
    c->base.rows_at_once = 16384;
    c->card = card;
    te_status st = start(c, err);
    if (st) {
        cuda_free(&c->base);
        return st;
    }
    *out = &c->base;
    return TE_OK;
}
