/* check.c - scenes by analysis through synthesis, words by reading them; see check.h */
#include "world/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "world/words.h"

enum { GRID = 64, CELLS = GRID * GRID * 3, MOST = 40 };

/* Alternatives must be this clearly worse: 0.5 would be half way between two worlds. */
static const double NEARER = 0.55;

typedef struct {
    ti_scene scenes[MOST];
    int n;
} worlds;

/* ---- pictures on a coarse grid: blur and noise average out ------------------------------- */

static int grid_of(int size)
{
    int step = size > GRID ? size / GRID : 1;
    return size / step;
}

static void shrink(const uint8_t *rgb, int size, float *out)
{
    int grid = grid_of(size), step = size / grid;
    float norm = 1.0f / (255.0f * (float)(step * step));
    memset(out, 0, CELLS * sizeof *out);
    for (int y = 0; y < grid * step; y++)
        for (int x = 0; x < grid * step; x++) {
            const uint8_t *p = rgb + 3 * ((size_t)y * (size_t)size + (size_t)x);
            float *cell = out + 3 * (y / step * grid + x / step);
            for (int c = 0; c < 3; c++) cell[c] += (float)p[c] * norm;
        }
}

typedef struct {
    uint8_t *rgb;
    float *picture, *wanted, *other;
} bench;

static te_status draw_small(const bench *b, const ti_scene *scene, int size, float *out,
                            te_error *err)
{
    te_status st = ti_scene_render(scene, b->rgb, size, err);
    if (!st) shrink(b->rgb, size, out);
    return st;
}

/* How far the picture is from OTHER towards WANTED, over the cells where these differ: 1 there, 0
 * still at the other. *distinct tells how much they differ at all. */
static double progress(const bench *b, double *distinct)
{
    double dot = 0, square = 0;
    for (int i = 0; i < CELLS; i++) {
        double d = (double)b->wanted[i] - b->other[i];
        if (fabs(d) < 0.05) continue;
        dot += d * ((double)b->picture[i] - b->other[i]);
        square += d * d;
    }
    *distinct = square;
    return square > 0 ? dot / square : 1;
}

/* Root mean square of picture - wanted over the cells where wanted and other differ, and of their
 * difference. */
static void residual(const bench *b, double *rest, double *change)
{
    double sum = 0, square = 0, n = 0;
    for (int i = 0; i < CELLS; i += 3) {
        double d = 0, r = 0;
        for (int c = 0; c < 3; c++) {
            d += pow((double)b->wanted[i + c] - b->other[i + c], 2);
            r += pow((double)b->wanted[i + c] - b->picture[i + c], 2);
        }
        if (d < 0.004) continue;
        sum += r;
        square += d;
        n += 3;
    }
    *rest = n ? sqrt(sum / n) : 0;
    *change = n ? sqrt(square / n) : 0;
}

/* ---- the other worlds -------------------------------------------------------------------- */

static void add_world(worlds *w, const ti_scene *scene)
{
    if (w->n < MOST) w->scenes[w->n++] = *scene;
}

/* The object INDEX of SCENE in every other colour, in every free place, and gone. */
static void vary_object(worlds *w, const ti_scene *scene, int index, bool in_places)
{
    ti_scene s = *scene;
    ti_object *o = &s.objects[index];
    ti_object was = *o;
    for (int c = 1; c < TI_COLOURS; c++) {
        o->colour = (uint8_t)c;
        if (c != was.colour && ti_thing_get((ti_thing)was.type)->colours >> c & 1) add_world(w, &s);
    }
    *o = was;
    int first = was.slot >= TI_SKY_LEFT ? TI_SKY_LEFT : TI_LEFT;
    for (int slot = first; in_places && slot < first + 3; slot++) {
        if (ti_scene_at(scene, (ti_slot)slot) >= 0) continue;
        o->slot = (uint8_t)slot;
        add_world(w, &s);
    }
    s = *scene;
    ti_scene_remove(&s, index);
    add_world(w, &s);
}

static void vary_value(worlds *w, const ti_scene *before, ti_op op, int n)
{
    for (int v = 0; v < n; v++) {
        ti_scene s = *before;
        ti_op other = op;
        other.value = (uint8_t)v;
        if (v != op.value && ti_op_apply(&s, other)) add_world(w, &s);
    }
}

/* Different hours and places, for generations. */
static void vary_setting(worlds *w, const ti_scene *scene)
{
    for (int i = 0; i < TI_TIMES; i++) {
        ti_scene s = *scene;
        s.time = (uint8_t)i;
        ti_scene_settle(&s);
        if (i != scene->time) add_world(w, &s);
    }
    for (int i = 0; i < TI_PLACES; i++) {
        ti_scene s = *scene;
        s.place = (uint8_t)i;
        s.ground = (uint8_t)ti_place_ground((ti_place)i);
        ti_scene_settle(&s);
        if (i != scene->place) add_world(w, &s);
    }
}

