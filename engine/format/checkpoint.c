/* checkpoint.c - finds a checkpoint's files, opens them, and keeps their tensors sorted by name. */
#include "format/checkpoint_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

struct ti_checkpoint {
    char *path;
    ti_map *maps;
    int n_maps;
    ti_tensor *tensors; /* names are owned */
    int n_tensors, room;
};

/* What a checkpoint is called in a folder, the most complete first. */
static const char *const usual_names[] = {
    "model.safetensors.index.json", "model.safetensors", "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin.index.json", "pytorch_model.bin", "diffusion_pytorch_model.bin",
};

void ti_show_name(char to[64], const char *name, size_t length)
{
    size_t n = length < 63 ? length : 63;
    for (size_t i = 0; i < n; i++) to[i] = (unsigned char)name[i] < ' ' ? ' ' : name[i];
    to[n] = '\0';
}

te_status ti_checkpoint_add(ti_checkpoint *c, const char *name, size_t length,
                            const ti_tensor *tensor, te_error *err)
{
    if (c->n_tensors == c->room) {
        int room = c->room ? 2 * c->room : 256;
        ti_tensor *grown = ti_realloc_array(c->tensors, (size_t)room, sizeof *grown);
        if (!grown) return ti_fail_memory(err, "the tensor table", (size_t)room * sizeof *grown);
        c->tensors = grown;
        c->room = room;
    }
    char *copy = ti_strndup(name, length);
    if (!copy) return ti_fail_memory(err, "a tensor's name", length);
    c->tensors[c->n_tensors] = *tensor;
    c->tensors[c->n_tensors++].name = copy;
    return TE_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ti_tensor *)a)->name, ((const ti_tensor *)b)->name);
}

static te_status sort(ti_checkpoint *c, te_error *err)
{
    if (c->n_tensors) qsort(c->tensors, (size_t)c->n_tensors, sizeof *c->tensors, by_name);
    for (int i = 1; i < c->n_tensors; i++)
        if (!by_name(&c->tensors[i - 1], &c->tensors[i])) {
            char shown[64];
            ti_show_name(shown, c->tensors[i].name, strlen(c->tensors[i].name));
            return ti_fail(err, TE_FORMAT, "%s: the tensor %s is there twice", c->path, shown);
        }
    return TE_OK;
}

/* ---- one file -------------------------------------------------------------------------------- */

static te_status read_part(ti_checkpoint *c, const ti_part *file, te_error *err)
{
    if (file->size > 4 && !memcmp(file->bytes, "PK\3\4", 4)) return ti_torch_read(c, file, err);
    if (file->size > 8 && file->bytes[8] == '{') return ti_safetensors_read(c, file, err);
    if (file->size > 2 && file->bytes[0] == 0x80)
        return ti_fail(
            err, TE_UNSUPPORTED,
            "%s: a PyTorch file of the old kind; load it and save it again with torch.save",
            file->path);
    return ti_fail(err, TE_FORMAT, "%s: neither safetensors nor a PyTorch file", file->path);
}

static te_status open_part(ti_checkpoint *c, const char *path, te_error *err)
{
    ti_map map;
    te_status st = ti_map_file(&map, path, err);
    if (st) return st;
    ti_map *grown = ti_realloc_array(c->maps, (size_t)c->n_maps + 1, sizeof *grown);
    if (!grown) {
        ti_map_clear(&map);
        return ti_fail_memory(err, "the checkpoint's files", sizeof *grown);
    }
    c->maps = grown;
    c->maps[c->n_maps++] = map;
    return read_part(c, &(ti_part){path, map.bytes, map.size}, err);
}

/* ---- an index and its shards ----------------------------------------------------------------- */

static te_status open_shard(ti_checkpoint *c, const char *index, const char *name, te_error *err)
{
    char shown[64];
    ti_show_name(shown, name, strlen(name));
    if (!*name || strchr(name, '/') || *name == '.')
        return ti_fail(err, TE_FORMAT, "%s: \"%s\" is no file beside it", index, shown);
    const char *slash = strrchr(index, '/');
    size_t folder = slash ? (size_t)(slash - index) + 1 : 0, length = strlen(name);
    char *path = ti_calloc(folder + length + 1, 1);
    if (!path) return ti_fail_memory(err, "a file name", folder + length + 1);
    memcpy(path, index, folder);
    memcpy(path + folder, name, length);
    te_status st = open_part(c, path, err);
    free(path);
    return st;
}

/* Every file the map mentions is opened once; SEEN is the set of those that were. */
static te_status open_shards(ti_checkpoint *c, const char *index, json_t *map, json_t *seen,
                             te_error *err)
{
    const char *tensor;
    json_t *file;
    json_object_foreach(map, tensor, file)
    {
        const char *name = json_string_value(file);
        if (!name)
            return ti_fail(err, TE_FORMAT, "%s: \"weight_map\" names no file for a tensor", index);
        if (json_object_get(seen, name)) continue;
        if (json_object_set_new(seen, name, json_true()))
            return ti_fail_memory(err, "the list of files", strlen(name));
        te_status st = open_shard(c, index, name, err);
        if (st) return st;
    }
    return TE_OK;
}

