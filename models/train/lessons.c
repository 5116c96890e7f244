/* lessons.c - see lessons.h */
#include "lessons.h"

#include "base/random.h"
#include "world/world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_COPY = 0x636f7079, STREAM_AMOUNT = 0x616d6f75, STREAM_JITTER = 0x6a697474 };

/* A thing this far from what it stands before, in steps of 255 on average, counts once times
 * `things`; one that differs less counts more, up to four times that. */
static const float CLEAR = 64, MOST = 4;

/* WEIGHT holds how far each pixel is from the backdrop and becomes how often it counts. */
static void weigh(float *weight, size_t pixels, float things)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < pixels; i++) {
        sum += (double)weight[i];
        n += weight[i] > 0;
    }
    const float far = n > 0 ? (float)(sum / n) : CLEAR;
    const float times = things * fminf(MOST, fmaxf(1, CLEAR / far));
    for (size_t i = 0; i < pixels; i++) weight[i] = weight[i] > 0 ? 1 + times : 1;
}

static te_status find_things(const ti_lesson *l, const ti_world_sample *s, float things,
                             te_error *err)
{
    const size_t pixels = (size_t)s->size * (size_t)s->size;
    te_status st = ti_world_backdrop(s, l->before, err); /* BEFORE as room */
    if (st) return st;
    for (size_t i = 0; i < pixels; i++) {
        int far = 0;
        for (int c = 0; c < 3; c++) {
            const int d = abs(s->output[3 * i + c] - l->before[3 * i + c]);
            far = d > far ? d : far;
        }
        l->weight[i] = far > 3 ? (float)far : 0;
    }
    weigh(l->weight, pixels, things);
    return TE_OK;
}

te_status ti_lesson_make(const ti_lesson *l, uint64_t seed, int size, int side, float things,
                         te_error *err)
{
    const size_t bytes = (size_t)size * (size_t)size * 3;
    ti_world_sample s;
    te_status st =
        seed % 2 ? ti_world_make(&s, seed, TI_WORLD_TRAIN, size, err)
                 : ti_world_make_category(&s, seed, TI_WORLD_TRAIN, TI_WORLD_GENERATION, size, err);
    if (st) return st;
    st = find_things(l, &s, things, err);
    const bool mixed = s.input && ti_random_uniform((ti_random){seed, STREAM_COPY}, 0) < 0.5;
    for (int t = 0; t < side * side; t++) l->copied[t] = mixed && ti_world_token_still(&s, side, t);
    memcpy(l->before, s.input ? s.input : s.output, bytes);
    memcpy(l->after, s.output, bytes);
    ti_world_clear(&s);
    return st;
}

void ti_lesson_mix(float *after, const float *before, const uint8_t *copied, int tokens, int bits,
                   float jitter, uint64_t seed)
{
    const ti_random amount = {seed, STREAM_AMOUNT}, noise = {seed, STREAM_JITTER};
    double size = 0;
    for (int t = 0; t < tokens; t++)
        for (int i = t * bits; i < (t + 1) * bits; i++) {
            if (copied[t]) after[i] = before[i];
            size += (double)fabsf(after[i]);
        }
    if (ti_random_uniform(amount, 0) < 0.5) return;
    const double most = (double)jitter * size / ((double)tokens * bits);
    const double by = most * ti_random_uniform(amount, 1);
    for (int i = 0; i < tokens * bits; i++)
        if (!copied[i / bits]) after[i] += (float)(by * ti_random_normal(noise, (uint64_t)i));
}
