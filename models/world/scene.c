/* scene.c - the tables of the world; see scene.h */
#include "world/scene.h"

#include <string.h>

uint32_t ti_draw_below(ti_draw *draw, uint32_t n)
{
    return ti_random_below(draw->random, draw->next++, n);
}

double ti_draw_between(ti_draw *draw, double low, double high)
{
    return low + (high - low) * ti_random_uniform(draw->random, draw->next++);
}

bool ti_draw_chance(ti_draw *draw, double probability)
{
    return ti_random_uniform(draw->random, draw->next++) < probability;
}

#define C(name) (1u << TI_##name)
#define BRIGHT                                                                                     \
    (C(RED) | C(ORANGE) | C(YELLOW) | C(GREEN) | C(BLUE) | C(PURPLE) | C(PINK) | C(WHITE))
#define PAINTS  (BRIGHT | C(BLACK) | C(BROWN) | C(GREY))
#define OPEN    (C(MEADOW) | C(GARDEN) | C(STREET) | C(BEACH) | C(LAKE) | C(DESERT))
#define GREENS  (C(MEADOW) | C(GARDEN) | C(LAKE))
#define INDOORS (C(ROOM) | C(KITCHEN))

static const ti_thing_info types[TI_THINGS] = {
    [TI_NOTHING] = {"nothing", 0, 0, TI_RARE},
    [TI_HOUSE] = {"house",
                  C(WHITE) | C(YELLOW) | C(RED) | C(BLUE) | C(PINK) | C(GREEN) | C(ORANGE) |
                      C(GREY) | C(PURPLE) | C(BROWN),
                  GREENS | C(STREET), TI_SHINES},
    [TI_TREE] = {"tree", 0, GREENS | C(STREET), TI_PLANT},
    [TI_PINE] = {"pine", 0, GREENS, TI_PLANT},
    [TI_CAR] = {"car", BRIGHT | C(BLACK) | C(GREY), C(STREET) | C(MEADOW) | C(DESERT), 0},
    [TI_BALL] = {"ball", PAINTS, OPEN | C(ROOM), 0},
    [TI_BENCH] = {"bench", C(BROWN) | C(GREEN) | C(RED) | C(WHITE) | C(BLUE) | C(YELLOW),
                  GREENS | C(STREET) | C(BEACH), 0},
    [TI_TENT] = {"tent", BRIGHT, C(MEADOW) | C(LAKE) | C(BEACH) | C(DESERT), TI_SHINES},
    [TI_FLOWER] = {"flower",
                   C(RED) | C(YELLOW) | C(PINK) | C(PURPLE) | C(WHITE) | C(ORANGE) | C(BLUE),
                   C(GARDEN) | C(MEADOW) | C(ROOM) | C(KITCHEN), TI_PLANT},
    [TI_MAILBOX] = {"mailbox", C(RED) | C(YELLOW) | C(BLUE) | C(GREEN) | C(WHITE) | C(BLACK),
                    C(STREET) | C(GARDEN), 0},
    [TI_STREET_LAMP] = {"street lamp", 0, C(STREET) | C(GARDEN), TI_SHINES},
    [TI_TRAFFIC_LIGHT] = {"traffic light", 0, C(STREET), 0},
    [TI_SNOWMAN] = {"snowman", 0, 0, 0},
    [TI_CAMPFIRE] = {"campfire", 0, C(MEADOW) | C(LAKE) | C(BEACH) | C(DESERT), TI_SHINES},
    [TI_CAT] = {"cat", C(BLACK) | C(WHITE) | C(ORANGE) | C(GREY) | C(BROWN),
                C(GARDEN) | C(STREET) | C(MEADOW) | C(ROOM) | C(KITCHEN), TI_ANIMAL},
    [TI_DOG] = {"dog", C(BLACK) | C(WHITE) | C(BROWN) | C(GREY) | C(YELLOW),
                C(GARDEN) | C(STREET) | C(MEADOW) | C(BEACH) | C(ROOM), TI_ANIMAL},
    [TI_COW] = {"cow", 0, C(MEADOW) | C(LAKE), TI_ANIMAL},
    [TI_HEN] = {"hen", 0, C(GARDEN) | C(MEADOW), TI_ANIMAL},
    [TI_PARASOL] = {"parasol", BRIGHT & ~C(WHITE), C(BEACH) | C(GARDEN), 0},
    [TI_CACTUS] = {"cactus", 0, C(DESERT), TI_PLANT},
    [TI_ROCK] = {"rock", 0, C(DESERT) | C(BEACH) | C(LAKE) | C(MEADOW), 0},
    [TI_PUMPKIN] = {"pumpkin", 0, C(GARDEN) | C(KITCHEN), TI_FRUIT},
    [TI_FLAG] = {"flag", 0, C(STREET) | C(MEADOW) | C(BEACH), 0},
    [TI_BOAT] = {"boat", BRIGHT | C(BROWN), C(LAKE) | C(BEACH), 0},
    [TI_BUS] = {"bus", BRIGHT, C(STREET), TI_SHINES},
    [TI_SAPLING] = {"sapling", 0, C(GARDEN) | C(MEADOW), TI_PLANT},
    [TI_STUMP] = {"stump", 0, 0, TI_RARE},
    [TI_BALLOON] = {"balloon", BRIGHT | C(BLACK), OPEN | C(ROOM), TI_IN_SKY},
    [TI_KITE] = {"kite", BRIGHT, C(MEADOW) | C(BEACH) | C(LAKE) | C(DESERT), TI_IN_SKY},
    [TI_BIRD] = {"bird", C(RED) | C(BLUE) | C(WHITE) | C(BLACK) | C(YELLOW) | C(BROWN), OPEN,
                 TI_IN_SKY | TI_ANIMAL},
    [TI_PLANE] = {"plane", C(WHITE) | C(RED) | C(YELLOW) | C(BLUE) | C(GREY), OPEN, TI_IN_SKY},
    [TI_CLOUD] = {"cloud", 0, OPEN, TI_IN_SKY},
    [TI_CUP] = {"cup", PAINTS, INDOORS, 0},
    [TI_CANDLE] = {"candle",
                   C(RED) | C(WHITE) | C(BLUE) | C(GREEN) | C(YELLOW) | C(PURPLE) | C(PINK),
                   INDOORS, TI_SHINES},
    [TI_APPLE] = {"apple", 0, C(KITCHEN), TI_FRUIT},
    [TI_TOMATO] = {"tomato", 0, C(KITCHEN), TI_FRUIT},
    [TI_BANANA] = {"banana", 0, C(KITCHEN), TI_FRUIT},
    [TI_VASE] = {"vase", BRIGHT, INDOORS, 0},
    [TI_BOOK] = {"book", PAINTS & ~C(WHITE), INDOORS, 0},
    [TI_CAKE] = {"cake", 0, C(KITCHEN), 0},
    [TI_ICE] = {"ice cube", 0, C(KITCHEN), 0},
    [TI_LAMP] = {"lamp", C(RED) | C(WHITE) | C(BLUE) | C(GREEN) | C(YELLOW) | C(ORANGE) | C(PINK),
                 INDOORS, TI_SHINES},
    [TI_EGG] = {"egg", 0, C(KITCHEN), 0},
    [TI_CHICK] = {"chick", 0, 0, TI_RARE | TI_ANIMAL},
    [TI_CATERPILLAR] = {"caterpillar", 0, C(GARDEN), TI_ANIMAL},
    [TI_BUTTERFLY] = {"butterfly", 0, 0, TI_RARE | TI_ANIMAL},
    [TI_CHAIR] = {"chair", PAINTS & ~C(PINK), C(ROOM) | C(GARDEN), 0},
    [TI_GIFT] = {"gift", BRIGHT & ~C(WHITE), INDOORS, 0},
    [TI_BOTTLE] = {"bottle", C(GREEN) | C(BLUE) | C(BROWN) | C(RED) | C(PURPLE), C(KITCHEN), 0},
};

