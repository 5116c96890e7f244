/* cuda.c - the card as a device: finding it, its memory, what passes between host and card, and the
 * op table. cuda.h says how the whole works. */
#include "backend/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { OLDEST = 75 };

ti_cuda *ti_cuda_of(ti_backend *be)
{
    ti_cuda *cuda = (ti_cuda *)be;
    ti_cuda_check(cuda, cudaSetDevice(cuda->card), "choosing the card");
    return cuda;
}

bool ti_cuda_check(ti_cuda *cuda, cudaError_t code, const char *what)
{
    if (code == cudaSuccess || cuda->failed) return !cuda->failed;
    cuda->failed = code;
    snprintf(cuda->failure, sizeof cuda->failure,
             "the graphics card failed in %s (%s); use device cpu", what, cudaGetErrorString(code));
    return false;
}

void ti_cuda_fail(ti_cuda *cuda, const char *why)
{
    if (cuda->failed) return;
    cuda->failed = cudaErrorUnknown;
    snprintf(cuda->failure, sizeof cuda->failure, "%s; use device cpu", why);
}

/* ---- memory ------------------------------------------------------------------------------ */

static te_status take(void **memory, size_t bytes, const char *what, te_error *err)
{
    size_t left = 0, total = 0;
    *memory = NULL;
    if (!bytes || cudaMalloc(memory, bytes) == cudaSuccess) return TE_OK;
    cudaGetLastError(); /* told here, not by the next launch */
    *memory = NULL;
    cudaMemGetInfo(&left, &total);
    return ti_fail(
        err, TE_NOMEM,
        "%s needs %.1f MB and the card has %.1f of %.1f GB free; close programs that use it, take "
        "a smaller type of the model or device cpu",
        what, (double)bytes / 1e6, (double)left / 1e9, (double)total / 1e9);
}

/* MEMORY of at least WANTED bytes; what was in it is lost. */
static te_status grow(void **memory, size_t wanted, const char *what, te_error *err)
{
    if (*memory) cudaFree(*memory);
    return take(memory, wanted, what, err);
}

/* Scratch as large as anyone asked for since the last time. */
static te_status grow_scratch(ti_cuda *cuda, te_error *err)
{
    te_status st = TE_OK;
    bool raw = cuda->raw_bytes < cuda->raw_wanted, wide = cuda->wide_bytes < cuda->wide_wanted;
    bool beside = cuda->beside_bytes < cuda->beside_wanted;
    if (raw || wide || beside) ti_cuda_forget_graphs(cuda);
    if (raw) cuda->raw_bytes = 0;
    if (wide) cuda->wide_bytes = 0;
    for (int i = 0; i < TI_CUDA_SLOTS && !st; i++) {
        if (raw) st = grow(&cuda->slots[i].raw, cuda->raw_wanted, "the streaming of weights", err);
        if (wide && !st)
            st = grow(&cuda->slots[i].wide, cuda->wide_wanted, "the expansion of weights", err);
    }
    cuda->coded.x = NULL;
    if (!st) cuda->raw_bytes = cuda->raw_wanted;
    if (!st) cuda->wide_bytes = cuda->wide_wanted;
    if (st || !beside) return st;
    cuda->beside_bytes = 0;
    st = grow(&cuda->beside, cuda->beside_wanted, "the feed-forward layers", err);
    if (!st && cuda->fp8) st = grow(&cuda->codes, cuda->beside_wanted / 4, "FP8 codes", err);
    if (!st) cuda->beside_bytes = cuda->beside_wanted;
    return st;
}

static te_status cuda_alloc(ti_backend *be, size_t bytes, void **memory, te_error *err)
{
    *memory = NULL;
    te_status st = be->op->sync(be, err); /* nothing may still use the scratch that grows */
    if (!st) st = grow_scratch(ti_cuda_of(be), err);
    return st ? st : take(memory, bytes, "an edit", err);
}

