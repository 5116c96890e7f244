/* held_out.c - what training never sees; see facts.h
 *
 * A hash decides, so the split is the same for every program and version. Roughly one pair in ten.
 */
#include "world/facts.h"

static uint32_t mix(uint32_t a, uint32_t b, uint32_t salt)
{
    uint32_t h = a * 0x9E3779B1u ^ b * 0x85EBCA77u ^ salt * 0xC2B2AE3Du;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    return h ^ h >> 15;
}

bool ti_held_out_colour(ti_thing type, ti_colour colour)
{
    return colour != TI_NO_COLOUR && mix(type, colour, 1) % 9 == 0;
}

bool ti_held_out_pair(ti_thing a, ti_thing b)
{
    return a != b && mix(a < b ? a : b, a < b ? b : a, 2) % 10 == 0;
}

bool ti_held_out_scene(const ti_scene *s)
{
    for (int i = 0; i < s->n_objects; i++) {
        const ti_object *o = &s->objects[i];
        if (ti_held_out_colour((ti_thing)o->type, (ti_colour)o->colour)) return true;
        for (int k = i + 1; k < s->n_objects; k++)
            if (ti_held_out_pair((ti_thing)o->type, (ti_thing)s->objects[k].type)) return true;
    }
    return false;
}
