/* backdrop.c - sky, land and weather behind, below and over the objects; see draw.h
 *
 * Patterns repeat every 8 or 16 units and start on the grid, so that grass is a handful of tokens.
 */
#include "world/draw.h"

#include <math.h>

typedef struct {
    unsigned top, bottom;
} gradient;

static gradient sky_colours(const ti_scene *s)
{
    static const gradient clear[TI_TIMES] = {{0x88b8e0, 0xf8dcc8},
                                             {0x4c98e0, 0xb8e0f8},
                                             {0x7c5c90, 0xf89850},
                                             {0x28305c, 0x9c6884},
                                             {0x080c28, 0x203060}};
    static const gradient grey[TI_TIMES] = {{0x98a0ac, 0xd0d0d4},
                                            {0x8c98a8, 0xc4ccd4},
                                            {0x6c6070, 0xb08c84},
                                            {0x2c2e44, 0x5c566c},
                                            {0x101420, 0x282e40}};
    if (s->weather == TI_STORM) {
        gradient dark = {0x2c3040, 0x586070}, night = {0x0c0e18, 0x20242e};
        return s->time == TI_NIGHT ? night : dark;
    }
    bool overcast = s->weather != TI_CLEAR && s->weather != TI_RAINBOW;
    return overcast ? grey[s->time] : clear[s->time];
}

static void fill_gradient(cairo_t *cr, double x, double y, double w, double h, gradient g)
{
    ti_rgb a = ti_hex(g.top), b = ti_hex(g.bottom);
    cairo_pattern_t *p = cairo_pattern_create_linear(0, y, 0, y + h);
    cairo_pattern_add_color_stop_rgb(p, 0, a.r, a.g, a.b);
    cairo_pattern_add_color_stop_rgb(p, 1, b.r, b.g, b.b);
    cairo_set_source(cr, p);
    cairo_rectangle(cr, x, y, w, h);
    cairo_fill(cr);
    cairo_pattern_destroy(p);
}

void ti_draw_sky(cairo_t *cr, const ti_scene *s)
{
    if (s->ground == TI_RED_DUST && s->time != TI_NIGHT) {
        gradient mars = {0xb88868, 0xe8c098};
        fill_gradient(cr, 0, 0, TI_CANVAS, 88, mars);
        return;
    }
    fill_gradient(cr, 0, 0, TI_CANVAS, 88, sky_colours(s));
}

static void draw_moon(cairo_t *cr, double x, double y, gradient sky)
{
    ti_disc(cr, x, y, 8, ti_hex(0xf4f0d8));
    ti_disc(cr, x + 4, y - 2, 6.5, ti_mix(ti_hex(sky.top), ti_hex(sky.bottom), 0.2));
}

static void draw_grey_clouds(cairo_t *cr, const ti_scene *s)
{
    ti_rgb c = s->weather == TI_STORM ? ti_hex(0x484c5c) : ti_hex(0xb8bec8);
    if (s->time >= TI_DUSK) c = ti_shade(c, s->time == TI_NIGHT ? 0.7 : 0.5);
    for (int i = 0; i < 4; i++) {
        double x = 16 + 32 * i, y = i % 2 ? 10 : 6;
        ti_oval(cr, x, y, 20, 8, ti_shade(c, 0.08));
        ti_oval(cr, x - 4, y - 3, 12, 6, ti_tint(c, 0.12));
    }
}

static void draw_rainbow(cairo_t *cr)
{
    static const unsigned bands[6] = {0xe84840, 0xf09838, 0xf8e050, 0x58b860, 0x4888e0, 0x9058c0};
    for (int i = 0; i < 6; i++) {
        ti_rgb c = ti_hex(bands[i]);
        cairo_set_source_rgb(cr, c.r, c.g, c.b);
        cairo_set_line_width(cr, 3.2);
        cairo_arc(cr, 64, 76, 60 - 3 * i, M_PI, 2 * M_PI);
        cairo_stroke(cr);
    }
}

