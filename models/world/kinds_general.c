/* kinds_general.c - the plain edits: recolour, remove, add, replace, dress, frame; see kinds.h */
#include "world/kinds.h"

static bool plan_paint(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_PAINT) || !plan->op.colour) return false;
    plan->op.value = (uint8_t)ti_stage_colour(plan, (ti_thing)plan->op.type);
    return true;
}

static bool plan_remove(ti_edit_plan *plan, int unused)
{
    (void)unused;
    return ti_stage_any(plan, TI_ANYWHERE, TI_OP_REMOVE);
}

static bool plan_add(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_stage(plan, TI_ANYWHERE);
    ti_stage_fill(plan, (int)ti_draw_below(plan->draw, 3));
    ti_thing type = ti_stage_type(plan, ti_draw_chance(plan->draw, 0.25));
    if (type == TI_NOTHING) return false;
    int slot = -1; /* nobody said where: the first free place */
    int first = ti_thing_get(type)->traits & TI_IN_SKY ? TI_SKY_LEFT : TI_LEFT;
    for (int i = first; i < first + 3 && slot < 0; i++)
        if (ti_scene_at(&plan->scene, (ti_slot)i) < 0) slot = i;
    plan->op = (ti_op){.code = TI_OP_ADD, .other = (uint8_t)type, .slot = (uint8_t)slot};
    plan->op.other_colour = (uint8_t)ti_stage_colour(plan, type);
    return slot >= 0 && !(plan->scene.place == TI_ROOM && slot == TI_SKY_MIDDLE);
}

static bool plan_replace(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_REPLACE)) return false;
    ti_thing other = ti_stage_type(plan, ti_thing_get((ti_thing)plan->op.type)->traits & TI_IN_SKY);
    plan->op.other = (uint8_t)other;
    plan->op.other_colour = (uint8_t)ti_stage_colour(plan, other);
    return other != TI_NOTHING;
}

static bool plan_pattern(ti_edit_plan *plan, int state)
{
    static const ti_thing wearers[] = {TI_BALL, TI_BALLOON, TI_CUP};
    ti_stage(plan, TI_ANYWHERE);
    ti_thing type = wearers[ti_draw_below(plan->draw, 3)];
    if (!(ti_thing_get(type)->places >> plan->scene.place & 1)) return false;
    int at = ti_stage_put(plan, type);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    if (at < 0) return false;
    ti_stage_target(plan, at, TI_OP_STATE);
    plan->op.value = (uint8_t)state;
    return true;
}

static bool plan_clear(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_CLEAR)) return false;
    plan->op = (ti_op){.code = TI_OP_CLEAR};
    return true;
}

static bool plan_frame(ti_edit_plan *plan, int unused)
{
    static const ti_colour colours[] = {TI_WHITE,  TI_BLACK, TI_BROWN, TI_RED,
                                        TI_YELLOW, TI_BLUE,  TI_GREEN};
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_FRAME)) return false;
    plan->op =
        (ti_op){.code = TI_OP_FRAME, .value = (uint8_t)colours[ti_draw_below(plan->draw, 7)]};
    return true;
}

static bool plan_ground(ti_edit_plan *plan, int unused)
{
    static const ti_ground grounds[] = {TI_GRASS, TI_SAND, TI_STONE, TI_SNOW,
                                        TI_SOIL,  TI_WOOD, TI_TILES, TI_WATER};
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_GROUND)) return false;
    plan->op =
        (ti_op){.code = TI_OP_GROUND, .value = (uint8_t)grounds[ti_draw_below(plan->draw, 8)]};
    return true;
}

static bool plan_weather(ti_edit_plan *plan, int weather)
{
    ti_stage(plan, TI_OUTDOORS);
    if (plan->scene.time >= TI_DUSK && weather == TI_RAINBOW) return false;
    if (weather == TI_CLEAR)
        plan->scene.weather = (uint8_t)(TI_CLOUDY + ti_draw_below(plan->draw, 5));
    if (plan->scene.weather == TI_SNOWFALL) plan->scene.season = TI_WINTER;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_WEATHER, .value = (uint8_t)weather};
    return true;
}