static void cuda_release(ti_backend *be, void *memory)
{
    ti_cuda_of(be);
    cudaFree(memory);
}

static uint64_t cuda_memory_free(ti_backend *be)
{
    ti_cuda *cuda = ti_cuda_of(be);
    size_t left = 0, total = 0;
    cudaMemGetInfo(&left, &total);
    uint64_t kept = TI_CUDA_MARGIN + TI_CUDA_SLOTS * (cuda->raw_wanted - cuda->raw_bytes) +
                    TI_CUDA_SLOTS * (cuda->wide_wanted - cuda->wide_bytes) +
                    (cuda->beside_wanted - cuda->beside_bytes) / 4 * (cuda->fp8 ? 5 : 4);
    return left > kept ? left - kept : 0;
}

/* ---- between host and card --------------------------------------------------------------- */

static te_status cuda_sync(ti_backend *be, te_error *err)
{
    ti_cuda *cuda = ti_cuda_of(be);
    if (!cuda->failed) ti_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "a step");
    cuda->n_syncs++;
    for (int i = 0; i < cuda->n_pending && !cuda->failed; i++) {
        const ti_cuda_pending *p = &cuda->pending[i];
        memcpy(p->ids, cuda->pinned_ids + p->first, (size_t)p->n * sizeof *p->ids);
        memcpy(p->probs, cuda->pinned_probs + p->first, (size_t)p->n * sizeof *p->probs);
        if (p->kept) memcpy(p->kept, cuda->pinned_kept + p->first, (size_t)p->n * sizeof *p->kept);
    }
    cuda->n_pending = cuda->n_picked = 0;
    return cuda->failed ? ti_fail(err, TE_DEVICE, "%s", cuda->failure) : TE_OK;
}

static te_status cuda_upload(ti_backend *be, void *to, const void *from, size_t bytes,
                             te_error *err)
{
    ti_cuda *cuda = ti_cuda_of(be);
    cuda->coded.x = NULL; /* the bytes may be an operand's */
    if (!cuda->failed)
        ti_cuda_check(cuda, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, cuda->stream),
                      "an upload");
    return cuda_sync(be, err);
}

static te_status cuda_download(ti_backend *be, void *to, const void *from, size_t bytes,
                               te_error *err)
{
    ti_cuda *cuda = ti_cuda_of(be);
    if (!cuda->failed)
        ti_cuda_check(cuda, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cuda->stream),
                      "a download");
    return cuda_sync(be, err);
}

/* The list to be written next: one that no graph reads, and nothing enqueued since the last sync().
 * NULL: there is none. */
static ti_cuda_list *next_list(ti_cuda *cuda)
{
    int looked = 0;
    while (looked++ < TI_CUDA_LISTS && cuda->lists[cuda->next_list].kept)
        cuda->next_list = (cuda->next_list + 1) % TI_CUDA_LISTS;
    ti_cuda_list *list = &cuda->lists[cuda->next_list];
    cuda->next_list = (cuda->next_list + 1) % TI_CUDA_LISTS;
    if (list->kept && cuda->recording)
        ti_cuda_fail(cuda, "a series of operations has too many lists"); /* of the recording */
    else if (list->kept)
        ti_cuda_forget_graphs(cuda);
    /* Sixteen lists are two steps or more, so this is rare. */
    if (list->sent == cuda->n_syncs)
        ti_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "a list");
    return cuda->failed ? NULL : list;
}

