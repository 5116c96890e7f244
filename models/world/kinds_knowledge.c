/* kinds_knowledge.c - what one has to know to do the edit; see kinds.h */
#include "world/kinds.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool plan_lamps_hour(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_stage(plan, 1u << TI_STREET | 1u << TI_GARDEN);
    if (plan->scene.time >= TI_DUSK || plan->scene.weather == TI_RAINBOW) return false;
    ti_stage_put(plan, TI_STREET_LAMP);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_TIME, .value = TI_DUSK};
    return true;
}

static bool plan_traffic(ti_edit_plan *plan, int state)
{
    ti_stage(plan, 1u << TI_STREET);
    int at = ti_stage_put(plan, TI_TRAFFIC_LIGHT);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->scene.objects[at].state = (uint8_t)(state == TI_GO ? TI_STOP : TI_GO);
    ti_stage_target(plan, at, TI_OP_STATE);
    plan->op.value = (uint8_t)state;
    return true;
}

/* What has which colour, so that "like a ripe lemon" says yellow. */
static bool plan_colour_of(ti_edit_plan *plan, int mixing)
{
    static const struct {
        ti_colour colour;
        const char *like;
    } known[] = {
        {TI_RED, "a fire engine"},
        {TI_RED, "blood"},
        {TI_RED, "a stop sign"},
        {TI_RED, "a ripe strawberry"},
        {TI_ORANGE, "a carrot"},
        {TI_ORANGE, "a ripe pumpkin"},
        {TI_ORANGE, "the fruit of the same name"},
        {TI_YELLOW, "a ripe lemon"},
        {TI_YELLOW, "a ripe banana"},
        {TI_YELLOW, "a sunflower"},
        {TI_YELLOW, "a new chick"},
        {TI_GREEN, "fresh grass"},
        {TI_GREEN, "a frog"},
        {TI_GREEN, "a leaf in summer"},
        {TI_BLUE, "the sea"},
        {TI_BLUE, "a clear sky at noon"},
        {TI_PURPLE, "a ripe plum"},
        {TI_PURPLE, "lavender"},
        {TI_PINK, "a flamingo"},
        {TI_PINK, "a piglet"},
        {TI_WHITE, "fresh snow"},
        {TI_WHITE, "milk"},
        {TI_WHITE, "a swan"},
        {TI_BLACK, "coal"},
        {TI_BLACK, "a raven"},
        {TI_BLACK, "the night sky"},
        {TI_BROWN, "chocolate"},
        {TI_BROWN, "a chestnut"},
        {TI_GREY, "an elephant"},
        {TI_GREY, "ash"},
    };
    static const struct {
        ti_colour colour;
        const char *like;
    } mixes[] = {
        {TI_ORANGE, "red and yellow"}, {TI_ORANGE, "yellow and red"}, {TI_GREEN, "blue and yellow"},
        {TI_GREEN, "yellow and blue"}, {TI_PURPLE, "red and blue"},   {TI_PURPLE, "blue and red"},
        {TI_PINK, "red and white"},    {TI_PINK, "white and red"},    {TI_GREY, "black and white"},
        {TI_GREY, "white and black"},  {TI_BROWN, "red and green"},   {TI_BROWN, "green and red"},
    };
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_PAINT) || !plan->op.colour) return false;
    uint32_t i = ti_draw_below(plan->draw, mixing ? COUNT(mixes) : COUNT(known));
    ti_colour colour = mixing ? mixes[i].colour : known[i].colour;
    plan->hint = mixing ? mixes[i].like : known[i].like;
    plan->op.value = (uint8_t)colour;
    return ti_thing_get((ti_thing)plan->op.type)->colours >> colour & 1;
}

static bool plan_becomes(ti_edit_plan *plan, int from)
{
    ti_stage(plan, ti_thing_get((ti_thing)from)->places);
    if (plan->scene.season == TI_WINTER) return false;
    int at = ti_stage_put(plan, (ti_thing)from);
    if (at < 0) return false;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    ti_stage_target(plan, at, TI_OP_REPLACE);
    plan->op.other = from == TI_EGG ? TI_CHICK : TI_BUTTERFLY;
    return true;
}

