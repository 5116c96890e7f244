/* Picture files: every format there and back, orientation, and files that are damaged or not to be
 * written. */
#include "testing.h"
#include "picture/scenes.h"
#include "start_gegl.h"

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static char *folder;

static char *in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static GeglBuffer *load(const char *path)
{
    GeglBuffer *buffer;
    te_error err;
    assert_ok(ti_picture_load(&buffer, path, &err), err);
    return buffer;
}

static void save(GeglBuffer *buffer, const char *path)
{
    te_error err;
    assert_ok(ti_picture_save(buffer, path, &err), err);
}

static void there_and_back(const char *format, const Babl *space, const char *name,
                           const char *expected, double tolerance)
{
    const Babl *own = babl_format_with_space(format, space);
    GeglBuffer *scene = scene_buffer(61, 47, "R'G'B'A float"),
               *buffer = ti_picture_convert(scene, own);
    char *path = in_folder(name);
    save(buffer, path);
    GeglBuffer *back = load(path);
    const Babl *got = gegl_buffer_get_format(back);
    assert_int_equal(gegl_buffer_get_width(back), 61);
    assert_int_equal(gegl_buffer_get_height(back), 47);
    assert_string_equal(babl_format_get_encoding(got), expected);
    if (space) assert_ptr_equal(babl_format_get_space(got), space);
    float *a = buffer_floats(buffer), *b = buffer_floats(back);
    double sum = 0, worst = 0;
    for (size_t i = 0; i < 3 * 61 * 47; i++) {
        sum += fabsf(a[i] - b[i]);
        worst = MAX(worst, fabsf(a[i] - b[i]));
    }
    double off = tolerance > 0.01 ? sum / (3 * 61 * 47) : worst; /* lossy formats: on the whole */
    if (off > tolerance) fail_msg("%s in %s: off by %g", format, name, off);
    g_free(a);
    g_free(b);
    g_object_unref(back);
    g_object_unref(buffer);
    g_object_unref(scene);
    g_free(path);
}

/* A space of its own, as a profile in a file makes one. */
static const Babl *wide_space(void)
{
    int n = 0;
    const char *why = NULL, *icc = babl_space_get_icc(babl_space("Adobish"), &n);
    return babl_space_from_icc(icc, n, BABL_ICC_INTENT_RELATIVE_COLORIMETRIC, &why);
}

static void test_formats(void **state)
{
    (void)state;
    there_and_back("R'G'B' u8", NULL, "a.png", "R'G'B' u8", 0);
    there_and_back("R'G'B'A u8", NULL, "b.png", "R'G'B'A u8", 0);
    there_and_back("R'G'B' u16", NULL, "c.png", "R'G'B' u16", 0);
    there_and_back("Y' u8", NULL, "d.png", "Y' u8", 0);
    there_and_back("Y'A u16", NULL, "e.png", "Y'A u16", 0);
    there_and_back("R'G'B' u16", NULL, "f.tiff", "R'G'B' u16", 0);
    there_and_back("R'G'B' float", NULL, "g.tif", "R'G'B' float", 1e-6);
    there_and_back("Y' u8", NULL, "h.tiff", "Y' u8", 0);
    there_and_back("R'G'B'A u8", NULL, "i.tiff", "R'G'B'A u8", 0);
    there_and_back("R'G'B' u8", NULL, "j.jpg", "R'G'B' u8", 0.02);
    there_and_back("Y' u8", NULL, "k.JPEG", "Y' u8", 0.02);
    there_and_back("R'G'B' u8", NULL, "l.webp", "R'G'B' u8", 0.04);
    there_and_back("R'G'B'A u8", NULL, "m.webp", "R'G'B' u8", 0.04); /* opaque: libwebp drops it */
}