const ti_edit_kind ti_kinds_general[] = {
    {"paint", plan_paint, 0,
     TI_WORDS("paint the $n $v", "make the $n $v", "change the colour of the $n to $v",
              "turn the $o $v", "the $n should be $v", "colour the $n $v", "i want a $v $n",
              "change the $o to $v", "recolour the $n $v", "give the $n a $v colour",
              "*recolour the $o in $v", "a $v $n instead of the $o", "*i would like the $n in $v",
              "dye the $n $v", "*let the $n be $v", "$v $n please",
              "change the $n from its colour to $v"),
     TI_WORDS("the $n should be $v", "its new colour is $v", "only the colour of the $n changes")},
    {"remove", plan_remove, 0,
     TI_WORDS("remove the $n", "make the $n vanish", "i don't want the $n", "delete the $o",
              "take the $n away", "get rid of the $n", "erase the $n", "the $n should go",
              "no $n please", "without the $n", "remove the $o from the picture",
              "i do not want the $n", "take out the $o", "*take the $o out of the picture",
              "cut out the $n", "*erase the $o from the scene", "*the $n has to go",
              "make the $n disappear", "clear away the $n", "*let the $n vanish", "delete the $n"),
     TI_WORDS("the $n is not wanted", "the picture should be without the $n", "the $n must go")},
    {"add", plan_add, 0,
     TI_WORDS("add $B", "put in $B", "draw $B", "insert $B", "i want $B", "there should be $B",
              "add $B to the scene", "place $B in the picture", "give me $B", "include $B",
              "*put $B into the scene", "*include $B in the picture", "with $B please",
              "the $c needs $B", "*add $B somewhere", "let there be $B", "$B is missing"),
     TI_WORDS("there is a free place", "something new fits into the free place")},
    {"replace", plan_replace, 0,
     TI_WORDS("replace the $n with $B", "turn the $n into $B", "change the $o to $B",
              "swap the $n for $B", "put $B instead of the $n", "make the $n $B",
              "$B instead of the $n", "exchange the $n for $B", "use $B in place of the $n",
              "i want $B where the $n is", "*i would rather have $B than the $n",
              "the $n becomes $B", "*substitute the $n with $B", "substitute $B for the $o",
              "*let the $n become $B", "remove the $n and put $B there"),
     TI_WORDS("the $n makes room for the $m", "the $m takes the place of the $n")},
    {"stripes", plan_pattern, TI_STRIPED,
     TI_WORDS("give the $n stripes", "make the $n striped", "put stripes on the $n", "a striped $n",
              "paint stripes on the $o", "the $n should be striped", "add stripes to the $n",
              "stripes for the $n", "i want stripes on the $o", "decorate the $n with stripes",
              "*cover the $n with stripes", "draw lines on the $n", "*the $o needs stripes",
              "*make the $o striped", "turn the $n into a striped one"),
     TI_WORDS("stripes are lines from top to bottom", "the $n gets a pattern of lines")},
    {"dots", plan_pattern, TI_DOTTED,
     TI_WORDS("give the $n dots", "make the $n dotted", "put dots on the $n", "a dotted $n",
              "paint dots on the $o", "the $n should be dotted", "add dots to the $n",
              "dots for the $n", "i want dots on the $o", "decorate the $n with dots",
              "*cover the $n with dots", "spots on the $n", "*the $o needs dots",
              "*make the $o dotted", "turn the $n into a spotted one"),
     TI_WORDS("dots are small round spots", "the $n gets a pattern of spots")},
    {"clear-all", plan_clear, 0,
     TI_WORDS("remove everything", "remove all objects", "clear the scene", "an empty $c please",
              "delete all objects", "leave only the $c", "take everything away",
              "show the $c empty", "the $c without anything in it", "i want an empty $c",
              "*clear everything away", "get rid of all things", "*only the empty $c",
              "*take all objects away", "make the $c empty"),
     TI_WORDS("only the empty $c should remain", "nothing should stand in the $c")},
    {"frame", plan_frame, 0,
     TI_WORDS("add a $v frame", "put a $v frame around it", "frame the picture in $v",
              "a $v border around the picture", "give it a $v border",
              "surround the picture with a $v frame", "hang it in a $v frame", "$v frame please",
              "make a $v frame", "draw a $v border", "*put a $v border around the image",
              "a frame in $v", "*frame it in $v", "*the picture needs a $v frame",
              "add a $v edge all around"),
     TI_WORDS("a frame runs along all four edges", "the edge of the picture turns $v")},
    {"ground", plan_ground, 0,
     TI_WORDS("turn the ground into $v", "make the ground $v", "replace the ground with $v",
              "i want $v below", "the floor should be $v", "cover the ground in $v",
              "$v instead of this ground", "change the floor to $v", "let everything stand on $v",
              "ground of $v please", "*put everything on $v", "*lay $v over the ground",
              "a floor of $v", "*the ground should be $v", "use $v for the ground"),
     TI_WORDS("the ground changes to $v", "everything should stand on $v")},
    {"rain", plan_weather, TI_RAIN,
     TI_WORDS("make it rain", "make it rainy", "rain", "add rain", "let it rain", "rain please",
              "a rainy day", "turn this into a rainy scene", "put rain into the scene",
              "rainy weather", "it should rain", "i want rain", "change the weather to rain",
              "*a rainy scene please", "wet weather", "*let rain fall",
              "*the weather should be rainy"),
     TI_WORDS("rain brings grey clouds and wet ground", "drops fall from grey clouds")},
    {"snowfall", plan_weather, TI_SNOWFALL,
     TI_WORDS("make it snow", "make it snowy", "add snow", "let it snow", "snow please",
              "a snowy day", "turn this into a snowy scene", "put snow into the scene",
              "snowy weather", "it should snow", "i want snow", "change the weather to snow",
              "*a snowy scene please", "falling snow", "*let snow fall",
              "*the weather should be snowy"),
     TI_WORDS("snow falls from grey clouds and covers grass", "flakes fall and the air is cold")},
    {"fog", plan_weather, TI_FOG,
     TI_WORDS("make it foggy", "add fog", "add some fog", "foggy", "make it misty",
              "make the scene foggy", "add fog to the scene", "let fog come in", "fog over the $c",
              "a foggy $c", "turn this into a foggy scene", "put the $c into fog", "foggy weather",
              "the $c should be foggy", "i want fog in the $c", "change the weather to fog",
              "*a foggy day in the $c", "mist over the $c", "*let fog cover the $c",
              "*the weather should be foggy"),
     TI_WORDS("fog covers everything with pale grey", "in fog all colours get pale")},
    {"clear-sky", plan_weather, TI_CLEAR,
     TI_WORDS("make the sky clear", "make it sunny", "sunny", "clear sky", "nice weather please",
              "remove the clouds", "no more bad weather", "turn this into a sunny scene",
              "let the sun come out", "sunny weather", "good weather", "a clear day",
              "change the weather to clear sky", "*a sunny day please", "fine weather",
              "*take the clouds away", "*the weather should be fine"),
     TI_WORDS("in fine weather there are no clouds", "a clear sky has no clouds")},
    {"rainbow", plan_weather, TI_RAINBOW,
     TI_WORDS("add a rainbow", "put a rainbow in the sky", "draw a rainbow", "let a rainbow appear",
              "a rainbow over the $c", "rainbow please", "i want a rainbow",
              "the sky needs a rainbow", "give me a rainbow", "there should be a rainbow",
              "span a rainbow across the sky", "*a rainbow in the sky please", "show a rainbow",
              "*let there be a rainbow", "*draw a rainbow over the $c"),
     TI_WORDS("a rainbow spans the whole sky", "a rainbow is an arch of many colours")},
};
const int ti_n_general = sizeof ti_kinds_general / sizeof *ti_kinds_general;
