/* sprite_nature.c - plants, animals and what else grows outdoors; see draw.h */
#include "world/draw.h"

#include <math.h>

void ti_sprite_tree(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool bare = s->object->state == TI_WITHERED || s->scene->dry || s->scene->season == TI_WINTER;
    if (s->pass == TI_GLOW) return;
    ti_rgb trunk = ti_hex(0x705038);
    TI_POLYGON(cr, trunk, -4, 0, 4, 0, 2, -18, -2, -18);
    if (bare) {
        ti_line(cr, 0, -14, -10, -30, 2.4, trunk);
        ti_line(cr, 0, -14, 10, -30, 2.4, trunk);
        ti_line(cr, 0, -16, 0, -38, 2.4, trunk);
        ti_line(cr, -5, -22, -14, -24, 1.6, trunk);
        ti_line(cr, 5, -22, 14, -24, 1.6, trunk);
        ti_line(cr, 0, -28, 6, -36, 1.6, trunk);
        if (s->scene->season == TI_WINTER) {
            ti_line(cr, -10, -31, -6, -25, 1.6, ti_hex(0xffffff));
            ti_line(cr, 10, -31, 6, -25, 1.6, ti_hex(0xffffff));
            ti_disc(cr, 0, -38, 2, ti_hex(0xffffff));
        }
        return;
    }
    ti_rgb leaf = ti_leaf_colour(s->scene, false);
    ti_disc(cr, -8, -22, 9, ti_shade(leaf, 0.18));
    ti_disc(cr, 8, -22, 9, ti_shade(leaf, 0.18));
    ti_disc(cr, 0, -29, 11, leaf);
    ti_disc(cr, -3, -32, 4.5, ti_tint(leaf, 0.25));
    bool blossom = s->scene->season == TI_SPRING || s->object->state == TI_BLOOMING;
    static const double at[8][2] = {{-9, -22}, {-2, -24}, {8, -21},  {4, -33},
                                    {-6, -30}, {1, -18},  {11, -26}, {5, -27}};
    if (blossom)
        for (int i = 0; i < 8; i++) ti_disc(cr, at[i][0], at[i][1], 2.1, ti_hex(0xfad0e0));
}

void ti_sprite_pine(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) {
        if (s->object->state != TI_DECORATED) return;
        static const double at[6][2] = {{-7, -9}, {1, -10}, {7, -8}, {-4, -19}, {4, -20}, {0, -28}};
        ti_halo(cr, 0, -20, 28, ti_hex(0xffd860), 0.8);
        for (int i = 0; i < 6; i++) ti_disc(cr, at[i][0], at[i][1], 3.2, ti_hex(0xffe878));
        ti_disc(cr, 0, -40, 5, ti_hex(0xfff0a0));
        return;
    }
    bool dead = s->object->state == TI_WITHERED || s->scene->dry;
    ti_rgb leaf = dead ? ti_hex(0xa08048) : ti_hex(0x24684c);
    ti_box(cr, -2.5, -6, 5, 6, ti_hex(0x604430));
    TI_POLYGON(cr, leaf, -13, -5, 13, -5, 0, -22);
    TI_POLYGON(cr, ti_tint(leaf, 0.08), -10.5, -15, 10.5, -15, 0, -30);
    TI_POLYGON(cr, ti_tint(leaf, 0.16), -8, -25, 8, -25, 0, -39);
    if (s->scene->season == TI_WINTER) {
        TI_POLYGON(cr, ti_hex(0xf8faff), -4, -32, 4, -32, 0, -39);
        ti_line(cr, -9, -16, -4, -19, 2, ti_hex(0xf8faff));
        ti_line(cr, 9, -16, 4, -19, 2, ti_hex(0xf8faff));
        ti_line(cr, -11, -6, -5, -9, 2, ti_hex(0xf8faff));
        ti_line(cr, 11, -6, 5, -9, 2, ti_hex(0xf8faff));
    }
}

