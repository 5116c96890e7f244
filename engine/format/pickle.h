/* pickle.h - reads the pickle of a PyTorch state dict without executing anything.
 *
 * A pickle is a program for a stack machine. This one knows None, booleans, integers, floats,
 * strings, tuples, lists, dictionaries and what torch.save() writes for tensors; asked for any
 * other class or function it stops with its name. Every instruction makes at most a few values, so
 * memory is bounded by the length of the pickle; nothing recurses. */
#ifndef TI_FORMAT_PICKLE_H
#define TI_FORMAT_PICKLE_H

#include "format/tensor.h"

/* A tensor as the pickle describes it: a view of a storage elsewhere in the archive. */
typedef struct ti_pickle_tensor {
    const char *name; /* not terminated; the pickle's */
    size_t name_length;
    const char *storage; /* the storage's key, likewise */
    size_t storage_length;
    int64_t offset;   /* first element in the storage */
    ti_tensor tensor; /* type, shape and bytes; data NULL */
} ti_pickle_tensor;

/* The tensors of the dictionary that BYTES describes, or of its member "state_dict". *tensors is
 * the caller's to free(). Entries that are no tensors are left out. PATH stands in messages. */
te_status ti_pickle_read(const char *path, const uint8_t *bytes, size_t size,
                         ti_pickle_tensor **tensors, int *n, te_error *err);

#endif
