/* scene.h - a scene of the procedural world as plain data, and how it becomes a picture.
 *
 * A scene is a few small enums: place, light, season, weather and up to eight objects in named
 * slots. The picture is a pure function of it (and of its camera). Everything stands on a grid of 8
 * x 8 of 128 units, the image tokeniser's, so that the same thing gives the same tokens wherever it
 * stands.
 *
 * Coordinates are those of a 128 x 128 canvas whatever the picture's size; y grows downwards.
 */
#ifndef TI_WORLD_SCENE_H
#define TI_WORLD_SCENE_H

#include "base/error.h"
#include "base/random.h"

#define TI_CANVAS      128
#define TI_MAX_OBJECTS 8

/* ---- draws: a counter over the generator of base/random.h -------------------------------- */

typedef struct ti_draw {
    ti_random random;
    uint64_t next;
} ti_draw;

uint32_t ti_draw_below(ti_draw *draw, uint32_t n); /* uniform in [0, n) */
double ti_draw_between(ti_draw *draw, double low, double high);
bool ti_draw_chance(ti_draw *draw, double probability);

/* ---- vocabulary of the world ----------------------------------------------------------------- */

typedef struct ti_rgb {
    double r, g, b; /* sRGB-encoded, 0 .. 1 */
} ti_rgb;

typedef enum ti_colour {
    TI_NO_COLOUR, /* the object's own */
    TI_RED,
    TI_ORANGE,
    TI_YELLOW,
    TI_GREEN,
    TI_BLUE,
    TI_PURPLE,
    TI_PINK,
    TI_WHITE,
    TI_BLACK,
    TI_BROWN,
    TI_GREY,
    TI_COLOURS
} ti_colour;

typedef enum ti_place {
    TI_MEADOW,
    TI_GARDEN,
    TI_STREET,
    TI_BEACH,
    TI_LAKE,
    TI_DESERT,
    TI_ROOM,
    TI_KITCHEN,
    TI_PLACES
} ti_place;

typedef enum ti_ground {
    TI_GRASS,
    TI_SAND,
    TI_STONE,
    TI_SNOW,
    TI_SOIL,
    TI_WOOD,
    TI_TILES,
    TI_WATER,
    TI_RED_DUST,
    TI_GROUNDS
} ti_ground;

typedef enum ti_time {
    TI_MORNING,
    TI_NOON,
    TI_EVENING,
    TI_DUSK, /* the hour when lamps come on */
    TI_NIGHT,
    TI_TIMES
} ti_time;
typedef enum ti_season { TI_SPRING, TI_SUMMER, TI_AUTUMN, TI_WINTER, TI_SEASONS } ti_season;

typedef enum ti_weather {
    TI_CLEAR,
    TI_CLOUDY,
    TI_RAIN,
    TI_SNOWFALL,
    TI_FOG,
    TI_STORM,
    TI_RAINBOW,
    TI_WEATHERS
} ti_weather;

/* Where an object stands: three places on the ground, three in the sky. */
typedef enum ti_slot {
    TI_LEFT,
    TI_MIDDLE,
    TI_RIGHT,
    TI_SKY_LEFT,
    TI_SKY_MIDDLE,
    TI_SKY_RIGHT,
    TI_SLOTS
} ti_slot;

typedef enum ti_size { TI_SMALL, TI_NORMAL, TI_BIG } ti_size;

typedef enum ti_state {
    TI_USUAL,
    TI_LIT,      /* lamps, candles, campfires, windows */
    TI_WITHERED, /* plants */
    TI_BLOOMING,
    TI_MELTED, /* snowmen, ice */
    TI_RIPE,
    TI_RUSTY,
    TI_BROKEN,
    TI_BURNT_DOWN,
    TI_FALLEN,
    TI_STRIPED,
    TI_DOTTED,
    TI_STOP, /* traffic lights */
    TI_GO,
    TI_DECORATED,
    TI_ROTTEN,
    TI_STATES
} ti_state;

typedef enum ti_flag {
    TI_NO_FLAG,
    TI_FRANCE,
    TI_ITALY,
    TI_GERMANY,
    TI_JAPAN,
    TI_POLAND,
    TI_UKRAINE,
    TI_AUSTRIA,
    TI_IRELAND,
    TI_FLAGS
} ti_flag;