/* After sorting: every tensor the index promises is in one of the files. */
static te_status check_index(const ti_checkpoint *c, const char *index, json_t *map, te_error *err)
{
    const char *tensor;
    json_t *file;
    json_object_foreach(map, tensor, file)
    {
        char shown[64];
        if (ti_checkpoint_find(c, tensor)) continue;
        ti_show_name(shown, tensor, strlen(tensor));
        return ti_fail(err, TE_FORMAT, "%s: its files have no tensor %s; get them again", index,
                       shown);
    }
    return TE_OK;
}

static te_status open_index(ti_checkpoint *c, const char *index, te_error *err)
{
    json_error_t parse;
    ti_map text;
    te_status st = ti_map_file(&text, index, err);
    if (st) return st;
    json_t *root = json_loadb((const char *)text.bytes, text.size, JSON_REJECT_DUPLICATES, &parse);
    ti_map_clear(&text);
    json_t *map = json_object_get(root, "weight_map"), *seen = json_object();
    if (!root)
        st = ti_fail(err, TE_FORMAT, "%s: line %d: %s", index, parse.line, parse.text);
    else if (!json_is_object(map) || !seen)
        st = ti_fail(err, TE_FORMAT, "%s: has no \"weight_map\"", index);
    else
        st = open_shards(c, index, map, seen, err);
    if (!st) st = sort(c, err);
    if (!st) st = check_index(c, index, map, err);
    json_decref(seen);
    json_decref(root);
    return st;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static te_status open_file(ti_checkpoint *c, const char *path, te_error *err)
{
    return ends_with(path, ".json") ? open_index(c, path, err) : open_part(c, path, err);
}

static te_status open_folder(ti_checkpoint *c, const char *folder, te_error *err)
{
    size_t room = strlen(folder) + 64;
    char *path = ti_calloc(room, 1);
    if (!path) return ti_fail_memory(err, "a file name", room);
    te_status st = TE_OK;
    bool found = false;
    for (size_t i = 0; i < sizeof usual_names / sizeof *usual_names && !found; i++) {
        struct stat info;
        snprintf(path, room, "%s/%s", folder, usual_names[i]);
        found = stat(path, &info) == 0;
    }
    if (found)
        st = open_file(c, path, err);
    else
        st = ti_fail(err, TE_IO, "%s: has no model.safetensors, its index, nor pytorch_model.bin",
                     folder);
    free(path);
    return st;
}

static te_status create(ti_checkpoint **out, const char *path, te_error *err)
{
    ti_checkpoint *c = ti_calloc(1, sizeof *c);
    *out = NULL;
    if (c) c->path = ti_strdup(path);
    if (c && c->path) {
        *out = c;
        return TE_OK;
    }
    free(c);
    return ti_fail_memory(err, "the checkpoint", sizeof *c);
}

static te_status finish(ti_checkpoint **out, te_status st, te_error *err)
{
    if (!st) st = sort(*out, err);
    if (st) {
        ti_checkpoint_free(*out);
        *out = NULL;
    }
    return st;
}

te_status ti_checkpoint_open(ti_checkpoint **out, const char *path, te_error *err)
{
    struct stat info;
    te_status st = create(out, path, err);
    if (st) return st;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    return finish(out, folder ? open_folder(*out, path, err) : open_file(*out, path, err), err);
}

te_status ti_checkpoint_open_memory(ti_checkpoint **out, const char *name, const void *bytes,
                                    size_t size, te_error *err)
{
    te_status st = create(out, name, err);
    return st ? st : finish(out, read_part(*out, &(ti_part){name, bytes, size}, err), err);
}

void ti_checkpoint_free(ti_checkpoint *c)
{
    if (!c) return;
    for (int i = 0; i < c->n_tensors; i++) free((char *)(uintptr_t)c->tensors[i].name);
    for (int i = 0; i < c->n_maps; i++) ti_map_clear(&c->maps[i]);
    free(c->tensors);
    free(c->maps);
    free(c->path);
    free(c);
}

/* ---- asking ---------------------------------------------------------------------------------- */

const char *ti_checkpoint_path(const ti_checkpoint *c)
{
    return c->path;
}

int ti_checkpoint_count(const ti_checkpoint *c)
{
    return c->n_tensors;
}

const ti_tensor *ti_checkpoint_tensor(const ti_checkpoint *c, int index)
{
    return index >= 0 && index < c->n_tensors ? &c->tensors[index] : NULL;
}

const ti_tensor *ti_checkpoint_find(const ti_checkpoint *c, const char *name)
{
    ti_tensor key = {.name = name};
    if (!c->n_tensors) return NULL;
    return bsearch(&key, c->tensors, (size_t)c->n_tensors, sizeof *c->tensors, by_name);
}

te_status ti_checkpoint_need(const ti_checkpoint *c, const char *name, int n_dims,
                             const int64_t *shape, const ti_tensor **out, te_error *err)
{
    const ti_tensor *t = ti_checkpoint_find(c, name);
    *out = NULL;
    if (!t) return ti_fail(err, TE_FORMAT, "%s: the tensor %s is missing", c->path, name);
    bool same = t->n_dims == n_dims;
    for (int i = 0; same && i < n_dims; i++) same = t->shape[i] == shape[i];
    if (!same) {
        char has[96], needs[96];
        ti_shape_text(has, sizeof has, t->n_dims, t->shape);
        ti_shape_text(needs, sizeof needs, n_dims, shape);
        return ti_fail(err, TE_FORMAT, "%s: tensor %s is %s where config.json wants %s", c->path,
                       name, has, needs);
    }
    *out = t;
    return TE_OK;
}
