/* sprite_street.c - buildings, vehicles and what people put outdoors or into the sky; see draw.h */
#include "world/draw.h"

#include <math.h>

static bool lights_on(const ti_sprite *s)
{
    return s->scene->lights || s->object->state == TI_LIT;
}

void ti_sprite_house(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    static const double windows[2] = {-11, 4};
    if (s->pass == TI_GLOW) {
        if (!lights_on(s)) return;
        for (int i = 0; i < 2; i++) ti_box(cr, windows[i], -18, 7, 7, ti_hex(0xffdc70));
        return;
    }
    ti_rgb roof = ti_hex(0x8c4c38);
    if (s->object->colour == TI_RED || s->object->colour == TI_BROWN) roof = ti_hex(0x54545c);
    ti_box(cr, -15, -23, 30, 23, s->colour);
    ti_box(cr, 9, -38, 5, 12, ti_shade(roof, 0.25));
    TI_POLYGON(cr, roof, -18, -22, 18, -22, 0, -38);
    if (s->scene->season == TI_WINTER && s->scene->ground == TI_SNOW)
        TI_POLYGON(cr, ti_hex(0xf8faff), -12, -28, 12, -28, 0, -38);
    for (int i = 0; i < 2; i++) {
        ti_box(cr, windows[i] - 1, -19, 9, 9, ti_tint(s->colour, 0.6));
        ti_box(cr, windows[i], -18, 7, 7, ti_hex(0x486078));
    }
    ti_box(cr, -3, -9, 7, 9, ti_hex(0x604028));
}

static void wheel(cairo_t *cr, double x, double r)
{
    ti_disc(cr, x, -r, r, ti_hex(0x242428));
    ti_disc(cr, x, -r, r * 0.45, ti_hex(0xb8bcc4));
}

void ti_sprite_car(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) {
        if (s->scene->lights) ti_disc(cr, -16, -8, 2.2, ti_hex(0xfff4c0));
        return;
    }
    ti_rgb c = s->object->state == TI_RUSTY ? ti_hex(0xb4622a) : s->colour;
    TI_POLYGON(cr, c, -10, -12, -6, -21, 7, -21, 12, -12);
    ti_round_box(cr, -18, -13, 36, 10, 3, c);
    TI_POLYGON(cr, ti_hex(0xa8d0e8), -7.5, -13, -4.5, -19, 0, -19, 0, -13);
    TI_POLYGON(cr, ti_hex(0xa8d0e8), 2, -13, 2, -19, 6, -19, 9, -13);
    if (s->object->state == TI_RUSTY) {
        ti_oval(cr, -9, -8, 6, 3, ti_hex(0x80401c));
        ti_oval(cr, 9, -8, 6, 3, ti_hex(0x80401c));
    } else {
        ti_box(cr, -18, -8, 36, 1.6, ti_shade(c, 0.3));
    }
    ti_disc(cr, -16, -8, 2, ti_hex(0xf8f0c0));
    wheel(cr, -10, 4.5);
    wheel(cr, 10, 4.5);
}

void ti_sprite_bus(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW && !s->scene->lights) return;
    if (s->pass == TI_BODY) ti_round_box(cr, -19, -26, 38, 23, 3, s->colour);
    ti_rgb glass = s->pass == TI_GLOW ? ti_hex(0xffe890) : ti_hex(0xa8d0e8);
    for (int i = 0; i < 4; i++) ti_box(cr, -16 + 8.5 * i, -22, 6.5, 8, glass);
    if (s->pass == TI_GLOW) return;
    ti_box(cr, -19, -11, 38, 2, ti_shade(s->colour, 0.35));
    wheel(cr, -11, 4.5);
    wheel(cr, 11, 4.5);
}

void ti_sprite_ball(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    cairo_save(cr);
    cairo_arc(cr, 0, -12, 12, 0, 2 * M_PI);
    cairo_clip(cr);
    ti_box(cr, -12, -24, 24, 24, s->colour);
    ti_pattern(s, -12, -24, 24, 24);
    if (s->object->state == TI_USUAL) ti_oval(cr, 3, -5, 14, 8, ti_shade(s->colour, 0.2));
    if (s->object->state == TI_USUAL) ti_oval(cr, -1, -9.5, 12, 8, s->colour);
    ti_oval(cr, -4.5, -17.5, 3, 2.4, ti_tint(s->colour, 0.7));
    cairo_restore(cr);
}