static const struct {
    ti_thing type;
    const char *as;
} described[] = {
    {TI_COW, "the animal that gives milk"},
    {TI_DOG, "the animal that barks"},
    {TI_CAT, "the animal that purrs"},
    {TI_CAT, "the animal that hunts mice"},
    {TI_HEN, "the animal that lays eggs"},
    {TI_DOG, "the animal that guards the house"},
    {TI_BIRD, "the animal that flies and sings"},
    {TI_CAR, "the thing with four wheels for a family"},
    {TI_BUS, "the thing that carries many passengers"},
    {TI_BOAT, "the thing that sails on water"},
    {TI_PLANE, "the machine that flies people over the ocean"},
    {TI_KITE, "the toy that flies on a string in the wind"},
    {TI_BALL, "the round toy one kicks"},
    {TI_HOUSE, "the thing people live in"},
    {TI_TENT, "the thing one sleeps in when camping"},
    {TI_BENCH, "the thing two people can sit on"},
    {TI_CHAIR, "the thing one person sits on"},
    {TI_PARASOL, "the thing that gives shade at the beach"},
    {TI_MAILBOX, "the thing letters go into"},
    {TI_STREET_LAMP, "the thing that lights the street at night"},
    {TI_CUP, "the thing one drinks tea from"},
    {TI_BOOK, "the thing one reads"},
    {TI_CAKE, "the sweet thing baked for a birthday"},
    {TI_CANDLE, "the thing of wax with a wick"},
    {TI_VASE, "the thing that holds cut flowers"},
    {TI_ICE, "the thing that keeps a drink cold"},
    {TI_EGG, "the thing a hen lays"},
    {TI_BANANA, "the fruit monkeys love"},
    {TI_APPLE, "the fruit that keeps the doctor away"},
    {TI_CACTUS, "the plant that lives without rain"},
    {TI_GIFT, "the thing one unwraps on a birthday"},
    {TI_SNOWMAN, "the man with a carrot for a nose"},
    {TI_BOTTLE, "the thing wine is kept in"},
    {TI_CAMPFIRE, "the thing that warms campers"},
    {TI_CLOUD, "the thing rain falls from"},
    {TI_TREE, "the plant with a trunk and many leaves"},
};

static ti_thing draw_described(ti_edit_plan *plan)
{
    uint32_t i = ti_draw_below(plan->draw, COUNT(described));
    plan->hint = described[i].as;
    return described[i].type;
}

static bool plan_remove_described(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_thing type = draw_described(plan);
    uint32_t places = type == TI_SNOWMAN ? (uint32_t)TI_GREEN_PLACES : ti_thing_get(type)->places;
    ti_stage(plan, places);
    if (type == TI_SNOWMAN) plan->scene.season = TI_WINTER;
    int at = ti_stage_put(plan, type);
    ti_stage_fill(plan, 2 + (int)ti_draw_below(plan->draw, 2));
    if (at < 0) return false;
    ti_stage_target(plan, at, TI_OP_REMOVE);
    return true;
}

static bool plan_add_described(ti_edit_plan *plan, int unused)
{
    (void)unused;
    ti_thing type = draw_described(plan);
    if (!ti_thing_get(type)->places) return false;
    ti_stage(plan, ti_thing_get(type)->places);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 2));
    if (ti_scene_find(&plan->scene, type) >= 0) return false;
    int first = ti_thing_get(type)->traits & TI_IN_SKY ? TI_SKY_LEFT : TI_LEFT, slot = -1;
    for (int i = first; i < first + 3 && slot < 0; i++)
        if (ti_scene_at(&plan->scene, (ti_slot)i) < 0) slot = i;
    static const ti_colour usual[TI_THINGS] = {
        [TI_DOG] = TI_BROWN,   [TI_CAT] = TI_GREY,    [TI_BIRD] = TI_BLUE,
        [TI_CAR] = TI_RED,     [TI_BUS] = TI_YELLOW,  [TI_BOAT] = TI_WHITE,
        [TI_PLANE] = TI_WHITE, [TI_KITE] = TI_RED,    [TI_BALL] = TI_RED,
        [TI_HOUSE] = TI_WHITE, [TI_TENT] = TI_GREEN,  [TI_BENCH] = TI_BROWN,
        [TI_CHAIR] = TI_BROWN, [TI_PARASOL] = TI_RED, [TI_MAILBOX] = TI_YELLOW,
        [TI_CUP] = TI_WHITE,   [TI_BOOK] = TI_RED,    [TI_CANDLE] = TI_WHITE,
        [TI_VASE] = TI_BLUE,   [TI_GIFT] = TI_RED,    [TI_BOTTLE] = TI_GREEN};
    plan->op = (ti_op){.code = TI_OP_ADD,
                       .other = (uint8_t)type,
                       .other_colour = (uint8_t)usual[type],
                       .slot = (uint8_t)slot};
    return slot >= 0;
}

