/* pngfile.h - writing RGB pixels as PNG, for the programs that show or export the world. */
#ifndef TI_WORLD_PNGFILE_H
#define TI_WORLD_PNGFILE_H

#include "base/error.h"

/* rgb [height][width][3] */
te_status ti_world_png_write(const char *path, const uint8_t *rgb, int width, int height,
                             te_error *err);

#endif
