/* emulate.cc - see emulate.h: the fibers, and a card made of ordinary memory. A test sets its size,
 * takes it away or lets a launch fail by variables of the environment: EMULATED_MEMORY (bytes),
 * EMULATED_CARDS, EMULATED_FAULT (the number of the launch). */
#include "emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define FIBERS_KNOWN_TO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define FIBERS_KNOWN_TO_ASAN 1
#endif
#endif

enum { MOST = 1024, STACK = 256 << 10, COPIES = 64, SHARED = 227 << 10 };
enum fiber_state { RUNS, WAITS_FOR_WARP, WAITS_FOR_BLOCK, DONE };

struct copy {
    void *to;
    const void *from;
    bool inside;
    int group;
};

struct fiber {
    fiber_state state;
    copy copies[COPIES];
    int n_copies, group;
    unsigned turn;
};

dim3 threadIdx, blockIdx, blockDim, gridDim;
static fiber fibers[MOST];
static emulated_warp warps[MOST / 32][2];
static char *stacks;
static int n_ready, current; /* fibers that have a stack */
static void (*kernel_body)(void *);
static void *kernel_data;
alignas(16) static unsigned char shared_memory[SHARED];
static size_t shared_allowed = 48 << 10;
static cudaError_t last_error = cudaSuccess;
static long launches;

[[noreturn]] static void complain(const char *what)
{
    fprintf(stderr, "emulated card: %s\n", what);
    abort();
}

/* ---- fibers
 * --------------------------------------------------------------------------------------- */

/* FROM's registers are kept, TO's go on; nothing else of a context matters between fibers of one
 * thread. swapcontext() would do, but asks the kernel about signals every time. */
#if defined(__x86_64__)
static void *kept[MOST + 1]; /* stack pointers; the last is the scheduler's */

asm(".text\n"
    ".type emulated_switch, @function\n"
    "emulated_switch:\n"
    "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
    "    mov %rsp, (%rdi)\n    mov (%rsi), %rsp\n"
    "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
    "    ret\n"
    ".size emulated_switch, .-emulated_switch\n");
extern "C" void emulated_switch(void **from, void **to) __asm__("emulated_switch");

static void give_stack(int i, void (*entry)(void))
{
    void **top = (void **)(stacks + (size_t)(i + 1) * STACK) - 2;
    *top = (void *)entry; /* where the first switch returns to; the stack is then as after a call */
    kept[i] = top - 6;
}

static void change(int from, int to)
{
    emulated_switch(&kept[from], &kept[to]);
}
#else
static ucontext_t contexts[MOST + 1];

static void give_stack(int i, void (*entry)(void))
{
    ucontext_t *c = &contexts[i];
    getcontext(c);
    c->uc_stack.ss_sp = stacks + (size_t)i * STACK;
    c->uc_stack.ss_size = STACK;
    c->uc_link = NULL;
    makecontext(c, entry, 0);
}

static void change(int from, int to)
{
    swapcontext(&contexts[from], &contexts[to]);
}
#endif

/* The address sanitizer wants to be told. */
#ifdef FIBERS_KNOWN_TO_ASAN
static const void *host_stack;
static size_t host_stack_size;

static void to_fiber(int i)
{
    void *fake;
    current = i;
    __sanitizer_start_switch_fiber(&fake, stacks + (size_t)i * STACK, STACK);
    change(MOST, i);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void to_scheduler(void)
{
    void *fake;
    __sanitizer_start_switch_fiber(&fake, host_stack, host_stack_size);
    change(current, MOST);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}
#else
static void to_fiber(int i)
{
    current = i;
    change(MOST, i);
}

static void to_scheduler(void)
{
    change(current, MOST);
}
#endif

/* Gives way to the scheduler until it says go. */
static void rest(fiber_state state)
{
    fibers[current].state = state;
    to_scheduler();
}

static void fiber_life(void)
{
#ifdef FIBERS_KNOWN_TO_ASAN
    __sanitizer_finish_switch_fiber(NULL, &host_stack, &host_stack_size);
#endif
    for (;;) { /* one block's thread after another */
        kernel_body(kernel_data);
        rest(DONE);
    }
}

void emulated_wait_for(emulated_wait what)
{
    rest(what == EMULATED_WARP ? WAITS_FOR_WARP : WAITS_FOR_BLOCK);
}

emulated_warp *emulated_my_warp(void)
{
    return &warps[current / 32][fibers[current].turn++ % 2];
}

void *emulated_shared(void)
{
    return shared_memory;
}

/* Lets those go whose whole company has arrived; false when nobody can. */
static bool release(int n)
{
    bool any = false, all = true;
    for (int w = 0; w < n; w += 32) {
        bool together = true;
        for (int i = w; i < w + 32 && i < n; i++)
            together = together && fibers[i].state == WAITS_FOR_WARP;
        for (int i = w; together && i < w + 32 && i < n; i++) fibers[i].state = RUNS;
        any = any || together;
    }
    for (int i = 0; i < n; i++)
        all = all && (fibers[i].state == WAITS_FOR_BLOCK || fibers[i].state == DONE);
    for (int i = 0; all && i < n; i++)
        if (fibers[i].state == WAITS_FOR_BLOCK) fibers[i].state = RUNS, any = true;
    return any;
}

static void run_block(int n, size_t shared)
{
    memset(shared_memory, 0xFF, shared);
    for (int i = 0; i < n; i++)
        fibers[i].state = RUNS, fibers[i].n_copies = fibers[i].group = 0, fibers[i].turn = 0;
    for (int pass = 0;; pass++) {
        bool done = true;
        for (int k = 0; k < n; k++) {
            int i = pass % 2 ? n - 1 - k : k;
            if (fibers[i].state != RUNS) continue;
            threadIdx = dim3((unsigned)i);
            to_fiber(i);
        }
        for (int i = 0; i < n; i++) done = done && fibers[i].state == DONE;
        if (done) return;
        if (!release(n)) complain("threads of a block wait for each other in different places");
    }
}

void emulated_launch(dim3 grid, dim3 block, size_t shared, void (*body)(void *), void *data)
{
    const char *fault = getenv("EMULATED_FAULT");
    int n = (int)block.x;
    if (fault && ++launches == atol(fault)) last_error = cudaErrorLaunchFailure;
    if (last_error != cudaSuccess) return;
    if (n < 1 || n > MOST || n % 32 || block.y != 1 || block.z != 1)
        complain("a block of an odd shape");
    if (!grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535)
        complain("a grid of an odd shape");
    if (shared > shared_allowed) complain("more dynamic shared memory than was asked for");
    if (!stacks) {
        stacks = (char *)mmap(NULL, (size_t)MOST * STACK, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stacks == (char *)MAP_FAILED) complain("no memory for fibers");
    }
    for (; n_ready < n; n_ready++) give_stack(n_ready, fiber_life);
    kernel_body = body;
    kernel_data = data;
    blockDim = block;
    gridDim = grid;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = dim3(x, y, z);
                run_block(n, shared);
            }
    shared_allowed = 48 << 10;
}