static const struct {
    ti_flag flag;
    const char *hints[4];
} flags[] = {
    {TI_FRANCE, {"paris", "the eiffel tower", "croissants", "napoleon"}},
    {TI_ITALY, {"rome", "pizza", "venice", "the leaning tower"}},
    {TI_GERMANY, {"berlin", "bach and beethoven", "munich", "the black forest"}},
    {TI_JAPAN, {"tokyo", "sushi", "mount fuji", "the samurai"}},
    {TI_POLAND, {"warsaw", "chopin", "krakow", "pierogi"}},
    {TI_UKRAINE, {"kyiv", "odesa", "borscht", "lviv"}},
    {TI_AUSTRIA, {"vienna", "mozart", "salzburg", "the waltz"}},
    {TI_IRELAND, {"dublin", "james joyce", "the green island", "cork"}},
};

static bool plan_flag(ti_edit_plan *plan, int by_name)
{
    ti_stage(plan, ti_thing_get(TI_FLAG)->places);
    int at = ti_stage_put(plan, TI_FLAG);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    ti_stage_target(plan, at, TI_OP_HOIST);
    uint32_t i = ti_draw_below(plan->draw, COUNT(flags));
    plan->op.value = (uint8_t)flags[i].flag;
    plan->hint =
        by_name ? ti_flag_name(flags[i].flag) : flags[i].hints[ti_draw_below(plan->draw, 4)];
    return true;
}

static bool plan_mars(ti_edit_plan *plan, int ground)
{
    ti_stage_plain(plan, 1u << TI_DESERT | 1u << TI_MEADOW | 1u << TI_STREET);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->op = (ti_op){.code = TI_OP_GROUND, .value = (uint8_t)ground};
    return true;
}

static bool plan_feast(ti_edit_plan *plan, int type)
{
    ti_stage(plan, ti_thing_get((ti_thing)type)->places);
    int at = ti_stage_put(plan, (ti_thing)type);
    if (at < 0) return false;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    ti_stage_target(plan, at, TI_OP_STATE);
    plan->op.value = TI_DECORATED;
    return true;
}

static bool plan_season_fact(ti_edit_plan *plan, int unused)
{
    static const struct {
        ti_season season;
        const char *fact;
    } facts[] = {{TI_WINTER, "people ski"},
                 {TI_WINTER, "santa claus comes"},
                 {TI_WINTER, "bears sleep"},
                 {TI_AUTUMN, "leaves fall"},
                 {TI_AUTUMN, "grapes are picked"},
                 {TI_AUTUMN, "halloween comes"},
                 {TI_SPRING, "birds build nests"},
                 {TI_SPRING, "easter comes"},
                 {TI_SPRING, "cherry trees blossom"},
                 {TI_SUMMER, "children swim in the lake"},
                 {TI_SUMMER, "school is out for long"},
                 {TI_SUMMER, "wheat gets ripe"}};
    (void)unused;
    ti_stage(plan, TI_GREEN_PLACES);
    ti_stage_put(plan, TI_TREE);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    uint32_t i = ti_draw_below(plan->draw, COUNT(facts));
    plan->hint = facts[i].fact;
    plan->op = (ti_op){.code = TI_OP_SEASON, .value = (uint8_t)facts[i].season};
    return plan->scene.weather != TI_SNOWFALL && ti_scene_find(&plan->scene, TI_SNOWMAN) < 0;
}

static bool plan_hour_fact(ti_edit_plan *plan, int unused)
{
    static const struct {
        ti_time time;
        const char *fact;
    } facts[] = {{TI_NIGHT, "owls hunt"},
                 {TI_NIGHT, "bats fly"},
                 {TI_NIGHT, "one can see the stars"},
                 {TI_NIGHT, "ghosts walk"},
                 {TI_MORNING, "the rooster crows"},
                 {TI_MORNING, "the baker opens"},
                 {TI_MORNING, "people drink their first coffee"},
                 {TI_NOON, "shadows are shortest"},
                 {TI_NOON, "the bell strikes twelve"},
                 {TI_EVENING, "the sky is red before dark"},
                 {TI_EVENING, "the sun touches the horizon"},
                 {TI_EVENING, "people come home from work"}};
    (void)unused;
    ti_stage(plan, TI_OUTDOORS);
    if (plan->scene.weather == TI_RAINBOW) plan->scene.weather = TI_CLEAR;
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    uint32_t i = ti_draw_below(plan->draw, COUNT(facts));
    plan->hint = facts[i].fact;
    plan->op = (ti_op){.code = TI_OP_TIME, .value = (uint8_t)facts[i].time};
    return true;
}

