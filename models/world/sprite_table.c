/* sprite_table.c - what stands in rooms and on tables; see draw.h */
#include "world/draw.h"

#include <math.h>

void ti_sprite_cup(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    if (s->object->state == TI_BROKEN) {
        ti_oval(cr, 0, -2, 17, 4, ti_hex(0x70503c));
        TI_POLYGON(cr, s->colour, -15, 0, -11, -10, -3, 0);
        TI_POLYGON(cr, ti_shade(s->colour, 0.2), -2, 0, 4, -8, 8, 0);
        TI_POLYGON(cr, s->colour, 8, 0, 16, -7, 16, 0);
        return;
    }
    cairo_set_line_width(cr, 3);
    cairo_set_source_rgb(cr, s->colour.r * 0.85, s->colour.g * 0.85, s->colour.b * 0.85);
    cairo_arc(cr, 10, -11, 5, 0, 2 * M_PI);
    cairo_stroke(cr);
    ti_round_box(cr, -10, -20, 20, 20, 3, s->colour);
    cairo_save(cr);
    cairo_rectangle(cr, -10, -19, 20, 18);
    cairo_clip(cr);
    ti_pattern(s, -10, -19, 20, 18);
    cairo_restore(cr);
    ti_oval(cr, 0, -20, 10, 2.6, ti_shade(s->colour, 0.45));
}

void ti_sprite_candle(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool short_one = s->object->state == TI_BURNT_DOWN;
    double h = short_one ? 10 : 23;
    if (s->pass == TI_GLOW) {
        if (s->object->state != TI_LIT) return;
        ti_halo(cr, 0, -h - 8, 22, ti_hex(0xffd070), 0.75);
        ti_flame(cr, 0, -h - 2, 15);
        return;
    }
    ti_oval(cr, 0, -2, 12, 3, ti_hex(0xb89850));
    ti_round_box(cr, -5.5, -h - 2, 11, h, 1.5, s->colour);
    if (short_one) ti_oval(cr, 0, -3.5, 12, 3.5, s->colour);
    ti_line(cr, 0, -h - 2, 0, -h - 5, 1.2, ti_hex(0x302824));
}

void ti_sprite_apple(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    bool tomato = s->object->type == TI_TOMATO;
    ti_rgb c = ti_hex(0x88b838);
    if (s->object->state == TI_RIPE) c = ti_hex(tomato ? 0xe03c28 : 0xc82838);
    if (s->object->state == TI_ROTTEN) c = ti_hex(0x5c4028);
    if (tomato) {
        ti_oval(cr, 0, -9, 12, 9, c);
        for (int i = 0; i < 5; i++)
            ti_line(cr, 0, -17, 6 * cos(i * M_PI / 2 - M_PI), -17 - 2.4 * sin(i * 2.0), 2,
                    ti_hex(0x2c7030));
    } else {
        ti_disc(cr, -4.5, -10, 8.5, c);
        ti_disc(cr, 4.5, -10, 8.5, c);
        ti_oval(cr, 0, -8, 9, 8, c);
        ti_line(cr, 0, -17, 1.5, -23, 1.8, ti_hex(0x604028));
        ti_oval(cr, 5, -21, 4, 2, ti_hex(0x3c8c3c));
    }
    ti_oval(cr, -5, -12.5, 2, 3, ti_tint(c, 0.5));
}

void ti_sprite_banana(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = ti_hex(0xa0c040);
    if (s->object->state == TI_RIPE) c = ti_hex(0xf8d838);
    if (s->object->state == TI_ROTTEN) c = ti_hex(0x6c4c28);
    cairo_move_to(cr, -16, -14);
    cairo_curve_to(cr, -12, 3, 10, 3, 15, -16);
    cairo_line_to(cr, 11, -17);
    cairo_curve_to(cr, 7, -7, -7, -6, -13, -16);
    ti_fill(cr, c);
    ti_line(cr, 13, -17, 14, -20, 2.6, ti_hex(0x604c28));
    ti_disc(cr, -15, -14.5, 1.6, ti_hex(0x604c28));
}

void ti_sprite_vase(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    if (s->object->state == TI_BROKEN) {
        TI_POLYGON(cr, s->colour, -18, 0, -9, -16, 1, 0);
        TI_POLYGON(cr, ti_shade(s->colour, 0.15), 0, 0, 8, -13, 18, 0);
        ti_disc(cr, 12, -4, 4.4, ti_hex(0xf070a0));
        return;
    }
    bool withered = s->object->state == TI_WITHERED;
    ti_rgb stem = ti_hex(withered ? 0x907038 : 0x3c8c3c),
           petal = ti_hex(withered ? 0x806038 : 0xf070a0);
    for (int i = -1; i <= 1; i++) {
        double x = withered ? 13.0 * i : 8.0 * i, y = withered ? -24 : -33 - (i == 0) * 4;
        ti_line(cr, 0, -20, x, y, 1.8, stem);
        ti_disc(cr, x, y, withered ? 3 : 4.4, petal);
        if (!withered) ti_disc(cr, x, y, 1.6, ti_hex(0xf8e060));
    }
    TI_POLYGON(cr, s->colour, -4, -22, 4, -22, 4, -17, 10, -10, 7, 0, -7, 0, -10, -10, -4, -17);
    ti_box(cr, -5.5, -23, 11, 2.6, ti_shade(s->colour, 0.25));
}

