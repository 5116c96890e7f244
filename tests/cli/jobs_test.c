/* Edits, generations and batches of the stand-in model: its pictures mean nothing, the path is the
 * real one. */
#include "cli/spawn.h"

#include <glib/gstdio.h>
#include <png.h>
#include <signal.h>
#include <sys/wait.h>

#include "picture/scenes.h"

#define QUICK                                                                                      \
    "--text-steps", "4", "--image-steps", "2", "--text-len", "16", "--seed", "5", "--threads",     \
        "1", "-q"

static GeglBuffer *load(const char *name)
{
    GeglBuffer *buffer;
    te_error err;
    assert_ok(ti_picture_load(&buffer, in_folder(name), &err), err);
    return buffer;
}

static void make(const char *name, int width, int height, const char *format)
{
    te_error err;
    GeglBuffer *buffer = scene_buffer(width, height, format);
    if (strstr(format, "A "))
        gegl_buffer_clear(buffer, GEGL_RECTANGLE(0, 0, width / 2, height / 2));
    assert_ok(ti_picture_save(buffer, in_folder(name), &err), err);
    g_object_unref(buffer);
}

static void make_indexed(const char *name)
{
    enum { SIDE = 64 };
    uint8_t pixels[SIDE * SIDE], colours[3 * 16];
    for (int i = 0; i < SIDE * SIDE; i++) pixels[i] = (uint8_t)(i / SIDE / 8 + i % SIDE / 8);
    for (int i = 0; i < 3 * 16; i++) colours[i] = (uint8_t)(i * 5);
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = SIDE,
                       .height = SIDE,
                       .format = PNG_FORMAT_RGB_COLORMAP,
                       .colormap_entries = 16};
    assert_true(png_image_write_to_file(&image, in_folder(name), 0, pixels, 0, colours));
}

static void check_edit(const char *name, const char *out, int width, int height,
                       const char *encoding)
{
    int status = run("edit", name, "make it night", "-o", out, "-m", stand_in(), QUICK, NULL);
    if (status) fail_msg("%s: %d, %s", name, status, run_errors);
    assert_string_equal(run_errors, "");
    GeglBuffer *buffer = load(out);
    assert_int_equal(gegl_buffer_get_width(buffer), width);
    assert_int_equal(gegl_buffer_get_height(buffer), height);
    const char *got = babl_format_get_encoding(gegl_buffer_get_format(buffer));
    if (strcmp(got, encoding)) fail_msg("%s: %s, not %s", out, got, encoding);
    g_object_unref(buffer);
}

static void test_every_kind_of_picture(void **state)
{
    (void)state;
    make("photo.jpg", 320, 240, "R'G'B' u8");
    make("one.png", 1, 1, "R'G'B' u8");
    make("thin.png", 3, 5000, "R'G'B' u8");
    make("deep.png", 90, 60, "R'G'B' u16");
    make("clear.png", 90, 60, "R'G'B'A u8");
    make("float.tiff", 90, 60, "R'G'B' float");
    make("web.webp", 90, 60, "R'G'B' u8");
    make_indexed("indexed.png");
    check_edit("photo.jpg", "o1.jpg", 320, 240, "R'G'B' u8");
    check_edit("photo.jpg", "o2.png", 320, 240, "R'G'B' u8");
    check_edit("one.png", "o3.png", 1, 1, "R'G'B' u8");
    check_edit("thin.png", "o4.png", 3, 5000, "R'G'B' u8");
    check_edit("deep.png", "o5.png", 90, 60, "R'G'B' u16");
    check_edit("clear.png", "o6.png", 90, 60, "R'G'B'A u8");
    check_edit("clear.png", "o6.jpg", 90, 60, "R'G'B' u8");
    check_edit("float.tiff", "o7.tiff", 90, 60, "R'G'B' float");
    check_edit("web.webp", "o8.webp", 90, 60, "R'G'B' u8");
    check_edit("indexed.png", "o9.png", 64, 64, "R'G'B' u8");
    make("grey.jpg", 90, 60, "Y' u8"); /* stays grey only where the edit has no colour */
    assert_int_equal(run("edit", "grey.jpg", "x", "-o", "o10.jpg", "-m", stand_in(), QUICK, NULL),
                     0);
}

