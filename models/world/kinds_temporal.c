/* kinds_temporal.c - hours, seasons, and what years do; see kinds.h */
#include "world/kinds.h"

static bool plan_time(ti_edit_plan *plan, int time)
{
    ti_stage(plan, TI_OUTDOORS);
    if (plan->scene.weather == TI_RAINBOW) plan->scene.weather = TI_CLEAR;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_TIME, .value = (uint8_t)time};
    return true;
}

static bool plan_season(ti_edit_plan *plan, int season)
{
    uint32_t open = season == TI_WINTER ? (uint32_t)TI_OUTDOORS : (uint32_t)TI_GREEN_PLACES;
    ti_stage(plan, open);
    ti_stage_fill(plan, (int)ti_draw_below(plan->draw, 3));
    if (plan->scene.ground == TI_GRASS && ti_scene_find(&plan->scene, TI_TREE) < 0 &&
        ti_draw_chance(plan->draw, 0.7))
        ti_stage_put(plan, TI_TREE);
    if (plan->scene.weather == TI_SNOWFALL || ti_scene_find(&plan->scene, TI_SNOWMAN) >= 0)
        return false;
    if (season == TI_WINTER && (ti_scene_find(&plan->scene, TI_CATERPILLAR) >= 0)) return false;
    plan->op = (ti_op){.code = TI_OP_SEASON, .value = (uint8_t)season};
    return true;
}

/* A thing of TYPE in STATE among others; the operation is about it. */
static bool stage_one(ti_edit_plan *plan, ti_thing type, ti_state state, ti_op_code code)
{
    ti_stage(plan, ti_thing_get(type)->places);
    if (plan->scene.season == TI_WINTER && ti_thing_get(type)->traits & TI_PLANT)
        plan->scene.season = TI_SUMMER;
    if (plan->scene.weather == TI_SNOWFALL) plan->scene.weather = TI_CLEAR;
    int at = ti_stage_put(plan, type);
    if (at < 0) return false;
    plan->scene.objects[at].state = (uint8_t)state;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    ti_stage_target(plan, at, code);
    return true;
}

static bool plan_grow(ti_edit_plan *plan, int young)
{
    ti_thing from = young ? TI_TREE : TI_SAPLING, to = young ? TI_SAPLING : TI_TREE;
    if (!stage_one(plan, from, TI_USUAL, TI_OP_REPLACE)) return false;
    plan->op.other = (uint8_t)to;
    return true;
}

static bool plan_state(ti_edit_plan *plan, int state)
{
    static const ti_thing fruits[] = {TI_APPLE, TI_TOMATO, TI_BANANA};
    ti_thing type = TI_CANDLE;
    ti_state before = TI_USUAL;
    if (state == TI_RIPE || state == TI_ROTTEN) type = fruits[ti_draw_below(plan->draw, 3)];
    if (state == TI_ROTTEN) before = TI_RIPE;
    if (state == TI_BLOOMING) type = TI_CACTUS;
    if (state == TI_BURNT_DOWN) before = TI_LIT;
    if (!stage_one(plan, type, before, TI_OP_STATE)) return false;
    plan->op.value = (uint8_t)state;
    return true;
}

