/* convert_layout.c - which id is what: the profile's released ids, or those of a layout file.
 *
 * A layout file is JSON as in the golden data: {"layout": {..., "ids": {...}}, "options": {...}} or
 * the inner object itself. Its members stand over the released ones, and where it has "ids", those
 * a model may do without are absent unless named. Names nobody knows are an error, so that a
 * misspelt id is not silently the released one. */
#include "format/convert_internal.h"

#include <stdio.h>
#include <string.h>

enum { M, A };
#define NONE (-1) /* not in this profile, or nothing released */

/* Numbers outside "ids". */
static const struct number {
    const char *json, *key;
    int64_t released[2];
} numbers[] = {
    {"text_vocab", "text_vocab", {126349, 126356}},
    {"llm_vocab", "llm_vocab", {126464, 126464}},
    {"codebook", "codebook", {8192, 8192}},
    {"image_offset", "image_offset", {126349, 126356}},
    {"mask", "mask", {126336, 126336}},
    {"grid_h", "grid_height", {32, 32}},
    {"grid_w", "grid_width", {32, 32}},
    {"instruction_len", "instruction_len", {0, 0}},
};
enum {
    TEXT_VOCAB,
    LLM_VOCAB,
    CODEBOOK,
    IMAGE_OFFSET,
    MASK,
    GRID_H,
    GRID_W,
    INSTRUCTION_LEN,
    N_NUMBERS
};

static const struct id {
    const char *json, *key;
    int64_t released[2];
    bool needed[2];
} ids[] = {
    {"task", "task", {126095, NONE}, {true, false}},
    {"task_generate", "task_generate", {126088, NONE}, {false, false}},
    {"soi", "soi", {126084, NONE}, {true, false}},
    {"boi", "boi", {NONE, 126349}, {false, true}},
    {"eoi", "eoi", {126085, 126350}, {true, true}},
    {"bos", "bos", {126080, 126080}, {true, false}},
    {"eos", "eos", {126081, 126081}, {true, false}},
    {"newline", "newline", {NONE, 126084}, {false, true}},
    {"pad", "pad", {NONE, 126339}, {false, false}},
    {"uncond", "uncond", {NONE, 126351}, {false, true}},
    {"boa", "answer_start", {NONE, 126354}, {false, true}},
    {"eoa", "answer_end", {NONE, 126355}, {false, true}},
    {"user", "user", {NONE, NONE}, {false, false}},
    {"end_user", "end_user", {NONE, NONE}, {false, false}},
};
#define N_IDS (sizeof ids / sizeof *ids)

/* Option names: those of the engine, and the golden data's for variant A. */
static const struct option {
    const char *json, *key;
    enum { INT, REAL, TEXT, IGNORED } type;
} options[] = {
    {"text_steps", "text_steps", INT},
    {"image_steps", "image_steps", INT},
    {"text_len", "text_len", INT},
    {"text_block", "text_block", INT},
    {"text_cfg", "text_cfg", REAL},
    {"image_cfg", "image_cfg", REAL},
    {"cfg_image", "image_cfg", REAL},
    {"instruction_cfg", "instruction_cfg", REAL},
    {"cfg_text", "instruction_cfg", REAL},
    {"text_temperature", "text_temperature", REAL},
    {"image_temperature", "image_temperature", REAL},
    {"image_shuffle", "image_shuffle", REAL},
    {"image_stay", "image_stay", REAL},
    {"schedule", "schedule", TEXT},
    {"schedule_pow", "schedule_pow", REAL},
    {"strategy", "strategy", TEXT},
    {"remask", "", IGNORED}, /* low_confidence is the only way there is */
};

typedef struct layout {
    const char *path; /* of the file, for messages; NULL without one */
    json_t *root, *object, *ids, *options;
    int profile;
    int64_t number[N_NUMBERS], id[N_IDS];
} layout;

static const char *const profiles[2] = {"mmada-parallel-m", "mmada-parallel-a"};

static te_status choose_profile(layout *l, const char *asked, te_error *err)
{
    const char *in_file = json_string_value(json_object_get(l->object, "profile"));
    const char *name = asked ? asked : in_file;
    if (!name)
        return ti_fail(err, TE_INVALID, "no profile: say --profile %s or %s", profiles[M],
                       profiles[A]);
    for (l->profile = M; l->profile <= A && strcmp(name, profiles[l->profile]);) l->profile++;
    if (l->profile > A)
        return ti_fail(err, TE_INVALID, "the profile %s is unknown; there are %s and %s", name,
                       profiles[M], profiles[A]);
    if (in_file && strcmp(name, in_file))
        return ti_fail(err, TE_INVALID, "%s: is for profile %s, not %s", l->path, in_file, name);
    return TE_OK;
}

