/* camera.h - what a camera adds to a perfect picture; see ti_camera in scene.h */
#ifndef TI_WORLD_CAMERA_H
#define TI_WORLD_CAMERA_H

#include "world/scene.h"

te_status ti_camera_apply(const ti_camera *camera, uint8_t *rgb, int size, te_error *err);
ti_camera ti_camera_random(ti_draw *draw, double strength); /* strength 1: a plain camera */
void ti_noise_add(uint8_t *rgb, int size, double sigma, uint64_t seed);

#endif
