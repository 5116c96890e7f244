/* card.cc - CUDA's runtime made of ordinary memory. A test sets the card's size, takes cards away or
 * lets a launch fail by variables of the environment: EMULATED_MEMORY (bytes), EMULATED_CARDS,
 * EMULATED_ARCH, EMULATED_DRIVER (its version, 0: none), EMULATED_FAULT (the number of the launch; without it the card is whole again),
 * EMULATED_ORDER (emulate.h), EMULATED_NO_GRAPHS (recording fails in its middle).
 *
 * A stream is a queue of works, done in order; a work may first need an event to have come as far as
 * it had been asked to when the wait was enqueued. */
#include "emulate.h"

#include <deque>
#include <memory>
#include <mutex>
#include <stdio.h>
#include <stdlib.h>
#include <vector>

struct fake_event {
    long asked = 0, reached = 0;
    long recording = 0; /* in which it was recorded last; 0: in none */
    fake_stream *by = nullptr;
    long place = 0; /* of that stream in its recording */
    int owners = 1; /* the caller, and works */
};

struct work {
    std::function<void()> body;
    fake_event *needs = nullptr, *tells = nullptr;
    long turn = 0;
};

struct fake_stream {
    std::deque<work> queue;
    long recording = 0, place = 0, joined = 0; /* works recorded; of these the origin knows */
};

typedef std::vector<std::function<void()>> works;
struct fake_graph {
    std::shared_ptr<works> bodies = std::make_shared<works>();
};

static std::recursive_mutex big;
typedef std::lock_guard<std::recursive_mutex> hold;
static std::vector<fake_stream *> streams; /* by age */
static cudaError_t last_error = cudaSuccess;
static emulated_calls calls;
static long launches, recordings;
static size_t shared_allowed = 48 << 10, in_use;
/* The recording under way: a thread's own, as the backend asks for. */
static thread_local fake_stream *origin;
static thread_local fake_graph *recorded;
static thread_local bool broken;

emulated_calls emulated_count(void)
{
    hold h(big);
    return calls;
}

static void drop(fake_event *e)
{
    if (e && !--e->owners) delete e;
}

/* A launch failure stays as long as the test wants it. */
static cudaError_t state(void)
{
    if (!getenv("EMULATED_FAULT")) {
        launches = 0;
        if (last_error == cudaErrorLaunchFailure) last_error = cudaSuccess;
    }
    return last_error;
}

/* ---- streams ------------------------------------------------------------------------------------
 */

static bool can_go(const fake_stream *s)
{
    if (s->queue.empty()) return false;
    const work &w = s->queue.front();
    return !w.needs || w.needs->reached >= w.turn;
}

static void go(fake_stream *s)
{
    work w = s->queue.front();
    s->queue.pop_front();
    if (w.body && state() == cudaSuccess) w.body();
    if (w.tells && w.tells->reached < w.turn) w.tells->reached = w.turn;
    drop(w.needs);
    drop(w.tells);
}

/* Any work that can be done, of the stream that is to be ahead. */
static bool step(void)
{
    const char *order = getenv("EMULATED_ORDER");
    bool last = order && !strcmp(order, "last");
    for (size_t i = 0; i < streams.size(); i++) {
        fake_stream *s = streams[last ? streams.size() - 1 - i : i];
        if (!can_go(s)) continue;
        go(s);
        return true;
    }
    return false;
}

static void finish(const fake_stream *s)
{
    while (!s->queue.empty())
        if (!step()) emulated_complain("streams wait for each other");
}

static void finish_all(void)
{
    for (fake_stream *s : streams) finish(s);
}

static void enqueue(fake_stream *s, const work &w)
{
    s->queue.push_back(w);
    while (!getenv("EMULATED_ORDER") && step()) continue;
}

/* The call cannot be recorded, and spoils a recording. */
static bool spoils(void)
{
    if (origin) broken = true;
    return origin != nullptr;
}

static void add_body(fake_stream *s, const std::function<void()> &body)
{
    if (!s->recording) {
        if (origin) emulated_complain("work beside the recording is done at once, not in the graph");
        enqueue(s, work{body});
        return;
    }
    s->place++;
    if (getenv("EMULATED_NO_GRAPHS") && recorded->bodies->size() == 3) broken = true;
    recorded->bodies->push_back(body);
}

