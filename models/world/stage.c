/* stage.c - how a kind sets up its scene, and how its templates become words; see kinds.h */
#include "world/kinds.h"

#include <string.h>

#include "world/camera.h"

static int weighted(ti_draw *draw, const uint8_t *weights, int n)
{
    uint32_t sum = 0;
    for (int i = 0; i < n; i++) sum += weights[i];
    uint32_t at = ti_draw_below(draw, sum);
    for (int i = 0; i < n; i++) {
        if (at < weights[i]) return i;
        at -= weights[i];
    }
    return 0;
}

void ti_stage_plain(ti_edit_plan *plan, uint32_t places)
{
    ti_scene *s = &plan->scene;
    memset(s, 0, sizeof *s);
    do s->place = (uint8_t)ti_draw_below(plan->draw, TI_PLACES);
    while (!(places >> s->place & 1));
    s->ground = (uint8_t)ti_place_ground((ti_place)s->place);
    s->time = TI_NOON;
    s->season = TI_SUMMER;
    s->variant = (uint8_t)ti_draw_below(plan->draw, 4);
    s->lights = ti_place_indoors((ti_place)s->place) && ti_draw_chance(plan->draw, 0.5);
    if (ti_draw_chance(plan->draw, 0.2)) s->camera = ti_camera_random(plan->draw, 0.5);
}

void ti_stage(ti_edit_plan *plan, uint32_t places)
{
    static const uint8_t times[TI_TIMES] = {4, 18, 4, 2, 2}, seasons[TI_SEASONS] = {3, 5, 3, 3};
    static const uint8_t weathers[TI_WEATHERS] = {16, 2, 1, 0, 1, 0, 1};
    ti_scene *s = &plan->scene;
    ti_stage_plain(plan, places);
    s->time = (uint8_t)weighted(plan->draw, times, TI_TIMES);
    if (ti_place_indoors((ti_place)s->place)) {
        s->lights = s->time == TI_NIGHT || s->lights;
        return;
    }
    s->lights = s->time >= TI_DUSK;
    s->weather = (uint8_t)weighted(plan->draw, weathers, TI_WEATHERS);
    if (s->weather == TI_RAINBOW && s->time >= TI_DUSK) s->weather = TI_CLEAR;
    if (s->ground == TI_GRASS) s->season = (uint8_t)weighted(plan->draw, seasons, TI_SEASONS);
    s->frozen = s->place == TI_LAKE && s->season == TI_WINTER;
    if (s->season == TI_WINTER && s->weather == TI_RAIN) s->weather = TI_SNOWFALL;
}

ti_colour ti_stage_colour(ti_edit_plan *plan, ti_thing type)
{
    uint32_t allowed = ti_thing_get(type)->colours;
    if (!allowed) return TI_NO_COLOUR;
    uint32_t c;
    do c = ti_draw_below(plan->draw, TI_COLOURS);
    while (!(allowed >> c & 1));
    return (ti_colour)c;
}

int ti_stage_slot(ti_edit_plan *plan, ti_thing type)
{
    int first = ti_thing_get(type)->traits & TI_IN_SKY ? TI_SKY_LEFT : TI_LEFT;
    int start = (int)ti_draw_below(plan->draw, 3);
    for (int i = 0; i < 3; i++) {
        int slot = first + (start + i) % 3;
        bool window = plan->scene.place == TI_ROOM && slot == TI_SKY_MIDDLE;
        if (!window && ti_scene_at(&plan->scene, (ti_slot)slot) < 0) return slot;
    }
    return -1;
}

int ti_stage_put(ti_edit_plan *plan, ti_thing type)
{
    ti_scene *s = &plan->scene;
    int slot = ti_stage_slot(plan, type);
    if (slot < 0) return -1;
    ti_object o = {.type = (uint8_t)type, .size = TI_NORMAL, .slot = (uint8_t)slot};
    o.colour = (uint8_t)ti_stage_colour(plan, type);
    bool shore = s->place == TI_BEACH || s->place == TI_LAKE;
    if (type == TI_BOAT && shore)
        o.dy = -24;
    else if (slot < TI_SKY_LEFT && ti_draw_chance(plan->draw, 0.3))
        o.dy = 8;
    if (ti_thing_get(type)->traits & TI_FRUIT && type != TI_PUMPKIN) o.state = TI_RIPE;
    if (type == TI_TRAFFIC_LIGHT) o.state = ti_draw_chance(plan->draw, 0.5) ? TI_STOP : TI_GO;
    if (type == TI_FLAG) o.flag = (uint8_t)(1 + ti_draw_below(plan->draw, TI_FLAGS - 1));
    if (!ti_scene_add(s, o)) return -1;
    return s->n_objects - 1;
}