static void other_worlds(worlds *w, const ti_scene *before, const ti_scene *after, ti_op op)
{
    int at = ti_scene_find(after, (ti_thing)(op.other ? op.other : op.type));
    w->n = 0;
    if (op.code != TI_OP_DRAW) add_world(w, before);
    switch ((ti_op_code)op.code) {
    case TI_OP_DRAW:
        for (int i = 0; i < after->n_objects; i++) vary_object(w, after, i, false);
        vary_setting(w, after);
        break;
    case TI_OP_ADD:
    case TI_OP_MOVE:
    case TI_OP_COPY:
        if (at >= 0) vary_object(w, after, op.code == TI_OP_COPY ? after->n_objects - 1 : at, true);
        break;
    case TI_OP_PAINT:
    case TI_OP_REPLACE:
    case TI_OP_ENLARGE:
    case TI_OP_SHRINK:
        if (at >= 0) vary_object(w, after, at, false);
        break;
    case TI_OP_TIME:
        vary_value(w, before, op, TI_TIMES);
        break;
    case TI_OP_SEASON:
        vary_value(w, before, op, TI_SEASONS);
        break;
    case TI_OP_WEATHER:
        vary_value(w, before, op, TI_WEATHERS);
        break;
    case TI_OP_GROUND:
        vary_value(w, before, op, TI_GROUNDS);
        break;
    case TI_OP_HOIST:
        vary_value(w, before, op, TI_FLAGS);
        break;
    case TI_OP_FRAME:
        vary_value(w, before, op, TI_COLOURS);
        break;
    case TI_OP_STATE: {
        ti_scene s = *after;
        if (at >= 0) {
            ti_scene_remove(&s, at);
            add_world(w, &s);
        }
        break;
    }
    default:
        break;
    }
}

static te_status judge(bool *ok, const bench *b, const worlds *w, const ti_scene *after, ti_op op,
                       int size, te_error *err)
{
    te_status st = draw_small(b, after, size, b->wanted, err);
    *ok = true;
    for (int i = 0; !st && *ok && i < w->n; i++) {
        st = draw_small(b, &w->scenes[i], size, b->other, err);
        double distinct, near = progress(b, &distinct);
        if (distinct > 0.05 && near < NEARER) *ok = false;
        if (i > 0 || op.code == TI_OP_DRAW) continue;
        double rest, change;
        residual(b, &rest, &change);
        if (rest > fmax(0.10, 0.6 * change)) *ok = false;
    }
    if (!st && *ok && op.code == TI_OP_DRAW) { /* against nothing: the whole picture must be it */
        double sum = 0;
        for (int i = 0; i < CELLS; i++) sum += pow((double)b->wanted[i] - b->picture[i], 2);
        int grid = grid_of(size);
        if (sqrt(sum / (3.0 * grid * grid)) > 0.12) *ok = false;
    }
    return st;
}

te_status ti_check_scene(bool *ok, const ti_scene *before, const ti_scene *after, ti_op op,
                         const uint8_t *picture, int size, te_error *err)
{
    *ok = false;
    float *cells = ti_malloc_array(3 * CELLS, sizeof *cells);
    uint8_t *rgb = ti_malloc_array((size_t)size * (size_t)size, 3);
    worlds *w = ti_calloc(1, sizeof *w);
    te_status st =
        cells && rgb && w ? TE_OK : ti_fail_memory(err, "the checker", 3 * CELLS * sizeof *cells);
    if (!st) {
        bench b = {rgb, cells, cells + CELLS, cells + 2 * CELLS};
        shrink(picture, size, b.picture);
        other_worlds(w, before, after, op);
        st = judge(ok, &b, w, after, op, size, err);
    }
    free(cells);
    free(rgb);
    free(w);
    return st;
}

/* ---- words ------------------------------------------------------------------------------- */

/* The same things, and the same setting; where they stand only if PLACES. */
static bool same_scene(const ti_scene *a, const ti_scene *b, bool places)
{
    if (a->place != b->place || a->time != b->time || a->weather != b->weather ||
        a->n_objects != b->n_objects)
        return false;
    if (a->ground == TI_GRASS && a->season != b->season) return false;
    for (int i = 0; i < a->n_objects; i++) {
        int k = ti_scene_find(b, (ti_thing)a->objects[i].type);
        if (k < 0 || a->objects[i].colour != b->objects[k].colour) return false;
        if (places && a->objects[i].slot != b->objects[k].slot) return false;
    }
    return true;
}

