/* gguf_write.c - the GGUF writer. Metadata and tensor table are gathered in memory, tensor data
 * goes straight to the file: memory use does not depend on the size of the model.
 *
 * The first ti_gguf_write() (or finish) writes the header; nothing can be declared after it. */
#include "format/gguf_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define ALIGNMENT 32

typedef struct bytes {
    uint8_t *data;
    size_t used, room;
} bytes;

struct ti_gguf_writer {
    char *path, *part; /* the file wanted, and the one being written */
    FILE *file;
    bytes keys, table;
    uint64_t n_keys, n_tensors;
    uint64_t next_offset; /* of the next tensor to be declared */
    uint64_t *ends;       /* [n_tensors], in the data, padding left out */
    uint64_t room;        /* of ends */
    bool header_written;
    uint64_t written; /* tensor data, padding included */
    uint64_t current; /* tensor being written */
};

static te_status append(bytes *to, const void *data, size_t n, te_error *err)
{
    if (n > to->room - to->used) {
        size_t room = (to->used + n) * 2;
        uint8_t *grown = ti_realloc_array(to->data, room, 1);
        if (!grown) return ti_fail_memory(err, "the new model's header", room);
        to->data = grown;
        to->room = room;
    }
    memcpy(to->data + to->used, data, n);
    to->used += n;
    return TE_OK;
}

static te_status append_string(bytes *to, const char *text, size_t length, te_error *err)
{
    uint64_t n = length;
    te_status st = append(to, &n, sizeof n, err);
    return st || !length ? st : append(to, text, length, err);
}

te_status ti_gguf_writer_create(ti_gguf_writer **out, const char *path, te_error *err)
{
    ti_gguf_writer *w = ti_calloc(1, sizeof *w);
    size_t length = strlen(path);
    *out = NULL;
    if (w) w->path = ti_strdup(path);
    if (w) w->part = ti_calloc(length + sizeof ".part", 1);
    if (!w || !w->path || !w->part) {
        ti_gguf_writer_free(w);
        return ti_fail_memory(err, "the new model file", sizeof *w);
    }
    memcpy(w->part, path, length);
    memcpy(w->part + length, ".part", sizeof ".part");
    w->file = fopen(w->part, "wbe");
    if (!w->file) {
        te_status st = ti_fail(err, TE_IO, "%s: cannot be written: %s", w->part, strerror(errno));
        ti_gguf_writer_free(w);
        return st;
    }
    *out = w;
    return TE_OK;
}

void ti_gguf_writer_free(ti_gguf_writer *w)
{
    if (!w) return;
    if (w->file) {
        fclose(w->file);
        unlink(w->part);
    }
    free(w->ends);
    free(w->table.data);
    free(w->keys.data);
    free(w->part);
    free(w->path);
    free(w);
}

/* ---- declaring ------------------------------------------------------------------------------- */

static te_status too_late(const ti_gguf_writer *w, const char *name, te_error *err)
{
    return ti_fail(err, TE_INVALID, "%s: %s declared after tensor data", w->path, name);
}

/* Key, type and the first N bytes of the value; counts the key once all of it is there. */
static te_status put(ti_gguf_writer *w, const char *key, uint32_t type, const void *value, size_t n,
                     te_error *err)
{
    if (w->header_written) return too_late(w, key, err);
    te_status st = append_string(&w->keys, key, strlen(key), err);
    if (!st) st = append(&w->keys, &type, sizeof type, err);
    if (!st) st = append(&w->keys, value, n, err);
    if (!st) w->n_keys++;
    return st;
}

te_status ti_gguf_put_int(ti_gguf_writer *w, const char *key, uint32_t value, te_error *err)
{
    return put(w, key, TI_KV_U32, &value, sizeof value, err);
}

te_status ti_gguf_put_real(ti_gguf_writer *w, const char *key, float value, te_error *err)
{
    return put(w, key, TI_KV_F32, &value, sizeof value, err);
}

te_status ti_gguf_put_bool(ti_gguf_writer *w, const char *key, bool value, te_error *err)
{
    uint8_t byte = value;
    return put(w, key, TI_KV_BOOL, &byte, sizeof byte, err);
}

te_status ti_gguf_put_string(ti_gguf_writer *w, const char *key, const char *text, size_t length,
                             te_error *err)
{
    uint64_t n = length;
    te_status st = put(w, key, TI_KV_STRING, &n, sizeof n, err);
    return st || !length ? st : append(&w->keys, text, length, err);
}

te_status ti_gguf_put_int_array(ti_gguf_writer *w, const char *key, const int32_t *values, int n,
                                te_error *err)
{
    struct {
        uint32_t type, count_low, count_high;
    } head = {TI_KV_I32, (uint32_t)n, 0};
    te_status st = put(w, key, TI_KV_ARRAY, &head, sizeof head, err);
    return st || !n ? st : append(&w->keys, values, (size_t)n * sizeof *values, err);
}

