/* draw.h - the few flat shapes everything is drawn with, and the table of sprites.
 *
 * A sprite draws one object around its own origin: the foot's middle (0, 0), or the centre for what
 * floats in the sky. It draws twice: TI_BODY before the light of the day falls on it, TI_GLOW after
 * (flames, lit windows), so that what shines is not darkened by the night.
 */
#ifndef TI_WORLD_DRAW_H
#define TI_WORLD_DRAW_H

#include <cairo.h>

#include "world/scene.h"

typedef enum ti_pass { TI_BODY, TI_GLOW } ti_pass;

typedef struct ti_sprite {
    cairo_t *cr;
    const ti_object *object;
    const ti_scene *scene;
    ti_rgb colour; /* the object's colour */
    ti_pass pass;
} ti_sprite;

typedef void (*ti_sprite_fn)(const ti_sprite *sprite);

static inline ti_rgb ti_hex(unsigned rgb)
{
    ti_rgb c = {(double)(rgb >> 16 & 255) / 255, (double)(rgb >> 8 & 255) / 255,
                (double)(rgb & 255) / 255};
    return c;
}

/* t = 0: a, t = 1: b */
static inline ti_rgb ti_mix(ti_rgb a, ti_rgb b, double t)
{
    ti_rgb c = {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
    return c;
}

static inline ti_rgb ti_shade(ti_rgb c, double t)
{
    return ti_mix(c, ti_hex(0x101018), t);
}

static inline ti_rgb ti_tint(ti_rgb c, double t)
{
    return ti_mix(c, ti_hex(0xffffff), t);
}

void ti_fill(cairo_t *cr, ti_rgb colour); /* fills and clears the path */
void ti_box(cairo_t *cr, double x, double y, double w, double h, ti_rgb colour);
void ti_round_box(cairo_t *cr, double x, double y, double w, double h, double r, ti_rgb colour);
void ti_disc(cairo_t *cr, double x, double y, double r, ti_rgb colour);
void ti_oval(cairo_t *cr, double x, double y, double rx, double ry, ti_rgb colour);
void ti_line(cairo_t *cr, double x0, double y0, double x1, double y1, double width, ti_rgb colour);
/* N points, x then y. */
void ti_polygon(cairo_t *cr, int n, const double *points, ti_rgb colour);
/* Light that fades outwards. */
void ti_halo(cairo_t *cr, double x, double y, double r, ti_rgb colour, double strength);
/* A flame of height H whose foot is at (x, y). */
void ti_flame(cairo_t *cr, double x, double y, double h);
/* Stripes or dots over the current clip, for objects that wear them. */
void ti_pattern(const ti_sprite *s, double x, double y, double w, double h);

#define TI_POLYGON(cr, colour, ...)                                                                \
    ti_polygon(cr, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double) / 2),              \
               (const double[]){__VA_ARGS__}, colour)

ti_rgb ti_leaf_colour(const ti_scene *scene, bool withered);

/* backdrop.c: sky and land, each on a canvas of its own */
void ti_draw_sky(cairo_t *cr, const ti_scene *scene);
void ti_draw_sky_lights(cairo_t *cr, const ti_scene *scene); /* sun, moon, stars, rainbow, clouds */
void ti_draw_land(cairo_t *cr, const ti_scene *scene);
void ti_draw_weather(cairo_t *cr, const ti_scene *scene); /* over everything */

extern const ti_sprite_fn ti_sprites[TI_THINGS];

/* sprite_nature.c, sprite_street.c, sprite_table.c */
void ti_sprite_tree(const ti_sprite *s);
void ti_sprite_pine(const ti_sprite *s);
void ti_sprite_flower(const ti_sprite *s);
void ti_sprite_cactus(const ti_sprite *s);
void ti_sprite_rock(const ti_sprite *s);
void ti_sprite_pumpkin(const ti_sprite *s);
void ti_sprite_sapling(const ti_sprite *s);
void ti_sprite_stump(const ti_sprite *s);
void ti_sprite_snowman(const ti_sprite *s);
void ti_sprite_campfire(const ti_sprite *s);
void ti_sprite_cat(const ti_sprite *s);
void ti_sprite_dog(const ti_sprite *s);
void ti_sprite_cow(const ti_sprite *s);
void ti_sprite_hen(const ti_sprite *s);
void ti_sprite_chick(const ti_sprite *s);
void ti_sprite_caterpillar(const ti_sprite *s);
void ti_sprite_butterfly(const ti_sprite *s);
void ti_sprite_bird(const ti_sprite *s);
void ti_sprite_cloud(const ti_sprite *s);
void ti_sprite_house(const ti_sprite *s);
void ti_sprite_car(const ti_sprite *s);
void ti_sprite_bus(const ti_sprite *s);
void ti_sprite_ball(const ti_sprite *s);
void ti_sprite_bench(const ti_sprite *s);
void ti_sprite_tent(const ti_sprite *s);
void ti_sprite_mailbox(const ti_sprite *s);
void ti_sprite_street_lamp(const ti_sprite *s);
void ti_sprite_traffic_light(const ti_sprite *s);
void ti_sprite_parasol(const ti_sprite *s);
void ti_sprite_flag(const ti_sprite *s);
void ti_sprite_boat(const ti_sprite *s);
void ti_sprite_balloon(const ti_sprite *s);
void ti_sprite_kite(const ti_sprite *s);
void ti_sprite_plane(const ti_sprite *s);
void ti_sprite_cup(const ti_sprite *s);
void ti_sprite_candle(const ti_sprite *s);
void ti_sprite_apple(const ti_sprite *s);
void ti_sprite_banana(const ti_sprite *s);
void ti_sprite_vase(const ti_sprite *s);
void ti_sprite_book(const ti_sprite *s);
void ti_sprite_cake(const ti_sprite *s);
void ti_sprite_ice(const ti_sprite *s);
void ti_sprite_lamp(const ti_sprite *s);
void ti_sprite_egg(const ti_sprite *s);
void ti_sprite_chair(const ti_sprite *s);
void ti_sprite_gift(const ti_sprite *s);
void ti_sprite_bottle(const ti_sprite *s);

#endif
