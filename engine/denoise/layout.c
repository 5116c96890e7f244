/* layout.c - reads a model's layout from its file and checks it. */
#include "denoise/layout.h"

#include <stdio.h>
#include <string.h>

#define PREFIX          "thinkedit.layout."
#define MAX_ID          1000000
#define MAX_GRID        512
#define MAX_INSTRUCTION 4096

static const char *const profile_names[] = {
    [TI_PROFILE_M] = "mmada-parallel-m", [TI_PROFILE_A] = "mmada-parallel-a"};

const char *ti_profile_name(ti_profile profile)
{
    return profile_names[profile];
}

te_status ti_profile_parse(const char *name, ti_profile *out, te_error *err)
{
    for (int i = TI_PROFILE_M; i <= TI_PROFILE_A; i++)
        if (!strcmp(name, profile_names[i])) {
            *out = (ti_profile)i;
            return TE_OK;
        }
    return ti_fail(err, TE_UNSUPPORTED, "unknown profile \"%s\"; known are %s and %s", name,
                   profile_names[TI_PROFILE_M], profile_names[TI_PROFILE_A]);
}

/* ---- special tokens ---------------------------------------------------------------------- */

typedef struct id_row {
    const char *name;
    size_t offset;
    bool m, a, optional;
} id_row;

#define AT(name) offsetof(ti_layout, name)
static const id_row ids[] = {
    {"task", AT(edit_task), true, false, false},
    {"task_generate", AT(generate_task), true, false, true},
    {"soi", AT(soi), true, false, false},
    {"boi", AT(boi), false, true, false},
    {"eoi", AT(eoi), true, true, false},
    {"bos", AT(bos), true, false, false},
    {"eos", AT(eos), true, true, true},
    {"newline", AT(newline), false, true, false},
    {"uncond", AT(uncondition), false, true, true},
    {"answer_start", AT(answer_start), false, true, false},
    {"answer_end", AT(answer_end), false, true, false},
};

static te_status read_id(ti_layout *l, const id_row *row, const ti_gguf *file, te_error *err)
{
    char key[96];
    int64_t value = -1;
    bool wanted = (l->profile == TI_PROFILE_M ? row->m : row->a) && !row->optional;
    snprintf(key, sizeof key, PREFIX "id.%s", row->name);
    te_status st = wanted || ti_gguf_has(file, key)
                       ? ti_gguf_need_int(file, key, 0, MAX_ID, &value, err)
                       : TE_OK;
    *(int32_t *)(void *)((char *)l + row->offset) = (int32_t)value;
    return st;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static te_status read_profile(ti_layout *l, const ti_gguf *file, te_error *err)
{
    const char *text;
    size_t length;
    char name[64];
    te_status st = ti_gguf_string(file, PREFIX "profile", &text, &length, err);
    if (st) return st;
    if (!text)
        return ti_fail(err, TE_UNSUPPORTED, "%s has no layout; convert it with --profile",
                       ti_gguf_path(file));
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
             text);
    return ti_profile_parse(name, &l->profile, err);
}

static te_status need(const ti_gguf *file, const char *key, int64_t min, int64_t max, int *out,
                      te_error *err)
{
    int64_t value = 0;
    te_status st = ti_gguf_need_int(file, key, min, max, &value, err);
    *out = (int)value;
    return st;
}

static te_status read_instruction_len(ti_layout *l, const ti_gguf *file, te_error *err)
{
    int64_t value = 0;
    te_status st = ti_gguf_int(file, PREFIX "instruction_len", 0, &value, err);
    if (!st && (value < 0 || value > MAX_INSTRUCTION))
        st = ti_fail(err, TE_FORMAT, "%s: an instruction length of %lld is not between 0 and %d",
                     ti_gguf_path(file), (long long)value, MAX_INSTRUCTION);
    l->instruction_len = st ? 0 : (int)value;
    return st;
}

te_status ti_layout_read(ti_layout *out, const ti_gguf *file, te_error *err)
{
    ti_layout l = {0};
    te_status st = read_profile(&l, file, err);
    if (!st) st = need(file, PREFIX "image_offset", 0, MAX_ID, &l.image_offset, err);
    if (!st) st = need(file, PREFIX "codebook", 1, MAX_ID, &l.codebook, err);
    if (!st) st = need(file, PREFIX "mask", 0, MAX_ID, &l.mask, err);
    if (!st) st = need(file, PREFIX "grid_height", 1, MAX_GRID, &l.grid_h, err);
    if (!st) st = need(file, PREFIX "grid_width", 1, MAX_GRID, &l.grid_w, err);
    for (size_t i = 0; i < sizeof ids / sizeof *ids && !st; i++)
        st = read_id(&l, &ids[i], file, err);
    if (!st) st = read_instruction_len(&l, file, err);
    if (!st) st = ti_gguf_string(file, PREFIX "system_edit", &l.system_edit, &l.n_system_edit, err);
    if (!st)
        st = ti_gguf_string(file, PREFIX "system_generate", &l.system_generate,
                            &l.n_system_generate, err);
    if (st) return st;
    if (l.mask >= l.image_offset && l.mask < l.image_offset + l.codebook)
        return ti_fail(err, TE_FORMAT,
                       "%s: the mask token %d is one of the image tokens; convert it again "
                       "with the right layout",
                       ti_gguf_path(file), (int)l.mask);
    *out = l;
    return TE_OK;
}
