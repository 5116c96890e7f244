/* Carrying an edit back: tones keep the photo's detail, new things are drawn, the rest is
 * bit-identical. The pairs are synthetic: the scene toned at a model's size, with the error of a
 * tokeniser on both. */
#include "testing.h"
#include "picture/scenes.h"
#include "start_gegl.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#define SMALL 128
#define PATCH 8
#define GRID  (SMALL / PATCH)
#define ERROR 0.04

static GeglBuffer *carry(ti_carry *job, GeglBuffer **mask)
{
    GeglBuffer *out;
    te_error err;
    job->grid_width = job->grid_height = GRID;
    assert_ok(ti_picture_carry(job, &out, mask, &err), err);
    assert_true(
        gegl_rectangle_equal(gegl_buffer_get_extent(out), gegl_buffer_get_extent(job->original)));
    return out;
}

static void check_tone(tone_fn tone, double error, double least_psnr, double least_edges)
{
    int w = 900, h = 600;
    GeglBuffer *photo = scene_buffer(w, h, "R'G'B' u8");
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, error, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone, 50, error, PATCH);
    ti_carry job = {.original = photo, .input = in, .edited = edit};
    GeglBuffer *out = carry(&job, NULL);
    assert_ptr_equal(gegl_buffer_get_format(out), gegl_buffer_get_format(photo));
    float *before = buffer_floats(photo), *after = buffer_floats(out);
    size_t n = (size_t)w * (size_t)h;
    double edges = edge_correlation(before, after, w, h);
    float *wanted = g_new(float, 3 * n);
    for (size_t i = 0; i < n; i++) tone(before + 3 * i, wanted + 3 * i);
    double quality = psnr(after, wanted, 3 * n);
    if (quality < least_psnr) fail_msg("%.1f dB, less than %.1f", quality, least_psnr);
    if (edges < least_edges) fail_msg("edges correlate %.3f, less than %.3f", edges, least_edges);
    if (tone == tone_grey)
        for (size_t i = 0; i < n; i++)
            if (after[3 * i] != after[3 * i + 1] || after[3 * i] != after[3 * i + 2])
                fail_msg("colour is left at pixel %zu", i);
    g_free(before);
    g_free(after);
    g_free(wanted);
    image_free(in);
    image_free(edit);
    g_object_unref(out);
    g_object_unref(photo);
}

static void test_tones(void **state)
{
    (void)state;
    check_tone(tone_darker, ERROR, 37, 0.98);
    check_tone(tone_warmer, ERROR, 32, 0.98);
    check_tone(tone_gamma, ERROR, 32, 0.94);
    check_tone(tone_night, ERROR, 37, 0.97);
    check_tone(tone_sepia, ERROR, 33, 0.98);
    check_tone(tone_grey, ERROR, 33, 0.98);
}

/* Grey tones, warmer by a trace: what a tokeniser makes of black and white. */
static void tone_grey_with_a_trace(const float in[3], float out[3])
{
    tone_grey(in, out);
    out[0] += 0.03f;
    out[2] -= 0.03f;
}

static void tone_tinted(const float in[3], float out[3])
{
    tone_grey(in, out);
    out[0] += 0.06f;
    out[2] -= 0.06f;
}

static void tone_mist(const float in[3], float out[3])
{
    float grey[3];
    tone_grey(in, grey);
    for (int c = 0; c < 3; c++) out[c] = 0.5f + 0.4f * (grey[c] + 0.9f * (in[c] - grey[c]));
}

/* As tinted as a trace, where the light moved: snow, not black and white. */
static void tone_snow(const float in[3], float out[3])
{
    tone_grey_with_a_trace(in, out);
    for (int c = 0; c < 3; c++) out[c] = 0.4f + 0.5f * out[c];
    out[0] += 0.015f;
    out[2] -= 0.015f;
}

/* Pale colours; as little of them as black and white may leave; and muted ones. */
static void tone_pale(const float in[3], float out[3])
{
    share_of_colour(in, 0.3f, out);
}

static void tone_paler(const float in[3], float out[3])
{
    share_of_colour(in, 0.3f * 0.35f, out);
}

/* The same, drawn a little too dark, as vivid colours come out. */
static void tone_paler_and_darker(const float in[3], float out[3])
{
    tone_paler(in, out);
    for (int c = 0; c < 3; c++) out[c] -= 0.045f;
}

static void tone_pale_and_muted(const float in[3], float out[3])
{
    share_of_colour(in, 0.3f * 0.45f, out);
}

