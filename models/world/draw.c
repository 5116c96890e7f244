/* draw.c - flat shapes; see draw.h */
#include "world/draw.h"

#include <math.h>

void ti_fill(cairo_t *cr, ti_rgb colour)
{
    cairo_set_source_rgb(cr, colour.r, colour.g, colour.b);
    cairo_fill(cr);
}

void ti_box(cairo_t *cr, double x, double y, double w, double h, ti_rgb colour)
{
    cairo_rectangle(cr, x, y, w, h);
    ti_fill(cr, colour);
}

void ti_round_box(cairo_t *cr, double x, double y, double w, double h, double r, ti_rgb colour)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x + w - r, y + r, r, -M_PI / 2, 0);
    cairo_arc(cr, x + w - r, y + h - r, r, 0, M_PI / 2);
    cairo_arc(cr, x + r, y + h - r, r, M_PI / 2, M_PI);
    cairo_arc(cr, x + r, y + r, r, M_PI, 3 * M_PI / 2);
    cairo_close_path(cr);
    ti_fill(cr, colour);
}

void ti_disc(cairo_t *cr, double x, double y, double r, ti_rgb colour)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, y, r, 0, 2 * M_PI);
    ti_fill(cr, colour);
}

void ti_oval(cairo_t *cr, double x, double y, double rx, double ry, ti_rgb colour)
{
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, rx, ry);
    cairo_new_sub_path(cr);
    cairo_arc(cr, 0, 0, 1, 0, 2 * M_PI);
    cairo_restore(cr);
    ti_fill(cr, colour);
}

void ti_line(cairo_t *cr, double x0, double y0, double x1, double y1, double width, ti_rgb colour)
{
    cairo_set_source_rgb(cr, colour.r, colour.g, colour.b);
    cairo_set_line_width(cr, width);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

void ti_polygon(cairo_t *cr, int n, const double *points, ti_rgb colour)
{
    for (int i = 0; i < n; i++) cairo_line_to(cr, points[2 * i], points[2 * i + 1]);
    cairo_close_path(cr);
    ti_fill(cr, colour);
}

void ti_halo(cairo_t *cr, double x, double y, double r, ti_rgb colour, double strength)
{
    cairo_pattern_t *light = cairo_pattern_create_radial(x, y, 0, x, y, r);
    cairo_pattern_add_color_stop_rgba(light, 0, colour.r, colour.g, colour.b, strength);
    cairo_pattern_add_color_stop_rgba(light, 1, colour.r, colour.g, colour.b, 0);
    cairo_set_source(cr, light);
    cairo_arc(cr, x, y, r, 0, 2 * M_PI);
    cairo_fill(cr);
    cairo_pattern_destroy(light);
}

static void flame_shape(cairo_t *cr, double x, double y, double w, double h, ti_rgb colour)
{
    cairo_move_to(cr, x, y - h);
    cairo_curve_to(cr, x + w * 0.3, y - h * 0.6, x + w, y - h * 0.45, x + w * 0.6, y);
    cairo_line_to(cr, x - w * 0.6, y);
    cairo_curve_to(cr, x - w, y - h * 0.45, x - w * 0.3, y - h * 0.6, x, y - h);
    ti_fill(cr, colour);
}

void ti_flame(cairo_t *cr, double x, double y, double h)
{
    flame_shape(cr, x, y, h * 0.36, h, ti_hex(0xf07818));
    flame_shape(cr, x, y, h * 0.2, h * 0.6, ti_hex(0xffe070));
}

void ti_pattern(const ti_sprite *s, double x, double y, double w, double h)
{
    double luma = 0.3 * s->colour.r + 0.59 * s->colour.g + 0.11 * s->colour.b;
    ti_rgb ink = luma > 0.6 ? ti_hex(0x30303c) : ti_hex(0xffffff);
    if (s->object->state == TI_STRIPED)
        for (double at = x + 3; at < x + w; at += 12) ti_box(s->cr, at, y, 6, h, ink);
    if (s->object->state == TI_DOTTED)
        for (double v = y + 6; v < y + h; v += 12)
            for (double u = x + 6; u < x + w; u += 12) ti_disc(s->cr, u, v, 4, ink);
}

ti_rgb ti_leaf_colour(const ti_scene *scene, bool withered)
{
    if (withered || scene->dry) return ti_hex(0xa08048);
    static const unsigned leaves[TI_SEASONS] = {0x78b848, 0x3c8c3c, 0xd87820, 0x587850};
    return ti_hex(leaves[scene->season]);
}

const ti_sprite_fn ti_sprites[TI_THINGS] = {
    [TI_HOUSE] = ti_sprite_house,
    [TI_TREE] = ti_sprite_tree,
    [TI_PINE] = ti_sprite_pine,
    [TI_CAR] = ti_sprite_car,
    [TI_BALL] = ti_sprite_ball,
    [TI_BENCH] = ti_sprite_bench,
    [TI_TENT] = ti_sprite_tent,
    [TI_FLOWER] = ti_sprite_flower,
    [TI_MAILBOX] = ti_sprite_mailbox,
    [TI_STREET_LAMP] = ti_sprite_street_lamp,
    [TI_TRAFFIC_LIGHT] = ti_sprite_traffic_light,
    [TI_SNOWMAN] = ti_sprite_snowman,
    [TI_CAMPFIRE] = ti_sprite_campfire,
    [TI_CAT] = ti_sprite_cat,
    [TI_DOG] = ti_sprite_dog,
    [TI_COW] = ti_sprite_cow,
    [TI_HEN] = ti_sprite_hen,
    [TI_PARASOL] = ti_sprite_parasol,
    [TI_CACTUS] = ti_sprite_cactus,
    [TI_ROCK] = ti_sprite_rock,
    [TI_PUMPKIN] = ti_sprite_pumpkin,
    [TI_FLAG] = ti_sprite_flag,
    [TI_BOAT] = ti_sprite_boat,
    [TI_BUS] = ti_sprite_bus,
    [TI_SAPLING] = ti_sprite_sapling,
    [TI_STUMP] = ti_sprite_stump,
    [TI_BALLOON] = ti_sprite_balloon,
    [TI_KITE] = ti_sprite_kite,
    [TI_BIRD] = ti_sprite_bird,
    [TI_PLANE] = ti_sprite_plane,
    [TI_CLOUD] = ti_sprite_cloud,
    [TI_CUP] = ti_sprite_cup,
    [TI_CANDLE] = ti_sprite_candle,
    [TI_APPLE] = ti_sprite_apple,
    [TI_TOMATO] = ti_sprite_apple,
    [TI_BANANA] = ti_sprite_banana,
    [TI_VASE] = ti_sprite_vase,
    [TI_BOOK] = ti_sprite_book,
    [TI_CAKE] = ti_sprite_cake,
    [TI_ICE] = ti_sprite_ice,
    [TI_LAMP] = ti_sprite_lamp,
    [TI_EGG] = ti_sprite_egg,
    [TI_CHICK] = ti_sprite_chick,
    [TI_CATERPILLAR] = ti_sprite_caterpillar,
    [TI_BUTTERFLY] = ti_sprite_butterfly,
    [TI_CHAIR] = ti_sprite_chair,
    [TI_GIFT] = ti_sprite_gift,
    [TI_BOTTLE] = ti_sprite_bottle,
};
