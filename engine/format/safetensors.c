/* safetensors.c - u64 length | JSON header | data, little-endian, and nothing else in the file.
 *
 * The header maps names to {"dtype", "shape", "data_offsets": [first, end]}, offsets counted from
 * the end of the header. Refused: a tensor that reaches outside the data or whose range is not what
 * its shape takes, overlaps, more dimensions than TI_MAX_DIMS, empty tensors, dtypes nobody needs
 * here. */
#include "format/checkpoint_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define MAX_HEADER (100u << 20) /* what the format's own library allows */

static const struct dtype {
    const char *name;
    ti_type type;
} dtypes[] = {
    {"F32", TI_F32}, {"F16", TI_F16}, {"BF16", TI_BF16}, {"F64", TI_F64},
    {"I32", TI_I32}, {"I64", TI_I64}, {"U8", TI_U8},     {"BOOL", TI_U8},
};

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct header {
    const ti_part *file;
    const uint8_t *data;
    size_t data_size;
} header;

static te_status bad_entry(const header *h, const char *name, const char *fact, te_error *err)
{
    char shown[64];
    ti_show_name(shown, name, strlen(name));
    return ti_fail(err, TE_FORMAT, "%s: tensor %s %s; get the file again", h->file->path, shown,
                   fact);
}

static te_status read_dtype(const header *h, const char *name, json_t *entry, ti_type *out,
                            te_error *err)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    for (size_t i = 0; dtype && i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(dtypes[i].name, dtype)) {
            *out = dtypes[i].type;
            return TE_OK;
        }
    return bad_entry(h, name, "has a dtype that cannot be read", err);
}

static te_status read_shape(const header *h, const char *name, json_t *entry, ti_tensor *t,
                            te_error *err)
{
    json_t *shape = json_object_get(entry, "shape");
    size_t n = json_array_size(shape), bytes = ti_type_block_bytes(t->type);
    if (!json_is_array(shape) || n > TI_MAX_DIMS)
        return bad_entry(h, name, "has no shape of up to 4 dimensions", err);
    for (size_t i = 0; i < TI_MAX_DIMS; i++) {
        json_int_t dim = i < n ? json_integer_value(json_array_get(shape, i)) : 1;
        if (dim < 1 || !ti_mul_size(bytes, (size_t)dim, &bytes) || bytes > INT64_MAX)
            return bad_entry(h, name, "has an impossible size", err);
        t->shape[i] = dim;
    }
    t->n_dims = n ? (int)n : 1; /* a scalar is a vector of one */
    t->bytes = bytes;
    return TE_OK;
}

static te_status read_entry(ti_checkpoint *c, const header *h, const char *name, json_t *entry,
                            te_error *err)
{
    ti_tensor t = {0};
    json_t *offsets = json_object_get(entry, "data_offsets");
    json_t *first_json = json_array_get(offsets, 0), *end_json = json_array_get(offsets, 1);
    te_status st = read_dtype(h, name, entry, &t.type, err);
    if (!st) st = read_shape(h, name, entry, &t, err);
    if (st) return st;
    if (!json_is_integer(first_json) || !json_is_integer(end_json))
        return bad_entry(h, name, "has no data offsets", err);
    json_int_t first = json_integer_value(first_json), end = json_integer_value(end_json);
    if (first < 0 || end < first || (uint64_t)end > h->data_size)
        return bad_entry(h, name, "reaches outside the file", err);
    if ((uint64_t)(end - first) != t.bytes)
        return bad_entry(h, name, "has more or less data than its shape", err);
    t.data = h->data + first;
    return ti_checkpoint_add(c, name, strlen(name), &t, err);
}

typedef struct range {
    size_t first, end;
} range;

static int by_first(const void *a, const void *b)
{
    size_t x = ((const range *)a)->first, y = ((const range *)b)->first;
    return (x > y) - (x < y);
}