void ti_sprite_flower(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    bool withered = s->object->state == TI_WITHERED || s->scene->dry;
    ti_rgb stem = withered ? ti_hex(0x907038) : ti_hex(0x3c8c3c);
    ti_round_box(cr, -6, -8, 12, 8, 1.5, ti_hex(0xb86038));
    ti_box(cr, -7.5, -10, 15, 3, ti_hex(0xd07848));
    if (withered) {
        ti_line(cr, 0, -10, 3, -20, 2, stem);
        ti_line(cr, 3, -20, 10, -17, 2, stem);
        ti_oval(cr, 11, -14, 3.2, 4.4, ti_hex(0x785028));
        ti_line(cr, 0, -12, -7, -10, 2, stem);
        return;
    }
    ti_line(cr, 0, -10, 0, -24, 2, stem);
    ti_oval(cr, -4.5, -15, 4, 2, stem);
    ti_oval(cr, 4.5, -17, 4, 2, stem);
    if (s->object->state == TI_BLOOMING || s->object->state == TI_USUAL) {
        for (int i = 0; i < 6; i++)
            ti_disc(cr, 6 * cos(i * M_PI / 3), -26 + 6 * sin(i * M_PI / 3), 3.9, s->colour);
        ti_disc(cr, 0, -26, 3.6, ti_hex(0xf8d040));
    } else {
        ti_oval(cr, 0, -26, 3, 4.5, ti_mix(s->colour, stem, 0.6)); /* a bud */
    }
}

void ti_sprite_cactus(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb green = s->object->state == TI_WITHERED ? ti_hex(0xa08048) : ti_hex(0x4c9050);
    ti_round_box(cr, -4.5, -34, 9, 34, 4.5, green);
    ti_line(cr, -4, -14, -11, -14, 5, green);
    ti_line(cr, -11, -14, -11, -23, 5, green);
    ti_line(cr, 4, -10, 11, -10, 5, green);
    ti_line(cr, 11, -10, 11, -19, 5, green);
    ti_line(cr, -1.5, -30, -1.5, -4, 1, ti_tint(green, 0.35));
    ti_line(cr, 2, -30, 2, -4, 1, ti_shade(green, 0.25));
    if (s->object->state == TI_BLOOMING) {
        ti_disc(cr, 0, -35, 7, ti_hex(0xf060a0));
        ti_disc(cr, -11, -26, 6, ti_hex(0xf060a0));
        ti_disc(cr, 11, -22, 6, ti_hex(0xf060a0));
    }
}

void ti_sprite_rock(const ti_sprite *s)
{
    if (s->pass == TI_GLOW) return;
    ti_rgb stone = ti_hex(0x8c8c90);
    TI_POLYGON(s->cr, stone, -15, 0, -12, -11, -4, -17, 7, -15, 14, -7, 15, 0);
    TI_POLYGON(s->cr, ti_tint(stone, 0.25), -12, -11, -4, -17, 7, -15, -1, -10);
    TI_POLYGON(s->cr, ti_shade(stone, 0.25), 7, -15, 14, -7, 15, 0, 6, 0);
}

void ti_sprite_pumpkin(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool carved = s->object->state == TI_DECORATED;
    if (s->pass == TI_GLOW) {
        if (!carved) return;
        ti_rgb light = ti_hex(0xfff4a8);
        ti_halo(cr, 0, -10, 24, ti_hex(0xffd860), 0.5);
        TI_POLYGON(cr, light, -11, -11, -2, -11, -6.5, -19);
        TI_POLYGON(cr, light, 11, -11, 2, -11, 6.5, -19);
        TI_POLYGON(cr, light, -12, -9, -4, -7, 4, -7, 12, -9, 7, -1, -7, -1);
        return;
    }
    bool rotten = s->object->state == TI_ROTTEN;
    ti_rgb orange = rotten ? ti_hex(0x6c5838) : ti_hex(0xe88020);
    ti_box(cr, -2, -24, 4, 7, ti_hex(0x507038));
    ti_oval(cr, -8, -10, 7, 10, ti_shade(orange, 0.15));
    ti_oval(cr, 8, -10, 7, 10, ti_shade(orange, 0.15));
    ti_oval(cr, 0, -10, 8, 10.5, orange);
}

void ti_sprite_sapling(const ti_sprite *s)
{
    if (s->pass == TI_GLOW) return;
    ti_rgb leaf = ti_leaf_colour(s->scene, s->object->state == TI_WITHERED);
    ti_line(s->cr, 0, 0, 0, -14, 2, ti_hex(0x705038));
    ti_oval(s->cr, -5, -12, 5, 2.6, leaf);
    ti_oval(s->cr, 5, -14, 5, 2.6, leaf);
    ti_oval(s->cr, 0, -18, 3, 4, ti_tint(leaf, 0.2));
}

void ti_sprite_stump(const ti_sprite *s)
{
    if (s->pass == TI_GLOW) return;
    TI_POLYGON(s->cr, ti_hex(0x705038), -10, 0, 10, 0, 7, -10, -7, -10);
    ti_oval(s->cr, 0, -10, 7.5, 3, ti_hex(0xd8b080));
    ti_oval(s->cr, 0, -10, 3.5, 1.4, ti_hex(0xb08858));
}

