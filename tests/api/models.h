/* models.h - what the tests of thinkedit.h share: stand-in models of both variants, and pictures.
 */
#ifndef TESTS_API_MODELS_H
#define TESTS_API_MODELS_H

#include "testing.h"

#include "api.h"
#include "stand-in/stand_in.h"

#define TOKENIZER TE_SOURCE "/tests/stand-in/tokenizer.json"

extern char model_m[512], model_a[512]; /* their files */

int write_models(void **state); /* set-up and tear-down of a group */
int remove_models(void **state);
te_model *open_model(const char *path, int threads);
te_options short_options(void); /* 16 steps of 16 words, 6 of the picture's, a fixed seed */

/* A picture of waves; its pixels are the caller's, free(). */
te_image make_picture(int width, int height, int channels, te_depth depth);
/* What a result gives out: 8-bit RGB of that size. */
void expect_image(const te_image *image, int width, int height);

#endif
