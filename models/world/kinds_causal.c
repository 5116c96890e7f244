/* kinds_causal.c - something happens, and its consequence is the edit; see kinds.h */
#include "world/kinds.h"

/* TYPE in state BEFORE among others; the operation CODE with VALUE is about it. */
static bool stage_thing(ti_edit_plan *plan, ti_thing type, ti_state before, ti_op_code code,
                        int value)
{
    uint32_t places = type == TI_SNOWMAN ? (uint32_t)TI_GREEN_PLACES : ti_thing_get(type)->places;
    ti_stage(plan, places);
    if (type == TI_SNOWMAN) plan->scene.season = TI_WINTER;
    int at = ti_stage_put(plan, type);
    if (at < 0) return false;
    plan->scene.objects[at].state = (uint8_t)before;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    ti_stage_target(plan, at, code);
    plan->op.value = (uint8_t)value;
    return true;
}

static bool plan_drought(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_stage(plan, TI_GREEN_PLACES);
    if (plan->scene.season == TI_WINTER || plan->scene.weather != TI_CLEAR) return false;
    if (ti_draw_chance(plan->draw, 0.6))
        ti_stage_put(plan, ti_draw_chance(plan->draw, 0.5) && plan->scene.place != TI_LAKE
                               ? TI_FLOWER
                               : TI_TREE);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_DRY};
    return true;
}

static bool plan_watering(ti_edit_plan *plan, int unused)
{
    if (!plan_drought(plan, unused)) return false;
    plan->scene.dry = true;
    plan->op = (ti_op){.code = TI_OP_GREEN};
    return true;
}

static bool plan_melt(ti_edit_plan *plan, int type)
{
    if (!stage_thing(plan, (ti_thing)type, TI_USUAL, TI_OP_STATE, TI_MELTED)) return false;
    return plan->scene.weather == TI_CLEAR;
}

static bool plan_light(ti_edit_plan *plan, int type)
{
    return stage_thing(plan, (ti_thing)type, TI_USUAL, TI_OP_STATE, TI_LIT);
}

static bool plan_put_out(ti_edit_plan *plan, int type)
{
    return stage_thing(plan, (ti_thing)type, TI_LIT, TI_OP_STATE, TI_USUAL);
}

static bool plan_break(ti_edit_plan *plan, int type)
{
    return stage_thing(plan, (ti_thing)type, TI_USUAL, TI_OP_STATE, TI_BROKEN);
}

static bool plan_rust(ti_edit_plan *plan, int type)
{
    return stage_thing(plan, (ti_thing)type, TI_USUAL, TI_OP_STATE, TI_RUSTY);
}

static bool plan_topple(ti_edit_plan *plan, int unused)
{
    static const ti_thing things[] = {TI_BOTTLE, TI_CHAIR, TI_MAILBOX};
    (void)unused;
    return stage_thing(plan, things[ti_draw_below(plan->draw, 3)], TI_USUAL, TI_OP_STATE,
                       TI_FALLEN);
}

static bool plan_pop(ti_edit_plan *plan, int type)
{
    return stage_thing(plan, (ti_thing)type, TI_USUAL, TI_OP_REMOVE, 0);
}

static bool plan_fell(ti_edit_plan *plan, int type)
{
    if (!stage_thing(plan, (ti_thing)type, TI_USUAL, TI_OP_REPLACE, 0)) return false;
    plan->op.other = TI_STUMP;
    return true;
}

static bool plan_power(ti_edit_plan *plan, int on)
{
    bool inside = ti_draw_chance(plan->draw, 0.5);
    ti_stage(plan, inside ? (uint32_t)TI_INDOORS : 1u << TI_STREET | 1u << TI_GARDEN);
    plan->scene.time = inside || !on ? TI_NIGHT : TI_DUSK;
    plan->scene.weather = TI_CLEAR;
    plan->scene.lights = !on;
    ti_stage_put(plan, inside                            ? TI_LAMP
                       : ti_draw_chance(plan->draw, 0.5) ? TI_STREET_LAMP
                                                         : TI_HOUSE);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_LIGHTS, .value = (uint8_t)on};
    return true;
}

