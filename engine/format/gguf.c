/* gguf.c - the GGUF reader: header, metadata and tensor table, all checked when the file is opened.
 *
 *     "GGUF" | u32 version | u64 tensors | u64 keys
 *     keys      string name | u32 type | value              a string is u64 length | bytes
 *     tensors   string name | u32 n | u64 dims[n], innermost first | u32 type | u64 offset
 *     padding to general.alignment (32 unless the key says otherwise) | tensor data
 *
 * Opening walks the header once. Values stay where they are in the mapping; names are copied into
 * one arena because the file does not terminate them. Afterwards every pointer handed out lies
 * inside the mapping. A file that another program shortens while it is open is past protecting. */
#include "format/gguf_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_ALIGNMENT (1u << 20)

/* ---- a cursor that cannot leave the file ----------------------------------------------------- */

typedef struct cursor {
    const ti_gguf *file;
    size_t at;
} cursor;

static size_t left(const cursor *c)
{
    return c->file->size - c->at;
}

static te_status ends_in(const cursor *c, const char *what, te_error *err)
{
    return ti_fail(err, TE_FORMAT, "%s: the file ends inside %s, at byte %zu; get it again",
                   c->file->path, what, c->file->size);
}

static te_status take(cursor *c, void *to, size_t bytes, const char *what, te_error *err)
{
    if (left(c) < bytes) return ends_in(c, what, err);
    memcpy(to, c->file->bytes + c->at, bytes);
    c->at += bytes;
    return TE_OK;
}

/* A string, borrowed. */
static te_status take_string(cursor *c, const char **text, size_t *length, const char *what,
                             te_error *err)
{
    uint64_t n = 0;
    te_status st = take(c, &n, sizeof n, what, err);
    if (st) return st;
    if (n > left(c)) return ends_in(c, what, err);
    *text = (const char *)c->file->bytes + c->at;
    *length = (size_t)n;
    c->at += (size_t)n;
    return TE_OK;
}

/* A string copied into the arena and terminated. The arena has room: measure_names() saw to it. */
static te_status take_name(cursor *c, ti_gguf *f, const char **name, const char *what,
                           te_error *err)
{
    const char *text = NULL;
    size_t length = 0;
    te_status st = take_string(c, &text, &length, what, err);
    if (st) return st;
    if (!length || memchr(text, 0, length))
        return ti_fail(err, TE_FORMAT,
                       "%s: %s at byte %zu has an unusable name; get the file again", f->path, what,
                       c->at - length);
    char *copy = f->names + f->names_used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    f->names_used += length + 1;
    *name = copy;
    return TE_OK;
}

/* ---- metadata -------------------------------------------------------------------------------- */

size_t ti_gguf_scalar_bytes(uint32_t type)
{
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

static te_status unknown_type(const ti_gguf *f, const char *key, uint32_t type, te_error *err)
{
    return ti_fail(err, TE_FORMAT, "%s: key %s has value type %u, which GGUF does not define",
                   f->path, key, type);
}

static te_status skip_scalars(cursor *c, ti_kv *kv, te_error *err)
{
    size_t each = ti_gguf_scalar_bytes(kv->type), bytes;
    if (!each) return unknown_type(c->file, kv->name, kv->type, err);
    if (!ti_mul_size(each, kv->count, &bytes) || bytes > left(c))
        return ends_in(c, "the metadata", err);
    c->at += bytes;
    return TE_OK;
}

static te_status read_value(cursor *c, ti_kv *kv, te_error *err)
{
    te_status st = take(c, &kv->type, sizeof kv->type, "the metadata", err);
    if (st) return st;
    kv->count = 1;
    if (kv->type == TI_KV_ARRAY) {
        uint64_t count = 0;
        kv->is_array = true;
        st = take(c, &kv->type, sizeof kv->type, "the metadata", err);
        if (!st) st = take(c, &count, sizeof count, "the metadata", err);
        if (st) return st;
        if (kv->type == TI_KV_ARRAY)
            return ti_fail(err, TE_UNSUPPORTED,
                           "%s: key %s is an array of arrays, which no model uses", c->file->path,
                           kv->name);
        if (count > left(c)) return ends_in(c, "the metadata", err);
        kv->count = (size_t)count;
    }
    kv->value = c->file->bytes + c->at;
    if (kv->type != TI_KV_STRING) return skip_scalars(c, kv, err);
    for (size_t i = 0; i < kv->count && !st; i++) {
        const char *text;
        size_t length;
        st = take_string(c, &text, &length, "the metadata", err);
    }
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ti_kv *)a)->name, ((const ti_kv *)b)->name);
}

