/* op.c - what each operation does to a scene; see op.h */
#include "world/op.h"

static bool is_free(const ti_scene *scene, ti_slot slot)
{
    return ti_scene_at(scene, slot) < 0;
}

static bool floats(ti_thing type)
{
    return ti_thing_get(type)->traits & TI_IN_SKY;
}

/* The spot a thing takes when it is put somewhere: on the grid, boats in the water. */
static void put_at(const ti_scene *scene, ti_object *object, ti_slot slot)
{
    bool shore = scene->place == TI_BEACH || scene->place == TI_LAKE;
    object->slot = (uint8_t)slot;
    object->dx = 0;
    object->dy = object->type == TI_BOAT && shore ? -24 : 0;
}

static ti_object fresh_object(const ti_scene *scene, ti_thing type, ti_colour colour, ti_slot slot)
{
    ti_object o = {.type = (uint8_t)type, .colour = (uint8_t)colour, .size = TI_NORMAL};
    if (ti_thing_get(type)->traits & TI_FRUIT && type != TI_PUMPKIN) o.state = TI_RIPE;
    put_at(scene, &o, slot);
    return o;
}

static bool apply_set(ti_scene *scene, ti_op op)
{
    switch ((ti_op_code)op.code) {
    case TI_OP_TIME:
        if (scene->time == op.value) return false;
        scene->time = op.value;
        if (!ti_place_indoors(scene->place)) scene->lights = op.value >= TI_DUSK;
        return true;
    case TI_OP_SEASON:
        if (scene->season == op.value && !scene->dry) return false;
        scene->season = op.value;
        scene->dry = false;
        scene->frozen = scene->place == TI_LAKE && op.value == TI_WINTER;
        if (scene->ground != TI_GRASS && op.value == TI_WINTER) scene->ground = TI_SNOW;
        return true;
    case TI_OP_WEATHER:
        if (scene->weather == op.value) return false;
        scene->weather = op.value;
        if (op.value == TI_SNOWFALL) scene->season = TI_WINTER;
        return true;
    case TI_OP_GROUND:
        if (scene->ground == op.value || scene->flooded) return false;
        scene->ground = op.value;
        return true;
    case TI_OP_LIGHTS:
        if (scene->lights == (op.value != 0)) return false;
        scene->lights = op.value != 0;
        return true;
    case TI_OP_FRAME:
        if (scene->frame == op.value) return false;
        scene->frame = op.value;
        return true;
    default:
        return false;
    }
}

static bool apply_flag(bool *flag, bool to)
{
    if (*flag == to) return false;
    *flag = to;
    return true;
}

static bool apply_to_object(ti_scene *scene, ti_op op)
{
    int at = ti_scene_find(scene, (ti_thing)op.type);
    if (at < 0) return false;
    ti_object *o = &scene->objects[at];
    switch ((ti_op_code)op.code) {
    case TI_OP_REMOVE:
        ti_scene_remove(scene, at);
        return true;
    case TI_OP_MOVE:
        if (!is_free(scene, (ti_slot)op.slot)) return false;
        put_at(scene, o, (ti_slot)op.slot);
        return true;
    case TI_OP_PAINT:
        if (o->colour == op.value) return false;
        o->colour = op.value;
        return true;
    case TI_OP_REPLACE: {
        if (floats((ti_thing)op.other) != floats((ti_thing)op.type)) return false;
        if (ti_scene_find(scene, (ti_thing)op.other) >= 0) return false;
        ti_slot slot = (ti_slot)o->slot;
        *o = fresh_object(scene, (ti_thing)op.other, (ti_colour)op.other_colour, slot);
        return true;
    }
    case TI_OP_ENLARGE:
    case TI_OP_SHRINK: {
        int to = o->size + (op.code == TI_OP_ENLARGE ? 1 : -1);
        if (to < TI_SMALL || to > TI_BIG) return false;
        o->size = (uint8_t)to;
        return true;
    }
    case TI_OP_COPY: {
        if (!is_free(scene, (ti_slot)op.slot)) return false;
        ti_object copy = *o;
        put_at(scene, &copy, (ti_slot)op.slot);
        return ti_scene_add(scene, copy);
    }
    case TI_OP_STATE:
        if (o->state == op.value) return false;
        o->state = op.value;
        return true;
    case TI_OP_HOIST:
        if (o->flag == op.value) return false;
        o->flag = op.value;
        return true;
    default:
        return false;
    }
}

static bool apply_swap(ti_scene *scene, ti_op op)
{
    int a = ti_scene_find(scene, (ti_thing)op.type), b = ti_scene_find(scene, (ti_thing)op.other);
    if (a < 0 || b < 0 || a == b || floats((ti_thing)op.type) != floats((ti_thing)op.other))
        return false;
    ti_slot slot = (ti_slot)scene->objects[a].slot;
    put_at(scene, &scene->objects[a], (ti_slot)scene->objects[b].slot);
    put_at(scene, &scene->objects[b], slot);
    return true;
}

bool ti_op_apply(ti_scene *scene, ti_op op)
{
    switch ((ti_op_code)op.code) {
    case TI_OP_ADD:
        if (!is_free(scene, (ti_slot)op.slot) ||
            (op.slot >= TI_SKY_LEFT) != floats((ti_thing)op.other))
            return false;
        return ti_scene_add(scene, fresh_object(scene, (ti_thing)op.other,
                                                (ti_colour)op.other_colour, (ti_slot)op.slot));
    case TI_OP_SWAP:
        return apply_swap(scene, op);
    case TI_OP_DRY:
        return apply_flag(&scene->dry, true);
    case TI_OP_GREEN:
        return apply_flag(&scene->dry, false);
    case TI_OP_FREEZE:
        return apply_flag(&scene->frozen, true);
    case TI_OP_FLOOD:
        return apply_flag(&scene->flooded, true);
    case TI_OP_CLEAR:
        if (!scene->n_objects) return false;
        scene->n_objects = 0;
        return true;
    case TI_OP_TIME:
    case TI_OP_SEASON:
    case TI_OP_WEATHER:
    case TI_OP_GROUND:
    case TI_OP_LIGHTS:
    case TI_OP_FRAME:
        return apply_set(scene, op);
    case TI_OP_NONE:
    case TI_OP_TONE:
    case TI_OP_DRAW:
    case TI_OP_CODES:
        return false;
    default:
        return apply_to_object(scene, op);
    }
}

bool ti_op_same(ti_op a, ti_op b)
{
    if (a.code == TI_OP_SWAP && b.code == TI_OP_SWAP && a.type != b.type) {
        const ti_op turned = {a.code, a.other, a.other_colour, a.type, a.colour, a.slot, a.value};
        a = turned;
    }
    return a.code == b.code && a.type == b.type && a.colour == b.colour && a.other == b.other &&
           a.other_colour == b.other_colour && a.slot == b.slot && a.value == b.value;
}
