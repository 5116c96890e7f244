/* world.c - from a seed to a sample; see world.h
 *
 * Category, then kind, then the kind's plan (a scene and an operation), drawn again until it fits
 * the split; then words and pictures. Only planning is repeated, and it costs microseconds. */
#include "world/world.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "world/camera.h"
#include "world/facts.h"
#include "world/kinds.h"
#include "world/texture.h"

enum { TRIES = 400, STREAM_SAMPLE = 0x776f726c64, STREAM_PICTURE = 0x70696374 };

const char *ti_world_category_name(ti_world_category category)
{
    static const char *const names[TI_WORLD_CATEGORIES] = {
        "spatial", "temporal", "causal", "knowledge", "general", "photo", "generation"};
    return names[category];
}

const ti_edit_kind *ti_kinds_of(ti_world_category category, int *n)
{
    switch (category) {
    case TI_WORLD_SPATIAL:
        *n = ti_n_spatial;
        return ti_kinds_spatial;
    case TI_WORLD_TEMPORAL:
        *n = ti_n_temporal;
        return ti_kinds_temporal;
    case TI_WORLD_CAUSAL:
        *n = ti_n_causal;
        return ti_kinds_causal;
    case TI_WORLD_KNOWLEDGE:
        *n = ti_n_knowledge;
        return ti_kinds_knowledge;
    case TI_WORLD_GENERAL:
        *n = ti_n_general;
        return ti_kinds_general;
    case TI_WORLD_PHOTO:
        *n = ti_n_photo;
        return ti_kinds_photo;
    default:
        *n = ti_n_generation;
        return ti_kinds_generation;
    }
}

/* ---- words ------------------------------------------------------------------------------- */

static const char *pick_phrasing(ti_draw *draw, const char *const *phrasings, bool held_out)
{
    const char *found = phrasings[0];
    uint32_t seen = 0;
    for (; *phrasings; phrasings++)
        if ((**phrasings == '*') == held_out && ti_draw_below(draw, ++seen) == 0)
            found = *phrasings;
    return found;
}

/* Whether a phrasing begins with a verb that "please" and "can you" go with. */
static bool is_imperative(const char *phrasing)
{
    static const char *const verbs[] = {
        "add",      "age",        "allow",     "apply",     "bathe",      "bleach",  "blend",
        "blow",     "boost",      "break",     "brighten",  "bring",      "calm",    "carry",
        "carve",    "centre",     "change",    "chop",      "clean",      "clear",   "clone",
        "colour",   "convert",    "copy",      "cover",     "create",     "cut",     "darken",
        "decorate", "decrease",   "dehaze",    "delete",    "desaturate", "dim",     "draw",
        "dress",    "drag",       "drop",      "duplicate", "dye",        "enlarge", "erase",
        "exchange", "extinguish", "fade",      "fell",      "fill",       "flatten", "flip",
        "flood",    "fly",        "frame",     "freeze",    "generate",   "get",     "give",
        "go",       "grade",      "hang",      "hatch",     "hoist",      "hold",    "include",
        "increase", "insert",     "intensify", "invert",    "kill",       "knock",   "lay",
        "leave",    "let",        "lift",      "light",     "lighten",    "lower",   "make",
        "match",    "mix",        "move",      "open",      "paint",      "place",   "pop",
        "pour",     "prick",      "pull",      "push",      "put",        "raise",   "recolour",
        "reduce",   "relocate",   "remove",    "repeat",    "replace",    "reverse", "ripen",
        "saturate", "saw",        "scale",     "send",      "set",        "shift",   "shove",
        "show",     "shrink",     "slide",     "smash",     "soften",     "spoil",   "stop",
        "strike",   "substitute", "surround",  "swap",      "switch",     "take",    "tell",
        "throw",    "tip",        "tone",      "trade",     "transform",  "turn",    "use",
        "warm",     "wash",       "water",     "wrap"};
    size_t n = strcspn(phrasing, " ");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strlen(verbs[i]) == n && !strncmp(phrasing, verbs[i], n)) return true;
    return false;
}

