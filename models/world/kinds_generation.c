/* kinds_generation.c - pictures from words alone; see kinds.h
 *
 * Where a prompt leaves something open there is one canonical choice (things stand from left to
 * right, a single one in the middle), so that words decide the picture. */
#include "world/kinds.h"

static void canonical_stage(ti_edit_plan *plan, uint32_t places)
{
    ti_stage_plain(plan, places);
    plan->scene.variant = 0;
    plan->scene.camera = (ti_camera){0};
    plan->scene.lights = false;
    plan->op = (ti_op){.code = TI_OP_DRAW};
}

static bool canonical_add(ti_edit_plan *plan, ti_thing type, ti_slot slot)
{
    ti_scene *s = &plan->scene;
    if (type == TI_NOTHING) return false;
    ti_object o = {.type = (uint8_t)type, .size = TI_NORMAL, .slot = (uint8_t)slot};
    o.colour = (uint8_t)ti_stage_colour(plan, type);
    if (ti_thing_get(type)->traits & TI_FRUIT && type != TI_PUMPKIN) o.state = TI_RIPE;
    if (type == TI_TRAFFIC_LIGHT) o.state = TI_STOP;
    if (type == TI_FLAG) o.flag = TI_FRANCE;
    if (!plan->op.other) {
        plan->op.other = o.type;
        plan->op.other_colour = o.colour;
    } else if (!plan->op.type) {
        plan->op.type = o.type;
        plan->op.colour = o.colour;
    }
    return ti_scene_add(s, o);
}

static bool plan_things(ti_edit_plan *plan, int n)
{
    static const ti_slot slots[4][3] = {
        {0}, {TI_MIDDLE}, {TI_LEFT, TI_RIGHT}, {TI_LEFT, TI_MIDDLE, TI_RIGHT}};
    canonical_stage(plan, TI_ANYWHERE);
    for (int i = 0; i < n; i++) {
        ti_thing type = ti_stage_type(plan, false);
        if (type == TI_FLAG || type == TI_TRAFFIC_LIGHT || !canonical_add(plan, type, slots[n][i]))
            return false;
    }
    return true;
}

static bool plan_sky_thing(ti_edit_plan *plan, int with_ground)
{
    canonical_stage(plan, TI_OUTDOORS);
    if (!canonical_add(plan, ti_stage_type(plan, true), TI_SKY_MIDDLE)) return false;
    ti_thing type = with_ground ? ti_stage_type(plan, false) : TI_NOTHING;
    return !with_ground ||
           (type != TI_FLAG && type != TI_TRAFFIC_LIGHT && canonical_add(plan, type, TI_MIDDLE));
}

static bool plan_hour(ti_edit_plan *plan, int unused)
{
    static const char *const hours[TI_TIMES] = {"in the morning", "at noon", "in the evening",
                                                "at dusk", "at night"};
    (void)unused;
    if (!plan_things(plan, 1) || ti_place_indoors((ti_place)plan->scene.place)) return false;
    plan->scene.time = (uint8_t)ti_draw_below(plan->draw, TI_TIMES);
    plan->hint = hours[plan->scene.time];
    return true;
}

static bool plan_in_season(ti_edit_plan *plan, int unused)
{
    (void)unused;
    canonical_stage(plan, TI_GREEN_PLACES);
    plan->scene.season = (uint8_t)ti_draw_below(plan->draw, TI_SEASONS);
    plan->hint = ti_season_name((ti_season)plan->scene.season);
    return canonical_add(plan, ti_stage_type(plan, false), TI_MIDDLE);
}

static bool plan_in_weather(ti_edit_plan *plan, int unused)
{
    static const char *const weathers[TI_WEATHERS] = {"sunny", "cloudy", "rainy", "snowy",
                                                      "foggy", "stormy", "sunny"};
    (void)unused;
    canonical_stage(plan, TI_OUTDOORS);
    plan->scene.weather = (uint8_t)ti_draw_below(plan->draw, TI_STORM + 1);
    if (plan->scene.weather == TI_SNOWFALL) plan->scene.season = TI_WINTER;
    plan->hint = weathers[plan->scene.weather];
    return canonical_add(plan, ti_stage_type(plan, false), TI_MIDDLE);
}

static bool plan_empty(ti_edit_plan *plan, int unused)
{
    static const char *const hours[TI_TIMES] = {"in the morning", "at noon", "in the evening",
                                                "at dusk", "at night"};
    (void)unused;
    canonical_stage(plan, TI_OUTDOORS);
    plan->scene.time = (uint8_t)ti_draw_below(plan->draw, TI_TIMES);
    plan->hint = hours[plan->scene.time];
    return true;
}