void ti_sprite_bench(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb iron = ti_hex(0x3c3c44);
    ti_box(cr, -14, -20, 3, 20, iron);
    ti_box(cr, 11, -20, 3, 20, iron);
    ti_box(cr, -17, -21, 34, 4, s->colour);
    ti_box(cr, -17, -15.5, 34, 4, s->colour);
    ti_box(cr, -18, -9, 36, 4, ti_shade(s->colour, 0.2));
}

void ti_sprite_tent(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) {
        if (s->scene->lights) TI_POLYGON(cr, ti_hex(0xffd878), -5, 0, 5, 0, 0, -17);
        return;
    }
    TI_POLYGON(cr, s->colour, -18, 0, 18, 0, 0, -28);
    TI_POLYGON(cr, ti_shade(s->colour, 0.25), 0, -28, 18, 0, 5, 0);
    TI_POLYGON(cr, ti_hex(0x302c34), -5, 0, 5, 0, 0, -17);
    ti_line(cr, 0, -28, 0, -31, 1.6, ti_hex(0x705038));
}

void ti_sprite_mailbox(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_box(cr, -2, -14, 4, 14, ti_hex(0x705038));
    ti_round_box(cr, -10, -28, 20, 15, 5, s->colour);
    ti_box(cr, -10, -20, 20, 7, s->colour);
    ti_box(cr, -6, -22, 12, 2, ti_hex(0x303038));
    ti_box(cr, 10, -26, 2, 8, ti_hex(0xf0d040));
}

void ti_sprite_street_lamp(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool lit = lights_on(s);
    if (s->pass == TI_GLOW) {
        if (!lit) return;
        ti_halo(cr, 0, -42, 22, ti_hex(0xffe090), 0.75);
        ti_disc(cr, 0, -42, 5, ti_hex(0xfff4b8));
        return;
    }
    ti_rgb iron = ti_hex(0x34383c);
    ti_box(cr, -5, -3, 10, 3, iron);
    ti_box(cr, -1.8, -38, 3.6, 38, iron);
    ti_disc(cr, 0, -42, 5, ti_hex(0xd0d4d0));
    TI_POLYGON(cr, iron, -6, -46, 6, -46, 0, -51);
    ti_box(cr, -4, -38, 8, 2, iron);
}

void ti_sprite_traffic_light(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool stop = s->object->state != TI_GO;
    if (s->pass == TI_GLOW) {
        if (stop)
            ti_disc(cr, 0, -35, 4, ti_hex(0xff3828));
        else
            ti_disc(cr, 0, -16.6, 4, ti_hex(0x38f068));
        return;
    }
    ti_box(cr, -1.8, -12, 3.6, 12, ti_hex(0x34383c));
    ti_round_box(cr, -7, -41, 14, 30, 3, ti_hex(0x2c3034));
    ti_disc(cr, 0, -35, 4, ti_hex(0x582020));
    ti_disc(cr, 0, -25.8, 4, ti_hex(0x585020));
    ti_disc(cr, 0, -16.6, 4, ti_hex(0x205828));
}

void ti_sprite_parasol(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_box(cr, -1.2, -36, 2.4, 36, ti_hex(0xe8e0d0));
    for (int i = 0; i < 4; i++) { /* four gores of a half disc */
        cairo_move_to(cr, 0, -38);
        cairo_curve_to(cr, -9 + 9 * i - 6.75, -37, -18 + 9 * i, -32, -18 + 9 * i, -22);
        cairo_line_to(cr, -9 + 9 * i, -22);
        cairo_curve_to(cr, -9 + 9 * i, -32, 9 * i - 6.75, -37, 0, -38);
        ti_fill(cr, i % 2 ? ti_hex(0xf8f8f4) : s->colour);
    }
}

static void hoist(cairo_t *cr, bool upright, unsigned a, unsigned b, unsigned c)
{
    unsigned bands[3] = {a, b, c};
    for (int i = 0; i < 3; i++)
        if (upright)
            ti_box(cr, -8 + 8 * i, -46, 8, 16, ti_hex(bands[i]));
        else
            ti_box(cr, -8, -46 + i * 16.0 / 3, 24, 16.0 / 3, ti_hex(bands[i]));
}