/* Some write colour, grey and centre the American way. */
static void americanise(ti_words *text)
{
    static const char *const pairs[][2] = {
        {"colour", "color"}, {"grey", "gray"}, {"centre", "center"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        for (char *p = text->buf; (p = strstr(p, pairs[i][0]));) {
            size_t from = strlen(pairs[i][0]), to = strlen(pairs[i][1]);
            memcpy(p, pairs[i][1], to);
            memmove(p + to, p + from, strlen(p + from) + 1);
            text->n -= from - to;
        }
}

/* People are polite or not, and begin with a capital or not. */
static void say_instruction(ti_words *text, const char *phrasing, const ti_edit_plan *plan,
                            ti_draw *draw)
{
    static const char *const before[] = {"please ", "can you ", "could you ", "i want you to ",
                                         "now "};
    if (*phrasing == '*') phrasing++;
    bool imperative = is_imperative(phrasing), asked = false;
    if (imperative && ti_draw_chance(draw, 0.25)) {
        uint32_t which = ti_draw_below(draw, 5);
        asked = which == 1 || which == 2;
        ti_words_add(text, before[which]);
    }
    ti_template_say(text, phrasing, plan, draw);
    char last = text->n ? text->buf[text->n - 1] : ' ';
    if (last != '?' && last != '.') {
        bool asks = asked || !strncmp(phrasing, "what", 4) || !strncmp(phrasing, "how", 3);
        if (asks && ti_draw_chance(draw, 0.6))
            ti_words_add(text, "?");
        else if (imperative && !asked && ti_draw_chance(draw, 0.08))
            ti_words_add(text, " please");
        else if (ti_draw_chance(draw, 0.2))
            ti_words_add(text, ".");
    }
    if (ti_draw_chance(draw, 0.15)) americanise(text);
    if (ti_draw_chance(draw, 0.3)) text->buf[0] = (char)toupper((unsigned char)text->buf[0]);
}

/* "a dark photo with warm colours and strong contrast" */
static void say_photo(ti_words *text, const uint8_t *rgb, int size)
{
    double n = (double)size * size, sum[3] = {0}, square = 0;
    for (int i = 0; i < size * size; i++) {
        double y = 0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2];
        for (int c = 0; c < 3; c++) sum[c] += rgb[3 * i + c] / n;
        square += y * y / n;
    }
    double mean = 0.299 * sum[0] + 0.587 * sum[1] + 0.114 * sum[2], spread = square - mean * mean;
    double warm = sum[0] - sum[2], green = sum[1] - (sum[0] + sum[2]) / 2;
    const char *light = mean < 85 ? "a dark" : mean > 160 ? "a bright" : "a";
    const char *tint = green > 14 ? "green" : warm > 18 ? "warm" : warm < -14 ? "cool" : "neutral";
    ti_words_addf(text, "%s photo with %s colours and %s contrast", light, tint,
                  spread > 45 * 45 ? "strong" : "soft");
}

/* What stays: the other objects, or everything's place. */
static void say_kept(ti_words *text, const ti_edit_plan *plan)
{
    const ti_scene *s = &plan->scene;
    ti_op op = plan->op;
    bool about_object = op.type || op.code == TI_OP_ADD;
    if (op.code == TI_OP_TONE) {
        ti_words_add(text, " keep every shape and edge.");
        return;
    }
    if (!about_object) {
        ti_words_add(text, s->n_objects && op.code != TI_OP_CLEAR
                               ? " keep every object in its place."
                               : " keep the scene.");
        return;
    }
    int said = 0;
    for (int i = 0; i < s->n_objects && said < 2; i++) {
        if (s->objects[i].type == op.type || s->objects[i].type == op.other) continue;
        ti_words_addf(text, said++ ? ", the %s" : " keep the %s",
                      ti_thing_get((ti_thing)s->objects[i].type)->name);
    }
    ti_words_addf(text, said ? " and the %s." : " keep the %s.", ti_place_name((ti_place)s->place));
}

static void say_reasoning(ti_words *text, const ti_edit_plan *plan, const ti_edit_kind *kind,
                          ti_draw *draw, const uint8_t *photo, int size)
{
    uint32_t n = 0;
    while (kind->causes[n]) n++;
    if (plan->op.code == TI_OP_DRAW) {
        ti_template_say(text, kind->causes[ti_draw_below(draw, n)], plan, draw);
        ti_words_add(text, ", so draw ");
        ti_say_scene(text, &plan->scene);
        ti_words_add(text, ".");
        return;
    }
    ti_words_add(text, "i see ");
    if (photo)
        say_photo(text, photo, size);
    else
        ti_say_scene(text, &plan->scene);
    ti_words_add(text, ". ");
    ti_template_say(text, kind->causes[ti_draw_below(draw, n)], plan, draw);
    ti_words_add(text, ", so ");
    ti_say_op(text, plan->op);
    ti_words_add(text, ".");
    say_kept(text, plan);
}

/* ---- plans ------------------------------------------------------------------------------- */

/* Draws until scene and operation agree with each other and with the split. */
static bool make_plan(ti_edit_plan *plan, const ti_edit_kind *kind, ti_scene *after,
                      bool want_content, bool allow_content, bool *content)
{
    for (int i = 0; i < TRIES; i++) {
        memset(&plan->scene, 0, sizeof plan->scene);
        memset(&plan->op, 0, sizeof plan->op);
        plan->hint = NULL;
        if (!kind->plan(plan, kind->argument)) continue;
        if (plan->op.code == TI_OP_DRAW) ti_scene_settle(&plan->scene);
        *after = plan->scene;
        bool whole = plan->op.code == TI_OP_TONE || plan->op.code == TI_OP_DRAW;
        if (!whole && !ti_op_apply(after, plan->op)) continue;
        *content = ti_held_out_scene(&plan->scene) || ti_held_out_scene(after);
        if (*content ? !allow_content : want_content && i < TRIES / 2) continue;
        return true;
    }
    return false;
}

static double mean_change(const ti_world_sample *s)
{
    double sum = 0, n = (double)s->size * s->size * 3;
    for (int i = 0; i < s->size * s->size * 3; i++) sum += abs(s->input[i] - s->output[i]);
    return sum / n;
}

static te_status draw_tone(const ti_edit_plan *plan, ti_world_sample *s, bool texture,
                           te_error *err)
{
    size_t pixels = (size_t)s->size * (size_t)s->size;
    te_status st = TE_OK;
    for (int tries = 0; !st && tries < 4;
         tries++) { /* a grey picture teaches nothing about colour */
        st = texture ? ti_texture_make(plan->draw, s->input, s->size, err)
                     : ti_scene_render(&plan->scene, s->input, s->size, err);
        if (st) break;
        if (plan->op.value == TI_HAZE_REMOVED) ti_tone_apply(TI_FOGGY, s->input, s->input, pixels);
        ti_tone_apply((ti_tone)plan->op.value, s->input, s->output, pixels);
        if (!texture || mean_change(s) > 10) break;
    }
    return st;
}

static void find_unchanged(ti_world_sample *s)
{
    for (int i = 0; i < s->size * s->size; i++) {
        int far = 0;
        for (int c = 0; c < 3; c++) far |= abs(s->input[3 * i + c] - s->output[3 * i + c]) > 3;
        s->unchanged[i] = !far;
    }
}

static te_status allocate(ti_world_sample *s, bool generation, te_error *err)
{
    size_t pixels = (size_t)s->size * (size_t)s->size;
    s->output = ti_malloc_array(pixels, 3);
    s->facts = ti_calloc(1, sizeof *s->facts);
    if (!generation) s->input = ti_malloc_array(pixels, 3);
    if (!generation) s->unchanged = ti_malloc_array(pixels, 1);
    bool ok = s->output && s->facts && (generation || (s->input && s->unchanged));
    return ok ? TE_OK : ti_fail_memory(err, "a sample of the world", pixels * 7);
}

static te_status finish_words(ti_world_sample *s, const ti_words *instruction,
                              const ti_words *reasoning, te_error *err)
{
    if (instruction->full || reasoning->full)
        return ti_fail(err, TE_INVALID,
                       "%s: a text of the world does not fit; shorten its templates", s->kind);
    s->instruction = ti_strdup(instruction->buf);
    s->reasoning = ti_strdup(reasoning->buf);
    return s->instruction && s->reasoning
               ? TE_OK
               : ti_fail_memory(err, "a text of the world", reasoning->n);
}

/* All kinds alike; but of photographs' in training half are what everybody asks for, and black and
 * white three of ten of these, as models had learnt it least. */
static double times_drawn(const ti_world_mix *mix, const char *kind)
{
    for (int i = 0; mix && i < mix->n_kinds; i++)
        if (!strcmp(mix->kinds[i].kind, kind)) return mix->kinds[i].times;
    return 1;
}

static const ti_edit_kind *pick_kind(ti_draw *draw, ti_world_category category,
                                     const ti_world_mix *mix)
{
    int n, i = 0;
    const ti_edit_kind *kinds = ti_kinds_of(category, &n);
    if (!mix || !mix->n_kinds) return &kinds[ti_draw_below(draw, (uint32_t)n)];
    double total = 0;
    for (int k = 0; k < n; k++) total += times_drawn(mix, kinds[k].name);
    double at = ti_draw_between(draw, 0, total);
    while (i + 1 < n && at >= times_drawn(mix, kinds[i].name))
        at -= times_drawn(mix, kinds[i++].name);
    return &kinds[i];
}

bool ti_world_has_kind(const char *name)
{
    for (int c = 0; c < TI_WORLD_CATEGORIES; c++) {
        int n;
        const ti_edit_kind *kinds = ti_kinds_of((ti_world_category)c, &n);
        for (int i = 0; i < n; i++)
            if (!strcmp(kinds[i].name, name)) return true;
    }
    return false;
}

static te_status make_sample(ti_world_sample *s, ti_draw *draw, ti_world_split split,
                             const ti_world_mix *mix, te_error *err)
{
    const ti_edit_kind *kind = pick_kind(draw, s->category, mix);
    bool held_out = split == TI_WORLD_HELD_OUT,
         want_content = held_out && ti_draw_chance(draw, 0.5);
    bool texture = s->category == TI_WORLD_PHOTO &&
                   (ti_draw_chance(draw, 0.7) || ti_tone_for_photos_only((ti_tone)kind->argument));
    ti_edit_plan plan = {.draw = draw};
    te_status st = allocate(s, s->category == TI_WORLD_GENERATION, err);
    if (st) return st;
    s->kind = kind->name;
    ti_world_facts *facts = s->facts;
    if (!make_plan(&plan, kind, &facts->after, want_content && !texture, held_out,
                   &facts->held_out_content))
        return ti_fail(err, TE_INVALID, "the kind %s of the world finds no scene", kind->name);
    facts->held_out_phrasing = held_out && !(want_content && facts->held_out_content && !texture);
    facts->op = plan.op;
    facts->before = plan.scene;
    facts->is_scene = !texture;
    if (plan.op.code == TI_OP_TONE) {
        st = draw_tone(&plan, s, texture, err);
    } else {
        if (s->input) st = ti_scene_render(&plan.scene, s->input, s->size, err);
        if (!st) st = ti_scene_render(&facts->after, s->output, s->size, err);
    }
    if (st) return st;
    if (s->unchanged) find_unchanged(s);
    ti_words instruction = {.n = 0}, reasoning = {.n = 0};
    say_instruction(&instruction, pick_phrasing(draw, kind->phrasings, facts->held_out_phrasing),
                    &plan, draw);
    say_reasoning(&reasoning, &plan, kind, draw, texture ? s->input : NULL, s->size);
    return finish_words(s, &instruction, &reasoning, err);
}

static te_status make_of_category(ti_world_sample *sample, uint64_t seed, ti_world_split split,
                                  ti_world_category category, const ti_world_mix *mix, int size,
                                  te_error *err)
{
    ti_draw draw = {{seed, STREAM_SAMPLE + (uint64_t)split + 256 * (uint64_t)category}, 0};
    memset(sample, 0, sizeof *sample);
    sample->category = category;
    sample->size = size;
    te_status st = make_sample(sample, &draw, split, mix, err);
    if (st) ti_world_clear(sample);
    return st;
}

te_status ti_world_make_category(ti_world_sample *sample, uint64_t seed, ti_world_split split,
                                 ti_world_category category, int size, te_error *err)
{
    return make_of_category(sample, seed, split, category, NULL, size, err);
}

const ti_world_mix ti_world_usual_mix = {.category = {14, 11, 12, 14, 15, 25, 9}};

te_status ti_world_make_mixed(ti_world_sample *sample, uint64_t seed, ti_world_split split,
                              const ti_world_mix *mix, int size, te_error *err)
{
    double total = 0;
    for (int c = 0; c < TI_WORLD_CATEGORIES; c++) total += mix->category[c];
    double at = ti_random_uniform((ti_random){seed, STREAM_SAMPLE + 2}, 0) * total;
    int category = 0;
    while (category + 1 < TI_WORLD_CATEGORIES && at >= mix->category[category])
        at -= mix->category[category++];
    return make_of_category(sample, seed, split, (ti_world_category)category, mix, size, err);
}

te_status ti_world_make(ti_world_sample *sample, uint64_t seed, ti_world_split split, int size,
                        te_error *err)
{
    return ti_world_make_mixed(sample, seed, split, &ti_world_usual_mix, size, err);
}

void ti_world_clear(ti_world_sample *sample)
{
    free(sample->input);
    free(sample->output);
    free(sample->unchanged);
    free(sample->instruction);
    free(sample->reasoning);
    free(sample->facts);
    memset(sample, 0, sizeof *sample);
}

te_status ti_world_picture(uint8_t *rgb, uint64_t seed, int size, te_error *err)
{
    ti_draw draw = {{seed, STREAM_PICTURE}, 0};
    if (ti_draw_chance(&draw, 0.1)) {
        te_status st = ti_texture_make(&draw, rgb, size, err);
        if (!st && ti_draw_chance(&draw, 0.3))
            ti_tone_apply((ti_tone)ti_draw_below(&draw, TI_TONES), rgb, rgb,
                          (size_t)size * (size_t)size);
        return st;
    }
    ti_world_sample s;
    te_status st =
        ti_world_make(&s, seed ^ (uint64_t)STREAM_PICTURE << 20, TI_WORLD_TRAIN, size, err);
    if (st) return st;
    bool after = !s.input || ti_draw_chance(&draw, 0.5);
    memcpy(rgb, after ? s.output : s.input, (size_t)size * (size_t)size * 3);
    ti_world_clear(&s);
    return TE_OK;
}

te_status ti_world_backdrop(const ti_world_sample *s, uint8_t *rgb, te_error *err)
{
    if (!s->facts->is_scene || s->facts->op.code == TI_OP_TONE) {
        memcpy(rgb, s->output, (size_t)s->size * (size_t)s->size * 3);
        return TE_OK;
    }
    ti_scene empty = s->facts->after;
    empty.n_objects = 0;
    return ti_scene_render(&empty, rgb, s->size, err);
}

/* ---- tokens ------------------------------------------------------------------------------ */

/* No pixel of the token at column X, row Y may change; outside the picture nothing does. */
static bool is_still(const ti_world_sample *s, int side, int x, int y)
{
    const int patch = s->size / side;
    if (x < 0 || y < 0 || x >= side || y >= side) return true;
    for (int v = y * patch; v < (y + 1) * patch; v++)
        for (int u = x * patch; u < (x + 1) * patch; u++)
            if (!s->unchanged[(size_t)v * (size_t)s->size + (size_t)u]) return false;
    return true;
}

bool ti_world_token_still(const ti_world_sample *s, int side, int token)
{
    return s->input && s->unchanged && is_still(s, side, token % side, token / side);
}

bool ti_world_token_stays(const ti_world_sample *s, int side, int token)
{
    const int x = token % side, y = token / side;
    return s->input && s->unchanged && is_still(s, side, x, y) && is_still(s, side, x - 1, y) &&
           is_still(s, side, x + 1, y) && is_still(s, side, x, y - 1) &&
           is_still(s, side, x, y + 1);
}