void ti_sprite_book(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_round_box(cr, -14, -11, 28, 11, 2, s->colour);
    ti_box(cr, -9, -9, 23, 7, ti_hex(0xf4ecd8));
    ti_box(cr, -9, -6, 23, 1, ti_hex(0xc8bca0));
    ti_box(cr, -11.5, -11, 2, 11, ti_tint(s->colour, 0.4));
}

void ti_sprite_cake(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool candles = s->object->state == TI_DECORATED;
    if (s->pass == TI_GLOW) {
        if (!candles) return;
        ti_halo(cr, 0, -30, 26, ti_hex(0xffd070), 0.8);
        for (int i = -1; i <= 1; i++) ti_flame(cr, 9 * i, -27, 12);
        return;
    }
    ti_oval(cr, 0, -1.5, 17, 2.6, ti_hex(0xd8dce0));
    ti_box(cr, -14, -16, 28, 15, ti_hex(0xf0d0a0));
    ti_box(cr, -14, -10, 28, 3, ti_hex(0xc04858));
    ti_round_box(cr, -15, -19, 30, 6, 3, ti_hex(0xfff4f8));
    for (int i = -1; i <= 1; i++) {
        if (candles)
            ti_box(cr, 9 * i - 2, -28, 4, 10, ti_hex(0x4890e0));
        else
            ti_disc(cr, 7 * i, -20, 2.2, ti_hex(0xd83040));
    }
}

void ti_sprite_ice(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    if (s->object->state == TI_MELTED) {
        ti_oval(cr, 0, -2, 15, 4, ti_hex(0x78b8e8));
        ti_oval(cr, -4, -3, 6, 1.6, ti_hex(0xb8e0f8));
        return;
    }
    TI_POLYGON(cr, ti_hex(0xa8d8f4), -10, 0, 6, 0, 6, -16, -10, -16);
    TI_POLYGON(cr, ti_hex(0xdcf2fc), -10, -16, -5, -21, 11, -21, 6, -16);
    TI_POLYGON(cr, ti_hex(0x88c0e4), 6, 0, 6, -16, 11, -21, 11, -5);
    ti_line(cr, -6, -12, -6, -5, 1.8, ti_hex(0xffffff));
}

void ti_sprite_lamp(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool lit = s->scene->lights || s->object->state == TI_LIT;
    if (s->pass == TI_GLOW) {
        if (!lit) return;
        ti_halo(cr, 0, -27, 30, ti_hex(0xffe090), 0.65);
        TI_POLYGON(cr, ti_hex(0xfff0b0), -12, -21, 12, -21, 7, -36, -7, -36);
        return;
    }
    ti_oval(cr, 0, -2, 8, 2.6, ti_hex(0x54545c));
    ti_box(cr, -1.4, -22, 2.8, 21, ti_hex(0x54545c));
    TI_POLYGON(cr, s->colour, -12, -21, 12, -21, 7, -36, -7, -36);
}

void ti_sprite_egg(const ti_sprite *s)
{
    if (s->pass == TI_GLOW) return;
    ti_oval(s->cr, 0, -10, 8.5, 10.5, ti_hex(0xf0dcc0));
    ti_oval(s->cr, -3, -13, 2.4, 3.4, ti_hex(0xfff6e8));
}

void ti_sprite_chair(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = s->colour;
    ti_box(cr, -11, -38, 4, 38, ti_shade(c, 0.15));
    ti_box(cr, 8, -16, 4, 16, ti_shade(c, 0.3));
    ti_box(cr, -11, -18, 23, 5, c);
    ti_box(cr, -11, -38, 6, 20, c);
}

void ti_sprite_gift(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb ribbon = s->object->colour == TI_YELLOW ? ti_hex(0xd03838) : ti_hex(0xf8d848);
    ti_box(cr, -12, -18, 24, 18, s->colour);
    ti_box(cr, -14, -22, 28, 6, ti_shade(s->colour, 0.15));
    ti_box(cr, -2.5, -22, 5, 22, ribbon);
    ti_oval(cr, -5, -25, 5, 3, ribbon);
    ti_oval(cr, 5, -25, 5, 3, ribbon);
}

void ti_sprite_bottle(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_round_box(cr, -6, -24, 12, 24, 3, s->colour);
    ti_box(cr, -2.5, -34, 5, 12, s->colour);
    ti_box(cr, -3, -37, 6, 4, ti_hex(0xd8b888));
    ti_box(cr, -6, -15, 12, 8, ti_hex(0xf4ecd8));
    ti_line(cr, -3.5, -21, -3.5, -17, 1.4, ti_tint(s->colour, 0.6));
}