static void test_large_photo(void **state)
{
    (void)state;
    te_error err;
    GeglBuffer *small = scene_buffer(400, 300, "R'G'B' u8");
    GeglBuffer *large = gegl_buffer_new(GEGL_RECTANGLE(0, 0, 4000, 3000), babl_format("R'G'B' u8"));
    gegl_buffer_set_pattern(large, NULL, small, 0, 0);
    assert_ok(ti_picture_save(large, in_folder("large.jpg"), &err), err);
    g_object_unref(large);
    g_object_unref(small);
    assert_int_equal(run("edit", "large.jpg", "x", "-o", "large-out.png", "-m", stand_in(),
                         "--region", "3000,1000,400,300", QUICK, NULL),
                     0);
    GeglBuffer *before = load("large.jpg"), *after = load("large-out.png");
    assert_int_equal(gegl_buffer_get_width(after), 4000);
    assert_int_equal(gegl_buffer_get_height(after), 3000);
    /* Bit-identical outside the region, something else inside. */
    guchar *a = g_malloc(4000 * 3), *b = g_malloc(4000 * 3);
    int changed = 0;
    for (int y = 0; y < 3000; y++) {
        GeglRectangle row = {0, y, 4000, 1};
        gegl_buffer_get(before, &row, 1, babl_format("R'G'B' u8"), a, GEGL_AUTO_ROWSTRIDE,
                        GEGL_ABYSS_NONE);
        gegl_buffer_get(after, &row, 1, babl_format("R'G'B' u8"), b, GEGL_AUTO_ROWSTRIDE,
                        GEGL_ABYSS_NONE);
        gboolean inside = y >= 1000 && y < 1300;
        assert_memory_equal(a, b, inside ? 9000 : 12000);
        assert_memory_equal(a + 3400 * 3, b + 3400 * 3, 600 * 3);
        if (inside) changed += memcmp(a + 9000, b + 9000, 400 * 3) != 0;
    }
    assert_true(changed > 0);
    g_free(a);
    g_free(b);
    g_object_unref(before);
    g_object_unref(after);
}

static void test_same_seed_same_result(void **state)
{
    (void)state;
    make("seed.png", 100, 80, "R'G'B' u8");
    char *texts[4];
    static const char *const names[] = {"s1.png", "s2.png", "s3.png"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run("edit", "seed.png", "x", "-o", names[i], "-m", stand_in(),
                             "--text-steps", "4", "--image-steps", "2", "--seed", i < 2 ? "5" : "6",
                             "--size", "model", "--threads", i ? "2" : "1", "--json", NULL),
                         0);
        JsonNode *node = parse_json(run_output);
        JsonObject *object = json_node_get_object(node);
        assert_int_equal(json_object_get_int_member(object, "seed"), i < 2 ? 5 : 6);
        assert_int_equal(json_object_get_int_member(object, "width"), 16);
        texts[i] = g_strdup(json_object_get_string_member(object, "reasoning"));
        json_node_unref(node);
    }
    assert_string_equal(texts[0], texts[1]);
    gsize n[3];
    char *bytes[3];
    for (int i = 0; i < 3; i++) {
        assert_true(g_file_get_contents(in_folder(names[i]), &bytes[i], &n[i], NULL));
        g_free(texts[i]);
    }
    assert_true(n[0] == n[1] && !memcmp(bytes[0], bytes[1], n[0]));
    assert_false(n[0] == n[2] && !memcmp(bytes[0], bytes[2], n[0]));
    for (int i = 0; i < 3; i++) g_free(bytes[i]);
}

static void test_side_files(void **state)
{
    (void)state;
    make("side.png", 64, 64, "R'G'B' u8");
    assert_int_equal(run("edit", "side.png", "x", "-o", "side-out.png", "-m", stand_in(),
                         "--reasoning", "why.txt", "--trajectory", "steps.jsonl", "--explain",
                         "--text-steps", "6", "--text-len", "16", "--image-steps", "2", "--seed",
                         "1", NULL),
                     0);
    assert_non_null(strstr(run_output, "released code"));
    char *text = read_file("why.txt");
    assert_true(strlen(text) > 0);
    g_free(text);
    text = read_file("steps.jsonl");
    char **lines = g_strsplit(g_strstrip(text), "\n", -1);
    assert_true(g_strv_length(lines) >= 2);
    for (char **line = lines; *line; line++) json_node_unref(parse_json(*line));
    g_strfreev(lines);
    g_free(text);
    assert_int_equal(run("generate", "a red ball", "-o", "ball.png", "-m", stand_in(), QUICK, NULL),
                     0);
    GeglBuffer *ball = load("ball.png");
    assert_int_equal(gegl_buffer_get_width(ball), 16);
    g_object_unref(ball);
}