static void test_profiles(void **state)
{
    (void)state;
    const Babl *space = wide_space();
    there_and_back("R'G'B' u8", space, "a.png", "R'G'B' u8", 0);
    there_and_back("R'G'B' u16", space, "b.tiff", "R'G'B' u16", 0);
    there_and_back("R'G'B' u8", space, "c.jpg", "R'G'B' u8", 0.02);
    there_and_back("R'G'B' u8", space, "d.webp", "R'G'B' u8", 0.04);
}

/* An Exif block with nothing but an orientation, as JPEG's first segment. */
static void test_orientation(void **state)
{
    (void)state;
    GeglBuffer *scene = scene_buffer(40, 24, "R'G'B' u8");
    char *plain = in_folder("plain.jpg"), *turned = in_folder("turned.jpg"), *bytes;
    size_t n;
    save(scene, plain);
    GeglBuffer *upright = load(plain);
    float *a = buffer_floats(upright);
    assert_true(g_file_get_contents(plain, &bytes, &n, NULL));
    for (int orientation = 1; orientation <= 8; orientation++) {
        const char exif[] = "\xFF\xE1\0\x22"
                            "Exif\0\0"
                            "MM\0*\0\0\0\x08"
                            "\0\1"
                            "\x01\x12\0\3\0\0\0\1\0\0\0\0"
                            "\0\0\0\0";
        GByteArray *file = g_byte_array_new();
        g_byte_array_append(file, (const guint8 *)bytes, 2);
        g_byte_array_append(file, (const guint8 *)exif, 36);
        file->data[2 + 29] = (guint8)orientation;
        g_byte_array_append(file, (const guint8 *)bytes + 2, (guint)n - 2);
        assert_true(g_file_set_contents(turned, (const char *)file->data, file->len, NULL));
        g_byte_array_unref(file);
        GeglBuffer *back = load(turned);
        float *b = buffer_floats(back);
        int w = gegl_buffer_get_width(back), h = gegl_buffer_get_height(back);
        assert_int_equal(w, orientation > 4 ? 24 : 40);
        assert_int_equal(h, orientation > 4 ? 40 : 24);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                /* Where the stored pixel of this upright one is: Exif's table. */
                int sx[9] = {0, x, 39 - x, 39 - x, x, y, y, 39 - y, 39 - y};
                int sy[9] = {0, y, y, 23 - y, 23 - y, x, 23 - x, 23 - x, x};
                const float *p = a + 3 * (sy[orientation] * 40 + sx[orientation]);
                for (int c = 0; c < 3; c++)
                    if (p[c] != b[3 * (y * w + x) + c])
                        fail_msg("orientation %d at %d, %d", orientation, x, y);
            }
        g_free(b);
        g_object_unref(back);
    }
    g_free(a);
    g_free(bytes);
    g_free(plain);
    g_free(turned);
    g_object_unref(upright);
    g_object_unref(scene);
}

static void refused(const char *path, te_status status, const char *word)
{
    GeglBuffer *buffer = (GeglBuffer *)1;
    te_error err = {0};
    te_status st = ti_picture_load(&buffer, path, &err);
    if (st != status) fail_msg("%s: status %d (%s)", path, st, err.message);
    assert_null(buffer);
    if (!strstr(err.message, path) || !strstr(err.message, word))
        fail_msg("no '%s' in '%s'", word, err.message);
}

static void test_damaged(void **state)
{
    (void)state;
    static const char *const names[] = {"w.png", "w.jpg", "w.tiff", "w.webp"};
    GeglBuffer *scene = scene_buffer(200, 150, "R'G'B' u8");
    for (size_t i = 0; i < TEST_LENGTH(names); i++) {
        char *path = in_folder(names[i]), *bytes;
        size_t n;
        save(scene, path);
        assert_true(g_file_get_contents(path, &bytes, &n, NULL));
        size_t cuts[] = {n / 2, n - n / 4, 100, 30, 12};
        for (size_t k = 0; k < TEST_LENGTH(cuts); k++) {
            assert_true(g_file_set_contents(path, bytes, (gssize)cuts[k], NULL));
            refused(path, TE_FORMAT, "");
        }
        g_free(bytes);
        g_free(path);
    }
    g_object_unref(scene);
    char *path = in_folder("no.png");
    assert_true(g_file_set_contents(path, "this is text, whatever its name says", -1, NULL));
    refused(path, TE_FORMAT, "no PNG, JPEG, TIFF or WebP");
    assert_true(g_file_set_contents(path, "", 0, NULL));
    refused(path, TE_FORMAT, "");
    g_free(path);
    refused("/nowhere/at/all.png", TE_IO, "No such file");
    refused(folder, TE_IO, "no file with a picture");
}