static bool plan_freeze(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_stage_plain(plan, 1u << TI_LAKE);
    plan->scene.season = ti_draw_chance(plan->draw, 0.5) ? TI_WINTER : TI_AUTUMN;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_FREEZE};
    return true;
}

static bool plan_flood(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_stage(plan, 1u << TI_MEADOW | 1u << TI_GARDEN | 1u << TI_STREET | 1u << TI_DESERT);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_FLOOD};
    return plan->scene.season != TI_WINTER;
}

static bool plan_storm(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_stage(plan, TI_OUTDOORS);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_WEATHER, .value = TI_STORM};
    return plan->scene.season != TI_WINTER;
}

const ti_edit_kind ti_kinds_causal[] = {
    {"drought", plan_drought, 0,
     TI_WORDS("what does this $c look like after a week without water",
              "it does not rain for two months", "nobody waters the plants",
              "a long dry summer comes", "the gardener goes on holiday in the heat",
              "no drop of rain until autumn", "a drought comes over the $c",
              "what happens to the $c when it never rains", "the heat burns the $c",
              "forget to water the $c", "*what does the $c look like after weeks without rain",
              "let a drought come", "*nobody waters the $c for weeks",
              "*a dry summer without a drop of rain", "weeks of heat without rain"),
     TI_WORDS("without water plants turn brown", "plants need water and die in a drought")},
    {"watering", plan_watering, 0,
     TI_WORDS("what does this $c look like after a week of good rain", "the rain comes at last",
              "somebody waters the plants every day", "the drought is over",
              "the gardener comes back and waters everything", "give the $c plenty of water",
              "rain saves the $c", "what happens to the $c when it gets water again",
              "water the $c", "let the plants drink",
              "*what does the $c look like after it got water", "let rain end the drought",
              "*somebody waters the $c for weeks", "*the drought ends with good rain",
              "weeks of gentle rain"),
     TI_WORDS("with water plants turn green again", "plants recover when they get water")},
    {"snowman-melts", plan_melt, TI_SNOWMAN,
     TI_WORDS("what happens to the $n when the sun gets strong", "warm wind blows over the $n",
              "the $n stands in the warm sun", "the $n gets too much sun",
              "a warm day comes for the $n", "let the sun shine on the $n",
              "the temperature rises above zero around the $n", "it gets too warm for the $n",
              "heat up the $n", "*what does the $n look like after a warm day",
              "the $n on the first warm day", "*the $n cannot stand the warm sun",
              "*warm air comes to the $n", "what is left of the $n in the sun"),
     TI_WORDS("snow melts in warm sun", "above zero snow turns into water")},
    {"ice-melts", plan_melt, TI_ICE,
     TI_WORDS("what happens to the $n in a warm room", "leave the $n on the table for an hour",
              "the $n is forgotten outside the freezer", "the $n gets warm",
              "a warm hour passes for the $n", "let the $n stand in the warmth",
              "nobody puts the $n back into the freezer", "it is too warm for the $n",
              "heat up the $n", "*what does the $n look like after a warm hour",
              "the $n out of the freezer for too long", "*the $n stands in the warm room",
              "*leave the $n in the warm kitchen", "what is left of the $n after an hour"),
     TI_WORDS("ice melts in warm air", "above zero ice turns into water")},
    {"light-candle", plan_light, TI_CANDLE,
     TI_WORDS("strike a match at the candle", "someone holds a match to the candle",
              "a flame touches the $n", "set fire to the $n", "light the $n",
              "what happens when a match touches the $n", "the $n should burn",
              "use a lighter on the $n", "make the $n burn", "let the $n shine",
              "*hold a flame to the $n", "*someone lights the $n with a match",
              "give the $n a flame", "*let the $n burn"),
     TI_WORDS("a match sets the wick on fire", "fire at the wick makes a flame")},
    {"light-campfire", plan_light, TI_CAMPFIRE,
     TI_WORDS("strike a match at the campfire", "someone holds a match to the wood",
              "a spark falls into the dry wood", "set fire to the wood", "light the $n",
              "what happens when a spark falls into the wood", "the $n should burn",
              "use a lighter on the wood", "make the $n burn", "let the $n give warmth",
              "*hold a flame to the wood", "*someone lights the $n with a match",
              "give the $n a flame", "*let the wood burn"),
     TI_WORDS("a spark sets dry wood on fire", "fire at dry wood makes flames")},
    {"put-out-candle", plan_put_out, TI_CANDLE,
     TI_WORDS("blow out the $n", "a draught blows at the $n", "somebody blows at the $n",
              "what happens to the $n when the window opens in a storm", "put out the $n",
              "the $n should stop burning", "no more flame on the $n", "kill the flame of the $n",
              "make a wish and blow", "let the wind take the flame of the $n", "*blow at the $n",
              "*the wind blows out the $n", "take the flame away from the $n", "*put the $n out"),
     TI_WORDS("a breath of wind ends the flame", "the flame goes out in the wind")},
    {"put-out-campfire", plan_put_out, TI_CAMPFIRE,
     TI_WORDS("pour water over the $n", "a bucket of water lands on the $n",
              "somebody empties a bucket over the flames",
              "what happens to the $n when someone pours water on it", "put out the $n",
              "the $n should stop burning", "no more flames on the $n", "kill the flames of the $n",
              "extinguish the $n", "let water fall on the $n", "*pour a bucket over the $n",
              "*water puts out the $n", "take the flames away from the $n", "*put the $n out"),
     TI_WORDS("water ends the fire and wood remains", "the flames go out under water")},
    {"break-vase", plan_break, TI_VASE,
     TI_WORDS("the $n falls from the table", "a cat jumps against the $n", "drop the $n",
              "what happens when the $n falls to the floor", "a ball hits the $n",
              "somebody knocks over the $n", "smash the $n", "throw a stone at the $n",
              "the $n slips out of the hand", "let the $n fall", "*a ball knocks over the $n",
              "*let someone drop the $n", "break the $n", "*the $n falls down hard"),
     TI_WORDS("china breaks when it falls", "a hard hit breaks it into pieces")},
    {"break-cup", plan_break, TI_CUP,
     TI_WORDS("the $n falls from the table", "an elbow hits the $n", "drop the $n",
              "what happens when the $n falls to the floor", "a ball hits the $n",
              "somebody knocks over the $n", "smash the $n", "throw a stone at the $n",
              "the $n slips out of the hand", "let the $n fall", "*a ball knocks over the $n",
              "*let someone drop the $n", "break the $n", "*the $n falls down hard"),
     TI_WORDS("china breaks when it falls", "a hard hit breaks it into pieces")},
    {"rust", plan_rust, TI_CAR,
     TI_WORDS("leave the $n in the rain for fifty years", "nobody cares for the $n any more",
              "what happens to the $n after decades in the rain",
              "the $n stands outside for fifty winters", "salt and water eat the $n",
              "let the $n rust", "the $n is left to the weather", "abandon the $n for decades",
              "water and air work on the iron of the $n", "make the $n an old wreck",
              "*the $n stands in the rain for decades",
              "*what becomes of the $n after fifty winters outside", "make the $n rusty",
              "*the weather eats the $n"),
     TI_WORDS("iron rusts in water and air", "after decades in the rain iron is rust")},
    {"topple", plan_topple, 0,
     TI_WORDS("somebody bumps into the $n", "the $n is knocked over", "a strong gust hits the $n",
              "what happens when someone runs into the $n", "push the $n over", "tip the $n over",
              "knock the $n down", "the $n loses its balance", "a dog runs into the $n",
              "let the $n fall over", "*someone knocks the $n over", "*a gust pushes the $n over",
              "the $n should lie on its side", "*what if somebody bumps into the $n"),
     TI_WORDS("a push tips it onto its side", "it loses balance and lies on its side")},
    {"pop", plan_pop, TI_BALLOON,
     TI_WORDS("a needle touches the $n", "the $n meets a thorn",
              "what happens when a needle touches the $n", "prick the $n",
              "somebody shoots at the $n", "the $n has too much air", "let the $n burst",
              "a bird picks at the $n", "pop the $n", "too much air goes into the $n",
              "*the $n meets a needle", "*what if a thorn touches the $n",
              "stick a pin into the $n", "*let the $n pop"),
     TI_WORDS("the $n bursts and nothing is left of it", "the skin bursts and the $n is gone")},
    {"fell-tree", plan_fell, TI_TREE,
     TI_WORDS("a woodcutter comes", "somebody needs firewood",
              "what is left when the woodcutter has been here", "saw down the $n",
              "cut down the $n", "chop the $n", "the $n is needed as firewood", "fell the $n",
              "a saw goes through the $n", "take an axe to the $n",
              "*a woodcutter saws down the $n", "*what is left of the $n after the woodcutter",
              "the $n falls to the axe", "*chop down the $n"),
     TI_WORDS("a felled tree leaves a stump", "after the saw only the stump stands")},
    {"power-cut", plan_power, 0,
     TI_WORDS("the power goes out", "the electricity fails", "what happens when the power fails",
              "somebody pulls the plug", "a power cut", "there is no electricity any more",
              "lights out", "switch off all lights", "turn the lights off", "the fuse blows",
              "cut the power", "*the electricity goes out", "*turn off all the lights",
              "no current in the lines", "*what does it look like in a power cut"),
     TI_WORDS("without current every lamp is dark", "lamps need current to shine")},
    {"power-on", plan_power, 1,
     TI_WORDS("the power comes back", "the electricity works again",
              "what happens when the power comes back", "somebody puts the plug back",
              "the power cut is over", "there is electricity again", "lights on",
              "switch on all lights", "turn the lights on", "a new fuse is put in", "give it power",
              "*the electricity comes back", "*turn on all the lights",
              "someone comes home and flips the switch",
              "*what does it look like when the power is back"),
     TI_WORDS("with current every lamp shines", "lamps shine when the current flows")},
    {"freeze", plan_freeze, 0,
     TI_WORDS("ten days of hard frost", "it gets so cold that one can skate",
              "what happens to the water far below zero", "hard frost comes over the lake",
              "let the lake freeze", "the temperature falls far below zero",
              "make the lake ready for skating", "icy cold nights", "the cold turns the water hard",
              "freeze the lake", "*hard frost freezes the lake",
              "*make it so cold that the lake freezes",
              "what does the lake look like after ten days of frost", "*let one skate on the lake"),
     TI_WORDS("below zero water turns into ice", "hard frost turns water into white ice")},
    {"flood", plan_flood, 0,
     TI_WORDS("the river leaves its bed", "the dam breaks", "what happens when the dam breaks",
              "it rains for weeks without end", "a flood comes", "the water rises over everything",
              "let the ground go under water", "high water", "the flood reaches the $c",
              "a river comes through the $c", "*let the dam break", "*a flood comes over the $c",
              "flood the $c", "*the river rises over the $c"),
     TI_WORDS("water runs over the ground and stays", "a flood covers the ground")},
    {"storm", plan_storm, 0,
     TI_WORDS("warm and cold air clash", "let lightning strike", "a thunderstorm comes",
              "what does the $c look like in a thunderstorm", "thunder and lightning",
              "dark clouds build up and discharge", "a storm breaks over the $c",
              "the sky discharges", "make it a stormy day", "the weather turns violent",
              "*a storm comes with thunder", "*let a thunderstorm break over the $c",
              "stormy weather", "*lightning over the $c"),
     TI_WORDS("in a storm the sky is dark with lightning",
              "storm clouds are dark and throw lightning")},
};
const int ti_n_causal = sizeof ti_kinds_causal / sizeof *ti_kinds_causal;
