/* words.h - how the world speaks: names, phrases, clauses, and reading a clause back.
 *
 * A reasoning has three sentences of a fixed grammar:
 *
 *     i see a PLACE ... with OBJECT WHERE, OBJECT WHERE and OBJECT WHERE.
 *     CAUSE, so CLAUSE.
 *     keep ... .
 *
 * The clause names one operation (op.h) and nothing else, so it can be read back exactly.
 */
#ifndef TI_WORLD_WORDS_H
#define TI_WORLD_WORDS_H

#include "world/op.h"

/* A text that grows in place and remembers when it did not fit. */
typedef struct ti_words {
    char buf[1024];
    size_t n;
    bool full;
} ti_words;

void ti_words_add(ti_words *text, const char *words);
void ti_words_addf(ti_words *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *ti_colour_name(ti_colour colour);
const char *ti_place_name(ti_place place);
const char *ti_ground_name(ti_ground ground);
const char *ti_time_name(ti_time time);
const char *ti_season_name(ti_season season);
const char *ti_weather_name(ti_weather weather);
const char *ti_state_name(ti_state state);
const char *ti_flag_name(ti_flag flag);
const char *ti_slot_at(ti_slot slot);   /* "on the left" */
const char *ti_slot_to(ti_slot slot);   /* "to the left" */
const char *ti_slot_name(ti_slot slot); /* "left" */

/* "red car"; "car" without a colour of its own. */
void ti_say_object(ti_words *text, ti_thing type, ti_colour colour);
/* "a red car", "an orange ball" */
void ti_say_an_object(ti_words *text, ti_thing type, ti_colour colour);
/* "big striped red ball" */
void ti_say_look(ti_words *text, const ti_object *object);
/* "a big striped red ball on the left" */
void ti_say_full_object(ti_words *text, const ti_object *object);
/* "a rainy meadow in spring at noon" */
void ti_say_setting(ti_words *text, const ti_scene *scene);
/* The whole first sentence after its first words: the setting "with" its objects. */
void ti_say_scene(ti_words *text, const ti_scene *scene);
/* "remove the red car" */
void ti_say_op(ti_words *text, ti_op op);

/* The clause's pattern, and one of its slots: $o object, $n its noun, $b second object, $m its
 * noun, $B the same with an article, $p place, $t towards it, $v value. */
const char *ti_op_pattern(ti_op_code code);
void ti_say_slot_word(ti_words *text, ti_op op, char letter);

/* Reads the clause after ", so ". False when there is none that names an operation. */
bool ti_read_op(const char *reasoning, ti_op *op);
/* Reads the objects and the setting of a first sentence into SCENE; what is not named is as in a
 * clear noon in summer. False when it names no place. */
bool ti_read_scene(const char *reasoning, ti_scene *scene);

#endif