/* Random bytes flipped anywhere: a sentence or a picture, no crash and no exit. */
static void test_flipped_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"x.png", "x.jpg", "x.tiff", "x.webp"};
    GeglBuffer *scene = scene_buffer(64, 48, "R'G'B' u8");
    GRand *random = g_rand_new_with_seed(5);
    for (size_t i = 0; i < TEST_LENGTH(names); i++) {
        char *path = in_folder(names[i]), *bytes;
        size_t n;
        save(scene, path);
        assert_true(g_file_get_contents(path, &bytes, &n, NULL));
        char *copy = g_malloc(n);
        for (int round = 0; round < 60; round++) {
            memcpy(copy, bytes, n);
            for (int k = 0; k < 3; k++)
                copy[g_rand_int_range(random, 0, (gint)(round % 2 ? n : MIN(n, 200)))] ^=
                    (char)(1 << (round % 8));
            assert_true(g_file_set_contents(path, copy, (gssize)n, NULL));
            GeglBuffer *buffer;
            te_error err = {0};
            if (ti_picture_load(&buffer, path, &err))
                assert_true(err.message[0] != '\0');
            else
                g_object_unref(buffer);
        }
        g_free(copy);
        g_free(bytes);
        g_free(path);
    }
    g_rand_free(random);
    g_object_unref(scene);
}

static void test_targets(void **state)
{
    (void)state;
    GeglBuffer *scene = scene_buffer(300, 300, "R'G'B' u8");
    te_error err;
    char *odd = in_folder("a.bmp"), *lost = in_folder("no/such/folder.png");
    assert_int_equal(ti_picture_save(scene, odd, &err), TE_INVALID);
    assert_non_null(strstr(err.message, ".png, .jpg, .tiff or .webp"));
    assert_int_equal(ti_picture_save(scene, lost, &err), TE_IO);
    assert_int_equal(ti_picture_save(scene, folder, &err), TE_INVALID);
    /* A disk that is full after 3 kB: the old file stays, and nothing else is left in the folder.
     */
    static const char *const names[] = {"t.png", "t.jpg", "t.tiff", "t.webp"};
    for (size_t i = 0; i < TEST_LENGTH(names); i++) {
        char *path = in_folder(names[i]), *before, *after;
        size_t n_before, n_after;
        save(scene, path);
        assert_true(g_file_get_contents(path, &before, &n_before, NULL));
        struct rlimit limit = {3000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        te_status st = ti_picture_save(scene, path, &err);
        setrlimit(RLIMIT_FSIZE, &none);
        if (st != TE_IO || !strstr(err.message, path))
            fail_msg("%s: %d, %s", path, st, err.message);
        assert_true(g_file_get_contents(path, &after, &n_after, NULL));
        assert_int_equal(n_before, n_after);
        assert_memory_equal(before, after, n_before);
        g_free(before);
        g_free(after);
        g_free(path);
    }
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));)
        assert_false(g_str_has_prefix(name, ".thinkedit"));
    g_dir_close(dir);
    g_free(odd);
    g_free(lost);
    g_object_unref(scene);
}

