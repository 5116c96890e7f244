/* fit_fresh.c - where an edit shows something new, which no tone explains; see fit.c. */
#include "picture/fit_internal.h"

#include <math.h>

/* Where the tone of the surroundings and the edit do not vary together, over windows of a token's
 * size. A change of light is let off more easily than an edit of things. */
static void compare_structure(ti_fitter *f, float *fresh)
{
    int r = MAX(2, (int)(f->patch + 0.5));
    size_t n = f->n;
    const float least = 0.4f - 0.15f * f->fit->light;
    float *s = f->sums; /* count; tone 3; edit 3; tone squared, edit squared, product: each over
                           channels */
    for (size_t i = 0; i < n; i++) {
        const float *t = f->broad + 3 * i, *e = f->out + 3 * i;
        s[i] = 1;
        s[7 * n + i] = s[8 * n + i] = s[9 * n + i] = 0;
        for (size_t c = 0; c < 3; c++) {
            s[(1 + c) * n + i] = t[c];
            s[(4 + c) * n + i] = e[c];
            s[7 * n + i] += t[c] * t[c];
            s[8 * n + i] += e[c] * e[c];
            s[9 * n + i] += t[c] * e[c];
        }
    }
    for (size_t k = 0; k < 10; k++) ti_fit_box(f, s + k * n, s + k * n, r);
    for (size_t i = 0; i < n; i++) {
        const float slack = (4 + 8 * f->fit->light) * f->error[i] + 0.002f;
        float count = s[i], tone = s[7 * n + i] / count, edit = s[8 * n + i] / count;
        float both = s[9 * n + i] / count;
        for (size_t c = 0; c < 3; c++) {
            float t = s[(1 + c) * n + i] / count, e = s[(4 + c) * n + i] / count;
            tone -= t * t;
            edit -= e * e;
            both -= t * e;
        }
        float alike = (2 * both + slack) / (MAX(tone, 0) + MAX(edit, 0) + slack);
        fresh[i] = 1 - ti_smoothstep(least, least + 0.3f, alike);
    }
}

/* Mean squared difference of two pictures over small windows, in units of the noise. */
static void compare_values(ti_fitter *f, const float *a, const float *b, int r, float *out)
{
    for (size_t i = 0; i < f->n; i++) {
        float sum = 0;
        for (size_t c = 0; c < 3; c++)
            sum += (a[3 * i + c] - b[3 * i + c]) * (a[3 * i + c] - b[3 * i + c]);
        out[i] = sum / (3 * f->error[i]);
    }
    ti_fit_box_mean(f, out, r);
}

/* The largest of the (2 r + 1) squared around. */
static void spread(ti_fitter *f, float *plane, int r)
{
    for (int pass = 0; pass < 2; pass++) {
        memcpy(f->plane, plane, f->n * sizeof *plane);
        for (int y = 0; y < f->h; y++)
            for (int x = 0; x < f->w; x++) {
                float most = 0;
                for (int k = -r; k <= r; k++) {
                    int i = pass ? x : CLAMP(x + k, 0, f->w - 1),
                        j = pass ? CLAMP(y + k, 0, f->h - 1) : y;
                    most = MAX(most, f->plane[(size_t)j * (size_t)f->w + (size_t)i]);
                }
                plane[(size_t)y * (size_t)f->w + (size_t)x] = most;
            }
    }
}

/* The error to reckon with around a pixel. A change of light over the whole picture is told from
 * the tokeniser's smears, of which the input's own are a sample. An edit of things redraws what it
 * changes, and takes the rest as it was: there only what the tone leaves over is noise, and to see
 * it larger would let the old thing shine through the new. */
static void weigh_error(ti_fitter *f)
{
    const float noise = (float)f->noise;
    for (size_t i = 0; i < f->n; i++)
        f->error[i] = noise + f->fit->light * MAX(f->error[i] - noise, 0.0f);
}

/* New is what the tone misses, by structure or by value, where anything changed to speak of. Where
 * nothing did, a tone that strays from its neighbours (the glow around a new thing) is kept out of
 * the change. Another light falls on everything: what is so dark that its tokens stayed the same is
 * in it too, unless the edit says otherwise. */
void ti_fit_find_fresh(ti_fitter *f)
{
    float *fresh = f->fit->fresh, *missed = f->sums, *moved = f->sums + f->n;
    const float doubt = 1 + f->fit->light;
    const float whole =
        f->fit->light * ti_smoothstep(0.6f, 0.85f, (float)(f->coverage / f->chosen));
    weigh_error(f);
    compare_structure(f, fresh);
    compare_values(f, f->tone, f->out, MAX(1, (int)(f->patch / 3)), missed);
    compare_values(f, f->in, f->out, MAX(1, (int)(f->patch / 6)), moved);
    for (size_t i = 0; i < f->n; i++) {
        float here = ti_smoothstep(2, 6, moved[i]);
        fresh[i] = MAX(fresh[i], ti_smoothstep(1.5f * doubt, 4.5f * doubt, missed[i])) * here *
                   (f->token[i] < 0.5f ? 1 - f->follows[i] : 1);
        const float agrees = 1 - ti_smoothstep(2, 5, missed[i]);
        const float goes = MAX(whole * agrees, f->follows[i]);
        float *change = &f->fit->change[i];
        if (!f->grey) *change = MAX(*change * (agrees + here - agrees * here), goes);
    }
    spread(f, fresh, MAX(1, (int)(f->patch / 4))); /* so that its outline is drawn, not toned */
    ti_fit_box_mean(f, fresh, 1);
}
