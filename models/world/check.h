/* check.h - judging an edit by its pixels and its words.
 *
 * The checker knows the scene that was shown and what was asked for, and looks at what came back.
 * It draws the world as it should look now, and as it would look if the edit had not happened or
 * had gone wrong (another colour, another place, another hour, the thing missing), all as a camera
 * would see them, and asks which of these the picture is closest to where they differ. Tonal edits
 * are judged by the statistics of lightness and colour. Words are judged by reading the reasoning
 * back (words.h).
 *
 * Robust to an image tokeniser's blur and noise down to about 26 dB; tests/world proves how robust.
 */
#ifndef TI_WORLD_CHECK_H
#define TI_WORLD_CHECK_H

#include "world/facts.h"

typedef struct ti_verdict {
    bool text;   /* the reasoning names the right operation, object and attribute */
    bool image;  /* the picture shows what was asked for */
    bool output; /* the picture shows what the reasoning says */
    bool has_unchanged;
    double psnr;    /* dB between picture and reference where nothing should change; at most 60 */
    double changed; /* share of those pixels that changed visibly */
} ti_verdict;

/* Judges PICTURE [size][size][3] and REASONING as an answer to SAMPLE. REFERENCE is what the
 * unchanged part is compared with: the sample's input, or that input after the image tokeniser. */
te_status ti_check(ti_verdict *verdict, const ti_world_sample *sample, const uint8_t *picture,
                   const uint8_t *reference, const char *reasoning, te_error *err);

/* The parts of it. */
bool ti_check_text(const ti_world_sample *sample, const char *reasoning);
te_status ti_check_scene(bool *ok, const ti_scene *before, const ti_scene *after, ti_op op,
                         const uint8_t *picture, int size, te_error *err);
bool ti_check_tone(ti_tone tone, const uint8_t *input, const uint8_t *picture, int size);

/* Mean L*, a*, b*, mean chroma and standard deviation of L* (CIE Lab, D65) of N pixels. */
typedef struct ti_lab_stats {
    double l, a, b, chroma, spread;
} ti_lab_stats;
ti_lab_stats ti_lab_measure(const uint8_t *rgb, size_t n);

#endif