static te_status remember_end(ti_gguf_writer *w, uint64_t end, te_error *err)
{
    if (w->n_tensors == w->room) {
        uint64_t room = w->room ? 2 * w->room : 64;
        uint64_t *grown = ti_realloc_array(w->ends, (size_t)room, sizeof *grown);
        if (!grown) return ti_fail_memory(err, "the tensor table", (size_t)room * sizeof *grown);
        w->ends = grown;
        w->room = room;
    }
    w->ends[w->n_tensors++] = end;
    w->next_offset = (end + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    return TE_OK;
}

te_status ti_gguf_declare(ti_gguf_writer *w, const char *name, ti_type type, int n_dims,
                          const int64_t *shape, te_error *err)
{
    if (w->header_written) return too_late(w, name, err);
    uint32_t dims = (uint32_t)n_dims, number = (uint32_t)type;
    size_t size =
        n_dims >= 1 && n_dims <= TI_MAX_DIMS ? ti_type_row_bytes(type, shape[n_dims - 1]) : 0;
    bool fits = size > 0;
    for (int i = 0; fits && i < n_dims - 1; i++)
        fits = shape[i] > 0 && ti_mul_size(size, (size_t)shape[i], &size);
    if (!fits)
        return ti_fail(err, TE_INVALID, "%s: tensor %s has a shape that %s cannot hold", w->path,
                       name, ti_type_name(type));
    te_status st = append_string(&w->table, name, strlen(name), err);
    if (!st) st = append(&w->table, &dims, sizeof dims, err);
    for (int i = n_dims - 1; i >= 0 && !st; i--)
        st = append(&w->table, &shape[i], sizeof *shape, err);
    if (!st) st = append(&w->table, &number, sizeof number, err);
    if (!st) st = append(&w->table, &w->next_offset, sizeof w->next_offset, err);
    return st ? st : remember_end(w, w->next_offset + size, err);
}

/* ---- data ------------------------------------------------------------------------------------ */

static te_status emit(ti_gguf_writer *w, const void *data, size_t n, te_error *err)
{
    if (n && fwrite(data, 1, n, w->file) != n)
        return ti_fail(err, TE_IO, "%s: cannot be written: %s", w->part, strerror(errno));
    return TE_OK;
}

static te_status pad(ti_gguf_writer *w, uint64_t from, te_error *err)
{
    static const uint8_t zeros[ALIGNMENT];
    return emit(w, zeros, (size_t)(-from & (ALIGNMENT - 1)), err);
}

static te_status write_header(ti_gguf_writer *w, te_error *err)
{
    uint32_t version = 3;
    w->header_written = true;
    te_status st = emit(w, "GGUF", 4, err);
    if (!st) st = emit(w, &version, sizeof version, err);
    if (!st) st = emit(w, &w->n_tensors, sizeof w->n_tensors, err);
    if (!st) st = emit(w, &w->n_keys, sizeof w->n_keys, err);
    if (!st) st = emit(w, w->keys.data, w->keys.used, err);
    if (!st) st = emit(w, w->table.data, w->table.used, err);
    return st ? st : pad(w, 24 + w->keys.used + w->table.used, err);
}

te_status ti_gguf_write(ti_gguf_writer *w, const void *data, size_t n, te_error *err)
{
    te_status st = w->header_written ? TE_OK : write_header(w, err);
    if (st) return st;
    if (w->current == w->n_tensors || n > w->ends[w->current] - w->written)
        return ti_fail(err, TE_INVALID, "%s: more data than was declared for tensor %llu", w->path,
                       (unsigned long long)w->current);
    st = emit(w, data, n, err);
    w->written += n;
    if (st || w->written < w->ends[w->current]) return st;
    st = pad(w, w->written, err);
    w->written = (w->written + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    w->current++;
    return st;
}

te_status ti_gguf_finish(ti_gguf_writer *w, te_error *err)
{
    te_status st = w->header_written ? TE_OK : write_header(w, err);
    if (!st && w->current != w->n_tensors)
        st = ti_fail(err, TE_INVALID, "%s: only %llu of %llu tensors were written", w->path,
                     (unsigned long long)w->current, (unsigned long long)w->n_tensors);
    if (st) return st;
    if (fflush(w->file) || fsync(fileno(w->file)))
        return ti_fail(err, TE_IO, "%s: cannot be written: %s", w->part, strerror(errno));
    int closed = fclose(w->file);
    w->file = NULL;
    if (closed || rename(w->part, w->path)) {
        st = ti_fail(err, TE_IO, "%s: cannot be written: %s", w->path, strerror(errno));
        unlink(w->part);
    }
    return st;
}
