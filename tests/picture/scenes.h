/* scenes.h - pictures made of formulas, and what a tokeniser does to them. */
#ifndef TESTS_PICTURE_SCENES_H
#define TESTS_PICTURE_SCENES_H

#include "picture/picture.h"

/* A colour for every point of the unit square: smooth light, hard-edged shapes, fine texture. */
void scene_colour(double u, double v, float rgb[3]);
GeglBuffer *scene_buffer(int width, int height, const char *format);

typedef void (*tone_fn)(const float in[3], float out[3]);
void tone_same(const float in[3], float out[3]);
void tone_darker(const float in[3], float out[3]);
void tone_gamma(const float in[3], float out[3]);
void tone_warmer(const float in[3], float out[3]);
void tone_grey(const float in[3], float out[3]);
void tone_night(const float in[3], float out[3]);
/* Grey, and SHARE of the colour. */
void share_of_colour(const float in[3], float share, float out[3]);
void tone_sepia(const float in[3], float out[3]);

/* The scene, toned, at a model's size: blurred and with the error of a tokeniser of SEED, SIGMA per
 * patch and half of that per pixel. */
te_image *scene_decoded(int width, int height, tone_fn tone, unsigned seed, double sigma,
                        int patch);
void image_free(te_image *image);

float *buffer_floats(GeglBuffer *buffer); /* R'G'B' float of its extent; g_free() */
/* Correlation of the gradients of luma. */
double edge_correlation(const float *a, const float *b, int width, int height);
double psnr(const float *a, const float *b, size_t n);

#endif
