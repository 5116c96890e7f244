/* world.h - the procedural world the embedded model learns from: pictures, edits, words and facts.
 *
 *     ti_world_sample s;
 *     if (!ti_world_make(&s, seed, TI_WORLD_TRAIN, 128, &err)) use(s.input, s.instruction, ...);
 *     ti_world_clear(&s);
 *
 * A sample is a pure function of (seed, split, size): the same on any machine with the same cairo,
 * from any thread. It is one quadruplet of the paper's section 3.2 - input picture, instruction,
 * reasoning, output picture - with the machine-checkable facts behind it. Generations have no input
 * picture. Who wants the words alone (a text tokeniser's training) makes samples of size 16: they
 * cost a tenth.
 */
#ifndef TI_WORLD_H
#define TI_WORLD_H

#include "base/error.h"

typedef enum ti_world_split {
    TI_WORLD_TRAIN,
    TI_WORLD_HELD_OUT /* every sample has a phrasing, or things and colours, never seen in training
                       */
} ti_world_split;

/* The paper's five editing categories, then photographs' tonal edits, then generation. */
typedef enum ti_world_category {
    TI_WORLD_SPATIAL,
    TI_WORLD_TEMPORAL,
    TI_WORLD_CAUSAL,
    TI_WORLD_KNOWLEDGE,
    TI_WORLD_GENERAL,
    TI_WORLD_PHOTO,
    TI_WORLD_GENERATION,
    TI_WORLD_CATEGORIES
} ti_world_category;

#define TI_WORLD_MAX_KINDS 128 /* more than there are */

typedef struct ti_world_facts ti_world_facts; /* facts.h: operation, objects, attributes, regions */

typedef struct ti_world_sample {
    ti_world_category category;
    const char *kind; /* "season-winter", "remove-object", ...; static */
    int size;         /* pictures are size x size */
    uint8_t *input;   /* RGB u8 [size][size][3]; NULL for a generation */
    uint8_t *output;  /* RGB u8 [size][size][3] */
    uint8_t
        *unchanged; /* [size][size], 1 where input and output must agree; NULL for a generation */
    char *instruction;
    char *reasoning; /* what is seen, what must change and why, what stays; at most 64 words */
    ti_world_facts *facts;
} ti_world_sample;

te_status ti_world_make(ti_world_sample *sample, uint64_t seed, ti_world_split split, int size,
                        te_error *err);
/* How often a mixture draws what. A category's share is its weight among the weights (they may sum
 * up to anything); within it a kind is drawn as often as its neighbours, or TIMES as often where
 * KINDS names it ("muted"): what is hard to learn is worth more samples. */
typedef struct ti_world_kind_weight {
    const char *kind;
    double times;
} ti_world_kind_weight;

typedef struct ti_world_mix {
    double category[TI_WORLD_CATEGORIES];
    int n_kinds;
    ti_world_kind_weight kinds[TI_WORLD_MAX_KINDS]; /* names are borrowed */
} ti_world_mix;

extern const ti_world_mix ti_world_usual_mix;

te_status ti_world_make_mixed(ti_world_sample *sample, uint64_t seed, ti_world_split split,
                              const ti_world_mix *mix, int size, te_error *err);
/* Whether any category has a kind of this name. */
bool ti_world_has_kind(const char *name);
/* Of one category. */
te_status ti_world_make_category(ti_world_sample *sample, uint64_t seed, ti_world_split split,
                                 ti_world_category category, int size, te_error *err);
void ti_world_clear(ti_world_sample *sample);

/* Whether nothing changes in token TOKEN of SIDE x SIDE. */
bool ti_world_token_still(const ti_world_sample *sample, int side, int token);
/* Whether nothing changes in it nor in the four beside it, so that an exact copy of the input's
 * code is wanted there. A code tells of more than its own pixels: with the input's codes right
 * beside a change, a decoder that never saw such mixtures loses one edit in forty. */
bool ti_world_token_stays(const ti_world_sample *sample, int side, int token);

/* What the output's things stand before: its scene with none of them, RGB u8 [size][size][3]. A
 * copy of the output where that is no scene as it was drawn (photographs, and whatever has a tone).
 */
te_status ti_world_backdrop(const ti_world_sample *sample, uint8_t *rgb, te_error *err);

/* A picture alone, for the image tokeniser: scenes and photograph-like textures, camera nuisances
 * on. */
te_status ti_world_picture(uint8_t *rgb, uint64_t seed, int size, te_error *err);

const char *ti_world_category_name(ti_world_category category);

#endif
