/* llada_init.c - the weights training begins with: random ones, and planted in them a head that
 * copies and two that listen.
 *
 * Most tokens of an edit are the input's token of the same place, at one constant distance. A small
 * network finds that out late, and nothing else is learned before; so the first head of the first
 * layer begins knowing it. A few coordinates of the residual stream are given meanings:
 *
 *     0            set in every token            1            "I am a mask"
 *     2 .. 1+b     the bits of the token's code  2+b .. 1+2b  the bits of the code to be predicted
 *     2+2b         "I am a word"
 *
 * Queries of masks and keys of all tokens are two constant vectors whose rotary product peaks at
 * the distance, values carry the bits from the second field to the third, and the head reads them
 * there. Reasoning, too, looks that far back, and finds words, which have no bits, as long as
 * instructions are filled up to its length. Codes that differ in few bits thereby begin alike.
 *
 * What an instruction asks for is twenty words among six hundred tokens, and evenly spread
 * attention hears little of them. So the last heads of the first two layers begin by attending to
 * words alone, wherever they stand: queries and keys meet in the slowest rotary pairs, which hardly
 * turn.
 *
 * Everything is trained afterwards like the rest.
 */
#include "llada_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLAG_ANY, FLAG_MASK, BITS_SEEN };

#define FLAG  6.0f /* size of a flag in an embedding */
#define BIT   2.5f /* of a bit */
#define NOISE 0.5  /* standard deviation of the other coordinates */
#define HEAD_BIT                                                                                   \
    1.0f /* of a bit in a row of the head: a copy is believed, and one wrong bit costs 6 */
#define QUERY   0.9   /* of each rotary pair of the planted query and key */
#define PAIRS   20    /* the fastest pairs, which tell neighbours apart */
#define LISTEN  0.55f /* of a query and a key that listen to words */
#define SLOWEST 5     /* pairs they meet in */

static void random_fill(ti_llada *l, float *all, uint64_t seed)
{
    const ti_llada_config *c = &l->config;
    for (int i = 0; i < l->params.n; i++) {
        const ti_param *p = &l->params.items[i];
        float *to = all + p->first;
        const bool output =
            i != l->head && (strstr(p->name, "attn_out") || strstr(p->name, ".ff_out."));
        double scale = i == l->embedding ? NOISE
                       : i == l->head    ? 0.5 / sqrt(c->width)
                                         : 1 / sqrt((double)p->shape[1]);
        if (output) scale *= 0.2 / sqrt(2.0 * c->layers);
        ti_random random = {.seed = seed, .stream = (uint64_t)i};
        for (size_t j = 0; j < p->count; j++)
            to[j] = p->n_dims == 1 ? 1.0f : (float)(scale * ti_random_normal(random, j));
    }
}

/* Rows of embedding and head: what the coordinates mean. */
static void plant_tables(const ti_llada *l, float *embedding, float *head, const ti_llada_start *s)
{
    const int d = l->config.width, first = s->image_offset, last = first + (1 << s->bits);
    for (int id = 0; id < l->config.vocab; id++) {
        float *e = embedding + (size_t)id * (size_t)d, *h = head + (size_t)id * (size_t)d;
        const bool image = id >= first && id < last;
        for (int i = 0; i < BITS_SEEN + 2 * s->bits; i++) e[i] = 0;
        for (int b = 0; image && b < s->bits; b++) {
            const float sign = (id - first) >> (s->bits - 1 - b) & 1 ? 1.0f : -1.0f;
            e[BITS_SEEN + b] = sign * BIT;
            h[BITS_SEEN + s->bits + b] = sign * HEAD_BIT;
        }
        e[BITS_SEEN + 2 * s->bits] = id < s->words ? FLAG : 0;
        e[FLAG_ANY] = FLAG;
        if (id == s->mask) e[FLAG_MASK] = FLAG;
    }
}

/* Layer 0, head 0. */
static void plant_head(const ti_llada *l, float *qkv, float *out, const ti_llada_start *s)
{
    const int d = l->config.width, size = d / l->config.heads, half = size / 2;
    float *q = qkv, *k = q + (size_t)d * (size_t)d, *v = k + (size_t)d * (size_t)d;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < d; i++) {
            const size_t at = (size_t)r * (size_t)d + (size_t)i;
            q[at] *= 0.05f;
            k[at] *= 0.05f;
            v[at] *= 0.05f;
        }
    for (int i = 0; i < half && i < PAIRS; i++) {
        const double rate = pow((double)l->config.theta, -2.0 * i / size);
        const size_t low = (size_t)i * (size_t)d, high = (size_t)(i + half) * (size_t)d;
        k[low + FLAG_ANY] = (float)QUERY;
        q[low + FLAG_MASK] = (float)(QUERY * cos(rate * s->distance));
        q[high + FLAG_MASK] = (float)(-QUERY * sin(rate * s->distance));
    }
    for (int b = 0; b < s->bits; b++) {
        v[(size_t)b * (size_t)d + (size_t)(BITS_SEEN + b)] = 1;
        out[(size_t)(BITS_SEEN + s->bits + b) * (size_t)d + (size_t)b] = 0.8f;
    }
}

/* The last head of a layer. */
static void plant_listener(const ti_llada *l, float *q, float *k, const ti_llada_start *s)
{
    const int d = l->config.width, size = d / l->config.heads, first = d - size;
    for (size_t i = (size_t)first * (size_t)d; i < (size_t)d * (size_t)d; i++) {
        q[i] *= 0.2f;
        k[i] *= 0.2f;
    }
    for (int i = size / 2 < SLOWEST ? 0 : size / 2 - SLOWEST; i < size / 2; i++) {
        q[(size_t)(first + i) * (size_t)d + FLAG_ANY] = LISTEN;
        k[(size_t)(first + i) * (size_t)d + (size_t)(BITS_SEEN + 2 * s->bits)] = LISTEN;
    }
}

te_status ti_llada_init(ti_llada *l, uint64_t seed, const ti_llada_start *start, te_error *err)
{
    const ti_llada_config *c = &l->config;
    if (start->bits &&
        (BITS_SEEN + 2 * start->bits >= c->width || start->bits > c->width / c->heads))
        return ti_fail(err, TE_INVALID,
                       "a backbone %d wide cannot begin by copying codes of %d bits", c->width,
                       start->bits);
    float *all = ti_malloc_array(l->params.floats, sizeof *all);
    if (!all) return ti_fail_memory(err, "the first weights", l->params.floats * sizeof *all);
    random_fill(l, all, seed);
    if (start->bits) {
        const ti_param *items = l->params.items;
        plant_tables(l, all + items[l->embedding].first, all + items[l->head].first, start);
        plant_head(l, all + items[l->layers[0].qkv].first, all + items[l->layers[0].attn_out].first,
                   start);
        for (int i = 0; i < 2 && i < c->layers && c->heads > 1; i++) {
            float *q = all + items[l->layers[i].qkv].first;
            plant_listener(l, q, q + (size_t)c->width * (size_t)c->width, start);
        }
    }
    ti_params_set_all(&l->params, all);
    free(all);
    return TE_OK;
}