void ti_draw_sky_lights(cairo_t *cr, const ti_scene *s)
{
    bool left = s->variant & 2;
    double x = left ? 44 : 84;
    if (s->weather == TI_RAINBOW) draw_rainbow(cr);
    if (s->weather == TI_CLEAR || s->weather == TI_RAINBOW) {
        if (s->time == TI_NIGHT) {
            for (int i = 0; i < 16; i++)
                ti_disc(cr, 4 + 24 * (i % 6) + 8 * (i / 6), 6 + 16 * (i / 6) + 8 * (i % 2), 0.9,
                        ti_hex(0xe8ecff));
            draw_moon(cr, x, 14, sky_colours(s));
        } else if (s->time == TI_DUSK) {
            draw_moon(cr, x, 14, sky_colours(s));
        } else if (s->time == TI_NOON) {
            ti_disc(cr, x, 12, 8, ti_hex(0xfff4b0));
            ti_disc(cr, x, 12, 6, ti_hex(0xffe040));
        } else {
            double low = ti_place_horizon(s) - 10, side = s->time == TI_MORNING ? 20 : 108;
            ti_halo(cr, side, low, 26, ti_hex(0xfff0c0), 0.7);
            ti_disc(cr, side, low, 9, ti_hex(s->time == TI_MORNING ? 0xfff0a8 : 0xff6030));
        }
    } else if (s->weather != TI_FOG) {
        draw_grey_clouds(cr, s);
    }
    if (s->weather == TI_STORM) {
        ti_rgb bolt = ti_hex(0xfff8b0);
        TI_POLYGON(cr, bolt, 88, 12, 80, 34, 86, 34, 78, 56, 94, 30, 87, 30, 94, 12);
    }
}

/* ---- land -------------------------------------------------------------------------------- */

static ti_rgb ground_colour(const ti_scene *s)
{
    static const unsigned colours[TI_GROUNDS] = {
        [TI_GRASS] = 0x60a848, [TI_SAND] = 0xe8cc90,  [TI_STONE] = 0xa0a4a8,
        [TI_SNOW] = 0xeef2f8,  [TI_SOIL] = 0x7c5838,  [TI_WOOD] = 0xb88450,
        [TI_TILES] = 0xd8d8d0, [TI_WATER] = 0x4888c0, [TI_RED_DUST] = 0xb85c38};
    static const unsigned grass[TI_SEASONS] = {0x84c450, 0x58a044, 0xb09848, 0xeef2f8};
    if (s->flooded) return ti_hex(colours[TI_WATER]);
    if (s->ground == TI_GRASS) return ti_hex(s->dry ? 0xccb068 : grass[s->season]);
    return ti_hex(colours[s->ground]);
}

static void water_lines(cairo_t *cr, double top, double bottom, ti_rgb c)
{
    for (int y = (int)top; y < bottom; y += 8)
        for (int x = y % 16 ? 8 : 0; x < TI_CANVAS; x += 16)
            ti_box(cr, x, y + 3, 8, 1.5, ti_tint(c, 0.3));
}

static void ground_pattern(cairo_t *cr, const ti_scene *s, int top, ti_rgb c)
{
    ti_ground kind = s->flooded ? TI_WATER : s->ground;
    ti_rgb dark = ti_shade(c, 0.16), light = ti_tint(c, 0.3);
    if (kind == TI_WATER) water_lines(cr, top, TI_CANVAS, c);
    for (int y = top; y < TI_CANVAS && kind != TI_WATER; y += 8) {
        bool odd = (y / 8) % 2;
        if (kind == TI_WOOD) ti_box(cr, 0, y + 7, TI_CANVAS, 1, dark);
        if (kind == TI_STONE || kind == TI_TILES) ti_box(cr, 0, y + 7, TI_CANVAS, 1, dark);
        for (int x = odd ? 0 : 8; x < TI_CANVAS; x += 16) {
            switch (kind) {
            case TI_GRASS:
                ti_line(cr, x + 2, y + 6, x + 3, y + 2, 1.2, dark);
                ti_line(cr, x + 4, y + 6, x + 5, y + 3, 1.2, light);
                if (s->season == TI_SPRING && !s->dry)
                    ti_disc(cr, x + 11, y + 3, 1.3, ti_hex(0xfff4f8));
                if (s->season == TI_AUTUMN) ti_disc(cr, x + 11, y + 3, 1.5, ti_hex(0xd06820));
                break;
            case TI_SAND:
            case TI_RED_DUST:
            case TI_SNOW:
                ti_box(cr, x + 2, y + 3, 5, 1, dark);
                break;
            case TI_SOIL:
                ti_box(cr, x, y + 3, 10, 2, dark);
                break;
            case TI_STONE:
            case TI_TILES:
                ti_box(cr, x + 7, y, 1, 8, dark);
                break;
            default:
                ti_box(cr, x + 4, y, 1, 7, dark);
                break;
            }
        }
    }
}