void ti_sprite_snowman(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    if (s->object->state == TI_MELTED) {
        ti_oval(cr, 0, -2, 15, 4.5, ti_hex(0x9cc4e8));
        ti_oval(cr, -3, -3, 7, 2, ti_hex(0xc8e4f8));
        ti_box(cr, 3, -8, 8, 4, ti_hex(0x282830));
        TI_POLYGON(cr, ti_hex(0xf08030), -9, -3, -2, -4, -9, -6);
        return;
    }
    ti_rgb snow = ti_hex(0xf4f6fc), edge = ti_hex(0xb8c4dc);
    ti_disc(cr, 0, -9, 11, edge);
    ti_disc(cr, -1, -10, 10, snow);
    ti_disc(cr, 0, -25, 8, edge);
    ti_disc(cr, -0.7, -25.5, 7.3, snow);
    ti_box(cr, -8, -33, 16, 2.5, ti_hex(0x282830));
    ti_box(cr, -5, -39, 10, 7, ti_hex(0x282830));
    ti_disc(cr, -3, -27, 1.2, ti_hex(0x282830));
    ti_disc(cr, 3, -27, 1.2, ti_hex(0x282830));
    TI_POLYGON(cr, ti_hex(0xf08030), 0, -25.5, 0, -22.5, 8, -23.5);
    ti_box(cr, -6, -19.5, 12, 3, ti_hex(0xd03838));
}

void ti_sprite_campfire(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    bool lit = s->object->state == TI_LIT;
    if (s->pass == TI_GLOW) {
        if (!lit) return;
        ti_halo(cr, 0, -12, 26, ti_hex(0xffa040), 0.5);
        ti_flame(cr, -5, -5, 16);
        ti_flame(cr, 5, -5, 16);
        ti_flame(cr, 0, -4, 25);
        return;
    }
    ti_line(cr, -12, -2, 9, -8, 5, ti_hex(0x6c4830));
    ti_line(cr, 12, -2, -9, -8, 5, ti_hex(0x80583c));
    ti_disc(cr, -12, -2, 2.5, ti_hex(0xd0a878));
    ti_disc(cr, 12, -2, 2.5, ti_hex(0xd0a878));
}

void ti_sprite_cat(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = s->colour;
    ti_line(cr, 8, -3, 14, -9, 3.4, ti_shade(c, 0.15));
    ti_line(cr, 14, -9, 12, -16, 3.4, ti_shade(c, 0.15));
    ti_oval(cr, 1, -8, 9, 8.5, c);
    ti_disc(cr, -2, -20, 7.5, c);
    TI_POLYGON(cr, c, -9, -22, -8.5, -31, -2.5, -26);
    TI_POLYGON(cr, c, 5, -22, 4.5, -31, -1.5, -26);
    ti_disc(cr, -5, -21, 1.5, ti_hex(0x38c060));
    ti_disc(cr, 1, -21, 1.5, ti_hex(0x38c060));
    TI_POLYGON(cr, ti_hex(0xf08090), -3.2, -18, -0.8, -18, -2, -16);
}

void ti_sprite_dog(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = s->colour;
    ti_box(cr, -8, -9, 3.5, 9, ti_shade(c, 0.15));
    ti_box(cr, 7, -9, 3.5, 9, ti_shade(c, 0.15));
    ti_round_box(cr, -9, -18, 20, 11, 5, c);
    ti_line(cr, 10, -15, 15, -23, 3, c);
    ti_round_box(cr, -16, -27, 13, 12, 4, c);
    ti_oval(cr, -4, -22, 2.8, 6, ti_shade(c, 0.4));
    ti_disc(cr, -16, -21, 2, ti_hex(0x202024));
    ti_disc(cr, -10, -23, 1.4, ti_hex(0x202024));
    ti_box(cr, -7, -17, 2.5, 6, ti_hex(0xd03838));
}

void ti_sprite_cow(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb hide = ti_hex(0xf4f0ec), spot = ti_hex(0x34302c);
    for (int i = 0; i < 4; i++) ti_box(cr, -11 + 6.5 * i, -9, 3, 9, ti_shade(hide, 0.2));
    ti_round_box(cr, -13, -23, 26, 16, 5, hide);
    ti_oval(cr, -3, -17, 5, 4, spot);
    ti_oval(cr, 8, -14, 4, 5, spot);
    ti_round_box(cr, -20, -30, 12, 13, 3, hide);
    ti_round_box(cr, -20, -22, 12, 6, 3, ti_hex(0xf0a8a8));
    ti_box(cr, -19, -30, 4, 5, spot);
    ti_disc(cr, -12, -26, 1.4, spot);
    ti_line(cr, -18, -30, -20, -34, 2, ti_hex(0xd8c890));
    ti_line(cr, -10, -30, -8, -34, 2, ti_hex(0xd8c890));
    ti_disc(cr, 4, -7, 3, ti_hex(0xf0a8a8));
}