static void test_mask(void **state)
{
    (void)state;
    make("base.png", 200, 100, "R'G'B' u8");
    GeglBuffer *mask = gegl_buffer_new(GEGL_RECTANGLE(0, 0, 200, 100), babl_format("Y' u8"));
    te_error err;
    assert_ok(ti_picture_save(mask, in_folder("black.png"), &err), err);
    GeglColor *white = gegl_color_new("white");
    gegl_buffer_set_color(mask, GEGL_RECTANGLE(50, 20, 100, 60), white);
    assert_ok(ti_picture_save(mask, in_folder("mask.png"), &err), err);
    g_object_unref(white);
    g_object_unref(mask);
    make("small.png", 20, 10, "Y' u8");
    assert_int_equal(run("edit", "base.png", "x", "-o", "masked.png", "-m", stand_in(), "--mask",
                         "mask.png", QUICK, NULL),
                     0);
    GeglBuffer *before = load("base.png"), *after = load("masked.png");
    float *a = buffer_floats(before), *b = buffer_floats(after);
    for (int y = 0; y < 100; y++)
        for (int x = 0; x < 200; x++)
            if (x < 50 || x >= 150 || y < 20 || y >= 80)
                assert_memory_equal(a + 3 * (y * 200 + x), b + 3 * (y * 200 + x), 3 * sizeof *a);
    g_free(a);
    g_free(b);
    g_object_unref(before);
    g_object_unref(after);
    failed_with(
        run("edit", "base.png", "x", "-o", "o.png", "-m", stand_in(), "--mask", "black.png", NULL),
        1, "black");
    failed_with(
        run("edit", "base.png", "x", "-o", "o.png", "-m", stand_in(), "--mask", "small.png", NULL),
        1, "as large as");
    failed_with(run("edit", "base.png", "x", "-o", "o.png", "-m", stand_in(), "--region",
                    "500,0,9,9", NULL),
                1, "outside");
}

static void test_failures(void **state)
{
    (void)state;
    make("fine.png", 64, 64, "R'G'B' u8");
    char *bytes;
    gsize n;
    assert_true(g_file_get_contents(in_folder("fine.png"), &bytes, &n, NULL));
    assert_true(g_file_set_contents(in_folder("cut.png"), bytes, (gssize)n / 2, NULL));
    g_free(bytes);
    failed_with(run("edit", "cut.png", "x", "-o", "o.png", "-m", stand_in(), NULL), 1, "cut.png");
    failed_with(run("edit", "fine.png", "", "-o", "o.png", "-m", stand_in(), NULL), 1, "empty");
    failed_with(run("edit", "fine.png", "x", "-o", "no/o.png", "-m", stand_in(), NULL), 1,
                "no/o.png");
    failed_with(run("edit", "fine.png", "x", "-o", "o.gif", "-m", stand_in(), NULL), 1, "o.gif");
    failed_with(
        run("edit", "fine.png", "x", "-o", "o.png", "-m", stand_in(), "--preset", "slow", NULL), 1,
        "fast");
    failed_with(
        run("edit", "fine.png", "x", "-o", "o.png", "-m", stand_in(), "--device", "abacus", NULL),
        1, "abacus");
    failed_with(
        run("edit", "fine.png", "x", "-o", "o.png", "--server", "unix:/nowhere/at/all.sock", NULL),
        1, "thinkedit");
    assert_false(g_file_test(in_folder("o.png"), G_FILE_TEST_EXISTS));
}

static void test_cancel(void **state)
{
    (void)state;
    make("long.png", 64, 64, "R'G'B' u8");
    GPid pid = start("edit", "long.png", "x", "-o", "never.png", "-m", stand_in(), "--text-steps",
                     "4000", "--image-steps", "4000", "--text-len", "4000", NULL);
    g_usleep(G_USEC_PER_SEC);
    kill(pid, SIGINT);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    /* The flag was seen and the exit clean; or the signal came before the handler was there. */
    gboolean cancelled = (WIFEXITED(status) && WEXITSTATUS(status) == 130) ||
                         (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    if (!cancelled) fail_msg("wait status %x", (unsigned)status);
    assert_false(g_file_test(in_folder("never.png"), G_FILE_TEST_EXISTS));
}

/* The same job on a server gives the same bytes. */
static void test_server(void **state)
{
    (void)state;
    make("far.png", 100, 60, "R'G'B' u8");
    char *socket = in_folder("s.sock"), *address = g_strconcat("unix:", socket, NULL);
    GPid pid = start("serve", "--listen", address, "-m", stand_in(), "--idle-exit", "60", NULL);
    for (int i = 0; i < 100 && !g_file_test(socket, G_FILE_TEST_EXISTS); i++) g_usleep(100000);
    assert_int_equal(run("edit", "far.png", "x", "-o", "there.png", "--server", address, "--region",
                         "10,10,40,30", "--trajectory", "there.jsonl", QUICK, NULL),
                     0);
    assert_int_equal(run("edit", "far.png", "x", "-o", "here.png", "-m", stand_in(), "--region",
                         "10,10,40,30", "--trajectory", "here.jsonl", QUICK, NULL),
                     0);
    static const char *const pairs[][2] = {{"there.png", "here.png"},
                                           {"there.jsonl", "here.jsonl"}};
    for (size_t i = 0; i < TEST_LENGTH(pairs); i++) {
        char *a, *b;
        gsize n_a, n_b;
        assert_true(g_file_get_contents(in_folder(pairs[i][0]), &a, &n_a, NULL));
        assert_true(g_file_get_contents(in_folder(pairs[i][1]), &b, &n_b, NULL));
        assert_int_equal(n_a, n_b);
        assert_memory_equal(a, b, n_a);
        g_free(a);
        g_free(b);
    }
    kill(pid, SIGTERM);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    g_free(address);
}

static int lines_with(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++) n++;
    return n;
}

