/* sequence_file.c - denoises a token sequence given as JSON, without pictures or words: what
 * compares this engine with other implementations. The file is one of golden data's
 * trajectory.json: prefixes, options and, if it has one, its own layout; without one the model's
 * holds. */
#include "api.h"
#include "format/checkpoint.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 1000000

typedef struct reader {
    const char *path;
    json_t *root;
    te_error *err;
} reader;

static te_status bad(const reader *r, const char *what)
{
    return ti_fail(r->err, TE_FORMAT, "%s: %s; give a file like golden data's trajectory.json",
                   r->path, what);
}

/* An integer member of OBJECT, left alone if absent. */
static te_status read_int(const reader *r, const json_t *object, const char *name, int64_t min,
                          int64_t max, int *out)
{
    const json_t *value = json_object_get(object, name);
    if (!value) return TE_OK;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return ti_fail(r->err, TE_FORMAT, "%s: \"%s\" is no whole number from %lld to %lld",
                       r->path, name, (long long)min, (long long)max);
    *out = (int)json_integer_value(value);
    return TE_OK;
}

/* The tokens of array NAME; *ids NULL if it is absent. */
static te_status read_tokens(const reader *r, const char *name, int32_t **ids, int *n)
{
    const json_t *array = json_object_get(r->root, name);
    *ids = NULL;
    *n = 0;
    if (!array) return TE_OK;
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > MAX_TOKENS)
        return bad(r, "a prefix is no array of tokens");
    *ids = ti_malloc_array(count, sizeof **ids);
    if (!*ids) return ti_fail_memory(r->err, "the prefix", count * sizeof **ids);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_integer(value) || llabs(json_integer_value(value)) > MAX_TOKENS)
            return bad(r, "a prefix holds something that is no token");
        (*ids)[i] = (int32_t)json_integer_value(value);
    }
    *n = (int)count;
    return TE_OK;
}

typedef struct id_name {
    const char *name;
    size_t offset;
} id_name;

#define AT(name) offsetof(ti_layout, name)
static const id_name id_names[] = {
    {"task", AT(edit_task)},
    {"task_generate", AT(generate_task)},
    {"soi", AT(soi)},
    {"eoi", AT(eoi)},
    {"bos", AT(bos)},
    {"eos", AT(eos)},
    {"newline", AT(newline)},
    {"boi", AT(boi)},
    {"uncond", AT(uncondition)},
    {"boa", AT(answer_start)},
    {"eoa", AT(answer_end)},
};

static te_status read_layout(const reader *r, ti_layout *l)
{
    const json_t *layout = json_object_get(r->root, "layout");
    if (!layout) return TE_OK;
    const char *profile = json_string_value(json_object_get(layout, "profile"));
    te_status st = profile ? ti_profile_parse(profile, &l->profile, r->err) : TE_OK;
    if (!st) st = read_int(r, layout, "grid", 1, 512, &l->grid_h);
    if (!st) st = read_int(r, layout, "grid", 1, 512, &l->grid_w);
    if (!st) st = read_int(r, layout, "grid_h", 1, 512, &l->grid_h);
    if (!st) st = read_int(r, layout, "grid_w", 1, 512, &l->grid_w);
    if (!st) st = read_int(r, layout, "codebook", 1, MAX_TOKENS, &l->codebook);
    if (!st) st = read_int(r, layout, "image_offset", 0, MAX_TOKENS, &l->image_offset);
    if (!st) st = read_int(r, layout, "mask", 0, MAX_TOKENS, &l->mask);
    const json_t *ids = json_object_get(layout, "ids");
    for (size_t i = 0; ids && i < sizeof id_names / sizeof *id_names && !st; i++)
        st = read_int(r, ids, id_names[i].name, 0, MAX_TOKENS,
                      (int *)(void *)((char *)l + id_names[i].offset));
    return st;
}

/* Option names with underscores; A's guidances under their released names. */
static te_status set_option(const reader *r, te_options *opt, const char *key, const json_t *value)
{
    char name[64];
    if (!strcmp(key, "remask")) {
        const char *text = json_string_value(value);
        return text && !strcmp(text, "low_confidence") ? TE_OK
                                                       : bad(r, "remask is not low_confidence");
    }
    if (!strcmp(key, "cfg_text")) key = "instruction_cfg";
    if (!strcmp(key, "cfg_image")) key = "image_cfg";
    snprintf(name, sizeof name, "%s", key);
    for (char *c = name; *c; c++)
        if (*c == '_') *c = '-';
    if (json_is_string(value)) return te_options_set(opt, name, json_string_value(value), r->err);
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (!text) return ti_fail_memory(r->err, "an option", 64);
    te_status st = te_options_set(opt, name, text, r->err);
    free(text);
    return st;
}

