/* The golden data through the command: what a script that checks the project from outside would do.
 */
#include "cli/spawn.h"

#include <math.h>

#include "picture/picture.h"

static JsonArray *array_member(JsonObject *object, const char *name)
{
    JsonArray *array = json_object_get_array_member(object, name);
    assert_non_null(array);
    return array;
}

static char *join(JsonArray *array)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < json_array_get_length(array); i++)
        g_string_append_printf(text, i ? " %d" : "%d", (int)json_array_get_int_element(array, i));
    return g_string_free(text, FALSE);
}

static void test_tokenize(void **state)
{
    (void)state;
    static const char *const folders[] = {"tokenizer-gpt2", "tokenizer-llama3",
                                          "tokenizer-bailing"};
    for (size_t f = 0; f < TEST_LENGTH(folders); f++) {
        char *tokenizer = g_build_filename(TE_GOLDEN, folders[f], "tokenizer.json", NULL), *text;
        char *path = g_build_filename(TE_GOLDEN, folders[f], "cases.json", NULL);
        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        JsonNode *node = parse_json(text);
        JsonArray *cases = json_node_get_array(node);
        for (guint i = 0; i < json_array_get_length(cases); i += 24) {
            JsonObject *c = json_array_get_object_element(cases, i);
            char *ids = join(array_member(c, "ids")), *line = g_strconcat(ids, "\n", NULL);
            assert_int_equal(run("tokenize", "--tokenizer", tokenizer, "--text",
                                 json_object_get_string_member(c, "text"), NULL),
                             0);
            assert_string_equal(run_output, line);
            g_free(line);
            line = g_strconcat(json_object_get_string_member(c, "decoded"), "\n", NULL);
            assert_int_equal(run("tokenize", "--tokenizer", tokenizer, "--decode", ids, NULL), 0);
            assert_string_equal(run_output, line);
            g_free(line);
            g_free(ids);
        }
        json_node_unref(node);
        g_free(text);
        g_free(path);
        g_free(tokenizer);
    }
}

/* A tensor's bytes in a safetensors file; *bytes is the file's, g_free() it. */
static const void *tensor(const char *path, const char *name, char **bytes)
{
    gsize size;
    assert_true(g_file_get_contents(path, bytes, &size, NULL));
    guint64 header;
    memcpy(&header, *bytes, 8);
    header = GUINT64_FROM_LE(header);
    char *text = g_strndup(*bytes + 8, header);
    JsonNode *node = parse_json(text);
    JsonObject *entry = json_object_get_object_member(json_node_get_object(node), name);
    assert_non_null(entry);
    gint64 offset = json_array_get_int_element(array_member(entry, "data_offsets"), 0);
    json_node_unref(node);
    g_free(text);
    return *bytes + 8 + header + offset;
}

static void check_image_tokenizer(const char *golden, const char *profile)
{
    enum { WIDTH = 48, HEIGHT = 32, GRID_W = 12, GRID_H = 8 };
    char *folder = g_build_filename(TE_GOLDEN, golden, NULL), *bytes;
    char *path = g_build_filename(folder, "expected.safetensors", NULL);
    assert_int_equal(
        run("convert", folder, "-o", "pictures.gguf", "--profile", profile, "-q", NULL), 0);

    te_image image = {NULL, WIDTH, HEIGHT, 3, TE_U8, WIDTH * 3};
    union {
        const void *from;
        void *pixels;
    } rgb = {tensor(path, "image_rgb_u8", &bytes)};
    image.pixels = rgb.pixels;
    GeglBuffer *buffer = ti_picture_to_buffer(&image);
    te_error err;
    assert_ok(ti_picture_save(buffer, in_folder("golden.png"), &err), err);
    g_object_unref(buffer);
    g_free(bytes);

    assert_int_equal(run("image-tokens", "encode", "pictures.gguf", "golden.png", NULL), 0);
    const char *codes = tensor(path, "codes", &bytes);
    GString *expected = g_string_new(NULL);
    for (int i = 0; i < GRID_W * GRID_H; i++) {
        gint32 code;
        memcpy(&code, codes + 4 * i, 4);
        g_string_append_printf(expected, "%d%c", GINT32_FROM_LE(code),
                               (i + 1) % GRID_W ? ' ' : '\n');
    }
    g_free(bytes);
    assert_string_equal(run_output, expected->str);

    assert_int_equal(run("image-tokens", "decode", "pictures.gguf", "--grid", "8x12", expected->str,
                         "-o", "decoded.png", NULL),
                     0);
    const char *decoded = tensor(path, "decoded", &bytes);
    assert_ok(ti_picture_load(&buffer, in_folder("decoded.png"), &err), err);
    uint8_t pixels[HEIGHT * WIDTH * 3];
    gegl_buffer_get(buffer, NULL, 1.0, babl_format("R'G'B' u8"), pixels, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    gboolean signed_range = !strcmp(golden, "magvit-tiny"); /* [-1, 1] rather than [0, 1] */
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++) {
        float v;
        memcpy(&v, decoded + 4 * (i % 3 * HEIGHT * WIDTH + i / 3), 4);
        double wanted = CLAMP(signed_range ? (v + 1) / 2 : v, 0.0, 1.0);
        if (fabs(pixels[i] / 255.0 - wanted) > 0.5 / 255 + 1e-3)
            fail_msg("%s: pixel value %d", golden, i);
    }
    g_object_unref(buffer);
    g_free(bytes);
    g_string_free(expected, TRUE);
    g_free(path);
    g_free(folder);
}

