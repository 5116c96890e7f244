/* checkpoint.h - named tensors from the files models are published in: safetensors (one file, or
 * shards listed by an index) and PyTorch's zip files. Both look the same from here.
 *
 * Files are mapped, tensors point into the mappings. Nothing in a pickle is executed: it is read by
 * an interpreter that knows tensors, dictionaries and nothing else. Counts, offsets and sizes are
 * checked against the files; shards may not name files outside their folder. */
#ifndef TI_FORMAT_CHECKPOINT_H
#define TI_FORMAT_CHECKPOINT_H

#include "format/tensor.h"

typedef struct ti_checkpoint ti_checkpoint;

/* PATH: a .safetensors file, a PyTorch file, an index (.json), or a folder with one of them under
 * its usual name. */
te_status ti_checkpoint_open(ti_checkpoint **out, const char *path, te_error *err);
/* One file held in memory; the bytes stay the caller's. NAME stands in messages. */
te_status ti_checkpoint_open_memory(ti_checkpoint **out, const char *name, const void *bytes,
                                    size_t size, te_error *err);
void ti_checkpoint_free(ti_checkpoint *c);

const char *ti_checkpoint_path(const ti_checkpoint *c);
int ti_checkpoint_count(const ti_checkpoint *c);
const ti_tensor *ti_checkpoint_tensor(const ti_checkpoint *c, int index);      /* sorted by name */
const ti_tensor *ti_checkpoint_find(const ti_checkpoint *c, const char *name); /* NULL if absent */
/* The tensor NAME with exactly this shape, or an error naming both. */
te_status ti_checkpoint_need(const ti_checkpoint *c, const char *name, int n_dims,
                             const int64_t *shape, const ti_tensor **out, te_error *err);

/* Writes N tensors (not quantised ones) as one safetensors file, whole or not at all. */
te_status ti_safetensors_write(const char *path, const ti_tensor *tensors, int n, te_error *err);

#endif