/* Prompts that name nothing: what belongs together is known. */
static bool plan_story(ti_edit_plan *plan, int unused)
{
    static const struct {
        const char *prompt;
        ti_place place;
        uint8_t time, season, weather;
        ti_thing type, second;
        ti_colour colour, second_colour;
    } stories[] = {
        {"what a child builds after the first snow", TI_GARDEN, TI_NOON, TI_WINTER, TI_CLEAR,
         TI_SNOWMAN, TI_NOTHING, 0, 0},
        {"where one sleeps when hiking in the mountains", TI_LAKE, TI_EVENING, TI_SUMMER, TI_CLEAR,
         TI_TENT, TI_CAMPFIRE, TI_ORANGE, 0},
        {"the day a child turns three", TI_KITCHEN, TI_NOON, TI_SUMMER, TI_CLEAR, TI_CAKE, TI_GIFT,
         0, TI_RED},
        {"what a farmer sees from his window", TI_MEADOW, TI_MORNING, TI_SUMMER, TI_CLEAR, TI_COW,
         TI_HEN, 0, 0},
        {"a holiday by the sea", TI_BEACH, TI_NOON, TI_SUMMER, TI_CLEAR, TI_PARASOL, TI_BALL,
         TI_RED, TI_BLUE},
        {"the plant that can wait for rain for years", TI_DESERT, TI_NOON, TI_SUMMER, TI_CLEAR,
         TI_CACTUS, TI_NOTHING, 0, 0},
        {"somebody reads late with a cup of tea", TI_ROOM, TI_NIGHT, TI_SUMMER, TI_CLEAR, TI_LAMP,
         TI_CUP, TI_YELLOW, TI_WHITE},
        {"the corner where children get to school", TI_STREET, TI_MORNING, TI_SUMMER, TI_CLEAR,
         TI_BUS, TI_STREET_LAMP, TI_YELLOW, 0},
        {"a windy day with a toy on a string", TI_MEADOW, TI_NOON, TI_SUMMER, TI_CLEAR, TI_KITE,
         TI_NOTHING, TI_RED, 0},
        {"weather in which nobody goes for a walk", TI_STREET, TI_NOON, TI_SUMMER, TI_RAIN,
         TI_BENCH, TI_NOTHING, TI_GREEN, 0},
    };
    (void)unused;
    uint32_t i = ti_draw_below(plan->draw, sizeof stories / sizeof *stories);
    canonical_stage(plan, 1u << stories[i].place);
    ti_scene *s = &plan->scene;
    s->time = stories[i].time;
    s->season = stories[i].season;
    s->weather = stories[i].weather;
    plan->hint = stories[i].prompt;
    bool two = stories[i].second != TI_NOTHING;
    bool sky = ti_thing_get(stories[i].type)->traits & TI_IN_SKY;
    if (!canonical_add(plan, stories[i].type, sky ? TI_SKY_MIDDLE : two ? TI_LEFT : TI_MIDDLE))
        return false;
    s->objects[0].colour = (uint8_t)stories[i].colour;
    if (!two) return true;
    if (!canonical_add(plan, stories[i].second, TI_RIGHT)) return false;
    s->objects[1].colour = (uint8_t)stories[i].second_colour;
    return true;
}

