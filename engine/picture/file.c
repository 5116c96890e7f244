/* file.c - picture files to buffers and back. TIFF goes through GEGL's operations, the others
 * through png.c, jpeg.c and webp.c; what is common to all - kinds, orientation, whole files or none
 * - is here. */
#include "picture/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- formats ----------------------------------------------------------------------------- */

const Babl *ti_picture_colour_format(const Babl *format)
{
    int channels = babl_format_get_n_components(format);
    gboolean alpha = babl_format_has_alpha(format);
    if (channels - alpha == 3) return format;
    const Babl *space = babl_format_get_space(format);
    if (space && (babl_space_is_gray(space) || babl_space_is_cmyk(space))) space = NULL;
    gboolean linear = g_str_has_prefix(babl_get_name(format), "Y ") ||
                      g_str_has_prefix(babl_get_name(format), "YA ");
    char name[64];
    g_snprintf(name, sizeof name, "%s%s %s", linear ? "RGB" : "R'G'B'", alpha ? "A" : "",
               babl_get_name(babl_format_get_type(format, 0)));
    return babl_format_with_space(name, space);
}

static const Babl *without_space(const Babl *format)
{
    return babl_format(babl_format_get_encoding(format));
}

/* Within one space the numbers stay: babl chooses its way between two formats of a space that is
 * not sRGB by timing them, and some of those ways round. So both pass as formats without one. */
GeglBuffer *ti_picture_convert(GeglBuffer *buffer, const Babl *format)
{
    const Babl *before = gegl_buffer_get_format(buffer);
    if (before == format) return g_object_ref(buffer);
    const GeglRectangle *extent = gegl_buffer_get_extent(buffer);
    GeglBuffer *converted = gegl_buffer_new(extent, format);
    gboolean one_space = babl_format_get_space(before) == babl_format_get_space(format);
    GeglBuffer *from = one_space ? gegl_buffer_dup(buffer) : g_object_ref(buffer);
    if (one_space) {
        gegl_buffer_set_format(from, without_space(before));
        gegl_buffer_set_format(converted, without_space(format));
    }
    gegl_buffer_copy(from, extent, GEGL_ABYSS_NONE, converted, extent);
    gegl_buffer_set_format(converted, format);
    g_object_unref(from);
    return converted;
}

/* What the rest of the program counts on: grey or RGB. */
static GeglBuffer *in_known_format(GeglBuffer *buffer)
{
    const Babl *format = gegl_buffer_get_format(buffer);
    int colours = babl_format_get_n_components(format) - babl_format_has_alpha(format);
    if (colours == 1 || colours == 3) return buffer;
    GeglBuffer *converted = ti_picture_convert(buffer, ti_picture_colour_format(format));
    g_object_unref(buffer);
    return converted;
}

/* ---- orientation ------------------------------------------------------------------------- */

#define BLOCK 256

/* One block of pixels of BPP bytes, w x h, mirrored left to right, upside down, and then
 * transposed. */
static void turn_block(const uint8_t *from, uint8_t *to, int w, int h, int bpp, gboolean mirror,
                       gboolean flip, gboolean transpose)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int tx = mirror ? w - 1 - x : x, ty = flip ? h - 1 - y : y;
            size_t at = transpose ? (size_t)tx * (size_t)h + (size_t)ty
                                  : (size_t)ty * (size_t)w + (size_t)tx;
            memcpy(to + at * (size_t)bpp, from + ((size_t)y * (size_t)w + (size_t)x) * (size_t)bpp,
                   (size_t)bpp);
        }
}

/* The picture as its Exif orientation says it is meant to be seen; takes BUFFER. */
static te_status turn_upright(GeglBuffer **buffer, int orientation, te_error *err)
{
    if (orientation == 1) return TE_OK;
    static const char what[9][3] = {{0},       {0},       {1, 0, 0}, {1, 1, 0}, {0, 1, 0},
                                    {0, 0, 1}, {0, 1, 1}, {1, 1, 1}, {1, 0, 1}};
    gboolean mirror = what[orientation][0], flip = what[orientation][1],
             transpose = what[orientation][2];
    const Babl *format = gegl_buffer_get_format(*buffer);
    int bpp = babl_format_get_bytes_per_pixel(format);
    int width = gegl_buffer_get_width(*buffer), height = gegl_buffer_get_height(*buffer);
    uint8_t *from = g_try_malloc((size_t)(BLOCK * BLOCK * bpp));
    uint8_t *to = g_try_malloc((size_t)(BLOCK * BLOCK * bpp));
    if (!from || !to) {
        g_free(from);
        g_free(to);
        return ti_picture_no_memory(err);
    }
    GeglBuffer *turned = gegl_buffer_new(
        GEGL_RECTANGLE(0, 0, transpose ? height : width, transpose ? width : height), format);
    for (int y = 0; y < height; y += BLOCK)
        for (int x = 0; x < width; x += BLOCK) {
            int w = MIN(BLOCK, width - x), h = MIN(BLOCK, height - y);
            int tx = mirror ? width - x - w : x, ty = flip ? height - y - h : y;
            GeglRectangle place = {transpose ? ty : tx, transpose ? tx : ty, transpose ? h : w,
                                   transpose ? w : h};
            gegl_buffer_get(*buffer, GEGL_RECTANGLE(x, y, w, h), 1.0, format, from, w * bpp,
                            GEGL_ABYSS_NONE);
            turn_block(from, to, w, h, bpp, mirror, flip, transpose);
            gegl_buffer_set(turned, &place, 0, format, to, place.width * bpp);
        }
    g_free(from);
    g_free(to);
    g_object_unref(*buffer);
    *buffer = turned;
    return TE_OK;
}

