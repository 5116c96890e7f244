/* read.c - reading a reasoning back: the inverse of words.c; see words.h */
#include "world/words.h"

#include <ctype.h>
#include <string.h>

/* Skips WORDS and one space after it when the text begins with them at a word's edge. */
static bool skip(const char **p, const char *words)
{
    size_t n = strlen(words);
    if (strncmp(*p, words, n) != 0 || isalpha((unsigned char)(*p)[n])) return false;
    *p += n;
    while (**p == ' ') ++*p;
    return true;
}

/* The longest of N names the text begins with: "at the top right", not "at the top". */
static int skip_name(const char **p, const char *(*name)(int), int first, int n)
{
    const char *end = *p;
    int found = -1;
    for (int i = first; i < n; i++) {
        const char *q = *p;
        if (name(i)[0] && skip(&q, name(i)) && q > end) {
            end = q;
            found = i;
        }
    }
    *p = end;
    return found;
}

static const char *name_colour(int i)
{
    return ti_colour_name((ti_colour)i);
}
static const char *name_type(int i)
{
    return ti_thing_get((ti_thing)i)->name;
}
static const char *name_place(int i)
{
    return ti_place_name((ti_place)i);
}
static const char *name_ground(int i)
{
    return ti_ground_name((ti_ground)i);
}
static const char *name_time(int i)
{
    return ti_time_name((ti_time)i);
}
static const char *name_season(int i)
{
    return ti_season_name((ti_season)i);
}
static const char *name_weather(int i)
{
    return ti_weather_name((ti_weather)i);
}
static const char *name_state(int i)
{
    return ti_state_name((ti_state)i);
}
static const char *name_flag(int i)
{
    return ti_flag_name((ti_flag)i);
}
static const char *name_slot_at(int i)
{
    return ti_slot_at((ti_slot)i);
}
static const char *name_slot_to(int i)
{
    return ti_slot_to((ti_slot)i);
}
static const char *name_tone(int i)
{
    return ti_tone_phrase((ti_tone)i);
}

/* "(the|a|an) [colour] noun" */
static bool read_object(const char **p, uint8_t *type, uint8_t *colour)
{
    (void)(skip(p, "the") || skip(p, "an") || skip(p, "a"));
    int c = skip_name(p, name_colour, TI_RED, TI_COLOURS);
    int t = skip_name(p, name_type, TI_HOUSE, TI_THINGS);
    *colour = (uint8_t)(c < 0 ? TI_NO_COLOUR : c);
    *type = (uint8_t)(t < 0 ? TI_NOTHING : t);
    return t >= 0;
}

static int read_value(const char **p, ti_op_code code)
{
    switch (code) {
    case TI_OP_PAINT:
    case TI_OP_FRAME:
        return skip_name(p, name_colour, TI_RED, TI_COLOURS);
    case TI_OP_TIME:
        return skip_name(p, name_time, 0, TI_TIMES);
    case TI_OP_SEASON:
        return skip_name(p, name_season, 0, TI_SEASONS);
    case TI_OP_WEATHER:
        return skip_name(p, name_weather, 0, TI_WEATHERS);
    case TI_OP_GROUND:
        return skip_name(p, name_ground, 0, TI_GROUNDS);
    case TI_OP_STATE:
        return skip_name(p, name_state, 0, TI_STATES);
    case TI_OP_LIGHTS:
        return skip(p, "on") ? 1 : skip(p, "off") ? 0 : -1;
    case TI_OP_HOIST:
        return skip_name(p, name_flag, 1, TI_FLAGS);
    case TI_OP_TONE:
        return skip_name(p, name_tone, 0, TI_TONES);
    default:
        return -1;
    }
}

/* One slot of a clause's pattern. */
static bool read_slot(const char **p, char letter, ti_op *op)
{
    int v;
    switch (letter) {
    case 'o':
        return read_object(p, &op->type, &op->colour);
    case 'b':
    case 'B':
        return read_object(p, &op->other, &op->other_colour);
    case 'p':
        v = skip_name(p, name_slot_at, 0, TI_SLOTS);
        break;
    case 't':
        v = skip_name(p, name_slot_to, 0, TI_SLOTS);
        break;
    default:
        v = read_value(p, (ti_op_code)op->code);
        op->value = (uint8_t)v;
        return v >= 0;
    }
    op->slot = (uint8_t)v;
    return v >= 0;
}