const ti_edit_kind ti_kinds_generation[] = {
    {"one-thing", plan_things, 1,
     TI_WORDS("draw $B $i $c", "a $c with $B", "$B $i $c", "show me $B $i $c",
              "a picture of $B $i $c", "generate $B $i $c", "paint $B standing $i $c",
              "i want to see $B $i $c", "make a picture of a $c with $B", "create $B $i $c",
              "*a drawing of $B $i $c", "*i would like a $c with $B", "*please show $B $i $c",
              "imagine $B $i $c", "there is $B $i $c"),
     TI_WORDS("one $m is asked for", "the words name one $m")},
    {"two-things", plan_things, 2,
     TI_WORDS("draw $B and $A $i $c", "a $c with $B and $A", "$B and $A $i $c",
              "show me $B and $A $i $c", "a picture of $B and $A $i $c",
              "generate $B next to $A $i $c", "paint $B left of $A $i $c",
              "i want to see $B and $A $i $c", "make a picture of a $c with $B and $A",
              "$B beside $A $i $c", "*a drawing of $B and $A $i $c",
              "*i would like a $c with $B and $A", "*$B next to $A $i $c",
              "imagine $B and $A $i $c", "create a $c with $B on the left and $A on the right"),
     TI_WORDS("two things are asked for", "the words name the $m and the $n")},
    {"three-things", plan_things, 3,
     TI_WORDS("draw $l $i $c", "a $c with $l", "$l $i $c", "show me $l $i $c",
              "a picture of $l $i $c", "generate $l $i $c", "paint $l $i $c",
              "i want to see $l $i $c", "make a picture of a $c with $l", "create a $c with $l",
              "*a drawing of $l $i $c", "*i would like a $c with $l", "imagine $l $i $c",
              "*there are $l $i $c"),
     TI_WORDS("three things are asked for", "the words name three things")},
    {"in-the-sky", plan_sky_thing, 0,
     TI_WORDS("draw $B over a $c", "a $c with $B in the sky", "$B in the sky over a $c",
              "show me $B above a $c", "a picture of $B over a $c", "generate $B flying over a $c",
              "paint $B in the sky of a $c", "i want to see $B over a $c",
              "make a picture of a $c with $B in the sky", "$B above a $c",
              "*a drawing of $B over a $c", "*i would like $B above a $c", "imagine $B over a $c",
              "*$B flying over a $c"),
     TI_WORDS("one thing in the sky is asked for", "the $m belongs into the sky")},
    {"sky-and-ground", plan_sky_thing, 1,
     TI_WORDS("draw $B over $A $i $c", "a $c with $B in the sky and $A below", "$B above $A $i $c",
              "show me $A under $B $i $c", "a picture of $B over $A $i $c",
              "generate $A with $B in the sky, $i $c", "paint $B in the sky over $A $i $c",
              "i want to see $B over $A $i $c", "a $c with $A and $B above it", "$A under $B $i $c",
              "*a drawing of $B above $A $i $c", "*a $c with $A under $B",
              "imagine $B over $A $i $c", "*$B in the sky and $A below $i $c"),
     TI_WORDS("one thing flies and one stands below", "the $m flies and the $n stands")},
    {"at-an-hour", plan_hour, 0,
     TI_WORDS("draw $B $i $c $h", "a $c $h with $B", "$B $i $c $h", "show me $B $i $c $h",
              "a picture of $B $i $c $h", "generate $B $h $i $c", "paint $B $i $c $h",
              "i want to see $B $i $c $h", "make a picture of a $c $h with $B", "$h $i $c, with $B",
              "*a drawing of a $c $h with $B", "*i would like $B $i $c $h", "imagine $B $i $c $h",
              "*$B $h $i $c"),
     TI_WORDS("the hour decides the light", "one $m and an hour are asked for")},
    {"in-a-season", plan_in_season, 0,
     TI_WORDS("draw $B $i $c in $h", "a $c in $h with $B", "$B $i $c in $h", "show me $B $i $h $c",
              "a picture of $B $i $h $c", "generate $B $i $c in $h", "paint $B $i $h $c",
              "i want to see $B $i $c in $h", "make a picture of a $h $c with $B",
              "$h $i $c, with $B", "*a drawing of a $c in $h with $B", "*i would like $B $i $h $c",
              "imagine $B $i $c in $h", "*a $h $c with $B"),
     TI_WORDS("the season decides leaves and ground", "one $m and a season are asked for")},
    {"in-weather", plan_in_weather, 0,
     TI_WORDS("draw $B $i $h $c", "a $h $c with $B", "$B $i $h $c", "show me $B $i $h $c",
              "a picture of $B $i $h $c", "generate $B $i $h $c", "paint $B $i $h $c",
              "i want to see $B $i $h $c", "make a picture of a $h $c with $B",
              "$B on a $h day $i $c", "*a drawing of a $h $c with $B", "*i would like $B $i $h $c",
              "imagine $B $i $h $c", "*a $h day $i $c with $B"),
     TI_WORDS("the weather decides sky and light", "one $m and the weather are asked for")},
    {"empty-place", plan_empty, 0,
     TI_WORDS("draw a $c $h", "make a drawing of a $c $h", "a $c $h", "an empty $c $h",
              "show me a $c $h", "a picture of a $c $h", "generate a $c $h", "paint a $c $h",
              "i want to see a $c $h", "make a picture of a $c $h", "a quiet $c $h",
              "*a drawing of a $c $h", "*i would like a $c $h", "imagine a $c $h",
              "*nothing but a $c $h", "a lonely $c $h"),
     TI_WORDS("only the place is asked for", "nothing stands in it")},
    {"story", plan_story, 0,
     TI_WORDS("draw $h", "$h", "a picture of $h", "show me $h", "paint $h", "i want to see $h",
              "make a picture: $h", "generate $h", "imagine $h", "create a picture of $h",
              "*a drawing of $h", "*i would like to see $h", "picture this: $h", "*please show $h",
              "a scene: $h"),
     TI_WORDS("this means the $m", "the $m belongs to it")},
};
const int ti_n_generation = sizeof ti_kinds_generation / sizeof *ti_kinds_generation;