const ti_thing_info *ti_thing_get(ti_thing type)
{
    return &types[type];
}

ti_rgb ti_colour_rgb(ti_colour colour)
{
    static const uint32_t rgb[TI_COLOURS] = {
        [TI_NO_COLOUR] = 0x909090, [TI_RED] = 0xd63030,   [TI_ORANGE] = 0xf08824,
        [TI_YELLOW] = 0xf8d034,    [TI_GREEN] = 0x40a048, [TI_BLUE] = 0x3068c8,
        [TI_PURPLE] = 0x8448b0,    [TI_PINK] = 0xf490b4,  [TI_WHITE] = 0xf4f4f0,
        [TI_BLACK] = 0x2c2c30,     [TI_BROWN] = 0x885834, [TI_GREY] = 0x96989c,
    };
    ti_rgb c = {(double)(rgb[colour] >> 16 & 255) / 255, (double)(rgb[colour] >> 8 & 255) / 255,
                (double)(rgb[colour] & 255) / 255};
    return c;
}

bool ti_place_indoors(ti_place place)
{
    return place == TI_ROOM || place == TI_KITCHEN;
}

ti_ground ti_place_ground(ti_place place)
{
    static const ti_ground grounds[TI_PLACES] = {
        [TI_MEADOW] = TI_GRASS, [TI_GARDEN] = TI_GRASS, [TI_STREET] = TI_STONE,
        [TI_BEACH] = TI_SAND,   [TI_LAKE] = TI_GRASS,   [TI_DESERT] = TI_SAND,
        [TI_ROOM] = TI_WOOD,    [TI_KITCHEN] = TI_WOOD,
    };
    return grounds[place];
}