const int32_t *ti_cuda_list_of(ti_cuda *cuda, const int32_t *host, int n)
{
    size_t bytes = (size_t)n * sizeof *host;
    ti_cuda_list *list = NULL;
    if (!host || !n || cuda->failed) return NULL;
    if (n > TI_CUDA_LIST_LENGTH) {
        ti_cuda_fail(cuda, "a batch has more than 65536 rows");
        return NULL;
    }
    for (int i = 0; i < TI_CUDA_LISTS && !list; i++)
        if (cuda->lists[i].n == n && !memcmp(cuda->lists[i].pinned, host, bytes))
            list = &cuda->lists[i];
    if (!list) {
        list = next_list(cuda);
        if (!list) return NULL;
        memcpy(list->pinned, host, bytes);
        list->n = n;
        list->recorded = cuda->recording;
        ti_cuda_check(cuda,
                      cudaMemcpyAsync(list->device, list->pinned, bytes, cudaMemcpyHostToDevice,
                                      cuda->stream),
                      "a list");
    }
    list->sent = cuda->n_syncs;
    list->kept = list->kept || cuda->recording;
    return list->device;
}

/* ---- sizes ------------------------------------------------------------------------------- */

static size_t stream_bytes(ti_backend *be, int rows, int width)
{
    (void)be;
    return (size_t)rows * (size_t)width * sizeof(float);
}

/* Of values and of operands: either may have to wait beside. */
static size_t cell_bytes(ti_backend *be, int rows, int width)
{
    ti_cuda *cuda = (ti_cuda *)be;
    size_t n = (size_t)rows * (size_t)width, beside = (n * sizeof(float) + 255) & ~(size_t)255;
    cuda->settled = true;
    if (cuda->beside_wanted < beside) cuda->beside_wanted = beside;
    return n * ti_cuda_cell(cuda);
}

void *ti_cuda_beside(ti_cuda *cuda, size_t n, bool *wide)
{
    *wide = cuda->exact || !cuda->fp8;
    if (n * sizeof(float) <= cuda->beside_bytes) return cuda->beside;
    ti_cuda_fail(cuda, "a product is larger than the session said");
    return NULL;
}

/* ---- creation ---------------------------------------------------------------------------- */

static void cuda_free(ti_backend *be)
{
    ti_cuda *cuda = ti_cuda_of(be);
    if (cuda->side) cudaStreamSynchronize(cuda->side);
    if (cuda->stream) cudaStreamSynchronize(cuda->stream);
    ti_cuda_forget_graphs(cuda);
    if (cuda->fork) cudaEventDestroy(cuda->fork);
    for (int i = 0; i < TI_CUDA_SLOTS; i++) {
        ti_cuda_slot *s = &cuda->slots[i];
        if (s->raw) cudaFree(s->raw);
        if (s->wide) cudaFree(s->wide);
        if (s->ready) cudaEventDestroy(s->ready);
        if (s->used) cudaEventDestroy(s->used);
    }
    for (int i = 0; i < TI_CUDA_LISTS; i++) {
        ti_cuda_list *l = &cuda->lists[i];
        if (l->pinned) cudaFreeHost(l->pinned);
        if (l->device) cudaFree(l->device);
    }
    void *on_card[] = {cuda->beside, cuda->codes, cuda->scales, cuda->ids,
                       cuda->probs,  cuda->kept,  cuda->sums,   cuda->affine};
    for (size_t i = 0; i < sizeof on_card / sizeof *on_card; i++)
        if (on_card[i]) cudaFree(on_card[i]);
    if (cuda->pinned_ids) cudaFreeHost(cuda->pinned_ids);
    if (cuda->pinned_probs) cudaFreeHost(cuda->pinned_probs);
    if (cuda->pinned_kept) cudaFreeHost(cuda->pinned_kept);
    ti_matmuls_free(cuda->matmuls);
    if (cuda->side) cudaStreamDestroy(cuda->side);
    if (cuda->stream) cudaStreamDestroy(cuda->stream);
    free(cuda);
}