static void draw_hills(cairo_t *cr, const ti_scene *s, int horizon, ti_rgb c)
{
    ti_rgb far = ti_mix(c, ti_hex(0x88a8b8), 0.45);
    double shift = s->variant & 2 ? 40 : 0;
    ti_oval(cr, 24 + shift, horizon + 6, 50, 22, far);
    ti_oval(cr, 110 - shift, horizon + 6, 44, 15, ti_mix(far, c, 0.4));
}

static void draw_mountains(cairo_t *cr, int horizon)
{
    ti_rgb rock = ti_hex(0x7484a0), snow = ti_hex(0xf4f8fc);
    TI_POLYGON(cr, ti_tint(rock, 0.2), 48, horizon, 96, horizon - 36, 140, horizon);
    TI_POLYGON(cr, snow, 84, horizon - 27, 96, horizon - 36, 107, horizon - 27, 96, horizon - 24);
    TI_POLYGON(cr, rock, -14, horizon, 36, horizon - 44, 84, horizon);
    TI_POLYGON(cr, snow, 24, horizon - 33, 36, horizon - 44, 48, horizon - 33, 36, horizon - 29);
}

static void draw_town(cairo_t *cr, const ti_scene *s, int horizon)
{
    static const int tall[2][4] = {{32, 48, 24, 40}, {40, 24, 48, 32}};
    static const unsigned walls[4] = {0x9c8c88, 0x88909c, 0xa89880, 0x8c8494};
    for (int i = 0; i < 4; i++) {
        int h = tall[s->variant >> 1 & 1][i], x = 32 * i;
        ti_box(cr, x, horizon - h, 32, h, ti_hex(walls[i]));
        ti_rgb glass = s->time >= TI_DUSK && s->lights ? ti_hex(0xfff0a0) : ti_hex(0x5c6878);
        for (int y = horizon - h + 2; y + 6 <= horizon; y += 8)
            for (int k = 0; k < 4; k++) ti_box(cr, x + 2 + 8 * k, y, 4, 4, glass);
    }
}

static void draw_fence(cairo_t *cr, const ti_scene *s, int horizon)
{
    ti_rgb hedge = ti_shade(ti_leaf_colour(s, false), 0.2);
    ti_box(cr, 0, horizon - 24, TI_CANVAS, 24, hedge);
    for (int x = 0; x < TI_CANVAS; x += 16) ti_disc(cr, x + 8, horizon - 23, 8, hedge);
    ti_rgb wood = ti_hex(s->variant & 2 ? 0xf0ece0 : 0xb08858);
    ti_box(cr, 0, horizon - 11, TI_CANVAS, 2, wood);
    for (int x = 0; x < TI_CANVAS; x += 8)
        TI_POLYGON(cr, wood, x + 2, horizon, x + 2, horizon - 14, x + 4, horizon - 16, x + 6,
                   horizon - 14, x + 6, horizon);
}

static void draw_inside(cairo_t *cr, const ti_scene *s, int horizon)
{
    static const unsigned walls[4] = {0xe8d8b8, 0xc0d4dc, 0xd8c4cc, 0xc8d8b8};
    ti_rgb wall = ti_hex(walls[s->variant]);
    ti_box(cr, 0, 0, TI_CANVAS, horizon, wall);
    if (s->place == TI_KITCHEN)
        for (int y = 0; y < horizon; y += 16) {
            ti_box(cr, 0, y + 15, TI_CANVAS, 1, ti_tint(wall, 0.5));
            for (int x = 0; x < TI_CANVAS; x += 16)
                ti_box(cr, x + 15, y, 1, 16, ti_tint(wall, 0.5));
        }
    else
        ti_box(cr, 0, horizon - 4, TI_CANVAS, 4, ti_tint(wall, 0.6));
}