static void test_batch(void **state)
{
    (void)state;
    make("b1.png", 40, 30, "R'G'B' u8");
    write_file("jobs.jsonl",
               "{\"image\": \"b1.png\", \"instruction\": \"one\", \"id\": \"first\"}\n"
               "\n"
               "{\"image\": \"missing.png\", \"instruction\": \"two\"}\n"
               "{\"instruction\": \"three\", \"id\": 33, \"seed\": 9, \"options\": "
               "{\"image-steps\": \"1\"}}\n"
               "{\"image\": \"b1.png\", \"instruction\": \"x\", \"colour\": 3}\n"
               "not json\n");
    int status = run("batch", "jobs.jsonl", "-o", "out", "-m", stand_in(), QUICK, NULL);
    assert_int_equal(status, 1);
    assert_int_equal(lines_with(run_errors, "\n"), 3); /* one sentence for each that failed */
    assert_true(g_file_test(in_folder("out/first.png"), G_FILE_TEST_IS_REGULAR));
    assert_true(g_file_test(in_folder("out/first.txt"), G_FILE_TEST_IS_REGULAR));
    assert_true(g_file_test(in_folder("out/33.png"), G_FILE_TEST_IS_REGULAR));
    char *results = read_file("out/results.jsonl");
    assert_int_equal(lines_with(results, "\"done\""), 2);
    assert_int_equal(lines_with(results, "\"failed\""), 3);
    char **lines = g_strsplit(g_strstrip(results), "\n", -1);
    for (char **line = lines; *line; line++) json_node_unref(parse_json(*line));
    g_strfreev(lines);
    g_free(results);
    /* Again: what is done stays done, also when a picture is gone it is made anew. */
    make("missing.png", 20, 20, "R'G'B' u8");
    g_unlink(in_folder("out/33.png"));
    GStatBuf before, after;
    assert_int_equal(g_stat(in_folder("out/first.png"), &before), 0);
    assert_int_equal(
        run("batch", "jobs.jsonl", "-o", "out", "-m", stand_in(), "--resume", QUICK, NULL), 1);
    assert_int_equal(g_stat(in_folder("out/first.png"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_true(g_file_test(in_folder("out/33.png"), G_FILE_TEST_IS_REGULAR));
    assert_true(g_file_test(in_folder("out/000003.png"), G_FILE_TEST_IS_REGULAR));
}

/* Two devices share the lines; every line is done once, and as one device does it. */
static void test_batch_on_two_devices(void **state)
{
    (void)state;
    GString *text = g_string_new(NULL);
    make("b2.png", 40, 30, "R'G'B' u8");
    for (int i = 0; i < 12; i++)
        g_string_append_printf(
            text,
            "{\"image\": \"b2.png\", \"instruction\": \"make it %d\", \"id\": %d, \"seed\": %d}\n",
            i, i, i);
    write_file("two.jsonl", text->str);
    g_string_free(text, TRUE);
    int status = run("batch", "two.jsonl", "-o", "two", "-m", stand_in(), "--device", "cpu,cpu",
                     QUICK, NULL);
    if (status) fail_msg("%s", run_errors);
    assert_int_equal(
        run("batch", "two.jsonl", "-o", "one", "-m", stand_in(), "--device", "cpu", QUICK, NULL),
        0);
    char *results = read_file("two/results.jsonl");
    assert_int_equal(lines_with(results, "\"done\""), 12);
    g_free(results);
    for (int i = 0; i < 12; i++) {
        char name[32], *first, *second;
        gsize n, m;
        g_snprintf(name, sizeof name, "two/%d.png", i);
        assert_true(g_file_get_contents(in_folder(name), &first, &n, NULL));
        g_snprintf(name, sizeof name, "one/%d.png", i);
        assert_true(g_file_get_contents(in_folder(name), &second, &m, NULL));
        assert_int_equal(n, m);
        assert_memory_equal(first, second, n);
        g_free(first);
        g_free(second);
    }
    failed_with(
        run("batch", "two.jsonl", "-o", "no", "-m", stand_in(), "--device", "cpu,tpu", NULL), 1,
        "tpu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_picture),
        cmocka_unit_test(test_large_photo),
        cmocka_unit_test(test_same_seed_same_result),
        cmocka_unit_test(test_side_files),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_batch_on_two_devices),
    };
    return cmocka_run_group_tests(tests, spawn_set_up, spawn_tear_down);
}