static bool plan_weather_fact(ti_edit_plan *plan, int unused)
{
    static const struct {
        ti_weather weather;
        const char *fact;
    } facts[] = {{TI_RAIN, "that needs an umbrella"},
                 {TI_RAIN, "that ducks love"},
                 {TI_RAIN, "that farmers wish for in a dry year"},
                 {TI_SNOWFALL, "for building a snowman"},
                 {TI_SNOWFALL, "that skiers love"},
                 {TI_FOG, "in which ships blow their horns"},
                 {TI_FOG, "in which one cannot see far"},
                 {TI_CLEAR, "for sunglasses"},
                 {TI_CLEAR, "for a picnic"},
                 {TI_STORM, "in which one must not stand under a tree"},
                 {TI_STORM, "in which dogs fear the noise"}};
    (void)unused;
    ti_stage(plan, TI_OUTDOORS);
    uint32_t i = ti_draw_below(plan->draw, COUNT(facts));
    if (facts[i].weather == TI_CLEAR)
        plan->scene.weather = (uint8_t)(TI_CLOUDY + ti_draw_below(plan->draw, 2));
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 3));
    plan->hint = facts[i].fact;
    plan->op = (ti_op){.code = TI_OP_WEATHER, .value = (uint8_t)facts[i].weather};
    return true;
}

