/* facts.h - what is true about a sample, for machines: the operation and the scenes before and
 * after it.
 *
 * Regions, expected colours and positions follow from the scenes, which can be drawn again at will;
 * the functions here hand out the ones a checker wants.
 */
#ifndef TI_WORLD_FACTS_H
#define TI_WORLD_FACTS_H

#include "world/op.h"
#include "world/world.h"

struct ti_world_facts {
    ti_op op;
    bool is_scene; /* false: a photograph-like texture, and the scenes below mean nothing */
    ti_scene before, after; /* BEFORE means nothing for a generation */
    bool held_out_phrasing, held_out_content;
};

/* Pairs of a thing and a colour, and pairs of things, that training never sees. */
bool ti_held_out_colour(ti_thing type, ti_colour colour);
bool ti_held_out_pair(ti_thing a, ti_thing b);
/* Whether SCENE shows any of them. */
bool ti_held_out_scene(const ti_scene *scene);

#endif
