/* texture.c - see texture.h
 *
 * Each recipe draws flat or shaded shapes with cairo in a small palette of muted, related colours;
 * then a 1/f field roughens the light, and a camera finishes it. */
#include "world/texture.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "world/camera.h"
#include "world/draw.h"

#define PALETTE 6

typedef struct {
    ti_draw *draw;
    cairo_t *cr;
    ti_rgb palette[PALETTE];
    bool one_hue; /* all over, strong or a mere tint */
} canvas;

static double between(canvas *c, double low, double high)
{
    return ti_draw_between(c->draw, low, high);
}

static ti_rgb from_hsv(double h, double s, double v)
{
    double f[3] = {fabs(fmod(h + 6, 6) - 3) - 1, 2 - fabs(fmod(h + 6, 6) - 2),
                   2 - fabs(fmod(h + 6, 6) - 4)};
    for (int i = 0; i < 3; i++) f[i] = v * (1 - s + s * fmin(fmax(f[i], 0), 1));
    return (ti_rgb){f[0], f[1], f[2]};
}

/* A colour whose hue, saturation and value are drawn from ranges. Draws stand in statements of
 * their own everywhere in this file: C leaves the order of arguments to the compiler. */
static ti_rgb draw_hsv(canvas *c, double h0, double h1, double s0, double s1, double v0, double v1)
{
    double h = between(c, h0, h1), s = between(c, s0, s1), v = between(c, v0, v1);
    return from_hsv(h, s, v);
}

/* Natural pictures are mostly muted, around one or two hues (often earth, leaf or sky), with an
 * accent. Some are of one hue: loud, a flower close up or the blue hour, or tinted, bare wood or
 * water under a grey sky. */
static void draw_palette(canvas *c)
{
    static const double hues[8] = {0.1, 0.4, 0.6, 0.9, 1.5, 2.1, 3.4, 3.7};
    double h0 = hues[ti_draw_below(c->draw, 8)], h1;
    h0 += between(c, -0.3, 0.3);
    h1 = ti_draw_chance(c->draw, 0.4) ? between(c, 0, 6) : h0 + between(c, -0.5, 0.5);
    const double mood = between(c, 0, 1), tint = between(c, 0.05, 0.85);
    const bool loud = mood < 0.25, tinted = !loud && mood < 0.45;
    c->one_hue = loud || tinted;
    if (c->one_hue) {
        h0 = between(c, 0, 6);
        h1 = h0 + (loud ? between(c, -0.4, 0.4) : between(c, -0.1, 0.1));
    }
    for (int i = 0; i < PALETTE; i++) {
        double s = between(c, 0, 1);
        s = loud     ? 0.6 + 0.4 * s
            : tinted ? tint * (0.8 + 0.4 * s)
            : i < 2  ? 0.35 + 0.6 * s
                     : 0.7 * s * s;
        c->palette[i] =
            draw_hsv(c, (i % 2 ? h1 : h0) - 0.2, (i % 2 ? h1 : h0) + 0.2, s, s, 0.08, 0.98);
    }
}

static ti_rgb pick(canvas *c)
{
    ti_rgb colour = c->palette[ti_draw_below(c->draw, PALETTE)];
    double t = between(c, -0.25, 0.25);
    return t < 0 ? ti_shade(colour, -t) : ti_tint(colour, t);
}

static void shade_source(canvas *c, double x, double y, double r, ti_rgb colour)
{
    double turn = between(c, 0, 2 * M_PI);
    cairo_pattern_t *p = cairo_pattern_create_linear(x + r * cos(turn), y + r * sin(turn),
                                                     x - r * cos(turn), y - r * sin(turn));
    ti_rgb a = ti_tint(colour, between(c, 0, 0.35)), b = ti_shade(colour, between(c, 0, 0.5));
    cairo_pattern_add_color_stop_rgb(p, 0, a.r, a.g, a.b);
    cairo_pattern_add_color_stop_rgb(p, 1, b.r, b.g, b.b);
    cairo_set_source(c->cr, p);
    cairo_pattern_destroy(p);
}

