/* kinds_spatial.c - where things are, and how big; see kinds.h */
#include "world/kinds.h"

static bool plan_move(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_MOVE)) return false;
    int slot = ti_stage_slot(plan, (ti_thing)plan->op.type);
    plan->op.slot = (uint8_t)slot;
    return slot >= 0;
}

static bool plan_side(ti_edit_plan *plan, int slot)
{
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_MOVE)) return false;
    plan->op.slot = (uint8_t)slot;
    return !(ti_thing_get((ti_thing)plan->op.type)->traits & TI_IN_SKY);
}

static bool plan_shrink(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_SHRINK)) return false;
    if (ti_draw_chance(plan->draw, 0.4))
        plan->scene.objects[ti_scene_find(&plan->scene, (ti_thing)plan->op.type)].size = TI_BIG;
    return true;
}

static bool plan_enlarge(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_ENLARGE)) return false;
    if (ti_draw_chance(plan->draw, 0.4))
        plan->scene.objects[ti_scene_find(&plan->scene, (ti_thing)plan->op.type)].size = TI_SMALL;
    return true;
}

static bool plan_swap(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_SWAP) || plan->scene.n_objects < 2) return false;
    const ti_object *other = &plan->scene.objects[ti_draw_below(plan->draw, plan->scene.n_objects)];
    plan->op.other = other->type;
    plan->op.other_colour = other->colour;
    return other->type != plan->op.type;
}

static bool plan_copy(ti_edit_plan *plan, int unused)
{
    (void)unused;
    if (!ti_stage_any(plan, TI_ANYWHERE, TI_OP_COPY)) return false;
    int slot = ti_stage_slot(plan, (ti_thing)plan->op.type);
    plan->op.slot = (uint8_t)slot;
    return slot >= 0;
}

static bool plan_add_beside(ti_edit_plan *plan, int in_sky)
{
    ti_stage(plan, in_sky ? TI_OUTDOORS : TI_ANYWHERE);
    ti_stage_fill(plan, 1 + (int)ti_draw_below(plan->draw, 2));
    ti_thing type = ti_stage_type(plan, in_sky);
    if (type == TI_NOTHING || !plan->scene.n_objects) return false;
    int slot = ti_stage_slot(plan, type);
    plan->op = (ti_op){.code = TI_OP_ADD, .other = (uint8_t)type, .slot = (uint8_t)slot};
    plan->op.other_colour = (uint8_t)ti_stage_colour(plan, type);
    return slot >= 0;
}

/* The target is named by its place alone. */
static bool plan_at_place(ti_edit_plan *plan, int code)
{
    if (!ti_stage_any(plan, TI_ANYWHERE, (ti_op_code)code)) return false;
    if (code == TI_OP_PAINT) {
        if (!plan->op.colour) return false;
        plan->op.value = (uint8_t)ti_stage_colour(plan, (ti_thing)plan->op.type);
    }
    return true;
}