void ti_sprite_hen(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = ti_hex(0xb86830);
    ti_line(cr, -2, 0, -2, -6, 1.6, ti_hex(0xf0b030));
    ti_line(cr, 4, 0, 4, -6, 1.6, ti_hex(0xf0b030));
    TI_POLYGON(cr, ti_shade(c, 0.3), 5, -12, 15, -23, 13, -9);
    ti_oval(cr, 1, -11, 11, 7.5, c);
    ti_disc(cr, -8, -20, 5.5, c);
    ti_oval(cr, 2, -11, 6, 3.5, ti_shade(c, 0.25));
    TI_POLYGON(cr, ti_hex(0xf0b030), -13, -21, -13, -18, -18, -19);
    ti_disc(cr, -9, -26, 2.2, ti_hex(0xe03030));
    ti_disc(cr, -6, -25, 2.2, ti_hex(0xe03030));
    ti_disc(cr, -10, -21, 1.2, ti_hex(0x202024));
}

void ti_sprite_chick(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = ti_hex(0xf8d848);
    ti_line(cr, -3, 0, -3, -4, 1.4, ti_hex(0xf09030));
    ti_line(cr, 3, 0, 3, -4, 1.4, ti_hex(0xf09030));
    ti_oval(cr, 0, -9, 9, 7, c);
    ti_disc(cr, -2, -18, 6, c);
    TI_POLYGON(cr, ti_hex(0xf09030), -7, -20, -7, -16, -12, -18);
    ti_disc(cr, -4, -19, 1.3, ti_hex(0x202024));
    ti_oval(cr, 3, -9, 4.5, 3, ti_shade(c, 0.15));
}

void ti_sprite_caterpillar(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    for (int i = 4; i >= 0; i--)
        ti_disc(cr, -10 + 5.5 * i, -6 - (i % 2) * 2.5, 5.2, ti_hex(i % 2 ? 0x88c040 : 0x60a038));
    ti_disc(cr, -11, -10, 6, ti_hex(0x98cc48));
    ti_disc(cr, -13, -11, 1.4, ti_hex(0x202024));
    ti_disc(cr, -9, -11, 1.4, ti_hex(0x202024));
    ti_line(cr, -13, -15, -15, -20, 1.2, ti_hex(0x202024));
    ti_line(cr, -9, -15, -7, -20, 1.2, ti_hex(0x202024));
}

void ti_sprite_butterfly(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    for (int side = -1; side <= 1; side += 2) {
        ti_oval(cr, 9 * side, -21, 9, 9, ti_hex(0x4058d8));
        ti_oval(cr, 7 * side, -7, 7, 7, ti_hex(0x6c8cf0));
        ti_disc(cr, 10 * side, -22, 3, ti_hex(0xa8c0ff));
        ti_line(cr, side, -22, 4 * side, -29, 1.2, ti_hex(0x302420));
    }
    ti_oval(cr, 0, -14, 2, 10, ti_hex(0x302420));
}

void ti_sprite_bird(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = s->colour;
    TI_POLYGON(cr, ti_shade(c, 0.25), 8, 0, 16, -5, 15, 4);
    ti_oval(cr, 0, 0, 10, 6, c);
    ti_disc(cr, -9, -4, 5, c);
    TI_POLYGON(cr, ti_hex(0xf0b030), -13, -6, -13, -2, -18, -3);
    ti_disc(cr, -10, -5, 1.3, ti_hex(0x202024));
    TI_POLYGON(cr, ti_shade(c, 0.3), -4, -1, 7, -1, 5, -14);
}

void ti_sprite_cloud(const ti_sprite *s)
{
    cairo_t *cr = s->cr;
    if (s->pass == TI_GLOW) return;
    ti_rgb c = ti_hex(0xf8fafc), low = ti_hex(0xd4dce8);
    ti_round_box(cr, -18, 0, 36, 8, 4, low);
    ti_disc(cr, -8, 0, 8, c);
    ti_disc(cr, 4, -3, 10, c);
    ti_disc(cr, 12, 1, 6, c);
    ti_round_box(cr, -17, -1, 34, 7, 3.5, c);
}