static void blob_path(canvas *c, double x, double y, double r)
{
    cairo_save(c->cr);
    cairo_translate(c->cr, x, y);
    cairo_rotate(c->cr, between(c, 0, M_PI));
    cairo_scale(c->cr, r, r * between(c, 0.4, 1));
    if (ti_draw_chance(c->draw, 0.6))
        cairo_arc(c->cr, 0, 0, 1, 0, 2 * M_PI);
    else
        cairo_rectangle(c->cr, -1, -1, 2, 2);
    cairo_restore(c->cr);
}

/* Opaque shapes whose radii follow a power law hide each other: the statistics of natural pictures.
 */
static void dead_leaves(canvas *c)
{
    double smallest = between(c, 3, 10);
    for (int i = 0; i < 110; i++) {
        double u = between(c, 0.02, 1), r = smallest / sqrt(u) * 1.2;
        double x = between(c, -8, 136), y = between(c, -8, 136);
        shade_source(c, x, y, r, pick(c));
        blob_path(c, x, y, r);
        cairo_fill(c->cr);
    }
}

/* N blurred lights above BOTTOM. */
static void soft_spots(canvas *c, int n, double bottom, double r0, double r1, double strength)
{
    for (int i = 0; i < n; i++) {
        double x = between(c, 0, 128), y = between(c, 0, bottom), r = between(c, r0, r1);
        ti_rgb colour = pick(c);
        ti_halo(c->cr, x, y, r, colour, strength * between(c, 0.5, 1));
    }
}

static void soft_lights(canvas *c)
{
    soft_spots(c, 26, 128, 8, 60, 1);
}

static void foliage(canvas *c)
{
    double hue = between(c, 1.2, 2.2), grown = between(c, 3, 9);
    if (ti_draw_chance(c->draw, 0.5)) soft_lights(c);
    for (int i = 0; i < 170; i++) {
        double x = between(c, -4, 132), y = between(c, -4, 132);
        double bright = 0.5 + (double)i / 340;
        ti_rgb leaf = draw_hsv(c, hue - 0.25, hue + 0.25, 0.25, 0.8, 0.1 * bright, 0.75 * bright);
        cairo_save(c->cr);
        cairo_translate(c->cr, x, y);
        cairo_rotate(c->cr, between(c, 0, M_PI));
        ti_oval(c->cr, 0, 0, grown * between(c, 0.7, 1.6), grown * 0.45, leaf);
        cairo_restore(c->cr);
    }
    for (int i = (int)ti_draw_below(c->draw, 8); i > 0; i--) {
        double x = between(c, 0, 128), y = between(c, 0, 128);
        ti_disc(c->cr, x, y, between(c, 2, 7), c->palette[0]);
    }
}

static void buildings(canvas *c)
{
    ti_rgb top = pick(c);
    shade_source(c, 64, 64, 80, ti_tint(top, 0.3));
    cairo_paint(c->cr);
    double x = -10;
    while (x < 128) {
        double w = between(c, 18, 50), top_y = between(c, 5, 80), lean = between(c, -6, 6);
        ti_rgb wall = pick(c), glass = pick(c);
        TI_POLYGON(c->cr, wall, x, 130, x + lean, top_y, x + w + lean, top_y + between(c, -8, 8),
                   x + w, 130);
        double step = between(c, 8, 18);
        for (double v = top_y + 5; v < 126; v += step)
            for (double u = x + 4; u + step * 0.5 < x + w - 2; u += step)
                ti_box(c->cr, u + lean * (1 - (v - top_y) / 130), v, step * 0.5, step * 0.6, glass);
        x += w * between(c, 0.6, 1.1);
    }
    if (ti_draw_chance(c->draw, 0.5)) {
        ti_rgb road = pick(c);
        ti_box(c->cr, 0, between(c, 100, 120), 128, 30, road);
    }
}