static te_status read_keys(cursor *c, ti_gguf *f, te_error *err)
{
    for (int i = 0; i < f->n_keys; i++) {
        te_status st = take_name(c, f, &f->keys[i].name, "a metadata key", err);
        if (!st) st = read_value(c, &f->keys[i], err);
        if (st) return st;
    }
    qsort(f->keys, (size_t)f->n_keys, sizeof *f->keys, by_name);
    for (int i = 1; i < f->n_keys; i++)
        if (!strcmp(f->keys[i - 1].name, f->keys[i].name))
            return ti_fail(err, TE_FORMAT, "%s: the key %s is there twice", f->path,
                           f->keys[i].name);
    return TE_OK;
}

/* ---- tensors --------------------------------------------------------------------------------- */

static te_status read_shape(cursor *c, ti_tensor *t, te_error *err)
{
    uint32_t n = 0;
    uint64_t elements = 1;
    te_status st = take(c, &n, sizeof n, "the tensor table", err);
    if (st) return st;
    if (n < 1 || n > TI_MAX_DIMS)
        return ti_fail(err, TE_FORMAT, "%s: tensor %s has %u dimensions; 1 to %d can be read",
                       c->file->path, t->name, n, TI_MAX_DIMS);
    t->n_dims = (int)n;
    for (int i = 0; i < TI_MAX_DIMS; i++) t->shape[i] = 1;
    for (int i = t->n_dims - 1; i >= 0; i--) {
        uint64_t dim = 0;
        st = take(c, &dim, sizeof dim, "the tensor table", err);
        if (st) return st;
        if (!dim || __builtin_mul_overflow(elements, dim, &elements) || elements > INT64_MAX)
            return ti_fail(err, TE_FORMAT, "%s: tensor %s has an impossible size", c->file->path,
                           t->name);
        t->shape[i] = (int64_t)dim;
    }
    return TE_OK;
}

/* OFFSETS are relative to the start of the tensor data, which is known only after the table. */
static te_status read_tensor(cursor *c, ti_gguf *f, ti_tensor *t, uint64_t *offset, te_error *err)
{
    uint32_t type = 0;
    te_status st = take_name(c, f, &t->name, "a tensor", err);
    if (!st) st = read_shape(c, t, err);
    if (!st) st = take(c, &type, sizeof type, "the tensor table", err);
    if (!st) st = take(c, offset, sizeof *offset, "the tensor table", err);
    if (st) return st;
    t->type = (ti_type)type;
    if (!ti_type_block(t->type) || t->type == TI_U8)
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: tensor %s has ggml type %u; f32, f16, bf16, q8_0 and q4_k can be read",
                       f->path, t->name, type);
    size_t row = ti_type_row_bytes(t->type, t->shape[t->n_dims - 1]);
    size_t rows = (size_t)(ti_tensor_elements(t) / t->shape[t->n_dims - 1]);
    if (!row || !ti_mul_size(row, rows, &t->bytes))
        return ti_fail(err, TE_FORMAT,
                       "%s: tensor %s has rows of %lld elements, not whole %s blocks", f->path,
                       t->name, (long long)t->shape[t->n_dims - 1], ti_type_name(t->type));
    return TE_OK;
}

static te_status read_alignment(const ti_gguf *f, size_t *alignment, te_error *err)
{
    int64_t value;
    te_status st = ti_gguf_int(f, "general.alignment", 32, &value, err);
    if (st) return st;
    if (value < 1 || value > MAX_ALIGNMENT || (value & (value - 1)))
        return ti_fail(err, TE_FORMAT, "%s: general.alignment %lld is no power of two up to %u",
                       f->path, (long long)value, MAX_ALIGNMENT);
    *alignment = (size_t)value;
    return TE_OK;
}

static int by_data(const void *a, const void *b)
{
    const uint8_t *x = (*(const ti_tensor *const *)a)->data;
    const uint8_t *y = (*(const ti_tensor *const *)b)->data;
    return (x > y) - (x < y);
}

static int by_tensor_name(const void *a, const void *b)
{
    return strcmp((*(const ti_tensor *const *)a)->name, (*(const ti_tensor *const *)b)->name);
}

/* ORDER ends up sorted by name, for ti_gguf_find(). */
static te_status check_overlap(ti_gguf *f, te_error *err)
{
    size_t n = (size_t)f->n_tensors;
    for (size_t i = 0; i < n; i++) f->order[i] = &f->tensors[i];
    qsort(f->order, n, sizeof *f->order, by_data);
    for (size_t i = 1; i < n; i++) {
        const ti_tensor *a = f->order[i - 1], *b = f->order[i];
        if ((const uint8_t *)a->data + a->bytes > (const uint8_t *)b->data)
            return ti_fail(err, TE_FORMAT, "%s: tensors %s and %s overlap", f->path, a->name,
                           b->name);
    }
    qsort(f->order, n, sizeof *f->order, by_tensor_name);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(f->order[i - 1]->name, f->order[i]->name))
            return ti_fail(err, TE_FORMAT, "%s: the tensor %s is there twice", f->path,
                           f->order[i]->name);
    return TE_OK;
}

