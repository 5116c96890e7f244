/* lessons.h - what the decoder of an image tokeniser learns on from, once its encoder is frozen.
 *
 * The pictures that it will decode are not the world's: a backbone copies the input's codes where
 * an edit changes nothing, and errs in the rest. And what a picture is judged by is often a few
 * tokens large, or stands in the dark. So a lesson is the output of an edit or a generation, half
 * and half, its codes mixed with those of the input in every other edit, some of them wrong, and
 * its things counting more than what they stand before, the more so the less they differ from it.
 */
#ifndef TI_TRAIN_LESSONS_H
#define TI_TRAIN_LESSONS_H

#include "base/error.h"

typedef struct ti_lesson {
    uint8_t *before, *after; /* RGB u8 [size][size][3]; a generation has its output in both */
    uint8_t *copied;         /* [side * side]: 1 where a token has the code that it has in BEFORE */
    float *weight; /* [size][size]: how often a pixel of AFTER counts, 1 to 1 + 4 * things */
} ti_lesson;

/* Lesson SEED into the caller's arrays, tokens on SIDE x SIDE. Whoever asks for the same gets the
 * same, from any thread. */
te_status ti_lesson_make(const ti_lesson *lesson, uint64_t seed, int size, int side, float things,
                         te_error *err);

/* Latents [tokens][bits] of AFTER become those to decode: BEFORE's where COPIED says so, and in
 * every other lesson the others with normal noise of up to JITTER times their mean size: a code
 * that is nearly another one becomes it. */
void ti_lesson_mix(float *after, const float *before, const uint8_t *copied, int tokens, int bits,
                   float jitter, uint64_t seed);

#endif
