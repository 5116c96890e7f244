/* words.c - names and phrases; see words.h. Reading them back is in read.c. */
#include "world/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ti_words_add(ti_words *text, const char *words)
{
    size_t n = strlen(words);
    if (n >= sizeof text->buf - text->n) {
        text->full = true;
        return;
    }
    memcpy(text->buf + text->n, words, n + 1);
    text->n += n;
}

void ti_words_addf(ti_words *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof text->buf - text->n;
    int n = vsnprintf(text->buf + text->n, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        text->full = true;
    else
        text->n += (size_t)n;
}

const char *ti_colour_name(ti_colour colour)
{
    static const char *const names[TI_COLOURS] = {"",      "red",   "orange", "yellow",
                                                  "green", "blue",  "purple", "pink",
                                                  "white", "black", "brown",  "grey"};
    return names[colour];
}

const char *ti_place_name(ti_place place)
{
    static const char *const names[TI_PLACES] = {"meadow", "garden", "street", "beach",
                                                 "lake",   "desert", "room",   "kitchen"};
    return names[place];
}

const char *ti_ground_name(ti_ground ground)
{
    static const char *const names[TI_GROUNDS] = {"grass", "sand",  "stone", "snow",    "soil",
                                                  "wood",  "tiles", "water", "red dust"};
    return names[ground];
}

const char *ti_time_name(ti_time time)
{
    static const char *const names[TI_TIMES] = {"morning", "noon", "evening", "dusk", "night"};
    return names[time];
}

const char *ti_season_name(ti_season season)
{
    static const char *const names[TI_SEASONS] = {"spring", "summer", "autumn", "winter"};
    return names[season];
}

const char *ti_weather_name(ti_weather weather)
{
    static const char *const names[TI_WEATHERS] = {"clear sky", "clouds", "rain",   "snow",
                                                   "fog",       "storm",  "rainbow"};
    return names[weather];
}

const char *ti_state_name(ti_state state)
{
    static const char *const names[TI_STATES] = {
        [TI_USUAL] = "unlit",       [TI_LIT] = "lit",         [TI_WITHERED] = "withered",
        [TI_BLOOMING] = "blooming", [TI_MELTED] = "melted",   [TI_RIPE] = "ripe",
        [TI_RUSTY] = "rusty",       [TI_BROKEN] = "broken",   [TI_BURNT_DOWN] = "short",
        [TI_FALLEN] = "fallen",     [TI_STRIPED] = "striped", [TI_DOTTED] = "dotted",
        [TI_STOP] = "show red",     [TI_GO] = "show green",   [TI_DECORATED] = "decorated",
        [TI_ROTTEN] = "rotten"};
    return names[state];
}

const char *ti_flag_name(ti_flag flag)
{
    static const char *const names[TI_FLAGS] = {"nobody", "france",  "italy",   "germany", "japan",
                                                "poland", "ukraine", "austria", "ireland"};
    return names[flag];
}

const char *ti_slot_at(ti_slot slot)
{
    static const char *const names[TI_SLOTS] = {"on the left",  "in the middle",
                                                "on the right", "at the top left",
                                                "at the top",   "at the top right"};
    return names[slot];
}

const char *ti_slot_to(ti_slot slot)
{
    static const char *const names[TI_SLOTS] = {"to the left",  "to the middle",
                                                "to the right", "to the top left",
                                                "to the top",   "to the top right"};
    return names[slot];
}

const char *ti_slot_name(ti_slot slot)
{
    return ti_slot_to(slot) + strlen("to the ");
}

void ti_say_object(ti_words *text, ti_thing type, ti_colour colour)
{
    if (colour) ti_words_addf(text, "%s ", ti_colour_name(colour));
    ti_words_add(text, ti_thing_get(type)->name);
}

static void add_article(ti_words *text, const char *next)
{
    ti_words_add(text, strchr("aeiou", next[0]) ? "an " : "a ");
}

void ti_say_an_object(ti_words *text, ti_thing type, ti_colour colour)
{
    add_article(text, colour ? ti_colour_name(colour) : ti_thing_get(type)->name);
    ti_say_object(text, type, colour);
}

static const char *state_adjective(const ti_object *o)
{
    bool fruit = ti_thing_get((ti_thing)o->type)->traits & TI_FRUIT && o->type != TI_PUMPKIN;
    if (o->state == TI_USUAL) return fruit ? "unripe" : NULL;
    if (o->state == TI_STOP) return "red";
    if (o->state == TI_GO) return "green";
    return ti_state_name((ti_state)o->state);
}

void ti_say_look(ti_words *text, const ti_object *object)
{
    const char *state = state_adjective(object);
    if (object->size == TI_SMALL) ti_words_add(text, "small ");
    if (object->size == TI_BIG) ti_words_add(text, "big ");
    if (state) ti_words_addf(text, "%s ", state);
    ti_say_object(text, (ti_thing)object->type, (ti_colour)object->colour);
}

void ti_say_full_object(ti_words *text, const ti_object *object)
{
    ti_words words = {.n = 0};
    ti_say_look(&words, object);
    add_article(text, words.buf);
    ti_words_addf(text, "%s", words.buf);
    if (object->type == TI_FLAG && object->flag)
        ti_words_addf(text, " of %s", ti_flag_name((ti_flag)object->flag));
    ti_words_addf(text, " %s", ti_slot_at((ti_slot)object->slot));
}

static const char *setting_adjective(const ti_scene *s)
{
    static const char *const weathers[TI_WEATHERS] = {NULL,    "cloudy", "rainy", "snowy",
                                                      "foggy", "stormy", NULL};
    if (s->flooded) return "flooded";
    if (s->dry) return "dry";
    if (s->frozen && s->place == TI_LAKE) return "frozen";
    return weathers[s->weather];
}

void ti_say_setting(ti_words *text, const ti_scene *s)
{
    const char *adjective = setting_adjective(s);
    add_article(text, adjective ? adjective : ti_place_name((ti_place)s->place));
    if (adjective) ti_words_addf(text, "%s ", adjective);
    ti_words_add(text, ti_place_name((ti_place)s->place));
    if (s->weather == TI_RAINBOW) ti_words_add(text, " under a rainbow");
    if (!ti_place_indoors((ti_place)s->place) && s->ground == TI_GRASS)
        ti_words_addf(text, " in %s", ti_season_name((ti_season)s->season));
    static const char *const hours[TI_TIMES] = {"in the morning", "at noon", "in the evening",
                                                "at dusk", "at night"};
    ti_words_addf(text, " %s", hours[s->time]);
}

void ti_say_scene(ti_words *text, const ti_scene *s)
{
    ti_say_setting(text, s);
    for (int i = 0; i < s->n_objects; i++) {
        ti_words_add(text, i == 0 ? " with " : i + 1 == s->n_objects ? " and " : ", ");
        ti_say_full_object(text, &s->objects[i]);
    }
}

static const char *value_name(ti_op op)
{
    switch ((ti_op_code)op.code) {
    case TI_OP_PAINT:
    case TI_OP_FRAME:
        return ti_colour_name((ti_colour)op.value);
    case TI_OP_TIME:
        return ti_time_name((ti_time)op.value);
    case TI_OP_SEASON:
        return ti_season_name((ti_season)op.value);
    case TI_OP_WEATHER:
        return ti_weather_name((ti_weather)op.value);
    case TI_OP_GROUND:
        return ti_ground_name((ti_ground)op.value);
    case TI_OP_STATE:
        return ti_state_name((ti_state)op.value);
    case TI_OP_LIGHTS:
        return op.value ? "on" : "off";
    case TI_OP_HOIST:
        return ti_flag_name((ti_flag)op.value);
    case TI_OP_TONE:
        return ti_tone_phrase((ti_tone)op.value);
    default:
        return "";
    }
}

const char *ti_op_pattern(ti_op_code code)
{
    static const char *const patterns[TI_OP_CODES] = {
        [TI_OP_REMOVE] = "remove the $o",
        [TI_OP_ADD] = "add $B $p",
        [TI_OP_MOVE] = "move the $o $t",
        [TI_OP_SWAP] = "swap the $o and the $b",
        [TI_OP_PAINT] = "paint the $o $v",
        [TI_OP_REPLACE] = "replace the $o with $B",
        [TI_OP_ENLARGE] = "make the $o bigger",
        [TI_OP_SHRINK] = "make the $o smaller",
        [TI_OP_COPY] = "copy the $o $t",
        [TI_OP_TIME] = "change the light to $v",
        [TI_OP_SEASON] = "change the season to $v",
        [TI_OP_WEATHER] = "change the weather to $v",
        [TI_OP_GROUND] = "turn the ground into $v",
        [TI_OP_STATE] = "make the $o $v",
        [TI_OP_LIGHTS] = "switch the lights $v",
        [TI_OP_DRY] = "let the plants dry out",
        [TI_OP_GREEN] = "let the plants turn green",
        [TI_OP_FREEZE] = "let the water freeze",
        [TI_OP_FLOOD] = "cover the ground with water",
        [TI_OP_CLEAR] = "remove every object",
        [TI_OP_FRAME] = "put a $v frame around the picture",
        [TI_OP_HOIST] = "hoist the flag of $v",
        [TI_OP_TONE] = "give the picture $v",
    };
    return code < TI_OP_CODES ? patterns[code] : NULL;
}

void ti_say_slot_word(ti_words *text, ti_op op, char letter)
{
    switch (letter) {
    case 'o':
        ti_say_object(text, (ti_thing)op.type, (ti_colour)op.colour);
        break;
    case 'n':
        ti_words_add(text, ti_thing_get((ti_thing)op.type)->name);
        break;
    case 'b':
        ti_say_object(text, (ti_thing)op.other, (ti_colour)op.other_colour);
        break;
    case 'm':
        ti_words_add(text, ti_thing_get((ti_thing)op.other)->name);
        break;
    case 'B':
        ti_say_an_object(text, (ti_thing)op.other, (ti_colour)op.other_colour);
        break;
    case 'A':
        ti_say_an_object(text, (ti_thing)op.type, (ti_colour)op.colour);
        break;
    case 'p':
        ti_words_add(text, ti_slot_at((ti_slot)op.slot));
        break;
    case 't':
        ti_words_add(text, ti_slot_to((ti_slot)op.slot));
        break;
    case 'v':
        ti_words_add(text, value_name(op));
        break;
    default:
        break;
    }
}

void ti_say_op(ti_words *text, ti_op op)
{
    const char *p = ti_op_pattern((ti_op_code)op.code);
    if (!p) return;
    for (char one[2] = ""; *p; p++)
        if (*p == '$') {
            ti_say_slot_word(text, op, *++p);
        } else {
            one[0] = *p;
            ti_words_add(text, one);
        }
}
