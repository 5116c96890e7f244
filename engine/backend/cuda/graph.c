/* graph.c - series of ops as CUDA graphs.
 *
 * A series is issued the first time it is seen, so that every kernel is loaded and every product's
 * algorithm chosen; the second time it is recorded, and from then on it is played: one launch
 * instead of several hundred. A record takes in both streams. Before it the second one joins by an
 * event, and the slots' "used" events are recorded anew, since a recording may not wait for what
 * lies outside it; afterwards the second stream is joined back, and the events are recorded once
 * more for what comes behind. Lists that a recording reads stay where they are.
 *
 * Records hold addresses: they are forgotten when scratch moves, or when there is no place for
 * another. A recording that fails costs nothing but itself: the series is issued, and that backend
 * records no more. What a recording sends is on the card when it is played, and not before. */
#include "backend/cuda/cuda.h"

#include <string.h>

void ti_cuda_forget_graphs(ti_cuda *cuda)
{
    for (int i = 0; i < TI_CUDA_GRAPHS; i++) {
        if (cuda->graphs[i].exec) cudaGraphExecDestroy(cuda->graphs[i].exec);
        memset(&cuda->graphs[i], 0, sizeof cuda->graphs[i]);
    }
    for (int i = 0; i < TI_CUDA_LISTS; i++) {
        ti_cuda_list *list = &cuda->lists[i];
        if (list->kept) list->sent = cuda->n_syncs; /* a graph may be at it */
        list->kept = false;
    }
}

/* The entry of KEY; NULL when it is new. */
static ti_cuda_graph *find(ti_cuda *cuda, const ti_repeated *what)
{
    for (int i = 0; i < TI_CUDA_GRAPHS; i++) {
        ti_cuda_graph *g = &cuda->graphs[i];
        if (g->key_bytes == what->key_bytes && !memcmp(g->key, what->key, what->key_bytes))
            return g;
    }
    return NULL;
}

static void remember(ti_cuda *cuda, const ti_repeated *what)
{
    ti_cuda_graph *g = &cuda->graphs[cuda->next_graph];
    if (g->key_bytes) ti_cuda_forget_graphs(cuda); /* all: their lists are not told apart */
    memcpy(g->key, what->key, what->key_bytes);
    g->key_bytes = what->key_bytes;
    cuda->next_graph = (cuda->next_graph + 1) % TI_CUDA_GRAPHS;
}

/* The slots are free for the second stream once the first has come here. */
static void mark_slots_used(ti_cuda *cuda)
{
    for (int i = 0; i < TI_CUDA_SLOTS; i++)
        ti_cuda_check(cuda, cudaEventRecord(cuda->slots[i].used, cuda->stream), "a record");
}

static void join(ti_cuda *cuda, cudaStream_t to, cudaStream_t from)
{
    ti_cuda_check(cuda, cudaEventRecord(cuda->fork, from), "a record");
    ti_cuda_check(cuda, cudaStreamWaitEvent(to, cuda->fork, 0), "a record");
}

/* *GRAPH is NULL when the recording failed, for whatever reason. */
static te_status record(ti_cuda *cuda, const ti_repeated *what, cudaGraph_t *graph, te_error *err)
{
    *graph = NULL;
    if (cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal)) return TE_OK;
    cuda->recording = true;
    mark_slots_used(cuda);
    join(cuda, cuda->side, cuda->stream);
    te_status st = what->issue(what->user, err);
    join(cuda, cuda->stream, cuda->side);
    cuda->recording = false;
    cudaError_t code = cudaStreamEndCapture(cuda->stream, graph);
    mark_slots_used(cuda);
    if (code == cudaSuccess && !cuda->failed) return st;
    if (code == cudaSuccess && *graph) cudaGraphDestroy(*graph);
    *graph = NULL;
    return st;
}

static void play(ti_cuda *cuda, const ti_cuda_graph *g)
{
    ti_cuda_check(cuda, cudaGraphLaunch(g->exec, cuda->stream), "a recorded pass");
    mark_slots_used(cuda);
}

/* Lists that a recording sent: it is about to be PLAYED, or they never got there. */
static void settle_lists(ti_cuda *cuda, bool played)
{
    for (int i = 0; i < TI_CUDA_LISTS; i++) {
        ti_cuda_list *list = &cuda->lists[i];
        if (list->recorded && !played) list->n = 0, list->kept = false;
        list->recorded = false;
    }
}

/* Records WHAT into G. False: it was not, and is still to be issued. */
static bool record_into(ti_cuda *cuda, ti_cuda_graph *g, const ti_repeated *what, te_status *st,
                        te_error *err)
{
    cudaGraph_t graph;
    *st = record(cuda, what, &graph, err);
    if (graph && !*st && cudaGraphInstantiate(&g->exec, graph, 0) != cudaSuccess) g->exec = NULL;
    if (graph) cudaGraphDestroy(graph);
    settle_lists(cuda, g->exec != NULL);
    if (g->exec) return true;
    cudaGetLastError(); /* a recording's failure is not the card's */
    cuda->failed = cudaSuccess;
    if (*st) return true;
    cuda->no_graphs = true;
    ti_cuda_forget_graphs(cuda);
    return false;
}

te_status ti_cuda_repeat(ti_backend *be, const ti_repeated *what, te_error *err)
{
    ti_cuda *cuda = ti_cuda_of(be);
    te_status st = TE_OK;
    if (cuda->failed || cuda->no_graphs || what->key_bytes > TI_REPEATED_KEY)
        return what->issue(what->user, err);
    ti_cuda_graph *g = find(cuda, what);
    if (!g) {
        remember(cuda, what);
        return what->issue(what->user, err);
    }
    cuda->coded.x = NULL; /* as it was when the series was recorded, and as it leaves it */
    if (!g->exec && !record_into(cuda, g, what, &st, err)) return what->issue(what->user, err);
    if (g->exec && !st) play(cuda, g);
    cuda->coded.x = NULL;
    return st;
}