static te_status place_tensors(cursor *c, ti_gguf *f, const uint64_t *offsets, te_error *err)
{
    size_t alignment = 32;
    te_status st = read_alignment(f, &alignment, err);
    if (st) return st;
    size_t start = (c->at + alignment - 1) & ~(alignment - 1);
    f->header_bytes = c->at;
    for (int i = 0; i < f->n_tensors; i++) {
        ti_tensor *t = &f->tensors[i];
        if (offsets[i] % alignment)
            return ti_fail(err, TE_FORMAT, "%s: tensor %s is not aligned to %zu bytes", f->path,
                           t->name, alignment);
        if (start > f->size || offsets[i] > f->size - start ||
            t->bytes > f->size - start - offsets[i])
            return ti_fail(
                err, TE_FORMAT,
                "%s: tensor %s needs %zu bytes from byte %llu of the data, the file has %zu "
                "in all; get it again",
                f->path, t->name, t->bytes, (unsigned long long)offsets[i], f->size);
        t->data = f->bytes + start + offsets[i];
    }
    return check_overlap(f, err);
}

static te_status read_tensors(cursor *c, ti_gguf *f, te_error *err)
{
    uint64_t *offsets = ti_malloc_array((size_t)f->n_tensors, sizeof *offsets);
    te_status st =
        offsets ? TE_OK : ti_fail_memory(err, "the tensor table", (size_t)f->n_tensors * 8);
    for (int i = 0; i < f->n_tensors && !st; i++)
        st = read_tensor(c, f, &f->tensors[i], &offsets[i], err);
    if (!st) st = place_tensors(c, f, offsets, err);
    free(offsets);
    return st;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Smallest entries: a key of one byte with a one-byte value, a tensor of one byte and one
 * dimension. */
#define SMALLEST_KEY    (8 + 1 + 4 + 1)
#define SMALLEST_TENSOR (8 + 1 + 4 + 8 + 4 + 8)

static te_status read_counts(cursor *c, ti_gguf *f, te_error *err)
{
    char magic[4] = "";
    uint32_t version = 0;
    uint64_t tensors = 0, keys = 0;
    te_status st = take(c, magic, sizeof magic, "its header", err);
    if (st) return st;
    if (memcmp(magic, "GGUF", 4))
        return ti_fail(err, TE_FORMAT, "%s: not a GGUF file; make one with `thinkedit convert`",
                       f->path);
    st = take(c, &version, sizeof version, "its header", err);
    if (!st) st = take(c, &tensors, sizeof tensors, "its header", err);
    if (!st) st = take(c, &keys, sizeof keys, "its header", err);
    if (st) return st;
    if (version == __builtin_bswap32(3))
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: a big-endian GGUF file; convert the model again here", f->path);
    if (version != 3)
        return ti_fail(err, TE_UNSUPPORTED, "%s: GGUF version %u; version 3 can be read", f->path,
                       version);
    if (keys > left(c) / SMALLEST_KEY || tensors > left(c) / SMALLEST_TENSOR || keys > INT32_MAX ||
        tensors > INT32_MAX)
        return ti_fail(err, TE_FORMAT,
                       "%s: %llu keys and %llu tensors do not fit into its %zu bytes", f->path,
                       (unsigned long long)keys, (unsigned long long)tensors, f->size);
    f->n_keys = (int)keys;
    f->n_tensors = (int)tensors;
    return TE_OK;
}

/* The next name, shortened, in TO: what messages say before the names' arena is there. */
static te_status peek_name(cursor *c, char to[40], const char *what, size_t *total, te_error *err)
{
    const char *text = NULL;
    size_t length = 0;
    te_status st = take_string(c, &text, &length, what, err);
    if (st) return st;
    snprintf(to, 40, "%.*s", (int)(length < 39 ? length : 39), text);
    *total += length + 1;
    return TE_OK;
}

/* Adds up the lengths of all names, terminators included, without keeping anything else. */
static te_status measure_names(cursor c, const ti_gguf *f, size_t *total, te_error *err)
{
    char name[40];
    te_status st = TE_OK;
    for (int i = 0; i < f->n_keys && !st; i++) {
        ti_kv kv = {.name = name};
        st = peek_name(&c, name, "a metadata key", total, err);
        if (!st) st = read_value(&c, &kv, err);
    }
    for (int i = 0; i < f->n_tensors && !st; i++) {
        ti_tensor t = {.name = name};
        uint8_t type_and_offset[12];
        st = peek_name(&c, name, "a tensor", total, err);
        if (!st) st = read_shape(&c, &t, err);
        if (!st) st = take(&c, type_and_offset, sizeof type_and_offset, "the tensor table", err);
    }
    return st;
}

static te_status parse(ti_gguf *f, te_error *err)
{
    cursor c = {f, 0};
    size_t names = 0;
    te_status st = read_counts(&c, f, err);
    if (!st) st = measure_names(c, f, &names, err);
    if (st) return st;
    f->names = ti_malloc_array(names, 1);
    f->keys = ti_calloc((size_t)f->n_keys, sizeof *f->keys);
    f->tensors = ti_calloc((size_t)f->n_tensors, sizeof *f->tensors);
    f->order = ti_calloc((size_t)f->n_tensors, sizeof *f->order);
    if (!f->names || !f->keys || !f->tensors || !f->order)
        return ti_fail_memory(err, "the model's tensor table", names);
    st = read_keys(&c, f, err);
    if (!st) st = read_tensors(&c, f, err);
    return st;
}

static te_status open_bytes(ti_gguf **out, const char *name, const void *bytes, size_t size,
                            te_error *err)
{
    *out = NULL;
    ti_gguf *f = ti_calloc(1, sizeof *f);
    if (!f) return ti_fail_memory(err, "the model file", sizeof *f);
    f->bytes = bytes;
    f->size = size;
    f->path = ti_strdup(name);
    te_status st = f->path ? parse(f, err) : ti_fail_memory(err, "the model's path", strlen(name));
    if (st) {
        ti_gguf_free(f);
        return st;
    }
    *out = f;
    return TE_OK;
}

te_status ti_gguf_open_memory(ti_gguf **out, const char *name, const void *bytes, size_t size,
                              te_error *err)
{
    return open_bytes(out, name, bytes, size, err);
}

te_status ti_gguf_open(ti_gguf **out, const char *path, te_error *err)
{
    ti_map map;
    *out = NULL;
    te_status st = ti_map_file(&map, path, err);
    if (!st) st = open_bytes(out, path, map.bytes, map.size, err);
    if (st)
        ti_map_clear(&map);
    else
        (*out)->map = map;
    return st;
}

void ti_gguf_free(ti_gguf *f)
{
    if (!f) return;
    ti_map_clear(&f->map);
    free(f->order);
    free(f->tensors);
    free(f->keys);
    free(f->names);
    free(f->path);
    free(f);
}

/* ---- asking ---------------------------------------------------------------------------------- */

const char *ti_gguf_path(const ti_gguf *file)
{
    return file->path;
}

size_t ti_gguf_size(const ti_gguf *file)
{
    return file->size;
}

int ti_gguf_tensor_count(const ti_gguf *file)
{
    return file->n_tensors;
}

const ti_tensor *ti_gguf_tensor(const ti_gguf *file, int index)
{
    return index >= 0 && index < file->n_tensors ? &file->tensors[index] : NULL;
}

void ti_gguf_forget(const ti_gguf *file, const ti_tensor *tensor)
{
    if (file->map.bytes) ti_map_forget(tensor->data, tensor->bytes);
}

const ti_tensor *ti_gguf_find(const ti_gguf *file, const char *name)
{
    ti_tensor key = {.name = name};
    const ti_tensor *wanted = &key;
    const ti_tensor *const *hit =
        bsearch(&wanted, file->order, (size_t)file->n_tensors, sizeof *file->order, by_tensor_name);
    return hit ? *hit : NULL;
}

te_status ti_gguf_need(const ti_gguf *file, const char *name, int n_dims, const int64_t *shape,
                       const ti_tensor **out, te_error *err)
{
    const ti_tensor *t = ti_gguf_find(file, name);
    *out = NULL;
    if (!t)
        return ti_fail(err, TE_FORMAT, "%s: the tensor %s is missing; convert the model again",
                       file->path, name);
    bool same = t->n_dims == n_dims;
    for (int i = 0; same && i < n_dims; i++) same = t->shape[i] == shape[i];
    if (!same) {
        char has[96], needs[96];
        ti_shape_text(has, sizeof has, t->n_dims, t->shape);
        ti_shape_text(needs, sizeof needs, n_dims, shape);
        return ti_fail(err, TE_FORMAT, "%s: tensor %s is %s where its keys want %s", file->path,
                       name, has, needs);
    }
    *out = t;
    return TE_OK;
}

/* FNV-1a over the header and the first 4096 bytes of every mebibyte. */
uint64_t ti_gguf_hash(const ti_gguf *file)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < file->size; i++) {
        if (i >= file->header_bytes && i % (1 << 20) >= 4096) {
            i |= (1 << 20) - 1;
            continue;
        }
        hash = (hash ^ file->bytes[i]) * 0x100000001B3u;
    }
    return hash;
}
