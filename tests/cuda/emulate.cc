/* emulate.cc - see emulate.h: the fibers that are a block's threads. card.cc has the rest. */
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

enum { MOST = 1024, STACK = 256 << 10, COPIES = 64, SHARED = EMULATED_SHARED };
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
static int arch;             /* of the card that runs the grid */
static void (*kernel_body)(void *);
static void *kernel_data;
alignas(16) static unsigned char shared_memory[SHARED];

[[noreturn]] void emulated_complain(const char *what)
{
    fprintf(stderr, "emulated card: %s\n", what);
    abort();
}

void emulated_needs(int what)
{
    if (arch < what) emulated_complain("the card has no such instruction");
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

/* As far as the warp of thread FIRST gets without the others. */
static void run_warp(int first, bool backwards)
{
    for (bool together = true; together; backwards = !backwards) {
        for (int k = 0; k < 32; k++) {
            int i = first + (backwards ? 31 - k : k);
            if (fibers[i].state != RUNS) continue;
            threadIdx = dim3((unsigned)i);
            to_fiber(i);
        }
        for (int i = first; i < first + 32; i++)
            together = together && fibers[i].state == WAITS_FOR_WARP;
        for (int i = first; together && i < first + 32; i++) fibers[i].state = RUNS;
    }
}

/* Lets the block go when all have arrived; false when they have not, and nobody can go on. */
static bool release(int n)
{
    for (int i = 0; i < n; i++)
        if (fibers[i].state != WAITS_FOR_BLOCK && fibers[i].state != DONE) return false;
    for (int i = 0; i < n; i++)
        if (fibers[i].state == WAITS_FOR_BLOCK) fibers[i].state = RUNS;
    return true;
}

static void run_block(int n, size_t shared)
{
    memset(shared_memory, 0xFF, shared);
    for (int i = 0; i < n; i++)
        fibers[i].state = RUNS, fibers[i].n_copies = fibers[i].group = 0, fibers[i].turn = 0;
    for (int pass = 0;; pass++) {
        bool done = true;
        for (int w = 0; w < n; w += 32) run_warp(pass % 2 ? n - 32 - w : w, pass % 2);
        for (int i = 0; i < n; i++) done = done && fibers[i].state == DONE;
        if (done) return;
        if (!release(n)) emulated_complain("threads of a block wait for each other in different places");
    }
}

void emulated_grid(dim3 grid, dim3 block, size_t shared, void (*body)(void *), void *data)
{
    int n = (int)block.x;
    if (n < 1 || n > MOST || n % 32 || block.y != 1 || block.z != 1)
        emulated_complain("a block of an odd shape");
    if (!grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535)
        emulated_complain("a grid of an odd shape");
    if (!stacks) {
        stacks = (char *)mmap(NULL, (size_t)MOST * STACK, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stacks == (char *)MAP_FAILED) emulated_complain("no memory for fibers");
    }
    for (; n_ready < n; n_ready++) give_stack(n_ready, fiber_life);
    arch = emulated_arch();
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
}

/* ---- asynchronous copies
 * ------------------------------------------------------------------------------ */

void emulated_copy(void *to, const void *from, bool inside)
{
    fiber *f = &fibers[current];
    if (((uintptr_t)to | (uintptr_t)from) % 16) emulated_complain("an asynchronous copy is not aligned");
    if (f->n_copies == COPIES) emulated_complain("too many asynchronous copies at once");
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