typedef enum ti_thing {
    TI_NOTHING,
    TI_HOUSE,
    TI_TREE,
    TI_PINE,
    TI_CAR,
    TI_BALL,
    TI_BENCH,
    TI_TENT,
    TI_FLOWER,
    TI_MAILBOX,
    TI_STREET_LAMP,
    TI_TRAFFIC_LIGHT,
    TI_SNOWMAN,
    TI_CAMPFIRE,
    TI_CAT,
    TI_DOG,
    TI_COW,
    TI_HEN,
    TI_PARASOL,
    TI_CACTUS,
    TI_ROCK,
    TI_PUMPKIN,
    TI_FLAG,
    TI_BOAT,
    TI_BUS,
    TI_SAPLING,
    TI_STUMP,
    TI_BALLOON,
    TI_KITE,
    TI_BIRD,
    TI_PLANE,
    TI_CLOUD,
    TI_CUP,
    TI_CANDLE,
    TI_APPLE,
    TI_TOMATO,
    TI_BANANA,
    TI_VASE,
    TI_BOOK,
    TI_CAKE,
    TI_ICE,
    TI_LAMP,
    TI_EGG,
    TI_CHICK,
    TI_CATERPILLAR,
    TI_BUTTERFLY,
    TI_CHAIR,
    TI_GIFT,
    TI_BOTTLE,
    TI_THINGS
} ti_thing;

/* ---- scenes ---------------------------------------------------------------------------------- */

typedef struct ti_object {
    uint8_t type, colour, size, state, slot, flag;
    int8_t dx, dy; /* from the slot's own spot, multiples of 8 */
} ti_object;

/* What a camera adds to a picture; all zero is a perfect one. The same for input and output of an
 * edit, so that what the edit leaves alone stays equal. */
typedef struct ti_camera {
    double exposure;            /* gain - 1 */
    double cast_red, cast_blue; /* gain - 1 */
    double vignette;            /* darkening in the corners */
    double blur;                /* 0 .. 1, share of a 3 x 3 binomial filter */
    double noise;               /* standard deviation, 0 .. 255 */
    uint64_t noise_seed;
} ti_camera;

typedef struct ti_scene {
    uint8_t place, ground, time, season, weather;
    uint8_t variant; /* 0 .. 3: shape of the background */
    bool dry;        /* plants suffer */
    bool frozen;     /* water is ice */
    bool flooded;    /* the ground is under water */
    bool lights;     /* what can shine does */
    uint8_t frame;   /* a ti_colour around the picture */
    uint8_t n_objects;
    ti_object objects[TI_MAX_OBJECTS]; /* drawn in this order */
    ti_camera camera;
} ti_scene;

typedef struct ti_thing_info {
    const char *name;
    uint32_t colours; /* bit per ti_colour it may have; 0: only its own */
    uint32_t places;  /* bit per ti_place it is at home in */
    unsigned traits;
} ti_thing_info;

enum { /* traits */
       TI_IN_SKY = 1,
       TI_PLANT = 2,
       TI_SHINES = 4,
       TI_ANIMAL = 8,
       TI_RARE = 16, /* never placed by chance: made by edits, or asked for */
       TI_FRUIT = 32
};

const ti_thing_info *ti_thing_get(ti_thing type);
ti_rgb ti_colour_rgb(ti_colour colour);
bool ti_place_indoors(ti_place place);
ti_ground ti_place_ground(ti_place place);
int ti_place_horizon(const ti_scene *scene);
void ti_slot_spot(const ti_object *object, double *x, double *y); /* foot, or centre in the sky */
double ti_size_scale(ti_size size);

/* The first object of TYPE, or -1. */
int ti_scene_find(const ti_scene *scene, ti_thing type);
int ti_scene_at(const ti_scene *scene, ti_slot slot);
/* Sets what follows from the rest: lit lamps at night, ice in winter, boats in the water. */
void ti_scene_settle(ti_scene *scene);
bool ti_scene_add(ti_scene *scene, ti_object object); /* false when full */
void ti_scene_remove(ti_scene *scene, int index);

/* Draws SCENE into rgb [size][size][3]. Pure: any thread, same result. */
te_status ti_scene_render(const ti_scene *scene, uint8_t *rgb, int size, te_error *err);
/* Which object is to be seen in each of SIDE x SIDE cells: its number counted from 1, 0 where none
 * covers a third of it. */
te_status ti_scene_map(const ti_scene *scene, uint8_t *cells, int side, te_error *err);

#endif
