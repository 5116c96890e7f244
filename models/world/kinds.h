/* kinds.h - kinds of edit: how one is staged, what people say to ask for it, and why it has to be
 * so.
 *
 * A kind is a row: a function that stages a scene and chooses the operation, phrasings and causes.
 * Phrasings and causes are templates: (a|b|c) is a choice, the letters after $ are those of words.h
 * and $c setting ("meadow"), $w where the object stands ("on the left"), $h the plan's hint ("a
 * ripe lemon"), $i the place's preposition ("on a"), $l every object of the scene, $A the
 * operation's object with an article. A phrasing that begins with '*' is held out: it is never used
 * for training.
 */
#ifndef TI_WORLD_KINDS_H
#define TI_WORLD_KINDS_H

#include "world/words.h"
#include "world/world.h"

typedef struct ti_edit_plan {
    ti_draw *draw;
    ti_scene scene;
    ti_op op;
    const char *hint;
} ti_edit_plan;

/* Fills scene and op; false when this draw led nowhere (the caller draws again). */
typedef bool (*ti_edit_plan_fn)(ti_edit_plan *plan, int argument);

typedef struct ti_edit_kind {
    const char *name;
    ti_edit_plan_fn plan;
    int argument;
    const char *const *phrasings; /* NULL-terminated */
    const char *const *causes;    /* NULL-terminated */
} ti_edit_kind;

/* The kinds of a category. */
const ti_edit_kind *ti_kinds_of(ti_world_category category, int *n);

extern const ti_edit_kind ti_kinds_spatial[], ti_kinds_temporal[], ti_kinds_causal[],
    ti_kinds_knowledge[], ti_kinds_general[], ti_kinds_photo[], ti_kinds_generation[];
extern const int ti_n_spatial, ti_n_temporal, ti_n_causal, ti_n_knowledge, ti_n_general, ti_n_photo,
    ti_n_generation;

#define TI_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- staging (stage.c) ------------------------------------------------------------------- */

enum {
    TI_OUTDOORS = 1u << TI_MEADOW | 1u << TI_GARDEN | 1u << TI_STREET | 1u << TI_BEACH |
                  1u << TI_LAKE | 1u << TI_DESERT,
    TI_INDOORS = 1u << TI_ROOM | 1u << TI_KITCHEN,
    TI_GREEN_PLACES = 1u << TI_MEADOW | 1u << TI_GARDEN | 1u << TI_LAKE,
    TI_ANYWHERE = TI_OUTDOORS | TI_INDOORS
};

/* An empty scene in one of PLACES, with light, season and weather drawn; mostly a clear noon. */
void ti_stage(ti_edit_plan *plan, uint32_t places);
/* The same at noon under a clear sky. */
void ti_stage_plain(ti_edit_plan *plan, uint32_t places);
/* Puts TYPE somewhere free, in a colour drawn; the object's index, or -1. */
int ti_stage_put(ti_edit_plan *plan, ti_thing type);
/* Draws what else is at home here, until there are N objects in all. */
void ti_stage_fill(ti_edit_plan *plan, int n);
/* A type at home in the scene's place that is not there yet; TI_NOTHING when there is none. */
ti_thing ti_stage_type(ti_edit_plan *plan, bool in_sky);
ti_colour ti_stage_colour(ti_edit_plan *plan, ti_thing type);
/* A free slot for TYPE, or -1. */
int ti_stage_slot(ti_edit_plan *plan, ti_thing type);
/* Makes object INDEX the operation's. */
void ti_stage_target(ti_edit_plan *plan, int index, ti_op_code code);
/* A scene of one to three things in PLACES; the operation's target is one of them. */
bool ti_stage_any(ti_edit_plan *plan, uint32_t places, ti_op_code code);

/* Expands a template into TEXT; ti_words_add of the result. */
void ti_template_say(ti_words *text, const char *pattern, const ti_edit_plan *plan, ti_draw *draw);

#endif