int ti_place_horizon(const ti_scene *scene)
{
    if (scene->place == TI_BEACH || scene->place == TI_LAKE) return 64;
    if (ti_place_indoors(scene->place)) return 88;
    return scene->variant & 1 ? 80 : 72;
}

void ti_slot_spot(const ti_object *object, double *x, double *y)
{
    static const int at[TI_SLOTS][2] = {{24, 112}, {64, 112}, {104, 112},
                                        {24, 32},  {64, 32},  {104, 32}};
    *x = at[object->slot][0] + object->dx;
    *y = at[object->slot][1] + object->dy;
}

double ti_size_scale(ti_size size)
{
    static const double scale[] = {0.65, 1.0, 1.4};
    return scale[size];
}

int ti_scene_find(const ti_scene *scene, ti_thing type)
{
    for (int i = 0; i < scene->n_objects; i++)
        if (scene->objects[i].type == type) return i;
    return -1;
}

int ti_scene_at(const ti_scene *scene, ti_slot slot)
{
    for (int i = 0; i < scene->n_objects; i++)
        if (scene->objects[i].slot == slot) return i;
    return -1;
}

bool ti_scene_add(ti_scene *scene, ti_object object)
{
    if (scene->n_objects == TI_MAX_OBJECTS) return false;
    scene->objects[scene->n_objects++] = object;
    return true;
}

void ti_scene_remove(ti_scene *scene, int index)
{
    int after = scene->n_objects - index - 1;
    memmove(&scene->objects[index], &scene->objects[index + 1], (size_t)after * sizeof(ti_object));
    scene->n_objects--;
}

void ti_scene_settle(ti_scene *s)
{
    bool shore = s->place == TI_BEACH || s->place == TI_LAKE;
    if (!ti_place_indoors((ti_place)s->place)) s->lights = s->time >= TI_DUSK;
    if (s->weather == TI_SNOWFALL) s->season = TI_WINTER;
    s->frozen = s->place == TI_LAKE && s->season == TI_WINTER;
    for (int i = 0; i < s->n_objects; i++)
        s->objects[i].dy = s->objects[i].type == TI_BOAT && shore ? -24 : 0;
}