static const ti_ops cuda_ops = {
    .free = cuda_free,
    .alloc = cuda_alloc,
    .release = cuda_release,
    .upload = cuda_upload,
    .download = cuda_download,
    .sync = cuda_sync,
    .memory_free = cuda_memory_free,
    .repeat = ti_cuda_repeat,
    .expect = ti_cuda_expect,
    .weight_create = ti_cuda_weight_create,
    .weight_free = ti_cuda_weight_free,
    .stream_bytes = stream_bytes,
    .operand_bytes = cell_bytes,
    .values_bytes = cell_bytes,
    .embed = ti_cuda_embed,
    .embed_kept = ti_cuda_embed_kept,
    .norm = ti_cuda_norm,
    .linear = ti_cuda_linear,
    .linear_rope = ti_cuda_linear_rope,
    .attention = ti_cuda_attention,
    .linear_add = ti_cuda_linear_add,
    .gate = ti_cuda_gate,
    .gather = ti_cuda_gather,
    .head = ti_cuda_head,
    .pick = ti_cuda_pick,
    .keep = ti_cuda_keep,
    .conv = ti_cuda_conv,
    .group_norm = ti_cuda_group_norm,
    .upsample = ti_cuda_upsample,
    .add = ti_cuda_add,
    .pixel_attention = ti_cuda_pixel_attention,
};

/* Whether there is a card a person can use, and if not, why, in a sentence. */
static te_status find_card(int card, te_error *err)
{
    int n = 0, driver = 0;
    cudaError_t code = cudaGetDeviceCount(&n);
    if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
    if (code == cudaErrorInsufficientDriver && !driver)
        return ti_fail(err, TE_UNSUPPORTED, "no CUDA: there is no NVIDIA driver; use device cpu");
    if (code == cudaErrorInsufficientDriver)
        return ti_fail(
            err, TE_DEVICE,
            "no CUDA: the NVIDIA driver is made for CUDA %d.%d and %d.%d is needed; update "
            "it or use device cpu",
            driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    if (code == cudaErrorNoDevice || (code == cudaSuccess && n == 0))
        return ti_fail(err, TE_UNSUPPORTED,
                       "no CUDA: this machine has no NVIDIA card that can be used; use device cpu");
    if (code != cudaSuccess)
        return ti_fail(err, TE_DEVICE,
                       "no CUDA: the NVIDIA driver does not start (%s); use device cpu",
                       cudaGetErrorString(code));
    if (card >= n)
        return ti_fail(err, TE_DEVICE,
                       "there is no card cuda:%d; this machine has %d, the first being cuda:0",
                       card, n);
    code = cudaSetDevice(card);
    if (code != cudaSuccess)
        return ti_fail(err, TE_DEVICE, "no CUDA: card %d cannot be used (%s); use device cpu", card,
                       cudaGetErrorString(code));
    return TE_OK;
}

static te_status describe(ti_cuda *cuda, te_error *err)
{
    struct cudaDeviceProp about;
    int major = 0, minor = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, cuda->card);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, cuda->card);
    cudaDeviceGetAttribute(&cuda->shared_per_multiprocessor,
                           cudaDevAttrMaxSharedMemoryPerMultiprocessor, cuda->card);
    if (cudaGetDeviceProperties(&about, cuda->card) != cudaSuccess) about.name[0] = 0;
    cuda->arch = 10 * major + minor;
    cuda->exact = cuda->arch < 80;
    snprintf(cuda->name, sizeof cuda->name, "%.80s, compute capability %d.%d%s", about.name, major,
             minor, cuda->fp8 ? ", FP8" : "");
    snprintf(cuda->description, sizeof cuda->description, "cuda (%s)", cuda->name);
    if (cuda->arch < OLDEST)
        return ti_fail(err, TE_DEVICE,
                       "%s is too old: compute capability 7.5 is needed; use device cpu",
                       cuda->description);
    return TE_OK;
}

static bool pinned(void *memory, size_t bytes)
{
    return cudaHostAlloc(memory, bytes, cudaHostAllocDefault) == cudaSuccess;
}

static bool event(cudaEvent_t *e)
{
    return cudaEventCreateWithFlags(e, cudaEventDisableTiming) == cudaSuccess;
}

static bool on_card(void *memory, size_t bytes)
{
    return cudaMalloc(memory, bytes) == cudaSuccess;
}