/* ---- loading ----------------------------------------------------------------------------- */

static te_status tiff_load(GeglBuffer **out, const char *path, te_error *err)
{
    GeglNode *graph = gegl_node_new();
    GeglNode *load = gegl_node_new_child(graph, "operation", "gegl:tiff-load", "path", path, NULL);
    GeglRectangle box = gegl_node_get_bounding_box(load);
    te_status st = TE_OK;
    if (box.width < 1 || box.height < 1)
        st = ti_picture_fail(err, TE_FORMAT, "%s: the TIFF file is damaged", path);
    else
        st = ti_check_size(path, box.width, box.height, err);
    if (!st) {
        GeglNode *sink =
            gegl_node_new_child(graph, "operation", "gegl:buffer-sink", "buffer", out, NULL);
        gegl_node_link(load, sink);
        gegl_node_process(sink);
        if (!*out) st = ti_picture_fail(err, TE_FORMAT, "%s: the TIFF file is damaged", path);
    }
    g_object_unref(graph);
    return st;
}

static te_status load_bytes(GeglBuffer **out, const char *path, const uint8_t *bytes, size_t size,
                            te_error *err)
{
    ti_container c = ti_container_read(bytes, size);
    if (c.kind == TI_KIND_NONE)
        return ti_picture_fail(err, TE_FORMAT, "%s: this is no PNG, JPEG, TIFF or WebP picture",
                               path);
    if (!c.whole)
        return ti_picture_fail(err, TE_FORMAT,
                               "%s: the %s file is damaged or was cut off; get a whole "
                               "copy of it",
                               path, ti_kind_name(c.kind));
    te_status st;
    if (c.kind == TI_PNG)
        st = ti_png_load(out, path, bytes, size, err);
    else if (c.kind == TI_JPEG)
        st = ti_jpeg_load(out, path, bytes, size, err);
    else if (c.kind == TI_WEBP)
        st = ti_webp_load(out, path, &c, bytes, size, err);
    else
        st = tiff_load(out, path, err);
    if (st) return st;
    *out = in_known_format(*out);
    return turn_upright(out, c.orientation, err);
}

te_status ti_picture_load(GeglBuffer **out, const char *path, te_error *err)
{
    *out = NULL;
    int fd = g_open(path, O_RDONLY | O_CLOEXEC, 0);
    struct stat about;
    if (fd < 0 || fstat(fd, &about)) {
        te_status st = ti_picture_fail(err, TE_IO, "%s: the picture cannot be opened: %s", path,
                                       g_strerror(errno));
        if (fd >= 0) close(fd);
        return st;
    }
    GMappedFile *map = NULL;
    if (S_ISREG(about.st_mode)) map = g_mapped_file_new_from_fd(fd, FALSE, NULL);
    close(fd);
    if (!map) return ti_picture_fail(err, TE_IO, "%s: this is no file with a picture in it", path);
    te_status st = load_bytes(out, path, (const uint8_t *)g_mapped_file_get_contents(map),
                              g_mapped_file_get_length(map), err);
    g_mapped_file_unref(map);
    if (st) g_clear_object(out);
    return st;
}

/* ---- saving ------------------------------------------------------------------------------ */

static ti_kind kind_by_extension(const char *path)
{
    static const struct {
        const char *extension;
        ti_kind kind;
    } kinds[] = {{".png", TI_PNG},  {".jpg", TI_JPEG},  {".jpeg", TI_JPEG},
                 {".tif", TI_TIFF}, {".tiff", TI_TIFF}, {".webp", TI_WEBP}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < G_N_ELEMENTS(kinds); i++)
        if (!g_ascii_strcasecmp(dot, kinds[i].extension)) return kinds[i].kind;
    return TI_KIND_NONE;
}

