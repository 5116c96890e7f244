/* gguf.h - reads GGUF version 3 from a memory mapping without copying, and writes it as a stream.
 *
 * The reader trusts nothing: every count, length, offset and alignment is checked against the file
 * before it is used. It refuses big-endian files, duplicate tensor names, overlapping tensors and
 * types it does not know by name in the error. */
#ifndef TI_FORMAT_GGUF_H
#define TI_FORMAT_GGUF_H

#include "format/tensor.h"

typedef struct ti_gguf ti_gguf;

te_status ti_gguf_open(ti_gguf **out, const char *path, te_error *err);
/* Reads a file held in memory; the bytes stay the caller's. NAME stands in messages. */
te_status ti_gguf_open_memory(ti_gguf **out, const char *name, const void *bytes, size_t size,
                              te_error *err);
void ti_gguf_free(ti_gguf *file);
const char *ti_gguf_path(const ti_gguf *file);
size_t ti_gguf_size(const ti_gguf *file); /* bytes */
/* Tells models apart: over the header and sampled content. */
uint64_t ti_gguf_hash(const ti_gguf *file);

int ti_gguf_tensor_count(const ti_gguf *file);
const ti_tensor *ti_gguf_tensor(const ti_gguf *file, int index);
const ti_tensor *ti_gguf_find(const ti_gguf *file, const char *name); /* NULL if absent */
/* The memory under TENSOR may be used for something else until it is read again: for callers that
 * keep a copy of their own. */
void ti_gguf_forget(const ti_gguf *file, const ti_tensor *tensor);
/* The tensor NAME with exactly this shape (outermost first, n_dims entries), or an error naming
 * both. */
te_status ti_gguf_need(const ti_gguf *file, const char *name, int n_dims, const int64_t *shape,
                       const ti_tensor **out, te_error *err);

/* Metadata. The optional getters return the fallback when the key is absent; a key of another type
 * is an error, and so is an absent key for ti_gguf_need_*(). Any GGUF integer type is accepted
 * where the value fits. */
bool ti_gguf_has(const ti_gguf *file, const char *key);
te_status ti_gguf_int(const ti_gguf *file, const char *key, int64_t fallback, int64_t *out,
                      te_error *err);
te_status ti_gguf_need_int(const ti_gguf *file, const char *key, int64_t min, int64_t max,
                           int64_t *out, te_error *err);
te_status ti_gguf_real(const ti_gguf *file, const char *key, double fallback, double *out,
                       te_error *err);
te_status ti_gguf_bool(const ti_gguf *file, const char *key, bool fallback, bool *out,
                       te_error *err);
/* *out borrows from the file (not NUL-terminated there: *length counts); NULL if absent. */
te_status ti_gguf_string(const ti_gguf *file, const char *key, const char **out, size_t *length,
                         te_error *err);
/* Integer array into a caller-owned buffer of CAPACITY; *n is the file's count (0 if absent). */
te_status ti_gguf_int_array(const ti_gguf *file, const char *key, int64_t *out, int capacity,
                            int *n, te_error *err);
int ti_gguf_key_count(const ti_gguf *file);
const char *ti_gguf_key(const ti_gguf *file, int index);
/* The value as a person reads it, long ones shortened; the caller frees it. NULL: no memory. */
char *ti_gguf_value_text(const ti_gguf *file, int index);

/* ---- writing: declare everything, then write tensor data in the declared order --------------- */

typedef struct ti_gguf_writer ti_gguf_writer;

/* Writes to PATH.part and renames on finish, so that PATH is whole or absent. */
te_status ti_gguf_writer_create(ti_gguf_writer **out, const char *path, te_error *err);
void ti_gguf_writer_free(ti_gguf_writer *writer); /* removes an unfinished file */
te_status ti_gguf_put_int(ti_gguf_writer *w, const char *key, uint32_t value, te_error *err);
te_status ti_gguf_put_real(ti_gguf_writer *w, const char *key, float value, te_error *err);
te_status ti_gguf_put_bool(ti_gguf_writer *w, const char *key, bool value, te_error *err);
te_status ti_gguf_put_string(ti_gguf_writer *w, const char *key, const char *text, size_t length,
                             te_error *err);
te_status ti_gguf_put_int_array(ti_gguf_writer *w, const char *key, const int32_t *values, int n,
                                te_error *err);
te_status ti_gguf_declare(ti_gguf_writer *w, const char *name, ti_type type, int n_dims,
                          const int64_t *shape, te_error *err);
/* The next BYTES of the tensor being written; tensors follow in declared order. */
te_status ti_gguf_write(ti_gguf_writer *w, const void *data, size_t bytes, te_error *err);
/* Checks completeness, syncs, renames. */
te_status ti_gguf_finish(ti_gguf_writer *w, te_error *err);

#endif