/* Streams, events and everything of a fixed size. */
static te_status furnish(ti_cuda *cuda, te_error *err)
{
    size_t list = TI_CUDA_LIST_LENGTH * sizeof(int32_t),
           doubles = TI_CUDA_LIST_LENGTH * sizeof(double);
    size_t sums = (size_t)TI_CUDA_CHANNELS * TI_CUDA_SLICES * 2 * sizeof(double);
    bool ok = cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking) == cudaSuccess &&
              cudaStreamCreateWithFlags(&cuda->side, cudaStreamNonBlocking) == cudaSuccess &&
              event(&cuda->fork);
    for (int i = 0; i < TI_CUDA_SLOTS && ok; i++)
        ok = event(&cuda->slots[i].ready) && event(&cuda->slots[i].used);
    for (int i = 0; i < TI_CUDA_LISTS && ok; i++)
        ok = pinned(&cuda->lists[i].pinned, list) && on_card(&cuda->lists[i].device, list);
    ok = ok && on_card(&cuda->ids, list) && pinned(&cuda->pinned_ids, list) &&
         on_card(&cuda->probs, doubles) && pinned(&cuda->pinned_probs, doubles) &&
         on_card(&cuda->kept, TI_CUDA_LIST_LENGTH) &&
         pinned(&cuda->pinned_kept, TI_CUDA_LIST_LENGTH) && on_card(&cuda->sums, sums) &&
         on_card(&cuda->affine, 2 * TI_CUDA_CHANNELS * sizeof(float)) &&
         on_card(&cuda->scales, list);
    if (ok) return TE_OK;
    return ti_fail(err, TE_DEVICE,
                   "no CUDA: %s has no room to start (%s); close other programs or use device cpu",
                   cuda->description, cudaGetErrorString(cudaGetLastError()));
}

/* One kernel, to learn now whether this build has code for the card. */
static te_status try_out(ti_cuda *cuda, te_error *err)
{
    size_t left = 0, total = 0;
    ti_cuda_add(&cuda->base, cuda->affine, cuda->affine, 1);
    te_status st = cuda_sync(&cuda->base, NULL);
    if (st)
        return ti_fail(err, TE_DEVICE,
                       "no CUDA: %s runs no code of this build (%s); use device cpu",
                       cuda->description, cudaGetErrorString(cuda->failed));
    if (cuda->fp8 && !ti_matmuls_fp8(cuda->matmuls))
        return ti_fail(err, TE_UNSUPPORTED, "%s has no FP8 products; use device cuda",
                       cuda->description);
    cudaMemGetInfo(&left, &total);
    ti_cuda_plan_begin(&cuda->plan, left);
    return TE_OK;
}

TE_API te_status ti_cuda_create(ti_backend **out, int card, int version, te_error *err);

te_status ti_cuda_create(ti_backend **out, int card, int version, te_error *err)
{
    *out = NULL;
    if (version != TI_MODULE_VERSION)
        return ti_fail(err, TE_DEVICE,
                       "%s is of another version than the library; install the two together",
                       TI_CUDA_MODULE);
    const int number = card & ~(TI_CUDA_FP8 | TI_CUDA_AS_IS);
    te_status st = find_card(number, err);
    if (st) return st;
    ti_cuda *cuda = ti_calloc(1, sizeof *cuda);
    if (!cuda) return ti_fail_memory(err, "the device", sizeof *cuda);
    cuda->base.op = &cuda_ops;
    cuda->base.description = cuda->description;
    cuda->card = number;
    cuda->fp8 = card & TI_CUDA_FP8;
    cuda->as_is = card & TI_CUDA_AS_IS;
    st = describe(cuda, err);
    if (!st) st = furnish(cuda, err);
    if (!st) st = ti_matmuls_create(&cuda->matmuls, err);
    if (!st) st = try_out(cuda, err);
    if (st) {
        cuda_free(&cuda->base);
        return st;
    }
    *out = &cuda->base;
    return TE_OK;
}