/* ---- asynchronous copies
 * ------------------------------------------------------------------------------ */

void emulated_copy(void *to, const void *from, bool inside)
{
    fiber *f = &fibers[current];
    if (((uintptr_t)to | (uintptr_t)from) % 16) complain("an asynchronous copy is not aligned");
    if (f->n_copies == COPIES) complain("too many asynchronous copies at once");
    f->copies[f->n_copies++] = {to, from, inside, f->group};
}

void emulated_copy_commit(void)
{
    fibers[current].group++;
}

void emulated_copy_wait(int left)
{
    fiber *f = &fibers[current];
    int kept_copies = 0;
    for (int i = 0; i < f->n_copies; i++) {
        copy c = f->copies[i];
        if (c.group >= f->group - left)
            f->copies[kept_copies++] = c;
        else if (c.inside)
            memcpy(c.to, c.from, 16);
        else
            memset(c.to, 0, 16);
    }
    f->n_copies = kept_copies;
}

extern "C" cudaError_t emulated_attribute(size_t bytes)
{
    if (bytes > SHARED) return cudaErrorUnknown;
    shared_allowed = bytes;
    return cudaSuccess;
}

/* ---- the card
 * ------------------------------------------------------------------------------------------- */

static size_t in_use;

static size_t card_size(void)
{
    const char *text = getenv("EMULATED_MEMORY");
    return text ? (size_t)atoll(text) : (size_t)32 << 30;
}

cudaError_t cudaGetDeviceCount(int *n)
{
    const char *text = getenv("EMULATED_CARDS");
    *n = text ? atoi(text) : 2;
    return *n ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaSetDevice(int card)
{
    return card < 2 ? cudaSuccess : cudaErrorUnknown;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int)
{
    const char *arch = getenv("EMULATED_ARCH");
    int number = arch ? atoi(arch) : 90;
    *value = attribute == cudaDevAttrComputeCapabilityMajor   ? number / 10
             : attribute == cudaDevAttrComputeCapabilityMinor ? number % 10
             : number >= 90                                   ? 228 << 10
                                                              : 100 << 10;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *about, int)
{
    snprintf(about->name, sizeof about->name, "emulated card");
    return cudaSuccess;
}

/* The size lies before the memory. New memory is all ones: a NaN in every float type. */
cudaError_t cudaMalloc(void *memory, size_t bytes)
{
    void **out = (void **)memory;
    *out = NULL;
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

cudaError_t cudaFree(void *memory)
{
    size_t bytes;
    char *block = (char *)memory - 256;
    memcpy(&bytes, block, sizeof bytes);
    in_use -= bytes;
    free(block);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void *memory, size_t bytes, unsigned)
{
    void **out = (void **)memory;
    *out = aligned_alloc(256, (bytes + 255) & ~(size_t)255);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *memory)
{
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t)
{
    if (bytes) memmove(to, from, bytes);
    return last_error;
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *total)
{
    *total = card_size();
    *left = *total > in_use ? *total - in_use : 0;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    *stream = (cudaStream_t)malloc(1);
    return *stream ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    free(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t)
{
    return last_error;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned)
{
    return last_error;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = (cudaEvent_t)malloc(1);
    return *event ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t)
{
    return last_error;
}

cudaError_t cudaEventSynchronize(cudaEvent_t)
{
    return last_error;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

/* A failed launch stays, as on a card; a failed allocation is told once. */
cudaError_t cudaGetLastError(void)
{
    cudaError_t code = last_error;
    if (code == cudaErrorMemoryAllocation) last_error = cudaSuccess;
    return code;
}

const char *cudaGetErrorString(cudaError_t code)
{
    return code == cudaErrorMemoryAllocation ? "out of memory"
           : code == cudaErrorLaunchFailure  ? "fault"
                                             : "error";
}