const ti_edit_kind ti_kinds_temporal[] = {
    {"night", plan_time, TI_NIGHT,
     TI_WORDS("make it night", "change it to night", "make it nighttime",
              "turn this into a night scene", "at night please", "let night fall",
              "turn day into night", "what does this $c look like at night",
              "show the $c at midnight", "make it midnight", "the middle of the night",
              "go to the hours when stars come out", "*turn it into night",
              "how is the $c when everybody sleeps", "let the stars come out",
              "*what is it like at midnight", "*show this at night", "night", "it should be night",
              "make it dark outside"),
     TI_WORDS("at night the sky is dark with stars and windows are lit",
              "when night falls the light goes and lamps are on")},
    {"evening", plan_time, TI_EVENING,
     TI_WORDS("make it evening", "turn this into an evening scene", "sunset please",
              "let the sun set", "what does this $c look like at sunset",
              "show the $c in the evening", "make it sunset", "the end of the day",
              "go to the hour when the sun goes down", "*turn it into evening",
              "how is the $c when the sun goes down", "evening light", "*what is it like at sunset",
              "*show this in the evening", "evening", "add a sunset", "it should be evening"),
     TI_WORDS("in the evening the low sun turns everything orange",
              "when the sun sets the light is orange and red")},
    {"morning", plan_time, TI_MORNING,
     TI_WORDS("make it morning", "turn this into a morning scene", "early morning please",
              "let the sun rise", "what does this $c look like at sunrise",
              "show the $c in the morning", "make it sunrise", "the start of the day",
              "go to the hour when the sun comes up", "*turn it into morning",
              "how is the $c at breakfast time", "morning light", "*what is it like at sunrise",
              "*show this in the morning", "morning", "dawn please", "it should be morning"),
     TI_WORDS("in the morning the sun is low and the light pale",
              "when the sun rises the sky is pale and rosy")},
    {"noon", plan_time, TI_NOON,
     TI_WORDS("make it noon", "make it daytime", "change it to daytime",
              "turn this into a day scene", "midday please", "let it be day",
              "what does this $c look like at noon", "show the $c at midday", "make it day",
              "the middle of the day", "go to the hour when the sun is highest",
              "*turn it into day", "how is the $c at lunch time", "bright daylight",
              "*what is it like at midday", "*show this at noon", "noon", "it should be day",
              "daylight please"),
     TI_WORDS("at noon the sun is high and colours are clear",
              "by day the light is white and the sky blue")},
    {"winter", plan_season, TI_WINTER,
     TI_WORDS("make it winter", "turn this into a winter scene", "winter please", "let winter come",
              "what does this $c look like in january", "show the $c in winter",
              "how is the $c at the coldest time of the year", "go to december", "the cold season",
              "let everything lie under snow", "*turn it into winter", "make it a winter $c",
              "*what is it like in winter", "*show this in january", "winter",
              "it should be winter", "change the season to winter"),
     TI_WORDS("in winter snow covers the grass and trees are bare",
              "winter takes the leaves and brings snow")},
    {"autumn", plan_season, TI_AUTUMN,
     TI_WORDS("make it autumn", "make it fall", "turn this into an autumn scene", "autumn please",
              "let autumn come", "what does this $c look like in october", "show the $c in autumn",
              "how is the $c when the leaves fall", "go to october", "fall season",
              "let the leaves turn orange", "*turn it into autumn", "make it an autumn $c",
              "*what is it like in autumn", "*show this in october", "autumn",
              "it should be autumn", "change the season to autumn"),
     TI_WORDS("in autumn leaves turn orange and grass pale", "autumn colours the leaves orange")},
    {"spring", plan_season, TI_SPRING,
     TI_WORDS("make it spring", "turn this into a spring scene", "spring please", "let spring come",
              "what does this $c look like in april", "show the $c in spring",
              "how is the $c when the trees blossom", "go to april", "the season of blossoms",
              "let everything blossom", "*turn it into spring", "make it a spring $c",
              "*what is it like in spring", "*show this in april", "spring", "it should be spring",
              "change the season to spring"),
     TI_WORDS("in spring trees blossom and grass is fresh",
              "spring brings blossoms and fresh green")},
    {"summer", plan_season, TI_SUMMER,
     TI_WORDS("make it summer", "turn this into a summer scene", "summer please", "let summer come",
              "what does this $c look like in july", "show the $c in summer",
              "how is the $c at the warmest time of the year", "go to july", "the warm season",
              "let everything be green and full", "*turn it into summer", "make it a summer $c",
              "*what is it like in summer", "*show this in july", "summer", "it should be summer",
              "change the season to summer"),
     TI_WORDS("in summer leaves and grass are deep green",
              "summer gives trees their full green leaves")},
    {"years-later", plan_grow, 0,
     TI_WORDS("let twenty years pass", "what does this look like in twenty years",
              "show the $n when it is grown", "many years later", "let the $n grow up",
              "how will the $n look after many years", "the $n after thirty summers",
              "wait until the $n has grown", "make the $n old enough to climb",
              "*let many years go by", "go twenty years into the future",
              "*what will the $n be when it is grown", "*twenty years later",
              "let time pass until the $n gives shade"),
     TI_WORDS("after many years a sapling is a tree", "saplings grow into trees with the years")},
    {"years-earlier", plan_grow, 1,
     TI_WORDS("go back twenty years", "what did this look like twenty years ago",
              "show the $n when it was young", "many years earlier", "make the $n young again",
              "how did the $n look when it was planted", "the $n in its first summer",
              "turn back time by many years", "make the $n as small as when it was planted",
              "*let time run backwards for many years", "go twenty years into the past",
              "*what was the $n when it was young", "*twenty years earlier",
              "back to the year the $n was planted"),
     TI_WORDS("years ago the tree was a sapling", "every tree was once a sapling")},
    {"candle-burns", plan_state, TI_BURNT_DOWN,
     TI_WORDS("let the candle burn for three hours",
              "what does the candle look like after a long evening", "three hours later",
              "show the $n when it has burnt down", "some hours pass",
              "how is the $n after it burned all evening", "let the $n burn down",
              "wait until the $n goes out", "the $n at the end of the night",
              "*let the $n burn all evening", "let the hours melt the $n",
              "*what is left of the $n after three hours", "*the candle after a long evening",
              "burn the $n down"),
     TI_WORDS("a candle gets shorter while it burns", "after hours of burning little wax is left")},
    {"ripen", plan_state, TI_RIPE,
     TI_WORDS("let the $n ripen", "what does the $n look like in two weeks", "make the $n ripe",
              "wait until one can eat the $n", "the $n after some days of sun",
              "how is the $n when it is ready to eat", "let the sun finish its work on the $n",
              "give the $n time to ripen", "ripen the $n", "*let the $n get ripe",
              "two weeks later", "*what will the $n look like when it is ready to eat",
              "*the $n after two weeks", "turn the $n into a ripe one"),
     TI_WORDS("with time green fruit gets ripe", "in the sun fruit gets its ripe colour")},
    {"rot", plan_state, TI_ROTTEN,
     TI_WORDS("forget the $n for a month", "what does the $n look like after a month on the table",
              "let the $n rot", "nobody eats the $n for weeks", "the $n after far too long",
              "how is the $n when it went bad", "let the $n go bad", "make the $n rotten",
              "spoil the $n", "*leave the $n on the table for a month",
              "the $n is forgotten for weeks", "*what becomes of the $n after a month",
              "*make the $n go bad", "let the $n spoil"),
     TI_WORDS("old fruit rots and turns brown", "after a month fruit is brown and rotten")},
    {"bloom", plan_state, TI_BLOOMING,
     TI_WORDS("let the $n bloom", "what does the $n look like after the rare rain",
              "the $n in its week of flowers", "make the $n blossom",
              "wait until the $n has flowers", "how is the $n at its best time of the year",
              "show the $n in bloom", "give the $n flowers", "flowers on the $n",
              "*let the $n have flowers", "bring the $n to bloom",
              "*what does the $n look like when it blooms", "*make the $n bloom",
              "let flowers open on the $n"),
     TI_WORDS("once a year it opens pink flowers", "in its season it carries pink flowers")},
};
const int ti_n_temporal = sizeof ti_kinds_temporal / sizeof *ti_kinds_temporal;
