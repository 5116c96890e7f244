/* checkpoint_internal.h - what the readers of the single file kinds need of a checkpoint. */
#ifndef TI_FORMAT_CHECKPOINT_INTERNAL_H
#define TI_FORMAT_CHECKPOINT_INTERNAL_H

#include "format/checkpoint.h"
#include "format/map.h"

/* One file of a checkpoint. */
typedef struct ti_part {
    const char *path;
    const uint8_t *bytes;
    size_t size;
} ti_part;

/* Adds TENSOR under a copy of the name of LENGTH bytes. */
te_status ti_checkpoint_add(ti_checkpoint *c, const char *name, size_t length,
                            const ti_tensor *tensor, te_error *err);
te_status ti_safetensors_read(ti_checkpoint *c, const ti_part *file, te_error *err);
te_status ti_torch_read(ti_checkpoint *c, const ti_part *file, te_error *err);
/* A name out of a file, fit for a message: shortened, control characters replaced. */
void ti_show_name(char to[64], const char *name, size_t length);

#endif
