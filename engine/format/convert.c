/* convert.c - see convert.h. Opens the sources, lets each part add its keys and tensors to a plan,
 * then streams the plan: a few megabytes of rows at a time, and the pages of the source given back
 * as it goes. */
#include "format/convert_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "format/map.h"
#include "format/rope.h"

#define CHUNK_ELEMENTS (4 << 20)

/* ---- small things ---------------------------------------------------------------------------- */

char *ti_join_path(const char *folder, const char *name)
{
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = ti_calloc(room, 1);
    if (path) snprintf(path, room, "%s/%s", folder, name);
    return path;
}

te_status ti_json_file(json_t **out, const char *path, te_error *err)
{
    json_error_t parse;
    ti_map map;
    *out = NULL;
    if (access(path, F_OK)) return TE_OK;
    te_status st = ti_map_file(&map, path, err);
    if (st) return st;
    json_t *json = json_loadb((const char *)map.bytes, map.size, JSON_REJECT_DUPLICATES, &parse);
    ti_map_clear(&map);
    if (!json) return ti_fail(err, TE_FORMAT, "%s: line %d: %s", path, parse.line, parse.text);
    if (!json_is_object(json)) {
        json_decref(json);
        return ti_fail(err, TE_FORMAT, "%s: is no JSON object", path);
    }
    *out = json;
    return TE_OK;
}

te_status ti_json_in_folder(json_t **out, const char *folder, const char *name, te_error *err)
{
    char *path = ti_join_path(folder, name);
    *out = NULL;
    te_status st = path ? ti_json_file(out, path, err) : ti_fail_memory(err, "a file name", 64);
    free(path);
    return st;
}

te_status ti_put_text(ti_gguf_writer *w, const char *key, const char *text, te_error *err)
{
    return ti_gguf_put_string(w, key, text, strlen(text), err);
}

te_status ti_plan(ti_conversion *c, const ti_tensor *source, ti_type type, int64_t head_size,
                  te_error *err, const char *name, ...)
{
    if (c->n_plan == c->room) {
        int room = c->room ? 2 * c->room : 256;
        ti_planned *grown = ti_realloc_array(c->plan, (size_t)room, sizeof *grown);
        if (!grown) return ti_fail_memory(err, "the plan", (size_t)room * sizeof *grown);
        c->plan = grown;
        c->room = room;
    }
    ti_planned *p = &c->plan[c->n_plan];
    *p = (ti_planned){.source = source, .type = type, .head_size = head_size};
    va_list args;
    va_start(args, name);
    int length = vsnprintf(p->name, sizeof p->name, name, args);
    va_end(args);
    if (length >= (int)sizeof p->name)
        return ti_fail(err, TE_FORMAT, "the tensor name %s... is too long for a model file",
                       p->name);
    c->n_plan++;
    return TE_OK;
}

static void note(const ti_conversion *c, int count, const char *what)
{
    char sentence[160];
    if (!count || !c->opt->note) return;
    snprintf(sentence, sizeof sentence, "%d %s", count, what);
    c->opt->note(sentence, c->opt->user);
}

/* ---- sources --------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The folder that holds PATH's config.json: PATH itself, or the one a file lies in. */
static char *folder_of(const char *path)
{
    if (is_folder(path)) return ti_strdup(path);
    const char *slash = strrchr(path, '/');
    return slash ? ti_strndup(path, (size_t)(slash - path)) : ti_strdup(".");
}

static te_status open_image(ti_conversion *c, const char *path, te_error *err)
{
    c->image_folder = folder_of(path);
    if (!c->image_folder) return ti_fail_memory(err, "a file name", strlen(path));
    return ti_checkpoint_open(&c->image, path, err);
}

/* FOLDER is a backbone's unless its tensors say image tokeniser. */
static te_status open_folder(ti_conversion *c, te_error *err)
{
    const char *path = c->opt->folder;
    ti_checkpoint *opened = NULL;
    te_status st = ti_checkpoint_open(&opened, path, err);
    if (st) return st;
    char *folder = folder_of(path);
    bool image = ti_checkpoint_find(opened, "encoder.conv_in.weight") != NULL;
    if (image && c->opt->image_tokenizer && strcmp(c->opt->image_tokenizer, path))
        st = ti_fail(err, TE_INVALID, "%s: is an image tokeniser; name the backbone's folder here",
                     path);
    else if (!folder)
        st = ti_fail_memory(err, "a file name", strlen(path));
    if (st) {
        ti_checkpoint_free(opened);
        free(folder);
        return st;
    }
    *(image ? &c->image : &c->backbone) = opened;
    *(image ? &c->image_folder : &c->backbone_folder) = folder;
    return TE_OK;
}