static bool at_home(const ti_scene *s, ti_thing type)
{
    if (type == TI_SNOWMAN) return s->season == TI_WINTER && s->ground == TI_GRASS;
    if (type == TI_CATERPILLAR && s->season == TI_WINTER) return false;
    return ti_thing_get(type)->places >> s->place & 1 && !(ti_thing_get(type)->traits & TI_RARE);
}

ti_thing ti_stage_type(ti_edit_plan *plan, bool in_sky)
{
    ti_thing found[TI_THINGS];
    uint32_t n = 0;
    for (ti_thing t = TI_HOUSE; t < TI_THINGS; t++) {
        bool sky = ti_thing_get(t)->traits & TI_IN_SKY;
        if (sky == in_sky && at_home(&plan->scene, t) && ti_scene_find(&plan->scene, t) < 0)
            found[n++] = t;
    }
    return n ? found[ti_draw_below(plan->draw, n)] : TI_NOTHING;
}

void ti_stage_fill(ti_edit_plan *plan, int n)
{
    for (int tries = 0; plan->scene.n_objects < n && tries < 16; tries++) {
        ti_thing type = ti_stage_type(plan, ti_draw_chance(plan->draw, 0.25));
        if (type != TI_NOTHING) ti_stage_put(plan, type);
    }
}

void ti_stage_target(ti_edit_plan *plan, int index, ti_op_code code)
{
    const ti_object *o = &plan->scene.objects[index];
    plan->op.code = (uint8_t)code;
    plan->op.type = o->type;
    plan->op.colour = o->colour;
}

bool ti_stage_any(ti_edit_plan *plan, uint32_t places, ti_op_code code)
{
    ti_stage(plan, places);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    if (!plan->scene.n_objects) return false;
    ti_stage_target(plan, (int)ti_draw_below(plan->draw, plan->scene.n_objects), code);
    return true;
}

/* ---- templates --------------------------------------------------------------------------- */

static const char *where_it_is(const ti_edit_plan *plan)
{
    int at = ti_scene_find(&plan->scene, (ti_thing)plan->op.type);
    return at < 0 ? "here" : ti_slot_at((ti_slot)plan->scene.objects[at].slot);
}

static void say_list(ti_words *text, const ti_scene *s)
{
    for (int i = 0; i < s->n_objects; i++) {
        if (i) ti_words_add(text, i + 1 == s->n_objects ? " and " : ", ");
        ti_say_an_object(text, (ti_thing)s->objects[i].type, (ti_colour)s->objects[i].colour);
    }
}

static void say_letter(ti_words *text, char letter, const ti_edit_plan *plan)
{
    static const char *const ins[TI_PLACES] = {"in a", "in a", "in a", "on a",
                                               "by a", "in a", "in a", "in a"};
    if (letter == 'c')
        ti_words_add(text, ti_place_name((ti_place)plan->scene.place));
    else if (letter == 'w')
        ti_words_add(text, where_it_is(plan));
    else if (letter == 'i')
        ti_words_add(text, ins[plan->scene.place]);
    else if (letter == 'l')
        say_list(text, &plan->scene);
    else if (letter == 'h')
        ti_words_add(text, plan->hint ? plan->hint : "");
    else
        ti_say_slot_word(text, plan->op, letter);
}

/* The choice of "(a|b|c)" at P that is drawn; *end is set behind the bracket. */
static const char *choose(const char *p, ti_draw *draw, const char **end)
{
    const char *close = strchr(p, ')');
    uint32_t n = 1;
    for (const char *q = p; q < close; q++) n += *q == '|';
    *end = close + 1;
    for (uint32_t skip = ti_draw_below(draw, n); skip; skip--) p = strchr(p, '|') + 1;
    return p;
}

void ti_template_say(ti_words *text, const char *pattern, const ti_edit_plan *plan, ti_draw *draw)
{
    const char *after = NULL; /* behind the bracket while inside one */
    for (const char *p = pattern; *p;) {
        char one[2] = {*p, 0};
        if (*p == '(') {
            p = choose(p + 1, draw, &after);
        } else if (after && (*p == '|' || *p == ')')) {
            p = after;
            after = NULL;
        } else if (*p == '$') {
            say_letter(text, p[1], plan);
            p += 2;
        } else {
            ti_words_add(text, one);
            p++;
        }
    }
}
