/* texture.h - photograph-like pictures without photographs: material for the tonal edits and for
 * the image tokeniser. Dead leaves, 1/f noise, blurred lights, foliage, buildings, landscapes,
 * round things on tables; natural colour statistics, a camera's faults. */
#ifndef TI_WORLD_TEXTURE_H
#define TI_WORLD_TEXTURE_H

#include "world/scene.h"

/* Fills rgb [size][size][3]. */
te_status ti_texture_make(ti_draw *draw, uint8_t *rgb, int size, te_error *err);

#endif
