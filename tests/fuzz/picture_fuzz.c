/* picture_fuzz.c - hostile picture files: the walk over the container, and the decoders that work
 * from memory. What decodes has the size it says. */
#include <stdlib.h>

#include "picture/internal.h"
#include "start_gegl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gboolean ready;
    if (!ready) test_gegl_init();
    ready = TRUE;
    te_error err = {0};
    GeglBuffer *buffer = NULL;
    ti_container c = ti_container_read(data, size);
    if (c.orientation < 1 || c.orientation > 8) abort();
    te_status st = TE_FORMAT;
    if (c.kind == TI_PNG) st = ti_png_load(&buffer, "fuzz", data, size, &err);
    if (c.kind == TI_JPEG) st = ti_jpeg_load(&buffer, "fuzz", data, size, &err);
    if (c.kind == TI_WEBP) st = ti_webp_load(&buffer, "fuzz", &c, data, size, &err);
    if (!st != !!buffer) abort();
    if (buffer && gegl_buffer_get_width(buffer) < 1) abort();
    g_clear_object(&buffer);
    return 0;
}
