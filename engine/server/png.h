/* png.h - PNG in memory to pixels and back, through libpng's simplified interface. */
#ifndef TI_SERVER_PNG_H
#define TI_SERVER_PNG_H

#include <glib.h>

#include "thinkedit.h"

#define TI_MAX_SIDE   65535
#define TI_MAX_PIXELS (128u << 20)

/* The size in a PNG's header, before anything is decoded. FALSE: not a PNG. */
gboolean ti_png_size(GBytes *png, guint32 *width, guint32 *height);
/* RGBA u8; the pixels are the caller's, g_free(). WHAT names the part in messages. */
te_status ti_png_read_rgba(GBytes *png, const char *what, te_image *out, te_error *err);
/* One byte per pixel, g_free(). */
te_status ti_png_read_grey(GBytes *png, const char *what, guint8 **out, te_error *err);
/* RGB u8 image to PNG; NULL when there is no memory. */
GBytes *ti_png_write(const te_image *image);

#endif
