/* op.h - operations: what an edit does to a scene, as plain data.
 *
 * Every edit of a scene, however it is asked for, is one of these operations, and an operation can
 * be applied to a scene, written as the clause of a reasoning ("remove the red car") and read back
 * from it. This closed set is what lets a checker compare words with pixels.
 */
#ifndef TI_WORLD_OP_H
#define TI_WORLD_OP_H

#include "world/scene.h"
#include "world/tone.h"

typedef enum ti_op_code {
    TI_OP_NONE,
    TI_OP_REMOVE,  /* type */
    TI_OP_ADD,     /* other at slot */
    TI_OP_MOVE,    /* type to slot */
    TI_OP_SWAP,    /* type and other */
    TI_OP_PAINT,   /* type in the colour VALUE */
    TI_OP_REPLACE, /* type by other */
    TI_OP_ENLARGE, /* type */
    TI_OP_SHRINK,  /* type */
    TI_OP_COPY,    /* type to slot */
    TI_OP_TIME,    /* ti_time */
    TI_OP_SEASON,  /* ti_season */
    TI_OP_WEATHER, /* ti_weather */
    TI_OP_GROUND,  /* ti_ground */
    TI_OP_STATE,   /* type into ti_state */
    TI_OP_LIGHTS,  /* 0 off, 1 on */
    TI_OP_DRY,
    TI_OP_GREEN, /* what was dry */
    TI_OP_FREEZE,
    TI_OP_FLOOD,
    TI_OP_CLEAR, /* every object goes */
    TI_OP_FRAME, /* ti_colour */
    TI_OP_HOIST, /* ti_flag */
    TI_OP_TONE,  /* ti_tone: the whole picture */
    TI_OP_DRAW,  /* generation: a scene from nothing */
    TI_OP_CODES
} ti_op_code;

typedef struct ti_op {
    uint8_t code;
    uint8_t type, colour;        /* the object it is about */
    uint8_t other, other_colour; /* the second object */
    uint8_t slot;
    uint8_t value;
} ti_op;

/* Changes SCENE; false when OP makes no sense there (object missing, place taken) or would change
 * nothing. */
bool ti_op_apply(ti_scene *scene, ti_op op);
/* Whether two operations ask for the same: a swap may name its two things in either order. */
bool ti_op_same(ti_op a, ti_op b);

#endif