/* As much of them as black and white may leave, where the light moved: a mist. */
static void tone_pale_in_mist(const float in[3], float out[3])
{
    share_of_colour(in, 0.3f * 0.44f, out);
    for (int c = 0; c < 3; c++) out[c] = 0.465f + 0.8f * (out[c] - 0.4f);
}

/* How far from grey a pixel of the photo, of FORMAT and seen as BEFORE, is after TONE, at most.
 * ROWS rows of tokens changed. */
static float colour_after(const char *format, tone_fn before, tone_fn tone, int rows)
{
    uint8_t change[GRID * GRID] = {0};
    memset(change, 1, GRID * (size_t)rows);
    int w = 300, h = 200;
    GeglBuffer *photo = scene_buffer(w, h, format);
    te_image *in = scene_decoded(SMALL, SMALL, before, 1, ERROR, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone, 50, ERROR, PATCH);
    ti_carry job = {.original = photo,
                    .input = in,
                    .edited = edit,
                    .change = change,
                    .format = babl_format("R'G'B' u8")};
    GeglBuffer *out = carry(&job, NULL);
    float *after = buffer_floats(out), most = 0;
    for (int i = 0; i < w * h; i++) {
        const float *p = after + 3 * i;
        most = MAX(most, MAX(fabsf(p[0] - p[1]), fabsf(p[2] - p[1])));
    }
    g_free(after);
    image_free(in);
    image_free(edit);
    g_object_unref(out);
    g_object_unref(photo);
    return most;
}

static void test_grey_has_no_trace_of_colour(void **state)
{
    (void)state;
    const char *colour = "R'G'B' u8", *grey = "Y' u8";
    const float trace = colour_after(colour, tone_same, tone_grey_with_a_trace, GRID);
    const float tint = colour_after(colour, tone_same, tone_tinted, GRID);
    const float mist = colour_after(colour, tone_same, tone_mist, GRID);
    const float snow = colour_after(colour, tone_same, tone_snow, GRID);
    const float paler = colour_after(colour, tone_pale, tone_paler, GRID);
    const float paler_and_darker = colour_after(colour, tone_pale, tone_paler_and_darker, GRID);
    const float muted = colour_after(colour, tone_pale, tone_pale_and_muted, GRID);
    const float pale_mist = colour_after(colour, tone_pale, tone_pale_in_mist, GRID);
    if (trace != 0) fail_msg("a trace of %.3f is left in grey", (double)trace);
    if (tint < 0.05f) fail_msg("of a tint only %.3f is left", (double)tint);
    if (snow < 0.02f) fail_msg("of the colour of snow only %.3f is left", (double)snow);
    if (mist < 0.05f) fail_msg("of colours in mist only %.3f are left", (double)mist);
    if (paler != 0) fail_msg("a trace of %.3f is left of pale colours", (double)paler);
    if (paler_and_darker != 0)
        fail_msg("a trace of %.3f is left of darker colours", (double)paler_and_darker);
    if (pale_mist < 0.01f)
        fail_msg("of pale colours in mist only %.3f are left", (double)pale_mist);
    if (muted < 0.02f) fail_msg("of muted colours only %.3f are left", (double)muted);

    const float still = colour_after(grey, tone_grey, tone_grey_with_a_trace, GRID);
    const float tinted = colour_after(grey, tone_grey, tone_tinted, GRID);
    const float as_before = colour_after(grey, tone_tinted, tone_tinted, GRID);
    const float partly = colour_after(grey, tone_grey, tone_grey_with_a_trace, 3 * GRID / 8);
    const float partly_tinted = colour_after(grey, tone_grey, tone_tinted, 3 * GRID / 8);
    if (still != 0) fail_msg("a grey photo got a trace of %.3f", (double)still);
    if (tinted < 0.05f) fail_msg("of a grey photo's tint only %.3f is there", (double)tinted);
    if (as_before != 0) fail_msg("the tokeniser's tint of %.3f is left", (double)as_before);
    if (partly != 0) fail_msg("a part of a grey photo got a trace of %.3f", (double)partly);
    if (partly_tinted < 0.05f) fail_msg("a part's tint is %.3f", (double)partly_tinted);
}

/* A poor tokeniser's smears are in both pictures, and none of them may reach the photo. */
static void test_tones_through_a_poor_tokeniser(void **state)
{
    (void)state;
    check_tone(tone_darker, 3 * ERROR, 25, 0.95);
    check_tone(tone_night, 3 * ERROR, 25, 0.95);
    check_tone(tone_sepia, 3 * ERROR, 25, 0.95);
}