/* Layers of hills with bushes before them. */
static void hills(canvas *c, double horizon, ti_rgb haze)
{
    for (int layer = 0; layer < 3; layer++) {
        double y = horizon + layer * 14;
        ti_rgb land = ti_mix(pick(c), haze, 0.5 - 0.25 * layer);
        cairo_move_to(c->cr, 0, 130);
        for (int x = 0; x <= 128; x += 16)
            cairo_line_to(c->cr, x, y - between(c, 0, 20 - 5 * layer));
        cairo_line_to(c->cr, 130, 130);
        ti_fill(c->cr, land);
    }
    ti_rgb green = draw_hsv(c, 1, 2, 0.2, 0.7, 0.15, 0.6);
    for (int i = ti_draw_chance(c->draw, 0.7) ? 50 : 0; i > 0; i--) {
        double x = between(c, 0, 128), y = horizon + 28 + between(c, 0, 80);
        double rx = between(c, 2, 9), ry = between(c, 2, 6);
        ti_oval(c->cr, x, y, rx, ry, ti_shade(green, between(c, 0, 0.5)));
    }
}

/* A straight horizon, perhaps of the sea, and ground that is blades, ruts or waves. */
static void plain(canvas *c, double horizon, ti_rgb haze)
{
    double shore = ti_draw_chance(c->draw, 0.6) ? horizon + between(c, 6, 40) : horizon;
    ti_rgb sea = draw_hsv(c, 2.8, 3.8, 0.2, 0.8, 0.3, 0.8), ground = pick(c);
    ti_box(c->cr, 0, horizon, 128, 130, ti_mix(sea, haze, between(c, 0, 0.4)));
    cairo_move_to(c->cr, 0, 130);
    double rise = between(c, 0, 12);
    for (int x = 0; x <= 128; x += 16) cairo_line_to(c->cr, x, shore - between(c, 0, rise));
    cairo_line_to(c->cr, 130, 130);
    ti_fill(c->cr, ground);
    bool upright = ti_draw_chance(c->draw, 0.6);
    const bool tall = upright && ti_draw_chance(c->draw, 0.4); /* up to the sky */
    double length = tall ? between(c, 30, 80) : between(c, 4, 30), light = between(c, 0.1, 0.5);
    for (int i = 0; i < 160; i++) {
        double x = between(c, -4, 132), y = shore + between(c, 0, 1.1) * (130 - shore);
        double near = 0.3 + (y - shore) / (130 - shore + 1),
               lean = between(c, -0.4, 0.4) * fmin(length, 40);
        double along = length * near * between(c, 0.5, 1.5), t = between(c, -light, light);
        ti_rgb blade = ti_draw_chance(c->draw, 0.15) ? pick(c) : ground;
        blade = t < 0 ? ti_shade(blade, -t) : ti_tint(blade, t);
        cairo_set_source_rgb(c->cr, blade.r, blade.g, blade.b);
        cairo_set_line_width(c->cr, between(c, 0.5, 2.5) * near);
        cairo_move_to(c->cr, x, y);
        cairo_line_to(c->cr, upright ? x + lean : x + along, upright ? y - along : y + 0.05 * lean);
        cairo_stroke(c->cr);
    }
}

static void landscape(canvas *c)
{
    double horizon = between(c, 35, 95);
    ti_rgb sky = draw_hsv(c, 3.1, 3.8, 0.05, 0.6, 0.5, 1), low = draw_hsv(c, 0, 1, 0.3, 0.3, 1, 1);
    low = ti_mix(sky, low, between(c, 0.2, 0.9));
    cairo_pattern_t *p = cairo_pattern_create_linear(0, 0, 0, horizon);
    cairo_pattern_add_color_stop_rgb(p, 0, sky.r, sky.g, sky.b);
    cairo_pattern_add_color_stop_rgb(p, 1, low.r, low.g, low.b);
    cairo_set_source(c->cr, p);
    cairo_paint(c->cr);
    cairo_pattern_destroy(p);
    const bool clear = ti_draw_chance(c->draw, 0.35);
    for (int i = clear ? 0 : (int)ti_draw_below(c->draw, 7); i > 0; i--) {
        double x = between(c, 0, 128), y = between(c, 0, horizon), r = between(c, 10, 34);
        ti_halo(c->cr, x, y, r, ti_hex(0xffffff), between(c, 0.3, 0.9));
    }
    if (ti_draw_chance(c->draw, 0.5))
        hills(c, horizon, low);
    else
        plain(c, horizon, low);
}

