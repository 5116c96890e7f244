/* golden.h - the golden image tokenisers as GGUF files, whole or damaged, and what they should
 * compute. */
#ifndef TESTS_VISION_GOLDEN_H
#define TESTS_VISION_GOLDEN_H

#include "format/checkpoint.h"
#include "format/gguf.h"

enum { MAGVIT, AMUSED, MODELS };

/* What to do to a model on the way, mostly to see it refused. */
typedef struct damage {
    const char *leave_out; /* a tensor's name */
    const char *poison;    /* a tensor whose first element becomes NaN */
    const char *type;      /* instead of the right one; "" for none at all */
    int patch, layout_codebook, groups;
    bool half; /* convolution kernels become f16 */
} damage;

/* cmocka's set-up and tear-down of the folder the files lie in. */
int make_folder(void **state);
int remove_folder(void **state);
/* Writes MODEL as a GGUF file, one at a time; the path is this file's. */
const char *convert_golden(int model, const damage *damage);
/* A file of the golden folder. */
ti_checkpoint *open_golden(int model, const char *file);

#endif