static te_status read_file(layout *l, te_error *err)
{
    te_status st = ti_json_file(&l->root, l->path, err);
    if (st) return st;
    if (!l->root) return ti_fail(err, TE_IO, "%s: there is no such file", l->path);
    json_t *inner = json_object_get(l->root, "layout");
    l->object = inner ? inner : l->root;
    l->ids = json_object_get(l->object, "ids");
    l->options = json_object_get(l->root, "options");
    if (!json_is_object(l->object) || (l->ids && !json_is_object(l->ids)) ||
        (l->options && !json_is_object(l->options)))
        return ti_fail(err, TE_FORMAT, "%s: \"layout\", \"ids\" and \"options\" must be objects",
                       l->path);
    return TE_OK;
}

static te_status take(const layout *l, const char *name, json_t *value, int64_t *out, te_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT32_MAX)
        return ti_fail(err, TE_FORMAT, "%s: \"%s\" is no number from 0 on", l->path, name);
    *out = json_integer_value(value);
    return TE_OK;
}

static te_status take_number(layout *l, const char *name, json_t *value, te_error *err)
{
    for (int i = 0; i < N_NUMBERS; i++)
        if (!strcmp(numbers[i].json, name)) return take(l, name, value, &l->number[i], err);
    if (!strcmp(name, "grid")) {
        te_status st = take(l, name, value, &l->number[GRID_H], err);
        l->number[GRID_W] = l->number[GRID_H];
        return st;
    }
    if (!strcmp(name, "profile") || !strcmp(name, "ids") || !strcmp(name, "options") ||
        !strncmp(name, "system_", 7))
        return TE_OK;
    return ti_fail(err, TE_FORMAT, "%s: \"%s\" is no part of a layout (models/FORMAT.md)", l->path,
                   name);
}

static te_status take_id(layout *l, const char *name, json_t *value, te_error *err)
{
    if (!strcmp(name, "mask")) return take(l, name, value, &l->number[MASK], err);
    for (size_t i = 0; i < N_IDS; i++)
        if (!strcmp(ids[i].json, name)) return take(l, name, value, &l->id[i], err);
    return ti_fail(err, TE_FORMAT, "%s: \"%s\" is no id of a layout (models/FORMAT.md)", l->path,
                   name);
}

static te_status take_all(layout *l, te_error *err)
{
    const char *name;
    json_t *value;
    te_status st = TE_OK;
    for (int i = 0; i < N_NUMBERS; i++) l->number[i] = numbers[i].released[l->profile];
    for (size_t i = 0; i < N_IDS; i++)
        l->id[i] = l->ids && !ids[i].needed[l->profile] ? NONE : ids[i].released[l->profile];
    json_object_foreach(l->object, name, value) if (!st) st = take_number(l, name, value, err);
    json_object_foreach(l->ids, name, value) if (!st) st = take_id(l, name, value, err);
    return st;
}

/* ---- checking -------------------------------------------------------------------------------- */

static te_status check_id(const layout *l, const ti_conversion *c, const char *name, int64_t value,
                          te_error *err)
{
    if (c->vocab && value >= c->vocab)
        return ti_fail(err, TE_INVALID,
                       "the id %lld for %s lies outside the vocabulary of %lld; %s",
                       (long long)value, name, (long long)c->vocab,
                       l->path ? "correct the layout file" : "give the model's own --layout FILE");
    return TE_OK;
}