static void test_sampling(void **state)
{
    (void)state;
    GeglBuffer *scene = scene_buffer(1000, 700, "R'G'B' u16");
    te_image *image;
    te_error err;
    GeglRectangle area = {100, 50, 640, 480};
    assert_ok(ti_picture_sample(&image, scene, &area, 64, 48, &err), err);
    /* Every small pixel is near the mean of the pixels it stands for. */
    float *big = buffer_floats(scene);
    double worst = 0;
    for (int y = 0; y < 48; y++)
        for (int x = 0; x < 64; x++)
            for (int c = 0; c < 3; c++) {
                double sum = 0;
                for (int j = 0; j < 10; j++)
                    for (int i = 0; i < 10; i++)
                        sum += big[3 * ((50 + y * 10 + j) * 1000 + 100 + x * 10 + i) + c];
                double d =
                    fabs(sum / 100 - ((uint8_t *)image->pixels)[3 * (y * 64 + x) + c] / 255.0);
                worst = MAX(worst, d);
            }
    assert_true(worst < 0.15);
    ti_picture_image_free(image);
    /* At its own size it is the picture. */
    GeglRectangle same = {0, 0, 80, 60};
    assert_ok(ti_picture_sample(&image, scene, &same, 80, 60, &err), err);
    for (int i = 0; i < 80 * 3; i++)
        assert_true(fabs(((uint8_t *)image->pixels)[i] / 255.0 - big[i]) < 0.0021);
    ti_picture_image_free(image);
    g_free(big);
    g_object_unref(scene);

    GeglBuffer *clear = gegl_buffer_new(GEGL_RECTANGLE(0, 0, 9, 9), babl_format("R'G'B'A u8"));
    assert_ok(ti_picture_sample(&image, clear, NULL, 32, 32, &err), err);
    assert_int_equal(((uint8_t *)image->pixels)[500], 255);
    ti_picture_image_free(image);
    g_object_unref(clear);
}

static void test_masks(void **state)
{
    (void)state;
    GeglBuffer *mask = gegl_buffer_new(GEGL_RECTANGLE(0, 0, 1000, 500), babl_format("Y u8"));
    uint8_t one = 255, *small;
    te_error err;
    gegl_buffer_set(mask, GEGL_RECTANGLE(700, 333, 1, 1), 0, babl_format("Y u8"), &one, 1);
    GeglRectangle bounds = ti_picture_mask_bounds(mask);
    assert_int_equal(bounds.x, 700);
    assert_int_equal(bounds.y, 333);
    assert_int_equal(bounds.width, 1);
    assert_ok(ti_picture_sample_mask(&small, mask, NULL, 20, 10, &err), err);
    int set = 0;
    for (int i = 0; i < 200; i++) set += small[i] == 255;
    assert_int_equal(set, 1); /* one pixel is enough */
    assert_int_equal(small[6 * 20 + 14], 255);
    g_free(small);
    GeglRectangle whole = {0, 0, 6000, 4000}, door = {5800, 100, 150, 300};
    GeglRectangle context = ti_picture_context(&door, &whole), both;
    assert_true(gegl_rectangle_contains(&context, &door));
    gegl_rectangle_intersect(&both, &context, &whole);
    assert_true(gegl_rectangle_equal(&both, &context));
    assert_true(context.width >= 512 && context.width < 1500);
    g_object_unref(mask);
}

static int set_up(void **state)
{
    (void)state;
    test_gegl_init();
    signal(SIGXFSZ, SIG_IGN);
    folder = g_dir_make_tmp("thinkedit-XXXXXX", NULL);
    return folder ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        char *path = in_folder(name);
        g_unlink(path);
        g_free(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_free(folder);
    gegl_exit();
    return 0;
}

/* GEGL's own warnings about damaged files are no failures here. */
static GLogWriterOutput quiet(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user)
{
    (void)level, (void)fields, (void)n, (void)user;
    return G_LOG_WRITER_HANDLED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),       cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_orientation),   cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_flipped_bytes), cmocka_unit_test(test_targets),
        cmocka_unit_test(test_sampling),      cmocka_unit_test(test_masks),
    };
    g_log_set_writer_func(quiet, NULL, NULL);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
