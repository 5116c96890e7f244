/* webp.c - WebP by libwebp, with its colour profile. */
#include "picture/internal.h"

#include <webp/decode.h>
#include <webp/encode.h>
#include <webp/mux.h>

#define QUALITY 95

te_status ti_webp_load(GeglBuffer **out, const char *path, const ti_container *container,
                       const uint8_t *bytes, size_t size, te_error *err)
{
    *out = NULL;
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(bytes, size, &features) != VP8_STATUS_OK)
        return ti_picture_fail(err, TE_FORMAT, "%s: the WebP file is damaged", path);
    if (features.has_animation)
        return ti_picture_fail(err, TE_UNSUPPORTED,
                               "%s: an animated WebP cannot be edited; save one of "
                               "its frames by itself",
                               path);
    te_status st = ti_check_size(path, features.width, features.height, err);
    if (st) return st;
    const Babl *space = NULL;
    const char *why = NULL;
    if (container->profile && container->profile_size <= G_MAXINT)
        space = babl_space_from_icc((const char *)container->profile, (int)container->profile_size,
                                    BABL_ICC_INTENT_RELATIVE_COLORIMETRIC, &why);
    if (space && (babl_space_is_cmyk(space) || babl_space_is_gray(space))) space = NULL;
    int channels = features.has_alpha ? 4 : 3;
    size_t stride = (size_t)features.width * (size_t)channels;
    uint8_t *pixels = g_try_malloc(stride * (size_t)features.height);
    if (!pixels) return ti_picture_no_memory(err);
    size_t n = stride * (size_t)features.height;
    uint8_t *decoded = channels == 4 ? WebPDecodeRGBAInto(bytes, size, pixels, n, (int)stride)
                                     : WebPDecodeRGBInto(bytes, size, pixels, n, (int)stride);
    if (decoded) {
        const Babl *format =
            babl_format_with_space(channels == 4 ? "R'G'B'A u8" : "R'G'B' u8", space);
        const GeglRectangle extent = {0, 0, features.width, features.height};
        *out = gegl_buffer_new(&extent, format);
        gegl_buffer_set(*out, &extent, 0, format, pixels, (int)stride);
    }
    g_free(pixels);
    return decoded ? TE_OK : ti_picture_fail(err, TE_FORMAT, "%s: the WebP file is damaged", path);
}

/* The encoded picture with the profile of SPACE, or as it is where there is none to keep. */
static te_status write_with_profile(const char *path, const WebPData *picture, const Babl *space,
                                    te_error *err)
{
    int n_icc = 0;
    const char *icc = space == babl_space("sRGB") ? NULL : babl_space_get_icc(space, &n_icc);
    if (!icc || n_icc <= 0) return ti_write_all(path, picture->bytes, picture->size, err);
    WebPData profile = {(const uint8_t *)icc, (size_t)n_icc}, whole = {NULL, 0};
    WebPMux *mux = WebPMuxCreate(picture, 0);
    gboolean done = mux && WebPMuxSetChunk(mux, "ICCP", &profile, 0) == WEBP_MUX_OK &&
                    WebPMuxAssemble(mux, &whole) == WEBP_MUX_OK;
    te_status st =
        done ? ti_write_all(path, whole.bytes, whole.size, err) : ti_picture_no_memory(err);
    WebPDataClear(&whole);
    WebPMuxDelete(mux);
    return st;
}

te_status ti_webp_save(GeglBuffer *buffer, const char *path, te_error *err)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(buffer);
    const Babl *own = gegl_buffer_get_format(buffer), *space = babl_format_get_space(own);
    if (extent->width > WEBP_MAX_DIMENSION || extent->height > WEBP_MAX_DIMENSION)
        return ti_picture_fail(err, TE_UNSUPPORTED,
                               "%s: WebP holds at most %d x %d pixels; save as PNG, "
                               "JPEG or TIFF",
                               path, WEBP_MAX_DIMENSION, WEBP_MAX_DIMENSION);
    if (babl_space_is_gray(space)) space = babl_space("sRGB");
    int channels = babl_format_has_alpha(own) ? 4 : 3;
    size_t stride = (size_t)extent->width * (size_t)channels;
    uint8_t *pixels = g_try_malloc(stride * (size_t)extent->height);
    if (!pixels) return ti_picture_no_memory(err);
    gegl_buffer_get(buffer, extent, 1.0,
                    babl_format_with_space(channels == 4 ? "R'G'B'A u8" : "R'G'B' u8", space),
                    pixels, (int)stride, GEGL_ABYSS_NONE);
    WebPData picture = {NULL, 0};
    uint8_t *encoded = NULL;
    picture.size =
        channels == 4
            ? WebPEncodeRGBA(pixels, extent->width, extent->height, (int)stride, QUALITY, &encoded)
            : WebPEncodeRGB(pixels, extent->width, extent->height, (int)stride, QUALITY, &encoded);
    picture.bytes = encoded;
    g_free(pixels);
    te_status st = picture.size
                       ? write_with_profile(path, &picture, space, err)
                       : ti_picture_fail(err, TE_NOMEM, "%s: the WebP encoder gave up", path);
    WebPFree(encoded);
    return st;
}