const ti_edit_kind ti_kinds_spatial[] = {
    {"move", plan_move, 0,
     TI_WORDS("move the $n $t", "carry the $n over $t", "put the $o $t", "shift the $n $t",
              "the $n should be $p", "place the $o $p instead", "bring the $n $t",
              "*carry the $o $t", "i would like the $n $p", "take the $n $t",
              "*let the $n stand $p", "*relocate the $n $t", "drag the $o $t", "get the $n $t",
              "how would it look with the $n $p", "*what if the $n were $p"),
     TI_WORDS("the $n is wanted $p", "the $o belongs $p now",
              "its place changes and nothing else")},
    {"move-left", plan_side, TI_LEFT,
     TI_WORDS("move the $n to the left side", "shove the $n left", "slide the $o all the way left",
              "put the $n at the left edge", "the $n belongs left", "push the $n left",
              "*shove the $n all the way left", "the $o should go left", "send the $n to the left",
              "*place the $n at the left side", "i want the $n on the left",
              "take the $o over to the left", "*the $n should be at the left edge",
              "left with the $n", "pull the $n left"),
     TI_WORDS("the left side is where the $n is wanted", "left is the side that was asked for")},
    {"move-right", plan_side, TI_RIGHT,
     TI_WORDS("move the $n to the right side", "shove the $n right",
              "slide the $o all the way right", "put the $n at the right edge",
              "the $n belongs right", "push the $n right", "*shove the $n all the way right",
              "the $o should go right", "send the $n to the right",
              "*place the $n at the right side", "i want the $n on the right",
              "take the $o over to the right", "*the $n should be at the right edge",
              "right with the $n", "pull the $n right"),
     TI_WORDS("the right side is where the $n is wanted", "right is the side that was asked for")},
    {"centre", plan_side, TI_MIDDLE,
     TI_WORDS("centre the $n", "put the $n in the centre",
              "move the $o to the centre of the picture", "the $n should be in the middle",
              "bring the $n to the centre", "*the $o belongs in the centre",
              "make the $n the centre of the picture", "place the $o right in the middle",
              "*place the $n in the centre", "slide the $n into the middle",
              "*centre the $o in the picture", "set the $n in the middle of the picture",
              "i want the $o in the centre", "the $n to the middle"),
     TI_WORDS("the centre is the middle place", "the eye should fall on the $n first")},
    {"swap", plan_swap, 0,
     TI_WORDS("swap the $n and the $m", "exchange the $o and the $b", "switch the $n with the $m",
              "let the $n and the $m change places", "put the $n where the $m is",
              "trade the places of the $n and the $m", "*the $n and the $m should trade places",
              "the $o and the $b swap places", "*exchange the places of the $n and the $m",
              "put the $m where the $n is now and the other way round",
              "change the $n and the $m around", "*switch the places of the $o and the $b",
              "i want the $n in the place of the $m", "swap places of the $m and the $n"),
     TI_WORDS("each takes the place of the other", "the $n and the $m trade places")},
    {"enlarge", plan_enlarge, 0,
     TI_WORDS("make the $n bigger", "enlarge the $n", "the $o should be larger",
              "let the $n be huge", "scale up the $n", "make the $o look large", "*scale the $o up",
              "i want a bigger $n", "the $n is too small", "*the $o is too small for me",
              "increase the size of the $n", "bring the $n closer", "*make the $n larger",
              "bigger $n"),
     TI_WORDS("the $n should take more room", "a larger $n is wanted",
              "closer things look larger")},
    {"shrink", plan_shrink, 0,
     TI_WORDS("make the $n smaller", "shrink the $n", "the $o should be smaller",
              "let the $n be tiny", "scale down the $n", "make the $o look small",
              "*scale the $o down", "i want a smaller $n", "the $n is too big",
              "*the $o is too big for me", "reduce the size of the $n", "send the $n further away",
              "*make the $n tiny", "smaller $n"),
     TI_WORDS("the $n should take less room", "a smaller $n is wanted",
              "things far away look smaller")},
    {"copy", plan_copy, 0,
     TI_WORDS("put a second $n $p", "copy the $n $t", "add another $n $p", "one more $n $p",
              "duplicate the $o $t", "i want two of the $n, the other one $p",
              "*duplicate the $n and put it $p", "there should be another $o $p",
              "clone the $n and place it $p", "*clone the $o $t", "the same $n again $p",
              "repeat the $n $p", "*one more of the $n $p", "give the $n a twin $p"),
     TI_WORDS("a second one of the same kind is wanted $p", "two are wanted where there was one")},
    {"add-beside", plan_add_beside, 0,
     TI_WORDS("put $B $p", "add $B $p", "place $B $p", "there should be $B $p", "$p i want $B",
              "insert $B $p", "*i would like $B $p", "set $B $p", "*$p there should be $B",
              "give me $B $p", "let $B appear $p", "*draw $B $p", "$p is room for $B",
              "fill the free place $p with $B"),
     TI_WORDS("the place is free", "there is room $p", "nothing stands $p")},
    {"add-above", plan_add_beside, 1,
     TI_WORDS("put $B into the sky $p", "let $B fly $p", "add $B in the sky $p",
              "$B should float $p", "i want $B up in the air $p", "hang $B in the air $p",
              "*let $B float in the sky $p", "up there $p add $B", "place $B in the air $p",
              "*put $B up in the air $p", "draw $B in the sky $p", "the sky needs $B $p",
              "*add $B up there $p", "send $B up $t"),
     TI_WORDS("the sky has room $p", "it floats in the air", "nothing is there in the sky")},
    {"remove-at", plan_at_place, TI_OP_REMOVE,
     TI_WORDS("remove the thing $w", "take away what is $w", "clear the place $w",
              "delete the object $w", "what is $w has to go", "get rid of the thing $w",
              "*take away the object $w", "nothing should be $w", "erase what you see $w",
              "*get rid of what is $w", "there should be nothing $w", "make the place $w empty",
              "*delete what is $w", "i do not want anything $w"),
     TI_WORDS("the thing $w is the $n", "what is $w is the $o", "$w there is the $o")},
    {"paint-at", plan_at_place, TI_OP_PAINT,
     TI_WORDS("paint the thing $w $v", "make what is $w $v", "the object $w should be $v",
              "turn the thing $w $v", "colour the object $w $v", "give $v colour to the thing $w",
              "*colour what is $w $v", "what is $w should turn $v", "*paint the object $w $v",
              "i want the thing $w in $v", "change the colour of the thing $w to $v",
              "*the thing $w should be $v", "use $v for what is $w", "dye the thing $w $v"),
     TI_WORDS("the thing $w is the $n", "what is $w is the $o", "$w there is the $o")},
};
const int ti_n_spatial = sizeof ti_kinds_spatial / sizeof *ti_kinds_spatial;
