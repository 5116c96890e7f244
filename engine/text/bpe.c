/* bpe.c - see bpe.h. A heap of candidate pairs over a doubly linked list of symbols: O(n log n) for
 * a word of n bytes, so that a megabyte without a space costs no more per byte than prose does. */
#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

typedef struct ti_candidate {
    int32_t rank, at; /* at: the left symbol */
    int32_t id;
} candidate;

te_status ti_merges_init(ti_merges *merges, size_t n, te_error *err)
{
    size_t slots = 16;
    while (slots < 2 * n) slots *= 2;
    merges->mask = slots - 1;
    merges->slots = ti_malloc_array(slots, sizeof *merges->slots);
    if (!merges->slots) return ti_fail_memory(err, "the merges", slots * sizeof *merges->slots);
    memset(merges->slots, 0xFF, slots * sizeof *merges->slots);
    return TE_OK;
}

void ti_merges_clear(ti_merges *merges)
{
    free(merges->slots);
    *merges = (ti_merges){0};
}

static ti_merge *find_merge(const ti_merges *merges, int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(hash >> 32) & merges->mask;
    for (;; slot = (slot + 1) & merges->mask) {
        ti_merge *m = &merges->slots[slot];
        if (m->left < 0 || (m->left == left && m->right == right)) return m;
    }
}

void ti_merges_put(ti_merges *merges, ti_merge merge)
{
    *find_merge(merges, merge.left, merge.right) = merge;
}

te_status ti_bpe_reserve(ti_bpe *bpe, size_t n, te_error *err)
{
    if (n <= bpe->capacity) return TE_OK;
    size_t capacity = n < 64 ? 64 : n;
    /* n - 1 pairs at first, and every one of at most n - 1 merges makes two new ones. */
    ti_symbol *symbols = ti_realloc_array(bpe->symbols, capacity, sizeof *symbols);
    if (symbols) bpe->symbols = symbols;
    candidate *heap = ti_realloc_array(bpe->heap, 3 * capacity, sizeof *heap);
    if (heap) bpe->heap = heap;
    if (!symbols || !heap)
        return ti_fail_memory(err, "the words of a text", capacity * sizeof *heap);
    bpe->capacity = capacity;
    return TE_OK;
}

void ti_bpe_clear(ti_bpe *bpe)
{
    free(bpe->symbols);
    free(bpe->heap);
    *bpe = (ti_bpe){0};
}

static bool before(candidate a, candidate b)
{
    return a.rank < b.rank || (a.rank == b.rank && a.at < b.at);
}

static void heap_push(candidate *heap, size_t *n, candidate c)
{
    size_t at = (*n)++;
    while (at && before(c, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = c;
}

static candidate heap_pop(candidate *heap, size_t *n)
{
    candidate top = heap[0], last = heap[--*n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < *n; at = child) {
        if (child + 1 < *n && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], last)) break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return top;
}

static void push_pair(ti_bpe *bpe, size_t *n_heap, const ti_merges *merges, int32_t left)
{
    int32_t right = left < 0 ? -1 : bpe->symbols[left].next;
    if (right < 0) return;
    const ti_merge *m = find_merge(merges, bpe->symbols[left].id, bpe->symbols[right].id);
    if (m->left >= 0) heap_push(bpe->heap, n_heap, (candidate){m->rank, left, m->id});
}

void ti_bpe_merge(ti_bpe *bpe, size_t n, const ti_merges *merges)
{
    ti_symbol *s = bpe->symbols;
    size_t n_heap = 0;
    for (size_t i = 0; i < n; i++) {
        s[i].prev = (int32_t)i - 1;
        s[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i + 1 < n; i++) push_pair(bpe, &n_heap, merges, (int32_t)i);
    while (n_heap) {
        candidate c = heap_pop(bpe->heap, &n_heap);
        int32_t right = s[c.at].id < 0 ? -1 : s[c.at].next;
        if (right < 0) continue;
        /* A candidate outlives changes beside it; it counts while the pair there still makes its
         * id. */
        const ti_merge *m = find_merge(merges, s[c.at].id, s[right].id);
        if (m->left < 0 || m->id != c.id) continue;
        s[c.at].id = c.id;
        s[c.at].next = s[right].next;
        if (s[right].next >= 0) s[s[right].next].prev = c.at;
        s[right].id = -1;
        push_pair(bpe, &n_heap, merges, s[c.at].prev);
        push_pair(bpe, &n_heap, merges, c.at);
    }
}