/* The clause at P against one pattern; both must end together. */
static bool read_pattern(const char *p, ti_op_code code, ti_op *op)
{
    *op = (ti_op){.code = (uint8_t)code, .type = code == TI_OP_HOIST ? TI_FLAG : TI_NOTHING};
    for (const char *q = ti_op_pattern(code); *q;) {
        if (*q == '$') {
            if (!read_slot(&p, q[1], op)) return false;
            q += 2;
            while (*q == ' ') q++;
        } else if (*p == *q) {
            p++;
            q++;
        } else {
            return false;
        }
    }
    while (*p == ' ') p++;
    return *p == '.' || *p == '\0';
}

bool ti_read_op(const char *reasoning, ti_op *op)
{
    for (const char *p = reasoning; (p = strstr(p, ", so ")); p++)
        for (ti_op_code code = TI_OP_REMOVE; code < TI_OP_CODES; code++)
            if (ti_op_pattern(code) && read_pattern(p + 5, code, op)) return true;
    return false;
}

/* ---- the first sentence ------------------------------------------------------------------ */

static void read_adjective(const char **p, ti_scene *s)
{
    static const char *const weathers[TI_WEATHERS] = {"clear", "cloudy", "rainy",  "snowy",
                                                      "foggy", "stormy", "rainbow"};
    for (int i = TI_CLOUDY; i < TI_WEATHERS; i++)
        if (skip(p, weathers[i])) s->weather = (uint8_t)i;
    if (skip(p, "flooded")) s->flooded = true;
    if (skip(p, "dry")) s->dry = true;
    if (skip(p, "frozen")) s->frozen = true;
}

static bool read_full_object(const char **p, ti_object *o)
{
    *o = (ti_object){.size = TI_NORMAL};
    (void)(skip(p, "an") || skip(p, "a"));
    if (skip(p, "small"))
        o->size = TI_SMALL;
    else if (skip(p, "big"))
        o->size = TI_BIG;
    int state = skip_name(p, name_state, TI_LIT, TI_STATES);
    bool unripe = skip(p, "unripe");
    if (!read_object(p, &o->type, &o->colour)) return false;
    if (o->type == TI_TRAFFIC_LIGHT) {
        state = o->colour == TI_GREEN ? TI_GO : TI_STOP;
        o->colour = TI_NO_COLOUR;
    }
    o->state = (uint8_t)(state < 0 || unripe ? TI_USUAL : state);
    if (skip(p, "of")) {
        int flag = skip_name(p, name_flag, 1, TI_FLAGS);
        o->flag = (uint8_t)(flag < 0 ? TI_NO_FLAG : flag);
    }
    int slot = skip_name(p, name_slot_at, 0, TI_SLOTS);
    o->slot = (uint8_t)(slot < 0 ? TI_MIDDLE : slot);
    return true;
}

bool ti_read_scene(const char *reasoning, ti_scene *s)
{
    static const char *const hours[TI_TIMES] = {"in the morning", "at noon", "in the evening",
                                                "at dusk", "at night"};
    memset(s, 0, sizeof *s);
    s->time = TI_NOON;
    s->season = TI_SUMMER;
    const char *p = strstr(reasoning, "draw ");
    p = p ? p + 5 : strstr(reasoning, "i see ");
    if (!p) return false;
    (void)skip(&p, "i see");
    (void)(skip(&p, "an") || skip(&p, "a"));
    read_adjective(&p, s);
    int place = skip_name(&p, name_place, 0, TI_PLACES);
    if (place < 0) return false;
    s->place = (uint8_t)place;
    s->ground = (uint8_t)ti_place_ground((ti_place)place);
    if (skip(&p, "under a rainbow")) s->weather = TI_RAINBOW;
    const char *q = p;
    if (skip(&q, "in")) {
        int season = skip_name(&q, name_season, 0, TI_SEASONS);
        if (season >= 0) {
            s->season = (uint8_t)season;
            p = q;
        }
    }
    for (int i = 0; i < TI_TIMES; i++)
        if (skip(&p, hours[i])) s->time = (uint8_t)i;
    if (!skip(&p, "with")) return true;
    for (ti_object o; read_full_object(&p, &o);) {
        if (!ti_scene_add(s, o)) break;
        if (*p == ',') p++;
        while (*p == ' ') p++;
        (void)skip(&p, "and");
    }
    return true;
}
