/* stand_in.h - model files made from golden data, for tests of what runs on models. */
#ifndef TESTS_STAND_IN_H
#define TESTS_STAND_IN_H

#include "format/tensor.h"

typedef struct stand_in {
    const char *backbone; /* golden folder, e.g. "m-tiny"; its trajectory.json gives the layout */
    const char *image_tokenizer; /* golden folder, or NULL: none */
    const char *tokenizer;       /* path of a tokenizer.json, or NULL: none */
    ti_type type;                /* of the backbone's matrices */
} stand_in;

/* Writes the model to PATH; fails the test on any error. */
void stand_in_write(const char *path, const stand_in *what);
/* A fresh path in a folder of this process's own, removed by stand_in_clean(). */
const char *stand_in_path(const char *name);
void stand_in_clean(void);

#endif