/* Things on a table before a blurred wall: what people photograph indoors. */
static void still_life(canvas *c)
{
    shade_source(c, 64, 40, 90, pick(c));
    cairo_paint(c->cr);
    soft_spots(c, 8, 70, 12, 50, 0.7);
    double edge = between(c, 60, 100), tilt = between(c, -20, 20);
    TI_POLYGON(c->cr, pick(c), -4, edge - tilt, 132, edge + tilt, 132, 132, -4, 132);
    for (int i = 2 + (int)ti_draw_below(c->draw, 4); i > 0; i--) {
        double x = between(c, 10, 118), y = between(c, edge - 20, 120), r = between(c, 8, 34);
        ti_halo(c->cr, x, y + r * 0.8, r * 1.3, ti_hex(0x080808), 0.5);
        shade_source(c, x, y, r, pick(c));
        if (ti_draw_chance(c->draw, 0.5)) {
            blob_path(c, x, y, r);
        } else {
            cairo_save(c->cr);
            cairo_translate(c->cr, x, y);
            cairo_rotate(c->cr, between(c, -0.5, 0.5));
            cairo_rectangle(c->cr, -r * 0.7, -r * 1.4, r * 1.4, r * 2);
            cairo_restore(c->cr);
        }
        cairo_fill(c->cr);
        for (int k = (int)ti_draw_below(c->draw, 4); k > 0; k--) {
            double u = x + between(c, -0.5, 0.5) * r, v = y + between(c, -0.6, 0.5) * r;
            double rx = r * between(c, 0.05, 0.4), ry = r * between(c, 0.05, 0.2);
            ti_oval(c->cr, u, v, rx, ry, pick(c));
        }
        ti_halo(c->cr, x - r * 0.35, y - r * 0.4, r * 0.5, ti_hex(0xffffff), 0.6);
    }
}

/* Machines and papers: tilted panels with rims, rows of keys, lines of writing. */
static void panels(canvas *c)
{
    soft_spots(c, 6, 128, 20, 60, 0.8);
    for (int i = 2 + (int)ti_draw_below(c->draw, 3); i > 0; i--) {
        double w = between(c, 30, 90), h = between(c, 25, 80);
        ti_rgb rim = pick(c), face = ti_draw_chance(c->draw, 0.5) ? ti_tint(pick(c), 0.6) : pick(c);
        cairo_save(c->cr);
        double at_x = between(c, 10, 118), at_y = between(c, 10, 118);
        cairo_translate(c->cr, at_x, at_y);
        cairo_rotate(c->cr, between(c, -0.8, 0.8));
        ti_round_box(c->cr, -w / 2 - 4, -h / 2 - 4, w + 8, h + 8, 4, rim);
        shade_source(c, 0, 0, w / 2, face);
        cairo_rectangle(c->cr, -w / 2, -h / 2, w, h);
        cairo_fill(c->cr);
        double row = between(c, 4, 10);
        bool keys = ti_draw_chance(c->draw, 0.5), ink = ti_draw_chance(c->draw, 0.7);
        ti_rgb mark = ti_mix(face, pick(c), 0.8);
        for (double y = -h / 2 + row; ink && y < h / 2 - row; y += row)
            for (double x = -w / 2 + row; x < w / 2 - row; x += keys ? row * 1.2 : w)
                ti_round_box(c->cr, x, y, keys ? row : between(c, 0.3, 0.9) * (w - 2 * row),
                             keys ? row * 0.75 : 1.4, 0.7, mark);
        cairo_restore(c->cr);
    }
}