void ti_sprite_flag(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_box(cr, -10, -48, 2.4, 48, ti_hex(0xc8ccd0));
    ti_disc(cr, -8.8, -48, 2, ti_hex(0xe8c848));
    switch ((ti_flag)s->object->flag) {
    case TI_FRANCE:
        hoist(cr, true, 0x2848a0, 0xf8f8f8, 0xe03038);
        break;
    case TI_ITALY:
        hoist(cr, true, 0x189048, 0xf8f8f8, 0xd02838);
        break;
    case TI_IRELAND:
        hoist(cr, true, 0x189858, 0xf8f8f8, 0xf89030);
        break;
    case TI_GERMANY:
        hoist(cr, false, 0x181818, 0xd82020, 0xf8d020);
        break;
    case TI_AUSTRIA:
        hoist(cr, false, 0xe03038, 0xf8f8f8, 0xe03038);
        break;
    case TI_POLAND:
        ti_box(cr, -8, -46, 24, 8, ti_hex(0xf8f8f8));
        ti_box(cr, -8, -38, 24, 8, ti_hex(0xd82040));
        break;
    case TI_UKRAINE:
        ti_box(cr, -8, -46, 24, 8, ti_hex(0x2860c0));
        ti_box(cr, -8, -38, 24, 8, ti_hex(0xf8d838));
        break;
    case TI_JAPAN:
        ti_box(cr, -8, -46, 24, 16, ti_hex(0xf8f8f8));
        ti_disc(cr, 4, -38, 5, ti_hex(0xc81838));
        break;
    default:
        ti_box(cr, -8, -46, 24, 16, ti_hex(0xa8acb0));
    }
}

void ti_sprite_boat(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_box(cr, -1, -36, 2.4, 27, ti_hex(0x705038));
    TI_POLYGON(cr, ti_hex(0xf8f4e8), 2.5, -35, 2.5, -12, 16, -12);
    TI_POLYGON(cr, ti_hex(0xe8e0d0), -2, -32, -2, -12, -12, -12);
    TI_POLYGON(cr, s->colour, -18, -10, 18, -10, 12, 0, -12, 0);
    ti_box(cr, -16, -8, 32, 1.8, ti_tint(s->colour, 0.5));
}

void ti_sprite_balloon(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_line(cr, 0, 11, -2, 23, 1.2, ti_hex(0x606068));
    cairo_save(cr);
    cairo_translate(cr, 0, -2);
    cairo_scale(cr, 1, 1.18);
    cairo_arc(cr, 0, 0, 11, 0, 2 * M_PI);
    cairo_restore(cr);
    cairo_save(cr);
    cairo_clip(cr);
    ti_box(cr, -12, -16, 24, 30, s->colour);
    ti_pattern(s, -12, -16, 24, 30);
    ti_oval(cr, -4, -8, 2.6, 4, ti_tint(s->colour, 0.7));
    cairo_restore(cr);
    TI_POLYGON(cr, ti_shade(s->colour, 0.2), -3, 14, 3, 14, 0, 10);
}

void ti_sprite_kite(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_line(cr, 0, 12, 5, 17, 1.4, ti_hex(0x606068));
    ti_line(cr, 5, 17, 1, 23, 1.4, ti_hex(0x606068));
    ti_disc(cr, 5, 17, 2, ti_hex(0xf8f8f4));
    ti_disc(cr, 1, 23, 2, ti_hex(0xf8f8f4));
    TI_POLYGON(cr, s->colour, 0, -16, 11, -4, 0, 13, -11, -4);
    TI_POLYGON(cr, ti_tint(s->colour, 0.45), 0, -16, 11, -4, 0, -4);
    TI_POLYGON(cr, ti_shade(s->colour, 0.25), 0, 13, -11, -4, 0, -4);
}

void ti_sprite_plane(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = s->colour;
    TI_POLYGON(cr, ti_shade(c, 0.2), 11, -3, 18, -12, 18, 1);
    ti_round_box(cr, -18, -4, 34, 8, 4, c);
    TI_POLYGON(cr, ti_shade(c, 0.35), -3, 1, 6, 1, 10, 11, 5, 11);
    for (int i = 0; i < 4; i++) ti_box(cr, -11 + 5 * i, -2, 2.6, 2.6, ti_hex(0x486078));
}