static void draw_window(cairo_t *cr, const ti_scene *s)
{
    gradient sky = sky_colours(s);
    ti_box(cr, 46, 14, 36, 36, ti_hex(0xf4f0e4));
    fill_gradient(cr, 48, 16, 32, 32, sky);
    if (s->time == TI_NIGHT) draw_moon(cr, 70, 26, sky);
    ti_box(cr, 63, 16, 2, 32, ti_hex(0xf4f0e4));
    ti_box(cr, 48, 31, 32, 2, ti_hex(0xf4f0e4));
}

static void draw_water_band(cairo_t *cr, const ti_scene *s, int horizon)
{
    ti_rgb water = ti_hex(s->place == TI_BEACH ? 0x3890c0 : 0x4080b0);
    if (s->frozen) water = ti_hex(0xd8ecf8);
    if (s->dry) water = ti_hex(0xb89868);
    ti_box(cr, 0, horizon, TI_CANVAS, 96 - horizon, water);
    if (s->dry)
        for (int x = 0; x < TI_CANVAS; x += 16) {
            ti_line(cr, x + 4, horizon + 6, x + 12, horizon + 14, 1.2, ti_shade(water, 0.35));
            ti_line(cr, x + 12, horizon + 14, x + 6, horizon + 22, 1.2, ti_shade(water, 0.35));
        }
    else if (!s->frozen)
        water_lines(cr, horizon, 96, water);
    if (s->place == TI_BEACH && !s->frozen && !s->dry)
        ti_box(cr, 0, 93, TI_CANVAS, 3, ti_hex(0xf4fafc));
}

void ti_draw_land(cairo_t *cr, const ti_scene *s)
{
    int horizon = ti_place_horizon(s), top = horizon;
    ti_rgb c = ground_colour(s);
    switch ((ti_place)s->place) {
    case TI_MEADOW:
        draw_hills(cr, s, horizon, c);
        break;
    case TI_GARDEN:
        draw_fence(cr, s, horizon);
        break;
    case TI_STREET:
        draw_town(cr, s, horizon);
        break;
    case TI_DESERT:
        draw_hills(cr, s, horizon, ti_tint(c, 0.2));
        break;
    case TI_LAKE:
        draw_mountains(cr, horizon);
        break;
    case TI_ROOM:
    case TI_KITCHEN:
        draw_inside(cr, s, horizon);
        if (s->place == TI_ROOM) draw_window(cr, s);
        break;
    default:
        break;
    }
    if (s->place == TI_BEACH || s->place == TI_LAKE) {
        draw_water_band(cr, s, horizon);
        top = 96;
    }
    ti_box(cr, 0, top, TI_CANVAS, TI_CANVAS - top, c);
    ground_pattern(cr, s, top, c);
    bool wet = s->weather == TI_RAIN || s->weather == TI_STORM;
    if (wet && !ti_place_indoors(s->place) && !s->flooded)
        for (int i = 0; i < 3; i++)
            ti_oval(cr, 24 + 40 * i, 120 + 4 * (i % 2), 13, 3, ti_hex(0x7c94ac));
}

/* ---- weather over everything ------------------------------------------------------------- */

void ti_draw_weather(cairo_t *cr, const ti_scene *s)
{
    if (ti_place_indoors(s->place)) return;
    double dim = s->time == TI_NIGHT ? 0.4 : s->time == TI_DUSK ? 0.6 : 1;
    if (s->weather == TI_FOG) {
        cairo_set_source_rgba(cr, 0.84 * dim, 0.86 * dim, 0.88 * dim, 0.62);
        cairo_paint(cr);
    }
    if (s->weather == TI_RAIN || s->weather == TI_STORM) {
        cairo_set_source_rgba(cr, 0.85, 0.9, 0.98, 0.75);
        cairo_set_line_width(cr, 1.1);
        for (int y = 0; y < TI_CANVAS; y += 16)
            for (int x = y % 32 ? 8 : 0; x < TI_CANVAS; x += 16) {
                cairo_move_to(cr, x + 6, y + 2);
                cairo_line_to(cr, x + 3, y + 12);
            }
        cairo_stroke(cr);
    }
    if (s->weather == TI_SNOWFALL)
        for (int y = 0; y < TI_CANVAS; y += 16)
            for (int x = y % 32 ? 8 : 0; x < TI_CANVAS; x += 16) {
                ti_disc(cr, x + 4, y + 4, 2.8, ti_hex(0xffffff));
                ti_disc(cr, x + 12, y + 12, 2.2, ti_hex(0xffffff));
            }
}