const ti_edit_kind ti_kinds_knowledge[] = {
    {"lamps-hour", plan_lamps_hour, 0,
     TI_WORDS("make it the hour when the street lamps come on", "the hour when the lamps come on",
              "what does the $c look like when the street lamps go on", "show the blue hour",
              "between day and night", "just after the sun is gone",
              "the time when people switch on their lights",
              "when the lamps are lit but the sky is not black yet", "go to dusk", "make it dusk",
              "*show the hour when the lamps are lit", "the minutes after sunset",
              "*make it the time when the lamps come on", "twilight please",
              "*how is the $c in the blue hour"),
     TI_WORDS("street lamps come on at dusk", "at dusk the sky is violet and lamps are lit")},
    {"may-drive", plan_traffic, TI_GO,
     TI_WORDS("let the cars go", "the cars may drive now", "the drivers may start",
              "show that one may drive", "set the light so that cars may go",
              "give the cars free way", "the traffic should move",
              "the light should tell drivers to go", "allow the cars to drive",
              "drivers have waited long enough", "*the light should let the cars go",
              "let the traffic flow", "*tell the drivers to go",
              "*set the light so that one may drive", "free way for the traffic"),
     TI_WORDS("green means go", "cars may drive when the light is green")},
    {"must-stop", plan_traffic, TI_STOP,
     TI_WORDS("make the cars stop", "the cars must wait now", "the drivers must stop",
              "show that one must stop", "set the light so that cars must stop", "hold the traffic",
              "the traffic should stand still", "the light should tell drivers to stop",
              "forbid the cars to drive", "children want to cross the street",
              "*the light should make the cars wait", "stop the traffic",
              "*tell the drivers to stop", "*set the light so that one must wait",
              "no car may pass now"),
     TI_WORDS("red means stop", "cars must wait when the light is red")},
    {"colour-like", plan_colour_of, 0,
     TI_WORDS("give the $n the colour of $h", "paint the $n like $h",
              "the $n should have the colour of $h", "colour the $n like $h",
              "make the $n look as coloured as $h", "the $o should match $h",
              "dye the $n in the colour of $h", "use the colour of $h for the $n",
              "i want the $n in the colour of $h", "let the $n look like $h in colour",
              "*paint the $n in the colour of $h", "recolour the $n after $h",
              "*the colour of the $n should be that of $h", "*match the $n with $h",
              "take the colour of $h for the $n"),
     TI_WORDS("$h is $v", "the colour of $h is $v")},
    {"colour-mix", plan_colour_of, 1,
     TI_WORDS("paint the $n with a mix of $h", "mix $h and paint the $n with it",
              "the $n gets the colour one gets from $h", "stir $h together for the $n",
              "use paint mixed from $h on the $n", "blend $h for the $n",
              "what $h give when mixed is the new colour of the $n", "mix $h for the $n",
              "the $n in the mixture of $h", "colour the $n with $h stirred together",
              "*paint the $n with $h mixed together", "pour $h into one pot and paint the $n",
              "*blend $h and colour the $n with it", "*the mixture of $h goes on the $n",
              "put mixed paint from $h on the $n"),
     TI_WORDS("$h give $v", "mixed paint of $h is $v")},
    {"butterfly", plan_becomes, TI_CATERPILLAR,
     TI_WORDS("what does the $n turn into", "show what the $n becomes", "let the $n grow its wings",
              "the next stage of the $n", "finish the life cycle of the $n",
              "the $n after its time in the cocoon", "make the $n what it is meant to be",
              "let nature change the $n", "what will come out of the cocoon of the $n",
              "turn the $n into its grown form", "*show the grown form of the $n",
              "let the $n leave its cocoon", "*what becomes of the $n",
              "*the $n turns into its next stage"),
     TI_WORDS("a caterpillar becomes a butterfly", "out of the cocoon comes a butterfly")},
    {"chick", plan_becomes, TI_EGG,
     TI_WORDS("what comes out of the $n", "let the $n hatch",
              "the hen has sat on the $n long enough", "show what hatches from the $n",
              "the $n after three warm weeks", "crack goes the $n and life comes out",
              "hatch the $n", "let life come out of the $n", "what was growing inside the $n",
              "keep the $n warm until it opens", "*show what comes out of the $n",
              "open the $n from inside", "*what hatches from the $n",
              "*the $n after three weeks under the hen"),
     TI_WORDS("a chick hatches from an egg", "after three warm weeks a chick comes out")},
    {"remove-described", plan_remove_described, 0,
     TI_WORDS("remove $h", "make $h vanish", "take away $h", "get rid of $h", "$h should go",
              "delete $h", "without $h please", "i do not want $h", "erase $h",
              "the picture is better without $h", "make $h disappear", "*cut out $h",
              "clear away $h", "*$h has to go", "*let $h vanish", "no need for $h"),
     TI_WORDS("$h is the $n", "this means the $n")},
    {"add-described", plan_add_described, 0,
     TI_WORDS("add $h", "put in $h", "i want $h here", "there should be $h", "draw $h",
              "place $h here", "the $c needs $h", "let $h appear", "include $h", "show also $h",
              "*insert $h", "bring $h", "*put $h into the picture", "*i would like to see $h",
              "$h is missing"),
     TI_WORDS("$h is the $m", "this means the $m")},
    {"hoist-flag", plan_flag, 1,
     TI_WORDS("hoist the flag of $h", "show the flag of $h", "make it the flag of $h",
              "the flag of $h please", "change the flag to that of $h",
              "put the colours of $h on the pole", "fly the flag of $h", "raise the flag of $h",
              "i want to see the flag of $h", "turn the flag into that of $h",
              "*let the flag of $h fly", "guests from $h are coming, greet them with their flag",
              "*raise the colours of $h", "*the pole should carry the flag of $h",
              "celebrate $h with its flag"),
     TI_WORDS("every country has its own colours", "the flag shows the colours of the country")},
    {"flag-hint", plan_flag, 0,
     TI_WORDS("hoist the flag of the country of $h", "show the flag of the country known for $h",
              "the flag should make one think of $h", "raise the flag where $h belongs",
              "the country of $h should be on the pole", "fly the flag of the home of $h",
              "change the flag to the country of $h", "which flag flies in the country of $h",
              "put up the colours of the country that has $h",
              "greet guests from the land of $h with their flag",
              "*hoist the flag of the land of $h", "the land of $h gets its flag",
              "*show the colours of the home of $h", "*fly the flag of the country known for $h",
              "the flag of the land with $h"),
     TI_WORDS("$h belongs to $v", "$h stands for $v")},
    {"mars", plan_mars, TI_RED_DUST,
     TI_WORDS("put it on mars", "show it on the red planet", "move the scene to mars",
              "as if it were on the fourth planet",
              "let it be on the planet next to earth where rovers drive", "send everything to mars",
              "how would it look on mars", "the ground of the red planet",
              "make it a mars landscape", "go to the planet of the rovers",
              "*bring everything to the red planet", "on mars please", "*let the scene be on mars",
              "*make it look like the red planet"),
     TI_WORDS("on mars the ground is red dust", "mars is covered with red dust")},
    {"antarctica", plan_mars, TI_SNOW,
     TI_WORDS("put it at the south pole", "show it where penguins live",
              "move the scene to antarctica", "as if it were at the pole",
              "let it be where polar bears live", "send everything to the north pole",
              "how would it look in antarctica", "the ground of the coldest continent",
              "make it a polar landscape", "go to the land of the penguins",
              "*bring everything to the land of penguins", "at the pole please",
              "*let the scene be in antarctica", "*make it look like the south pole"),
     TI_WORDS("at the poles the ground is snow", "penguins and polar bears live on snow")},
    {"christmas", plan_feast, TI_PINE,
     TI_WORDS("decorate the $n for december 24", "make the $n ready for christmas",
              "it is christmas eve", "santa claus is coming, dress the $n",
              "the $n as on christmas", "put christmas lights on the $n",
              "children expect presents below the $n", "turn the $n into a christmas tree",
              "dress the $n for christmas", "the $n at christmas time",
              "*make the $n a christmas tree", "light up the $n for the holidays",
              "*dress the $n with christmas lights", "*the $n on christmas eve"),
     TI_WORDS("at christmas the tree wears lights and a star",
              "a christmas tree carries lights and a star")},
    {"halloween", plan_feast, TI_PUMPKIN,
     TI_WORDS("make the $n ready for halloween", "it is the last night of october", "carve the $n",
              "give the $n a face", "the $n as on halloween", "turn the $n into a lantern",
              "make the $n spooky", "a scary face on the $n",
              "children go trick or treat, prepare the $n", "the $n at halloween",
              "*make a lantern out of the $n", "cut a face into the $n",
              "*carve a spooky face into the $n", "*the $n on halloween night"),
     TI_WORDS("at halloween pumpkins get glowing faces", "a carved pumpkin has a glowing face")},
    {"birthday", plan_feast, TI_CAKE,
     TI_WORDS("it is a birthday", "someone turns three today", "make the $n ready for a birthday",
              "put candles on the $n", "the $n needs its birthday candles",
              "let the birthday child blow out something", "dress the $n for a birthday",
              "light candles on the $n", "the $n as on a birthday",
              "the child is three years old today", "*put birthday candles on the $n",
              "happy birthday", "*the $n on a birthday",
              "*someone has a birthday, light the candles"),
     TI_WORDS("a birthday cake carries lit candles", "candles on the cake count the years")},
    {"season-fact", plan_season_fact, 0,
     TI_WORDS("make it the season when $h", "the time of year when $h", "go to the season when $h",
              "show the $c when $h", "it is the season when $h",
              "how is the $c in the season when $h", "change to the season when $h",
              "let it be the time of year when $h", "turn to the months when $h",
              "what does the $c look like when $h", "*show the season when $h",
              "the season in which $h", "*make it the time of year when $h",
              "*go to the months when $h"),
     TI_WORDS("$h in $v", "the season when $h is $v")},
    {"hour-fact", plan_hour_fact, 0,
     TI_WORDS("make it the hour when $h", "the time of day when $h", "go to the hour when $h",
              "show the $c at the time when $h", "it is the hour when $h",
              "how is the $c at the hour when $h", "change to the hour when $h",
              "let it be the time of day when $h", "turn the clock to when $h",
              "what does the $c look like at the time when $h", "*show the hour when $h",
              "the hour at which $h", "*make it the time of day when $h",
              "*turn to the time when $h"),
     TI_WORDS("$h at that hour, it is $v", "the hour when $h is $v")},
    {"weather-fact", plan_weather_fact, 0,
     TI_WORDS("make weather $h", "give me weather $h", "i want weather $h",
              "let there be weather $h", "change to weather $h", "show the $c in weather $h",
              "bring weather $h", "turn it into weather $h", "the sky should bring weather $h",
              "it should be weather $h", "*i would like weather $h", "weather $h please",
              "*let it be weather $h", "*show weather $h", "how is the $c in weather $h"),
     TI_WORDS("weather $h is $v", "weather $h means $v")},
};
const int ti_n_knowledge = sizeof ti_kinds_knowledge / sizeof *ti_kinds_knowledge;
