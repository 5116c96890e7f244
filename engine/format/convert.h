/* convert.h - turns published checkpoints into one model file (models/FORMAT.md).
 *
 * Streams: whatever the size of the checkpoint, memory stays below a few hundred megabytes. Everything
 * is checked before the output is begun, and the output is whole or absent. */
#ifndef TI_FORMAT_CONVERT_H
#define TI_FORMAT_CONVERT_H

#include "base/error.h"

typedef struct ti_convert_options {
    const char *folder;          /* the backbone's, or an image tokeniser's alone */
    const char *output;          /* the new file */
    const char *profile;         /* "mmada-parallel-m", "mmada-parallel-a"; NULL: the layout's */
    const char *layout;          /* JSON file; NULL: the profile's released ids */
    const char *image_tokenizer; /* folder or file; NULL: FOLDER/vqvae if it is there */
    const char *tokenizer;       /* tokenizer.json; NULL: FOLDER/tokenizer.json if it is there */
    const char *type;            /* "q8_0" and so on; NULL: as in the checkpoint */
    const char *rope;            /* "half" (NULL) or "interleaved" */
    const char *name;            /* general.name; NULL: the folder's */
    /* Both may be NULL. NOTE gets a sentence about what was done otherwise than asked for. */
    void (*progress)(const char *tensor, int done, int count, void *user);
    void (*note)(const char *sentence, void *user);
    void *user;
    const volatile int *cancel; /* may be NULL; non-zero ends with TE_CANCELLED */
} ti_convert_options;

te_status ti_convert(const ti_convert_options *opt, te_error *err);

#endif