te_status ti_picture_check_target(const char *path, te_error *err)
{
    if (kind_by_extension(path) == TI_KIND_NONE)
        return ti_picture_fail(err, TE_INVALID,
                               "%s: a picture can be saved as .png, .jpg, .tiff or .webp; "
                               "name the file so",
                               path);
    struct stat about;
    if (!stat(path, &about) && !S_ISREG(about.st_mode))
        return ti_picture_fail(err, TE_IO, "%s: this is no regular file and is not written over",
                               path);
    char *folder = g_path_get_dirname(path);
    te_status st = TE_OK;
    if (access(folder, W_OK | X_OK))
        st = ti_picture_fail(err, TE_IO, "%s: the picture cannot be written: %s", path,
                             g_strerror(errno));
    g_free(folder);
    return st;
}

te_status ti_write_all(const char *path, const void *bytes, size_t size, te_error *err)
{
    int fd = g_open(path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0);
    const uint8_t *p = bytes;
    gboolean fine = fd >= 0;
    while (fine && size) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        fine = n > 0;
        if (fine) p += n, size -= (size_t)n;
    }
    int error = errno;
    if (fd >= 0) close(fd);
    return fine ? TE_OK
                : ti_picture_fail(err, TE_IO, "%s: the picture cannot be written: %s", path,
                                  g_strerror(error));
}

static void tiff_save(GeglBuffer *buffer, const char *path)
{
    GeglNode *graph = gegl_node_new();
    GeglNode *source =
        gegl_node_new_child(graph, "operation", "gegl:buffer-source", "buffer", buffer, NULL);
    GeglNode *save = gegl_node_new_child(graph, "operation", "gegl:tiff-save", "path", path,
                                         "bitdepth", 0, "fp", -1, NULL); /* both: as the buffer */
    gegl_node_link(source, save);
    gegl_node_process(save);
    g_object_unref(graph);
}

/* GEGL's operation does not tell whether all of it reached the disk; the file does. */
static te_status check_written(const char *temporary, const char *path, te_error *err)
{
    GMappedFile *map = g_mapped_file_new(temporary, FALSE, NULL);
    ti_container c = {0};
    if (map && g_mapped_file_get_length(map))
        c = ti_container_read((const uint8_t *)g_mapped_file_get_contents(map),
                              g_mapped_file_get_length(map));
    if (map) g_mapped_file_unref(map);
    int fd = c.whole ? g_open(temporary, O_WRONLY | O_CLOEXEC, 0) : -1;
    gboolean safe = fd >= 0 && !fsync(fd);
    if (fd >= 0) close(fd);
    if (safe) return TE_OK;
    return ti_picture_fail(err, TE_IO,
                           "%s: the picture could not be written whole; is the disk full?", path);
}

static te_status save_as(GeglBuffer *buffer, const char *temporary, const char *path, ti_kind kind,
                         te_error *err)
{
    te_error inner = {0};
    te_status st = TE_OK;
    if (kind == TI_PNG)
        st = ti_png_save(buffer, temporary, &inner);
    else if (kind == TI_JPEG)
        st = ti_jpeg_save(buffer, temporary, &inner);
    else if (kind == TI_WEBP)
        st = ti_webp_save(buffer, temporary, &inner);
    else
        tiff_save(buffer, temporary);
    if (st) { /* the message names the file a person knows */
        const char *rest =
            g_str_has_prefix(inner.message, temporary) ? inner.message + strlen(temporary) : NULL;
        return ti_picture_fail(err, st, "%s%s", rest ? path : "", rest ? rest : inner.message);
    }
    return check_written(temporary, path, err);
}

te_status ti_picture_save(GeglBuffer *buffer, const char *path, te_error *err)
{
    te_status st = ti_picture_check_target(path, err);
    if (st) return st;
    char *real = realpath(path, NULL); /* where a link leads; NULL for a new file */
    const char *target = real ? real : path;
    char *folder = g_path_get_dirname(target);
    char *temporary = g_strdup_printf("%s/.thinkedit-XXXXXX", folder);
    int fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0) {
        st = ti_picture_fail(err, TE_IO, "%s: the picture cannot be written: %s", path,
                             g_strerror(errno));
    } else {
        close(fd);
        st = save_as(buffer, temporary, path, kind_by_extension(path), err);
        if (!st && g_rename(temporary, target))
            st = ti_picture_fail(err, TE_IO, "%s: the picture cannot be written: %s", path,
                                 g_strerror(errno));
        if (st) g_unlink(temporary);
    }
    g_free(temporary);
    g_free(folder);
    free(real);
    return st;
}