/* The decoded scene with a striped disc in it; marks the tokens it touches. */
static te_image *with_disc(const te_image *in, uint8_t change[GRID * GRID])
{
    te_image *image = g_new0(te_image, 1);
    *image = *in;
    uint8_t *p = image->pixels = g_memdup2(in->pixels, in->stride * (size_t)in->height);
    memset(change, 0, GRID * GRID);
    for (int y = 0; y < SMALL; y++)
        for (int x = 0; x < SMALL; x++) {
            if (hypot(x - 40, y - 40) > 18) continue;
            gboolean stripe = (x + y) / 6 % 2;
            uint8_t *q = p + 3 * (y * SMALL + x);
            q[0] = stripe ? 240 : 30, q[1] = stripe ? 220 : 20, q[2] = stripe ? 40 : 90;
            change[y / PATCH * GRID + x / PATCH] = 1;
        }
    return image;
}

/* Byte by byte outside INSIDE (in original pixels); both buffers have one format. Returns differing
 * pixels. */
static int differences(GeglBuffer *a, GeglBuffer *b, const GeglRectangle *inside,
                       gboolean look_inside)
{
    const Babl *format = gegl_buffer_get_format(a);
    int w = gegl_buffer_get_width(a), h = gegl_buffer_get_height(a);
    size_t bpp = (size_t)babl_format_get_bytes_per_pixel(format);
    uint8_t *p = g_malloc((size_t)w * bpp), *q = g_malloc((size_t)w * bpp);
    int n = 0;
    for (int y = 0; y < h; y++) {
        gegl_buffer_get(a, GEGL_RECTANGLE(0, y, w, 1), 1, format, p, GEGL_AUTO_ROWSTRIDE,
                        GEGL_ABYSS_NONE);
        gegl_buffer_get(b, GEGL_RECTANGLE(0, y, w, 1), 1, format, q, GEGL_AUTO_ROWSTRIDE,
                        GEGL_ABYSS_NONE);
        for (int x = 0; x < w; x++) {
            gboolean in = x >= inside->x && y >= inside->y && x < inside->x + inside->width &&
                          y < inside->y + inside->height;
            if (in == look_inside) n += memcmp(p + (size_t)x * bpp, q + (size_t)x * bpp, bpp) != 0;
        }
    }
    g_free(p);
    g_free(q);
    return n;
}

static void check_disc(const char *format)
{
    uint8_t change[GRID * GRID];
    GeglBuffer *photo = scene_buffer(640, 640, format), *mask;
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH),
             *edit = with_disc(in, change);
    ti_carry job = {.original = photo, .input = in, .edited = edit, .change = change};
    GeglBuffer *out = carry(&job, &mask);
    /* Tokens of the disc, with a token around them. */
    GeglRectangle reach = {5 * (40 - 18 - 2 * PATCH), 5 * (40 - 18 - 2 * PATCH),
                           5 * (36 + 4 * PATCH), 5 * (36 + 4 * PATCH)};
    assert_int_equal(differences(photo, out, &reach, FALSE), 0);
    GeglRectangle disc = {5 * 30, 5 * 30, 100, 100};
    const int drawn = differences(photo, out, &disc, TRUE);
    if (drawn <= 9000) fail_msg("%s: of the disc, %d of 10000 pixels are drawn", format, drawn);
    /* Inside, it looks like the disc. */
    float *after = buffer_floats(out);
    double sum = 0;
    for (int y = 160; y < 240; y++)
        for (int x = 160; x < 240; x++)
            for (int c = 0; c < 3; c++) {
                double d = after[3 * (y * 640 + x) + c] -
                           ((uint8_t *)edit->pixels)[3 * (y / 5 * SMALL + x / 5) + c] / 255.0;
                sum += d * d;
            }
    double quality = -10 * log10(sum / (80 * 80 * 3));
    if (strncmp(format, "Y", 1) && quality < 15)
        fail_msg("%s: the disc is only %.1f dB alike", format, quality);
    float share;
    gegl_buffer_get(mask, GEGL_RECTANGLE(200, 200, 1, 1), 1, babl_format("Y float"), &share, 4,
                    GEGL_ABYSS_NONE);
    assert_true(share > 0.95);
    gegl_buffer_get(mask, GEGL_RECTANGLE(600, 600, 1, 1), 1, babl_format("Y float"), &share, 4,
                    GEGL_ABYSS_NONE);
    assert_true(share == 0);
    g_free(after);
    image_free(in);
    image_free(edit);
    g_object_unref(out);
    g_object_unref(mask);
    g_object_unref(photo);
}