static te_status check(const layout *l, const ti_conversion *c, te_error *err)
{
    const int64_t *n = l->number;
    te_status st = check_id(l, c, "mask", n[MASK], err);
    if (!st) st = check_id(l, c, "the last image code", n[IMAGE_OFFSET] + n[CODEBOOK] - 1, err);
    for (size_t i = 0; i < N_IDS && !st; i++) st = check_id(l, c, ids[i].json, l->id[i], err);
    if (st) return st;
    if (c->codebook && c->codebook != n[CODEBOOK])
        return ti_fail(
            err, TE_INVALID,
            "the layout has %lld image codes, the image tokeniser %lld; they do not belong "
            "together",
            (long long)n[CODEBOOK], (long long)c->codebook);
    if (n[CODEBOOK] < 1 || n[GRID_H] < 1 || n[GRID_W] < 1 || n[GRID_H] > 512 || n[GRID_W] > 512)
        return ti_fail(err, TE_INVALID, "the layout's grid or codebook is of impossible size");
    if (n[INSTRUCTION_LEN] > 4096)
        return ti_fail(err, TE_INVALID, "the layout's instruction_len is over 4096");
    return TE_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static te_status put_ids(const layout *l, ti_gguf_writer *w, te_error *err)
{
    char key[64];
    te_status st = ti_put_text(w, "thinkedit.layout.profile", profiles[l->profile], err);
    for (int i = 0; i < N_NUMBERS && !st; i++) {
        snprintf(key, sizeof key, "thinkedit.layout.%s", numbers[i].key);
        st = ti_gguf_put_int(w, key, (uint32_t)l->number[i], err);
    }
    for (size_t i = 0; i < N_IDS && !st; i++) {
        if (l->id[i] == NONE) {
            if (ids[i].needed[l->profile])
                st = ti_fail(err, TE_INVALID, "the layout has no id \"%s\"", ids[i].json);
            continue;
        }
        snprintf(key, sizeof key, "thinkedit.layout.id.%s", ids[i].key);
        st = ti_gguf_put_int(w, key, (uint32_t)l->id[i], err);
    }
    return st;
}

static te_status put_systems(const layout *l, ti_gguf_writer *w, te_error *err)
{
    static const char *const names[] = {"system_edit", "system_generate"};
    te_status st = TE_OK;
    for (int i = 0; i < 2 && !st; i++) {
        json_t *value = json_object_get(l->object, names[i]);
        char key[64];
        snprintf(key, sizeof key, "thinkedit.layout.%s", names[i]);
        if (!value) continue;
        st = json_is_string(value)
                 ? ti_put_text(w, key, json_string_value(value), err)
                 : ti_fail(err, TE_FORMAT, "%s: \"%s\" is no text", l->path, names[i]);
    }
    return st;
}

static te_status put_option(const layout *l, ti_gguf_writer *w, const char *prefix,
                            const char *name, json_t *value, te_error *err)
{
    char key[96];
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].json, name)) continue;
        snprintf(key, sizeof key, "%s.%s", prefix, options[i].key);
        if (options[i].type == IGNORED) return TE_OK;
        if (options[i].type == TEXT && json_is_string(value))
            return ti_put_text(w, key, json_string_value(value), err);
        if (options[i].type == REAL && json_is_number(value))
            return ti_gguf_put_real(w, key, (float)json_number_value(value), err);
        if (options[i].type == INT && json_is_integer(value) && json_integer_value(value) >= 0 &&
            json_integer_value(value) <= INT32_MAX)
            return ti_gguf_put_int(w, key, (uint32_t)json_integer_value(value), err);
        return ti_fail(err, TE_FORMAT, "%s: the option \"%s\" has an unusable value", l->path,
                       name);
    }
    return ti_fail(err, TE_FORMAT, "%s: \"%s\" is no option (models/FORMAT.md)", l->path, name);
}

/* Those of edits; in an object `generation`, those that are others for generations. */
static te_status put_options(const layout *l, ti_gguf_writer *w, te_error *err)
{
    const char *name;
    json_t *value, *generation = json_object_get(l->options, "generation");
    te_status st = TE_OK;
    json_object_foreach(l->options, name, value) if (!st && value != generation) st =
        put_option(l, w, "thinkedit.defaults", name, value, err);
    json_object_foreach(generation, name, value) if (!st) st =
        put_option(l, w, "thinkedit.defaults.generation", name, value, err);
    if (!st && generation && !json_is_object(generation))
        st = ti_fail(err, TE_FORMAT, "%s: \"generation\" is no object", l->path);
    return st;
}

te_status ti_convert_layout(ti_conversion *c, te_error *err)
{
    layout l = {.path = c->opt->layout};
    te_status st = l.path ? read_file(&l, err) : TE_OK;
    if (!st) st = choose_profile(&l, c->opt->profile, err);
    if (!st) st = take_all(&l, err);
    if (!st) st = check(&l, c, err);
    if (!st) st = put_ids(&l, c->writer, err);
    if (!st) st = put_systems(&l, c->writer, err);
    if (!st) st = put_options(&l, c->writer, err);
    json_decref(l.root);
    return st;
}