static bool read_drawing(const char *reasoning, const ti_scene *like, ti_scene *out)
{
    if (!ti_read_scene(reasoning, out)) return false;
    ti_scene_settle(out);
    if (like->ground != TI_GRASS) out->season = like->season;
    if (like->weather == TI_SNOWFALL) ti_scene_settle(out);
    return true;
}

bool ti_check_text(const ti_world_sample *sample, const char *reasoning)
{
    const ti_world_facts *f = sample->facts;
    ti_op said;
    ti_scene scene;
    if (f->op.code == TI_OP_DRAW)
        return read_drawing(reasoning, &f->after, &scene) && same_scene(&f->after, &scene, false);
    return ti_read_op(reasoning, &said) && ti_op_same(said, f->op);
}

/* ---- all of it --------------------------------------------------------------------------- */

/* A pixel counts as unchanged when its whole neighbourhood is: a token is 8 pixels wide. */
static bool is_quiet(const uint8_t *unchanged, int size, int x, int y)
{
    int reach = size / 16;
    for (int v = y - reach; v <= y + reach; v += reach)
        for (int u = x - reach; u <= x + reach; u += reach)
            if (u >= 0 && v >= 0 && u < size && v < size && !unchanged[v * size + u]) return false;
    return true;
}

static void measure_unchanged(ti_verdict *verdict, const ti_world_sample *s, const uint8_t *picture,
                              const uint8_t *reference)
{
    double sum = 0, n = 0, changed = 0;
    for (int y = 0; y < s->size; y++)
        for (int x = 0; x < s->size; x++) {
            if (!is_quiet(s->unchanged, s->size, x, y)) continue;
            size_t at = 3 * ((size_t)y * (size_t)s->size + (size_t)x);
            int most = 0;
            for (int c = 0; c < 3; c++) {
                int d = abs(picture[at + (size_t)c] - reference[at + (size_t)c]);
                sum += (double)d * d;
                most = d > most ? d : most;
            }
            changed += most > 40;
            n++;
        }
    verdict->has_unchanged = n >= 0.02 * s->size * s->size;
    if (!verdict->has_unchanged) return;
    double mse = sum / (3 * n);
    verdict->psnr = mse > 0 ? fmin(10 * log10(255.0 * 255.0 / mse), 60) : 60;
    verdict->changed = changed / n;
}

static te_status check_generation(ti_verdict *v, const ti_world_sample *s, const uint8_t *picture,
                                  const char *reasoning, te_error *err)
{
    const ti_world_facts *f = s->facts;
    ti_scene said;
    bool read = read_drawing(reasoning, &f->after, &said);
    te_status st = TE_OK;
    if (read) st = ti_check_scene(&v->output, &said, &said, f->op, picture, s->size, err);
    if (st) return st;
    /* A prompt does not say where things stand; the reasoning may choose. */
    if (read && same_scene(&f->after, &said, false))
        v->image = v->output;
    else
        st = ti_check_scene(&v->image, &f->after, &f->after, f->op, picture, s->size, err);
    return st;
}

static te_status check_edit(ti_verdict *v, const ti_world_sample *s, const uint8_t *picture,
                            const char *reasoning, te_error *err)
{
    const ti_world_facts *f = s->facts;
    ti_op said;
    bool read = ti_read_op(reasoning, &said);
    if (f->op.code == TI_OP_TONE)
        v->image = ti_check_tone((ti_tone)f->op.value, s->input, picture, s->size);
    te_status st = f->op.code == TI_OP_TONE ? TE_OK
                                            : ti_check_scene(&v->image, &f->before, &f->after,
                                                             f->op, picture, s->size, err);
    if (st || !read) return st;
    if (ti_op_same(said, f->op)) {
        v->output = v->image;
    } else if (said.code == TI_OP_TONE) {
        v->output = ti_check_tone((ti_tone)said.value, s->input, picture, s->size);
    } else if (f->is_scene) {
        ti_scene after = f->before;
        if (ti_op_apply(&after, said))
            st = ti_check_scene(&v->output, &f->before, &after, said, picture, s->size, err);
    }
    return st;
}

te_status ti_check(ti_verdict *verdict, const ti_world_sample *sample, const uint8_t *picture,
                   const uint8_t *reference, const char *reasoning, te_error *err)
{
    memset(verdict, 0, sizeof *verdict);
    verdict->text = ti_check_text(sample, reasoning);
    if (sample->unchanged && reference) measure_unchanged(verdict, sample, picture, reference);
    if (sample->facts->op.code == TI_OP_DRAW)
        return check_generation(verdict, sample, picture, reasoning, err);
    return check_edit(verdict, sample, picture, reasoning, err);
}