static void test_new_things(void **state)
{
    (void)state;
    check_disc("R'G'B' u8");
    check_disc("R'G'B'A u16");
    check_disc("RGB float");
    check_disc("Y' u8");
}

/* A thing that the edit took away is gone, though the tokeniser saw of its stripes only a blur:
 * what is left of them is the share of the old picture in the new. */
static void test_no_ghosts(void **state)
{
    (void)state;
    enum { SIZE = 5 * SMALL, AT = 40, RADIUS = 14 };
    uint8_t change[GRID * GRID] = {0};
    GeglBuffer *clean = scene_buffer(SIZE, SIZE, "R'G'B' u8");
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    float *wanted = buffer_floats(clean), *before = buffer_floats(clean);
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            if (hypot(x - 5 * AT, y - 5 * AT) > 5 * RADIUS) continue;
            float *p = before + 3 * (y * SIZE + x);
            p[0] = (x + y) / 15 % 2 ? 0.9f : 0.3f, p[1] = p[0] - 0.2f, p[2] = 0.1f;
        }
    for (int y = 0; y < SMALL; y++)
        for (int x = 0; x < SMALL; x++) {
            double blob = CLAMP((RADIUS + 3 - hypot(x - AT, y - AT)) / 6, 0.0, 1.0);
            uint8_t *p = (uint8_t *)in->pixels + 3 * (y * SMALL + x);
            const double blur[3] = {153, 102, 26};
            for (int c = 0; c < 3; c++) p[c] = (uint8_t)(p[c] + blob * (blur[c] - p[c]));
            if (blob > 0) change[y / PATCH * GRID + x / PATCH] = 1;
        }
    GeglBuffer *photo = gegl_buffer_new(gegl_buffer_get_extent(clean), babl_format("R'G'B' u8"));
    gegl_buffer_set(photo, NULL, 0, babl_format("R'G'B' float"), before, GEGL_AUTO_ROWSTRIDE);
    ti_carry job = {.original = photo, .input = in, .edited = edit, .change = change};
    GeglBuffer *out = carry(&job, NULL);
    float *after = buffer_floats(out);
    double left = 0, was = 0;
    for (int y = 5 * (AT - RADIUS); y < 5 * (AT + RADIUS); y++)
        for (int x = 5 * (AT - RADIUS); x < 5 * (AT + RADIUS); x++)
            for (int c = 0; c < 3; c++) {
                size_t i = 3 * ((size_t)y * SIZE + (size_t)x) + (size_t)c;
                double old = before[i] - wanted[i];
                left += old * (after[i] - wanted[i]);
                was += old * old;
            }
    if (left > 0.1 * was) fail_msg("%.0f %% of what went is still there", 100 * left / was);
    g_free(before);
    g_free(wanted);
    g_free(after);
    g_object_unref(photo);
    g_object_unref(clean);
    g_object_unref(out);
    image_free(in);
    image_free(edit);
}

static void test_nothing_changed(void **state)
{
    (void)state;
    uint8_t change[GRID * GRID] = {0};
    GeglBuffer *photo = scene_buffer(333, 222, "RGB half");
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    ti_carry job = {.original = photo, .input = in, .edited = in, .change = change};
    GeglBuffer *out = carry(&job, NULL);
    assert_int_equal(differences(photo, out, GEGL_RECTANGLE(0, 0, 0, 0), FALSE), 0);
    g_object_unref(out);
    g_object_unref(photo);
    image_free(in);
}

/* A change of light within a small selection keeps the photo's detail there, too: it is all of what
 * may change, however little of the picture. */