static te_status open_sources(ti_conversion *c, te_error *err)
{
    te_status st = open_folder(c, err);
    if (st || c->image) return st;
    if (c->opt->image_tokenizer) return open_image(c, c->opt->image_tokenizer, err);
    char *inside = ti_join_path(c->backbone_folder, "vqvae");
    if (!inside) return ti_fail_memory(err, "a file name", 64);
    if (is_folder(inside)) st = open_image(c, inside, err);
    free(inside);
    return st;
}

static te_status check_options(const ti_convert_options *o, te_error *err)
{
    ti_type type = TI_F32;
    if (!o->folder || !o->output)
        return ti_fail(err, TE_INVALID, "a conversion needs a folder and -o OUT");
    if (o->type &&
        (!ti_type_parse(o->type, &type) || (type != TI_F32 && type != TI_F16 && type != TI_BF16 &&
                                            type != TI_Q8_0 && type != TI_Q4_K)))
        return ti_fail(err, TE_INVALID,
                       "the type %s is unknown; there are f32, f16, bf16, q8_0 and q4_k", o->type);
    if (o->rope && strcmp(o->rope, "half") && strcmp(o->rope, "interleaved"))
        return ti_fail(err, TE_INVALID,
                       "the row order %s is unknown; there are half and interleaved", o->rope);
    return TE_OK;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static uint32_t file_type(const ti_conversion *c)
{
    for (int i = 0; i < c->n_plan; i++) { /* the first matrix is the embedding */
        switch (c->plan[i].type) {
        case TI_F16:
            return 1;
        case TI_Q8_0:
            return 7;
        case TI_Q4_K:
            return 14;
        case TI_BF16:
            return 32;
        default:
            return 0;
        }
    }
    return 0;
}

static te_status put_name(ti_conversion *c, te_error *err)
{
    const char *name = c->opt->name, *folder = c->opt->folder;
    if (name) return ti_put_text(c->writer, "general.name", name, err);
    size_t end = strlen(folder), start;
    while (end > 1 && folder[end - 1] == '/') end--;
    for (start = end; start > 0 && folder[start - 1] != '/';) start--;
    return ti_gguf_put_string(c->writer, "general.name", folder + start, end - start, err);
}

static te_status put_tokenizer(ti_conversion *c, te_error *err)
{
    json_t *json = NULL;
    ti_map map;
    char *found = NULL;
    const char *path = c->opt->tokenizer;
    if (!path && c->backbone_folder) {
        path = found = ti_join_path(c->backbone_folder, "tokenizer.json");
        if (!found) return ti_fail_memory(err, "a file name", 64);
        if (access(found, F_OK)) path = NULL;
    }
    if (!path) {
        free(found);
        return TE_OK;
    }
    te_status st = ti_json_file(&json, path, err);
    if (!st && (!json || !json_object_get(json, "model")))
        st = ti_fail(err, json ? TE_FORMAT : TE_IO, "%s: %s", path,
                     json ? "has no \"model\"; give a tokenizer.json of the Hugging Face library"
                          : "there is no such file");
    json_decref(json);
    if (!st) st = ti_map_file(&map, path, err);
    if (!st) {
        st = ti_gguf_put_string(c->writer, "tokenizer.huggingface.json", (const char *)map.bytes,
                                map.size, err);
        ti_map_clear(&map);
    }
    free(found);
    return st;
}

static te_status make_plan(ti_conversion *c, te_error *err)
{
    te_status st = ti_put_text(c->writer, "general.architecture", "llada", err);
    if (!st) st = put_name(c, err);
    if (!st) st = ti_gguf_put_int(c->writer, "general.quantization_version", 2, err);
    if (!st) st = ti_gguf_put_int(c->writer, "thinkedit.format", 1, err);
    if (!st && c->backbone) st = ti_convert_backbone(c, err);
    if (!st && c->image) st = ti_convert_image(c, err);
    if (!st && (c->backbone || c->opt->layout)) st = ti_convert_layout(c, err);
    if (!st) st = put_tokenizer(c, err);
    if (!st) st = ti_gguf_put_int(c->writer, "general.file_type", file_type(c), err);
    for (int i = 0; i < c->n_plan && !st; i++)
        st = ti_gguf_declare(c->writer, c->plan[i].name, c->plan[i].type, c->plan[i].source->n_dims,
                             c->plan[i].source->shape, err);
    return st;
}

/* ---- data ------------------------------------------------------------------------------------ */

typedef struct buffers {
    float *floats;
    uint8_t *encoded;
} buffers;

/* Rows [first, first + n) of P in the new file's order and type, into B->encoded. */
static void encode_rows(const ti_planned *p, int64_t first, int64_t n, const buffers *b)
{
    const ti_tensor *t = p->source;
    const int64_t cols = t->shape[t->n_dims - 1];
    const size_t from = ti_type_row_bytes(t->type, cols), to = ti_type_row_bytes(p->type, cols);
#pragma omp parallel for schedule(static) if (p->type != t->type && n * cols > 1 << 18)
    for (int64_t i = 0; i < n; i++) {
        int64_t row = p->head_size ? ti_rope_half_row(first + i, p->head_size) : first + i;
        const uint8_t *source = (const uint8_t *)t->data + (size_t)row * from;
        uint8_t *target = b->encoded + (size_t)i * to;
        if (p->type == t->type) {
            memcpy(target, source, from);
            continue;
        }
        ti_dequantize(t->type, source, b->floats + i * cols, cols);
        ti_quantize(p->type, b->floats + i * cols, target, cols);
    }
}

static te_status stream_tensor(ti_conversion *c, const ti_planned *p, te_error *err)
{
    const ti_tensor *t = p->source;
    const int64_t cols = t->shape[t->n_dims - 1], rows = ti_tensor_elements(t) / cols;
    int64_t chunk = CHUNK_ELEMENTS / cols ? CHUNK_ELEMENTS / cols : 1;
    if (chunk > rows) chunk = rows;
    buffers b = {NULL, ti_malloc_array((size_t)chunk, ti_type_row_bytes(p->type, cols))};
    if (p->type != t->type)
        b.floats = ti_malloc_array((size_t)chunk, (size_t)cols * sizeof *b.floats);
    te_status st = TE_OK;
    if (!b.encoded || (p->type != t->type && !b.floats))
        st = ti_fail_memory(err, "rows of a tensor", (size_t)(chunk * cols) * sizeof *b.floats);
    for (int64_t row = 0; row < rows && !st; row += chunk) {
        int64_t n = rows - row < chunk ? rows - row : chunk;
        if (c->opt->cancel && *c->opt->cancel)
            st = ti_fail(err, TE_CANCELLED, "%s: the conversion was cancelled", c->opt->output);
        if (st) break;
        encode_rows(p, row, n, &b);
        st = ti_gguf_write(c->writer, b.encoded, (size_t)n * ti_type_row_bytes(p->type, cols), err);
        if (!p->head_size)
            ti_map_forget((const uint8_t *)t->data + (size_t)row * ti_type_row_bytes(t->type, cols),
                          (size_t)n * ti_type_row_bytes(t->type, cols));
    }
    if (p->head_size) ti_map_forget(t->data, t->bytes);
    free(b.floats);
    free(b.encoded);
    return st;
}

static te_status stream(ti_conversion *c, te_error *err)
{
    te_status st = TE_OK;
    for (int i = 0; i < c->n_plan && !st; i++) {
        if (c->opt->progress) c->opt->progress(c->plan[i].name, i, c->n_plan, c->opt->user);
        st = stream_tensor(c, &c->plan[i], err);
    }
    return st ? st : ti_gguf_finish(c->writer, err);
}

te_status ti_convert(const ti_convert_options *opt, te_error *err)
{
    ti_conversion c = {.opt = opt};
    te_status st = check_options(opt, err);
    if (!st) st = open_sources(&c, err);
    if (!st) st = ti_gguf_writer_create(&c.writer, opt->output, err);
    if (!st) st = make_plan(&c, err);
    if (!st) {
        note(&c, c.q8_instead,
             "matrices have rows that are no multiple of 256 and were written as q8_0");
        note(&c, c.f16_instead,
             "matrices have rows that are no multiple of 32 and were written as f16");
        note(&c, c.unused,
             "tensors of the checkpoint have no place in a model file and were left out");
        st = stream(&c, err);
    }
    ti_gguf_writer_free(c.writer);
    ti_checkpoint_free(c.backbone);
    ti_checkpoint_free(c.image);
    free(c.backbone_folder);
    free(c.image_folder);
    free(c.plan);
    return st;
}