static void test_image_tokens(void **state)
{
    (void)state;
    check_image_tokenizer("magvit-tiny", "mmada-parallel-m");
    check_image_tokenizer("amused-tiny", "mmada-parallel-a");
    write_file("ignored", "");
    failed_with(run("image-tokens", "decode", "pictures.gguf", "--grid", "1x1", "999999", "-o",
                    "x.png", NULL),
                1, "999999");
}

static void check_same(JsonObject *golden, JsonObject *ours, const char *name, const char *what)
{
    char *a = join(array_member(golden, name)), *b = join(array_member(ours, name));
    if (strcmp(a, b)) fail_msg("%s: %s is %s, not %s", what, name, b, a);
    g_free(a);
    g_free(b);
}

static void check_denoise(const char *golden, const char *profile)
{
    char *folder = g_build_filename(TE_GOLDEN, golden, NULL), *text;
    char *path = g_build_filename(folder, "trajectory.json", NULL);
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    JsonNode *node = parse_json(text);
    g_free(text);
    JsonObject *trajectory = json_node_get_object(node);
    text = json_to_string(json_object_get_member(trajectory, "layout"), FALSE);
    write_file("layout.json", text);
    g_free(text);
    assert_int_equal(run("convert", folder, "-o", "backbone.gguf", "--profile", profile, "--layout",
                         "layout.json", "-q", NULL),
                     0);
    assert_int_equal(run("denoise", "backbone.gguf", "--sequence", path, "--trace", "trace.jsonl",
                         "--dump-logits", "logits.safetensors", "--device", "cpu", NULL),
                     0);
    text = read_file("trace.jsonl");
    char **lines = g_strsplit(g_strstrip(text), "\n", -1);
    JsonArray *steps = array_member(trajectory, "steps");
    guint n = json_array_get_length(steps);
    assert_int_equal(g_strv_length(lines), n + 1);
    for (guint i = 0; i < n; i++) {
        JsonNode *line = parse_json(lines[i]);
        JsonObject *ours = json_node_get_object(line),
                   *step = json_array_get_object_element(steps, i);
        char what[64];
        g_snprintf(what, sizeof what, "%s, step %u", golden, i);
        assert_int_equal(json_object_get_int_member(ours, "step"), i);
        check_same(step, ours, "image", what);
        check_same(step, ours, "text", what);
        json_node_unref(line);
    }
    JsonNode *last = parse_json(lines[n]);
    assert_non_null(json_object_get_object_member(json_node_get_object(last), "final"));
    json_node_unref(last);
    char *bytes;
    tensor(in_folder("logits.safetensors"), "cond_logits_step0", &bytes);
    g_free(bytes);
    g_strfreev(lines);
    g_free(text);
    json_node_unref(node);
    g_free(path);
    g_free(folder);
}

static void test_denoise(void **state)
{
    (void)state;
    check_denoise("m-tiny", "mmada-parallel-m");
    check_denoise("a-tiny", "mmada-parallel-a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenize),
        cmocka_unit_test(test_image_tokens),
        cmocka_unit_test(test_denoise),
    };
    return cmocka_run_group_tests(tests, spawn_set_up, spawn_tear_down);
}