static void test_tone_in_a_selection(void **state)
{
    (void)state;
    enum { SIZE = 5 * SMALL, FROM = 9, TO = 14 }; /* tokens */
    const int at = 5 * PATCH * FROM, side = 5 * PATCH * (TO - FROM);
    uint8_t change[GRID * GRID] = {0};
    GeglBuffer *photo = scene_buffer(SIZE, SIZE, "R'G'B' u8");
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone_darker, 50, ERROR, PATCH);
    for (int y = 0; y < SMALL; y++)
        for (int x = 0; x < SMALL; x++) {
            const size_t pixel = 3 * (size_t)(y * SMALL + x);
            const int i = y / PATCH, j = x / PATCH;
            if (i >= FROM && i < TO && j >= FROM && j < TO)
                change[i * GRID + j] = 1;
            else
                memcpy((uint8_t *)edit->pixels + pixel, (uint8_t *)in->pixels + pixel, 3);
        }
    GeglBuffer *selection = gegl_buffer_new(gegl_buffer_get_extent(photo), babl_format("Y float"));
    const GeglRectangle chosen = {at, at, side, side};
    GeglColor *white = gegl_color_new("white");
    gegl_buffer_set_color(selection, &chosen, white);
    ti_carry job = {
        .original = photo, .input = in, .edited = edit, .change = change, .selection = selection};
    GeglBuffer *out = carry(&job, NULL);
    assert_int_equal(differences(photo, out, &chosen, FALSE), 0);
    float *before = g_new(float, 3 * side * side), *after = g_new(float, 3 * side * side);
    gegl_buffer_get(photo, &chosen, 1, babl_format("R'G'B' float"), before, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    gegl_buffer_get(out, &chosen, 1, babl_format("R'G'B' float"), after, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    const double edges = edge_correlation(before, after, side, side);
    if (edges < 0.95) fail_msg("edges correlate %.3f, less than 0.95", edges);
    g_free(before);
    g_free(after);
    g_object_unref(white);
    g_object_unref(selection);
    g_object_unref(photo);
    g_object_unref(out);
    image_free(in);
    image_free(edit);
}

static void test_selection_and_area(void **state)
{
    (void)state;
    GeglBuffer *photo = scene_buffer(800, 600, "R'G'B' u8");
    GeglBuffer *selection = gegl_buffer_new(GEGL_RECTANGLE(0, 0, 800, 600), babl_format("Y u8"));
    GeglRectangle area = {200, 100, 400, 400}, chosen = {300, 200, 150, 120};
    uint8_t *white = g_malloc(150 * 120);
    memset(white, 255, 150 * 120);
    gegl_buffer_set(selection, &chosen, 0, babl_format("Y u8"), white, GEGL_AUTO_ROWSTRIDE);
    g_free(white);
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone_darker, 2, ERROR, PATCH);
    ti_carry job = {
        .original = photo, .area = &area, .input = in, .edited = edit, .selection = selection};
    GeglBuffer *out = carry(&job, NULL);
    assert_int_equal(differences(photo, out, &chosen, FALSE), 0);
    assert_true(differences(photo, out, &chosen, TRUE) > 150 * 120 / 2);
    g_object_unref(out);
    job.selection = NULL;
    out = carry(&job, NULL);
    assert_int_equal(differences(photo, out, &area, FALSE), 0);
    g_object_unref(out);
    g_object_unref(selection);
    g_object_unref(photo);
    image_free(in);
    image_free(edit);
}

static void test_transparency(void **state)
{
    (void)state;
    GeglBuffer *photo = scene_buffer(256, 256, "R'G'B'A u8");
    GeglRectangle hole = {100, 100, 60, 60};
    gegl_buffer_clear(photo, &hole);
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone_night, 2, ERROR, PATCH);
    ti_carry job = {.original = photo, .input = in, .edited = edit};
    GeglBuffer *out = carry(&job, NULL);
    assert_int_equal(differences(photo, out, &hole, TRUE), 0);
    uint8_t pixel[4];
    gegl_buffer_get(out, GEGL_RECTANGLE(10, 10, 1, 1), 1, babl_format("R'G'B'A u8"), pixel, 4,
                    GEGL_ABYSS_NONE);
    assert_int_equal(pixel[3], 255);
    assert_true(pixel[0] < 80);
    g_object_unref(out);
    g_object_unref(photo);
    image_free(in);
    image_free(edit);
}

static void test_sizes(void **state)
{
    (void)state;
    const int sizes[][2] = {{1, 1}, {3, 1500}, {1500, 3}, {50, 40}, {127, 129}, {64, 65}};
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    te_image *edit = scene_decoded(SMALL, SMALL, tone_darker, 2, ERROR, PATCH);
    for (size_t i = 0; i < TEST_LENGTH(sizes); i++) {
        GeglBuffer *photo = scene_buffer(sizes[i][0], sizes[i][1], "R'G'B' u8");
        ti_carry job = {.original = photo, .input = in, .edited = edit};
        GeglBuffer *out = carry(&job, NULL);
        float *before = buffer_floats(photo), *after = buffer_floats(out);
        double a = 0, b = 0;
        for (int k = 0; k < 3 * sizes[i][0] * sizes[i][1]; k++) a += before[k], b += after[k];
        if (!(b < 0.75 * a)) fail_msg("%d x %d did not get darker", sizes[i][0], sizes[i][1]);
        g_free(before);
        g_free(after);
        g_object_unref(out);
        g_object_unref(photo);
    }
    image_free(in);
    image_free(edit);
}