/* Big soft rounded shapes close to the camera: faces, food, pets. */
static void close_up(canvas *c)
{
    soft_spots(c, 8, 128, 20, 70, 0.9);
    for (int i = 1 + (int)ti_draw_below(c->draw, 3); i > 0; i--) {
        double x = between(c, 30, 98), y = between(c, 60, 110), r = between(c, 18, 36);
        for (int layer = 3; layer > 0;
             layer--) { /* stacked like food, or like head and shoulders */
            double at = y - r * 0.55 * (3 - layer), wide = r * between(c, 0.8, 1.2);
            shade_source(c, x, at, wide, pick(c));
            cairo_save(c->cr);
            cairo_translate(c->cr, x + between(c, -3, 3), at);
            cairo_scale(c->cr, wide, r * between(c, 0.3, 0.8));
            cairo_arc(c->cr, 0, 0, 1, 0, 2 * M_PI);
            cairo_restore(c->cr);
            cairo_fill(c->cr);
            for (int k = (int)ti_draw_below(c->draw, 9); k > 0; k--) {
                double u = x + between(c, -1, 1) * wide * 0.8, v = at + between(c, -0.5, 0.5) * r;
                double dot = between(c, 1, 5);
                ti_disc(c->cr, u, v, dot, pick(c));
            }
        }
    }
}

/* A field of 1/f noise in [-1, 1], five octaves of bilinear value noise. */
static void field(canvas *c, float *out, int size)
{
    enum { CELLS = 64 };
    float lattice[CELLS * CELLS];
    for (int i = 0; i < size * size; i++) out[i] = 0;
    for (int cells = 4, octave = 0; octave < 5; cells *= 2, octave++) {
        for (int i = 0; i < cells * cells; i += 4) {
            uint32_t w[4];
            ti_random_words(c->draw->random, c->draw->next++, w);
            for (int k = 0; k < 4; k++) lattice[i + k] = (float)w[k] * 0x1p-31f - 1;
        }
        float weight = 0.45f / powf(1.6f, (float)octave), step = (float)cells / (float)size;
        for (int y = 0; y < size; y++) {
            float v = (float)y * step, fy = v - floorf(v);
            int y0 = (int)v, y1 = (y0 + 1) % cells;
            for (int x = 0; x < size; x++) {
                float u = (float)x * step, fx = u - floorf(u);
                int x0 = (int)u, x1 = (x0 + 1) % cells;
                float a = lattice[y0 * cells + x0], b = lattice[y0 * cells + x1];
                float d = lattice[y1 * cells + x0], e = lattice[y1 * cells + x1];
                float upper = a + (b - a) * fx, lower = d + (e - d) * fx;
                out[y * size + x] += weight * (upper + (lower - upper) * fy);
            }
        }
    }
}

static uint8_t to_u8(double v)
{
    return (uint8_t)(v < 0 ? 0 : v > 1 ? 255 : v * 255 + 0.5);
}

/* Clouds of colour: two fields choose among three colours of the palette. */
static void colour_field(canvas *c, const float *f, uint8_t *rgb, int size)
{
    ti_rgb a = pick(c), b = pick(c), d = pick(c);
    double gain = between(c, 1, 3);
    for (int i = 0; i < size * size; i++) {
        double t = fmin(fmax(0.5 + f[i] * gain, 0), 1);
        ti_rgb v = t < 0.5 ? ti_mix(a, b, 2 * t) : ti_mix(b, d, 2 * t - 1);
        rgb[3 * i] = to_u8(v.r);
        rgb[3 * i + 1] = to_u8(v.g);
        rgb[3 * i + 2] = to_u8(v.b);
    }
}

static void roughen(const float *f, double amount, uint8_t *rgb, int size)
{
    for (int i = 0; i < size * size; i++)
        for (int k = 0; k < 3; k++)
            rgb[3 * i + k] = to_u8(rgb[3 * i + k] / 255.0 * (1 + amount * f[i]));
}