static te_status read_options(const reader *r, te_options *opt)
{
    json_t *options = json_object_get(r->root, "options"), *value;
    const char *key;
    te_status st = TE_OK;
    json_object_foreach(options, key, value)
    {
        if (!st) st = set_option(r, opt, key, value);
    }
    return st;
}

static te_status set_unconditional(const reader *r, ti_sequence *s, int index, const char *name)
{
    int32_t *ids;
    int n;
    te_status st = read_tokens(r, name, &ids, &n);
    if (!st && ids) st = ti_sequence_set_unconditional(s, index, ids, n, r->err);
    free(ids);
    return st;
}

static te_status build(const reader *r, const te_model *model, ti_sequence **out, te_options *opt)
{
    ti_layout layout = model->layout;
    int32_t *prefix = NULL;
    int n = 0;
    te_status st = read_layout(r, &layout);
    if (!st) st = read_options(r, opt);
    if (!st) st = te_options_resolve(opt, model, false, r->err);
    if (!st) st = read_tokens(r, "prefix", &prefix, &n);
    if (!st && !prefix) st = bad(r, "there is no \"prefix\"");
    if (!st)
        st = ti_sequence_from_prefix(out, &layout, prefix, n, layout.grid_h, layout.grid_w,
                                     opt->text_len, r->err);
    free(prefix);
    if (st) return st;
    if (layout.profile == TI_PROFILE_M) return set_unconditional(r, *out, 0, "uncond_prefix");
    st = set_unconditional(r, *out, 0, "uncond_text_prefix");
    return st ? st : set_unconditional(r, *out, 1, "uncond_image_prefix");
}

te_status ti_sequence_file_read(ti_sequence **out, te_options *opt, const te_model *model,
                                const char *path, te_error *err)
{
    *out = NULL;
    json_error_t where;
    reader r = {
        .path = path, .root = json_load_file(path, JSON_REJECT_DUPLICATES, &where), .err = err};
    if (!r.root)
        return ti_fail(err, where.line < 0 ? TE_IO : TE_FORMAT, "%s: %s (line %d)", path,
                       where.text, where.line);
    te_options_init(opt);
    te_status st = json_is_object(r.root) ? build(&r, model, out, opt) : bad(&r, "it is no object");
    json_decref(r.root);
    if (st) {
        ti_sequence_free(*out);
        *out = NULL;
    }
    return st;
}

/* ---- running ----------------------------------------------------------------------------- */

static te_status write_first_logits(const te_model *m, const ti_sequence *s, const char *path,
                                    te_error *err)
{
    float *cond, *uncond;
    te_status st = ti_denoise_first_logits(m->backbone, s, &cond, &uncond, err);
    if (st) return st;
    int64_t vocab = m->backbone->config.vocab;
    ti_tensor logits = {.name = "cond_logits_step0",
                        .type = TI_F32,
                        .n_dims = 2,
                        .shape = {s->n, vocab, 1, 1},
                        .data = cond,
                        .bytes = (size_t)s->n * (size_t)vocab * sizeof *cond};
    ti_tensor both[2] = {logits, logits};
    both[1].name = "uncond_logits_step0";
    both[1].data = uncond;
    st = ti_safetensors_write(path, both, uncond ? 2 : 1, err);
    free(cond);
    free(uncond);
    return st;
}

te_status ti_sequence_file_run(te_model *model, const char *path, const char *trace_path,
                               const char *logits_path, te_work *work, te_error *err)
{
    ti_sequence *s = NULL;
    ti_trajectory *t = NULL;
    te_options opt;
    if (!model->backbone)
        return ti_fail(err, TE_UNSUPPORTED, "%s has no backbone; denoise with a whole model",
                       ti_gguf_path(model->file));
    pthread_mutex_lock(&model->lock);
    te_status st = ti_sequence_file_read(&s, &opt, model, path, err);
    if (!st && logits_path) st = write_first_logits(model, s, logits_path, err);
    if (!st)
        st = ti_denoise(
            &(ti_denoise_job){.backbone = model->backbone, .sequence = s, .options = &opt}, &t,
            err);
    if (!st && trace_path) st = ti_trajectory_write(t, trace_path, err);
    if (!st && work) *work = t->work;
    pthread_mutex_unlock(&model->lock);
    ti_trajectory_free(t);
    ti_sequence_free(s);
    return st;
}