/* Tensors FROM.. of the checkpoint are this file's. */
static te_status check_overlap(ti_checkpoint *c, const header *h, int from, te_error *err)
{
    size_t n = (size_t)(ti_checkpoint_count(c) - from);
    range *ranges = ti_malloc_array(n, sizeof *ranges);
    if (!ranges) return ti_fail_memory(err, "the tensor table", n * sizeof *ranges);
    for (size_t i = 0; i < n; i++) {
        const ti_tensor *t = ti_checkpoint_tensor(c, from + (int)i);
        ranges[i].first = (size_t)((const uint8_t *)t->data - h->data);
        ranges[i].end = ranges[i].first + t->bytes;
    }
    qsort(ranges, n, sizeof *ranges, by_first);
    te_status st = TE_OK;
    for (size_t i = 1; i < n && !st; i++)
        if (ranges[i].first < ranges[i - 1].end)
            st = ti_fail(err, TE_FORMAT, "%s: two tensors overlap at byte %zu of the data",
                         h->file->path, ranges[i].first);
    free(ranges);
    return st;
}

te_status ti_safetensors_read(ti_checkpoint *c, const ti_part *file, te_error *err)
{
    uint64_t length;
    json_error_t parse;
    int from = ti_checkpoint_count(c);
    memcpy(&length, file->bytes, sizeof length);
    if (length > file->size - 8 || length > MAX_HEADER)
        return ti_fail(err, TE_FORMAT, "%s: header of %llu bytes in a file of %zu; get it again",
                       file->path, (unsigned long long)length, file->size);
    json_t *root =
        json_loadb((const char *)file->bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &parse);
    if (!root) return ti_fail(err, TE_FORMAT, "%s: damaged header: %s", file->path, parse.text);
    header h = {file, file->bytes + 8 + length, file->size - 8 - (size_t)length};
    te_status st =
        json_is_object(root) ? TE_OK : ti_fail(err, TE_FORMAT, "%s: damaged header", file->path);
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry)
    {
        if (!strcmp(name, "__metadata__")) continue;
        if (!st) st = read_entry(c, &h, name, entry, err);
    }
    json_decref(root);
    return st ? st : check_overlap(c, &h, from, err);
}

/* ---- writing --------------------------------------------------------------------------------- */

static const char *dtype_name(ti_type type)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].type == type) return dtypes[i].name;
    return NULL;
}

/* The header as text, spaces added until the data is aligned to 8; the caller frees it. */
static char *header_text(const ti_tensor *tensors, int n, size_t *length)
{
    json_t *root = json_object();
    json_int_t offset = 0;
    int failed = !root;
    for (int i = 0; i < n && !failed; i++) {
        const ti_tensor *t = &tensors[i];
        json_t *shape = json_array();
        for (int d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer(t->shape[d]));
        json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(t->type), "shape",
                                  shape, "data_offsets", offset, offset + (json_int_t)t->bytes);
        failed = json_object_set_new(root, t->name, entry);
        offset += (json_int_t)t->bytes;
    }
    size_t needed = failed ? 0 : json_dumpb(root, NULL, 0, JSON_COMPACT);
    *length = (needed + 7) & ~(size_t)7;
    char *text = needed ? ti_malloc_array(*length, 1) : NULL;
    if (text) {
        memset(text + needed, ' ', *length - needed);
        json_dumpb(root, text, needed, JSON_COMPACT);
    }
    json_decref(root);
    return text;
}

te_status ti_safetensors_write(const char *path, const ti_tensor *tensors, int n, te_error *err)
{
    for (int i = 0; i < n; i++)
        if (!dtype_name(tensors[i].type))
            return ti_fail(err, TE_UNSUPPORTED, "%s: safetensors has no type %s (tensor %s)", path,
                           ti_type_name(tensors[i].type), tensors[i].name);
    size_t length, room = strlen(path) + sizeof ".part";
    char *text = header_text(tensors, n, &length), *part = ti_calloc(room, 1);
    if (!text || !part) {
        free(text);
        free(part);
        return ti_fail_memory(err, "a safetensors header", (size_t)n * 128);
    }
    snprintf(part, room, "%s.part", path);
    FILE *file = fopen(part, "wbe");
    uint64_t size = length;
    bool ok =
        file && fwrite(&size, sizeof size, 1, file) == 1 && fwrite(text, length, 1, file) == 1;
    for (int i = 0; i < n && ok; i++) ok = fwrite(tensors[i].data, tensors[i].bytes, 1, file) == 1;
    bool closed = !file || fclose(file) == 0;
    te_status st = TE_OK;
    if (!ok || !closed || rename(part, path)) {
        st = ti_fail(err, TE_IO, "%s: cannot be written: %s", path, strerror(errno));
        if (file) unlink(part);
    }
    free(text);
    free(part);
    return st;
}