static long memory_mb(const char *line)
{
    char *text = NULL;
    assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
    long kib = (long)g_ascii_strtoll(strstr(text, line) + strlen(line), NULL, 10);
    g_free(text);
    return kib / 1024;
}

static void forget_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && write(fd, "5", 1) == 1);
    close(fd);
}

/* A hundred megapixels are 1.6 GB as the floats that are computed with, and pass through in bands;
 * GEGL's tiles of layer, result and mask go to its swap file. */
static void test_a_hundred_megapixels(void **state)
{
    enum { SIDE = 10000, CACHE_MB = 64, MOST_MB = 300 };
    uint8_t change[GRID * GRID];
    guint64 cache;
    (void)state;
    g_object_get(gegl_config(), "tile-cache-size", &cache, NULL);
    g_object_set(gegl_config(), "tile-cache-size", (guint64)CACHE_MB << 20, NULL);
    GeglBuffer *scene = scene_buffer(1000, 1000, "Y' u8"), *mask;
    GeglBuffer *photo = gegl_buffer_new(GEGL_RECTANGLE(0, 0, SIDE, SIDE), babl_format("Y' u8"));
    gegl_buffer_set_pattern(photo, NULL, scene, 0, 0);
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH),
             *edit = with_disc(in, change);
    ti_carry job = {.original = photo, .input = in, .edited = edit, .change = change};
    forget_peak();
    long before = memory_mb("VmRSS:");
    GeglBuffer *out = carry(&job, &mask);
    long most = memory_mb("VmHWM:") - before;
    if (most > MOST_MB) fail_msg("it took %ld MB", most);
    uint8_t a[2], b[2];
    const GeglRectangle disc = {SIDE * 40 / SMALL, SIDE * 40 / SMALL, 2, 1},
                        far = {SIDE - 9, SIDE - 9, 2, 1};
    gegl_buffer_get(photo, &disc, 1, NULL, a, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    gegl_buffer_get(out, &disc, 1, NULL, b, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    assert_memory_not_equal(a, b, 2);
    gegl_buffer_get(photo, &far, 1, NULL, a, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    gegl_buffer_get(out, &far, 1, NULL, b, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    assert_memory_equal(a, b, 2);
    g_object_unref(out);
    g_object_unref(mask);
    g_object_unref(photo);
    g_object_unref(scene);
    image_free(in);
    image_free(edit);
    g_object_set(gegl_config(), "tile-cache-size", cache, NULL);
}

static void test_refusals(void **state)
{
    (void)state;
    GeglBuffer *photo = scene_buffer(64, 64, "R'G'B' u8"), *out;
    te_image *in = scene_decoded(SMALL, SMALL, tone_same, 1, ERROR, PATCH);
    te_image *other = scene_decoded(64, 64, tone_same, 1, ERROR, PATCH);
    te_error err;
    ti_carry job = {
        .original = photo, .input = in, .edited = other, .grid_width = GRID, .grid_height = GRID};
    assert_int_equal(ti_picture_carry(&job, &out, NULL, &err), TE_INVALID);
    job.edited = in;
    GeglRectangle outside = {32, 32, 64, 64};
    job.area = &outside;
    assert_int_equal(ti_picture_carry(&job, &out, NULL, &err), TE_INVALID);
    job.area = NULL;
    int cancel = 1;
    job.cancel = &cancel;
    assert_int_equal(ti_picture_carry(&job, &out, NULL, &err), TE_CANCELLED);
    assert_null(out);
    g_object_unref(photo);
    image_free(in);
    image_free(other);
}

static int set_up(void **state)
{
    (void)state;
    test_gegl_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gegl_exit();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tones),
        cmocka_unit_test(test_grey_has_no_trace_of_colour),
        cmocka_unit_test(test_tones_through_a_poor_tokeniser),
        cmocka_unit_test(test_new_things),
        cmocka_unit_test(test_no_ghosts),
        cmocka_unit_test(test_nothing_changed),
        cmocka_unit_test(test_tone_in_a_selection),
        cmocka_unit_test(test_selection_and_area),
        cmocka_unit_test(test_transparency),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_a_hundred_megapixels),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