void emulated_launch(cudaStream_t stream, size_t shared, std::function<void()> grid)
{
    hold h(big);
    if (shared > shared_allowed) emulated_complain("more dynamic shared memory than was asked for");
    shared_allowed = 48 << 10;
    calls.launches++;
    add_body(stream, [=] {
        const char *fault = getenv("EMULATED_FAULT");
        if (fault && ++launches == atol(fault)) last_error = cudaErrorLaunchFailure;
        if (last_error == cudaSuccess) grid();
    });
}

void emulated_later(cudaStream_t stream, void (*body)(void *), const void *data, size_t bytes)
{
    hold h(big);
    std::vector<char> copy((const char *)data, (const char *)data + bytes);
    calls.launches++;
    add_body(stream, [=]() mutable { body(copy.data()); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    hold h(big);
    *stream = new fake_stream;
    streams.push_back(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    hold h(big);
    finish(stream);
    for (size_t i = 0; i < streams.size(); i++)
        if (streams[i] == stream) streams.erase(streams.begin() + (long)i);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    hold h(big);
    if (spoils()) return cudaErrorStreamCaptureUnsupported;
    calls.waits++;
    finish(stream);
    return state();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    hold h(big);
    if (origin && event->recording == origin->recording) { /* joins, or meets again */
        stream->recording = event->recording;
        if (stream == origin && event->by->joined < event->place) event->by->joined = event->place;
        return state();
    }
    if (event->recording) return cudaErrorCapturedEvent;
    if (stream->recording) {
        broken = true;
        return cudaErrorStreamCaptureIsolation;
    }
    if (!event->asked) return state(); /* never recorded: nothing to wait for */
    work w;
    w.needs = event;
    w.turn = event->asked;
    event->owners++;
    enqueue(stream, w);
    return state();
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = new fake_event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    hold h(big);
    event->recording = stream->recording;
    event->by = stream;
    event->place = stream->place;
    if (stream->recording) return state();
    work w;
    w.tells = event;
    w.turn = ++event->asked;
    event->owners++;
    enqueue(stream, w);
    return state();
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    hold h(big);
    if (spoils()) return cudaErrorStreamCaptureUnsupported;
    if (event->recording) return cudaErrorCapturedEvent;
    calls.waits += event->reached < event->asked;
    while (event->reached < event->asked)
        if (!step()) emulated_complain("streams wait for each other");
    return state();
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    hold h(big);
    drop(event);
    return cudaSuccess;
}

/* ---- graphs: their works in the order of recording, which both streams' orders allow --------------
 */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    hold h(big);
    if (origin) return cudaErrorStreamCaptureUnsupported;
    recorded = new fake_graph;
    origin = stream;
    broken = false;
    stream->recording = ++recordings;
    stream->place = stream->joined = 0;
    calls.recordings++;
    return state();
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    hold h(big);
    *graph = NULL;
    if (stream != origin) return cudaErrorStreamCaptureUnsupported;
    cudaError_t code = broken ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    const long mine = stream->recording;
    for (fake_stream *s : streams) {
        if (s->recording != mine) continue;
        if (s != origin && s->joined < s->place) code = cudaErrorStreamCaptureUnjoined;
        s->recording = s->place = s->joined = 0;
    }
    origin = NULL;
    if (code == cudaSuccess)
        *graph = recorded;
    else
        delete recorded;
    recorded = NULL;
    return code;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    hold h(big);
    *exec = new fake_graph(*graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    hold h(big);
    calls.plays++;
    std::shared_ptr<works> bodies = exec->bodies;
    add_body(stream, [=] {
        for (const auto &body : *bodies) body();
    });
    return state();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    hold h(big);
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    hold h(big);
    delete exec;
    return cudaSuccess;
}

/* ---- cards --------------------------------------------------------------------------------------
 */

static size_t card_size(void)
{
    const char *text = getenv("EMULATED_MEMORY");
    return text ? (size_t)atoll(text) : (size_t)32 << 30;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    const char *text = getenv("EMULATED_DRIVER");
    *version = text ? atoi(text) : CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n)
{
    const char *text = getenv("EMULATED_CARDS");
    int version;
    cudaDriverGetVersion(&version);
    *n = text ? atoi(text) : 2;
    return version < CUDART_VERSION ? cudaErrorInsufficientDriver
           : *n                     ? cudaSuccess
                                    : cudaErrorNoDevice;
}

cudaError_t cudaSetDevice(int card)
{
    return card < 2 ? cudaSuccess : cudaErrorUnknown;
}

int emulated_arch(void)
{
    const char *arch = getenv("EMULATED_ARCH");
    return arch ? atoi(arch) : 90;
}

/* Shared memory of a multiprocessor; a block may have 1 KB less, before 8.0 all of it. */
static size_t shared_of(int arch)
{
    return (size_t)(arch == 90 || arch == 100 ? 228 : arch == 80 ? 164 : arch >= 80 ? 100 : 64) << 10;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int)
{
    int arch = emulated_arch();
    *value = attribute == cudaDevAttrComputeCapabilityMajor   ? arch / 10
             : attribute == cudaDevAttrComputeCapabilityMinor ? arch % 10
                                                              : (int)shared_of(arch);
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *about, int card)
{
    snprintf(about->name, sizeof about->name, "emulated card %d", card);
    return cudaSuccess;
}

extern "C" cudaError_t emulated_attribute(size_t bytes)
{
    hold h(big);
    int arch = emulated_arch();
    if (bytes > shared_of(arch) - (arch >= 80 ? 1024 : 0)) return cudaErrorUnknown;
    shared_allowed = bytes;
    return cudaSuccess;
}

/* A failed launch stays, as on a card; a failed allocation is told once. */
cudaError_t cudaGetLastError(void)
{
    hold h(big);
    cudaError_t code = state();
    if (code == cudaErrorMemoryAllocation) last_error = cudaSuccess;
    return code;
}

const char *cudaGetErrorString(cudaError_t code)
{
    return code == cudaErrorMemoryAllocation ? "out of memory"
           : code == cudaErrorLaunchFailure  ? "fault"
                                             : "error";
}

/* ---- memory -------------------------------------------------------------------------------------
 */

/* The size lies before the memory. New memory is all ones: a NaN in every float type. */
cudaError_t cudaMalloc(void *memory, size_t bytes)
{
    hold h(big);
    void **out = (void **)memory;
    *out = NULL;
    if (spoils()) return cudaErrorStreamCaptureUnsupported;
    calls.allocations++;
    if (in_use + bytes > card_size()) return last_error = cudaErrorMemoryAllocation;
    size_t whole = (bytes + 511) & ~(size_t)255;
    char *block = (char *)aligned_alloc(256, whole);
    if (!block) return last_error = cudaErrorMemoryAllocation;
    memcpy(block, &bytes, sizeof bytes);
    memset(block + 256, 0xFF, bytes < (1 << 24) ? bytes : 1 << 24);
    in_use += bytes;
    *out = block + 256;
    return cudaSuccess;
}

/* Waits for everything, as on a card. */
cudaError_t cudaFree(void *memory)
{
    hold h(big);
    size_t bytes;
    if (spoils()) return cudaErrorStreamCaptureUnsupported;
    finish_all();
    char *block = (char *)memory - 256;
    memcpy(&bytes, block, sizeof bytes);
    in_use -= bytes;
    free(block);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void *memory, size_t bytes, unsigned)
{
    hold h(big);
    void **out = (void **)memory;
    if (spoils()) return cudaErrorStreamCaptureUnsupported;
    calls.allocations++;
    *out = aligned_alloc(256, (bytes + 255) & ~(size_t)255);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *memory)
{
    hold h(big);
    finish_all();
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t stream)
{
    hold h(big);
    add_body(stream, [=] {
        if (bytes) memmove(to, from, bytes);
    });
    return state();
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *total)
{
    hold h(big);
    *total = card_size();
    *left = *total > in_use ? *total - in_use : 0;
    return cudaSuccess;
}