/* The value below which SHARE of the picture's channels lie. */
static int percentile(const uint32_t *histogram, double share, int size)
{
    double sum = 0, want = share * size * size * 3;
    int v = 0;
    while (v < 255 && (sum += histogram[v]) < want) v++;
    return v;
}

/* Exposure and contrast of a real picture: most use the whole range, many are dark, some are pale.
 */
static void expose(canvas *c, uint8_t *rgb, int size)
{
    uint32_t histogram[256] = {0};
    for (int i = 0; i < size * size * 3; i++) histogram[rgb[i]]++;
    double low = 0, high = 1;
    if (ti_draw_chance(c->draw, 0.8)) { /* stretched, but flat pictures by no more than half */
        low = percentile(histogram, 0.02, size) / 255.0;
        high = fmax(percentile(histogram, 0.98, size) / 255.0, low + 0.4);
    }
    bool low_key = ti_draw_chance(c->draw, 0.12);
    double gamma = low_key ? between(c, 1.6, 2.8) : between(c, 0.65, 1.6);
    double top = between(c, 0.75, 1), lift = between(c, 0, 0.06);
    uint8_t curve[256];
    for (int i = 0; i < 256; i++) {
        double v = fmin(fmax((i / 255.0 - low) / (high - low), 0), 1);
        curve[i] = to_u8(lift + (top - lift) * pow(v, gamma));
    }
    double colour =
        between(c, c->one_hue ? 0.8 : 0.3, 1); /* stretching makes them louder than nature's */
    for (int i = 0; i < size * size; i++, rgb += 3) {
        double v[3] = {curve[rgb[0]], curve[rgb[1]], curve[rgb[2]]};
        double luma = 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2];
        for (int k = 0; k < 3; k++) rgb[k] = (uint8_t)(luma + (v[k] - luma) * colour + 0.5);
    }
}

static void surface_to_rgb(cairo_surface_t *surface, uint8_t *rgb, int size)
{
    cairo_surface_flush(surface);
    const uint8_t *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0; y < size; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(data + (size_t)y * (size_t)stride);
        for (int x = 0; x < size; x++, rgb += 3) {
            rgb[0] = (uint8_t)(row[x] >> 16);
            rgb[1] = (uint8_t)(row[x] >> 8);
            rgb[2] = (uint8_t)row[x];
        }
    }
}

te_status ti_texture_make(ti_draw *draw, uint8_t *rgb, int size, te_error *err)
{
    static void (*const recipes[])(canvas *) = {dead_leaves, soft_lights, foliage, buildings,
                                                landscape,   still_life,  panels,  close_up};
    canvas c = {.draw = draw};
    float *f = ti_malloc_array((size_t)size * (size_t)size, sizeof *f);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, size, size);
    c.cr = cairo_create(surface);
    te_status st = f && !cairo_status(c.cr)
                       ? TE_OK
                       : ti_fail_memory(err, "a texture", (size_t)size * (size_t)size * 8);
    if (!st) {
        static const uint8_t again[] = {4, 5, 6, 4}; /* come twice, landscapes three times */
        uint32_t recipe = ti_draw_below(draw, 13);
        draw_palette(&c);
        field(&c, f, size);
        if (recipe == 12) {
            colour_field(&c, f, rgb, size);
        } else {
            cairo_scale(c.cr, (double)size / TI_CANVAS, (double)size / TI_CANVAS);
            shade_source(&c, 64, 64, 80, pick(&c));
            cairo_paint(c.cr);
            recipes[recipe >= 8 ? again[recipe - 8] : recipe](&c);
            surface_to_rgb(surface, rgb, size);
            const bool smooth = ti_draw_chance(draw, 0.4); /* skies and walls of one colour */
            roughen(f, between(&c, 0, smooth ? 0.04 : 0.35), rgb, size);
        }
        expose(&c, rgb, size);
        ti_camera camera = ti_camera_random(draw, 1);
        st = ti_camera_apply(&camera, rgb, size, err);
    }
    cairo_destroy(c.cr);
    cairo_surface_destroy(surface);
    free(f);
    return st;
}
