/* gimp_test.c - the plug-in inside a real GIMP without windows: pictures in, XCF out, reopened.
 *
 * GIMP runs once over all cases of cases.scm (in a profile of its own, with a server whose edit is
 * known) and once per refusal; the tests look at the files and sentences that are left.
 * GIMP_VERSION, the console program, the plug-in and the fake server come from the build.
 */
#include "testing.h"
#include "start_gegl.h"

#include <babl/babl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdbool.h>

#include "picture/picture.h"

enum { WIDTH = 640, HEIGHT = 420 };

static const char *version = GIMP_VERSION;
static char *folder; /* of this run */
static GSubprocess *server;

static char *in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

/* ---- files --------------------------------------------------------------------------------- */

static char *text_of(const char *name)
{
    g_autofree char *path = in_folder(name);
    char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) fail_msg("GIMP left no %s", name);
    return text;
}

typedef struct picture {
    int width, height;
    uint16_t *rgba;
} picture;

static picture load(const char *name)
{
    te_error err;
    GeglBuffer *buffer = NULL;
    g_autofree char *path = in_folder(name);
    assert_ok(ti_picture_load(&buffer, path, &err), err);
    const GeglRectangle *extent = gegl_buffer_get_extent(buffer);
    picture p = {extent->width, extent->height, NULL};
    p.rgba = g_new(uint16_t, (gsize)p.width * (gsize)p.height * 4);
    gegl_buffer_get(buffer, NULL, 1.0, babl_format("R'G'B'A u16"), p.rgba, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    g_object_unref(buffer);
    return p;
}

static const uint16_t *at(const picture *p, int x, int y)
{
    return p->rgba + ((size_t)y * (size_t)p->width + (size_t)x) * 4;
}

static bool same(const picture *a, const picture *b, int x, int y)
{
    return !memcmp(at(a, x, y), at(b, x, y), 4 * sizeof(uint16_t));
}

/* A photograph-like picture: gradients with some fine detail, so that copies can be told apart. */
static void write_input(const char *name, bool alpha)
{
    te_error err;
    g_autofree char *path = in_folder(name);
    const GeglRectangle extent = {0, 0, WIDTH, HEIGHT};
    const Babl *format = babl_format(alpha ? "R'G'B'A u8" : "R'G'B' u8");
    g_autoptr(GeglBuffer) buffer = gegl_buffer_new(&extent, format);
    int channels = alpha ? 4 : 3;
    uint8_t *pixels = g_malloc((gsize)WIDTH * HEIGHT * (gsize)channels);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            uint8_t *p = pixels + (y * WIDTH + x) * channels;
            p[0] = (uint8_t)(40 + x * 120 / WIDTH + (x * 7 + y * 3) % 5);
            p[1] = (uint8_t)(60 + y * 120 / HEIGHT + (x * 5 + y * 11) % 7);
            p[2] = (uint8_t)(200 - x * 100 / WIDTH + (x + y) % 3);
            if (alpha) p[3] = (uint8_t)(x < 60 ? 0 : y < 50 ? 128 : 255);
        }
    gegl_buffer_set(buffer, NULL, 0, format, pixels, GEGL_AUTO_ROWSTRIDE);
    g_free(pixels);
    assert_ok(ti_picture_save(buffer, path, &err), err);
}

static void write_profile(void)
{
    int size = 0;
    g_autofree char *path = in_folder("wide.icc");
    const char *icc = babl_space_get_icc(babl_space("Adobish"), &size);
    assert_non_null(icc);
    assert_true(g_file_set_contents(path, icc, size, NULL));
}

/* ---- running GIMP -------------------------------------------------------------------------- */

/* Preludes, cases and EXPRESSION in one file: what one -b defines, another does not see. */
static char *write_script(const char *expression)
{
    static const char *const parts[] = {TE_SOURCE "/tests/gimp/prelude-" GIMP_PRELUDE ".scm",
                                        TE_SOURCE "/tests/gimp/prelude.scm",
                                        TE_SOURCE "/tests/gimp/cases.scm"};
    g_autofree char *name = g_strconcat(expression, ".scm", NULL);
    g_autofree char *path = in_folder(g_strdelimit(name, "() ", '_'));
    g_autoptr(GString) script = g_string_new(NULL);
    g_string_printf(script, "(define te-dir \"%s\")\n", folder);
    for (size_t i = 0; i < TEST_LENGTH(parts); i++) {
        g_autofree char *text = NULL;
        assert_true(g_file_get_contents(parts[i], &text, NULL, NULL));
        g_string_append(script, text);
    }
    g_string_append_printf(script, "%s\n", expression);
    assert_true(g_file_set_contents(path, script->str, -1, NULL));
    return g_strdup_printf("(load \"%s\")", path);
}

/* Runs N batch commands, each on its own; what GIMP says comes back. */
static char *run_batch(char *const *commands, size_t n, int *status)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    char *said = NULL;
    g_autofree char *program = g_strconcat("gimp-console-", version, NULL);
    static const char *const common[] = {"-i", "-d", "-f"};
    static const char *const gimp3[] = {"--quit", "--batch-interpreter", "plug-in-script-fu-eval"};
    g_ptr_array_add(arguments, g_strdup(program));
    for (size_t i = 0; i < TEST_LENGTH(common); i++)
        g_ptr_array_add(arguments, g_strdup(common[i]));
    for (size_t i = 0; version[0] != '2' && i < TEST_LENGTH(gimp3); i++)
        g_ptr_array_add(arguments, g_strdup(gimp3[i]));
    for (size_t i = 0; i < n; i++) {
        g_ptr_array_add(arguments, g_strdup("-b"));
        g_ptr_array_add(arguments, g_strdup(commands[i]));
    }
    if (version[0] == '2') {
        g_ptr_array_add(arguments, g_strdup("-b"));
        g_ptr_array_add(arguments, g_strdup("(gimp-quit 0)"));
    }
    g_ptr_array_add(arguments, NULL);
    g_autoptr(GSubprocess) gimp =
        g_subprocess_newv((const char *const *)arguments->pdata,
                          G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &error);
    if (!gimp) fail_msg("%s: %s", program, error->message);
    if (!g_subprocess_communicate_utf8(gimp, NULL, NULL, &said, NULL, &error))
        fail_msg("%s: %s", program, error->message);
    *status = g_subprocess_get_if_exited(gimp) ? g_subprocess_get_exit_status(gimp) : -1;
    return said;
}

/* Runs EXPRESSIONS with the prelude and the cases. */
static char *run_gimp(const char *const *expressions, size_t n, int *status)
{
    g_auto(GStrv) commands = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++) commands[i] = write_script(expressions[i]);
    return run_batch(commands, n, status);
}

static void start_server(void)
{
    g_autofree char *socket = in_folder("run/thinkedit/serve.sock");
    g_autoptr(GError) error = NULL;
    char line[16] = "";
    server = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, FAKE_SERVER, socket, NULL);
    assert_non_null(server);
    g_input_stream_read(g_subprocess_get_stdout_pipe(server), line, sizeof line - 1, NULL, NULL);
    assert_string_equal(line, "listening\n");
}

static void stop_server(void)
{
    g_subprocess_force_exit(server);
    g_subprocess_wait(server, NULL, NULL);
    g_clear_object(&server);
}

static void copy_plugin(void)
{
    char *program = NULL;
    gsize size = 0;
    g_autofree char *plugins =
        g_build_filename(folder, "config/GIMP", version, "plug-ins", "thinking-aware-edit", NULL);
    g_autofree char *path = g_build_filename(plugins, "thinking-aware-edit", NULL);
    assert_int_equal(g_mkdir_with_parents(plugins, 0700), 0);
    assert_true(g_file_get_contents(PLUGIN, &program, &size, NULL));
    assert_true(g_file_set_contents_full(path, program, (gssize)size, G_FILE_SET_CONTENTS_NONE,
                                         0755, NULL));
    g_free(program);
}

static int set_up(void **state)
{
    (void)state;
    folder = g_dir_make_tmp("thinkedit-gimp-XXXXXX", NULL);
    assert_non_null(folder);
    const char *const parts[][2] = {{"XDG_CONFIG_HOME", "config"},
                                    {"XDG_RUNTIME_DIR", "run"},
                                    {"HOME", "home"},
                                    {"XDG_CACHE_HOME", "cache"},
                                    {"XDG_DATA_HOME", "data"}};
    for (size_t i = 0; i < TEST_LENGTH(parts); i++) {
        g_autofree char *path = in_folder(parts[i][1]);
        assert_int_equal(g_mkdir(path, 0700), 0);
        g_setenv(parts[i][0], path, TRUE);
    }
    g_autofree char *runtime = in_folder("run/thinkedit");
    assert_int_equal(g_mkdir(runtime, 0700), 0);
    write_input("in.png", false);
    write_input("in-alpha.png", true);
    write_profile();
    copy_plugin();
    start_server();
    int status;
    g_autofree char *said = run_gimp((const char *const[]){"(cases)"}, 1, &status);
    g_autofree char *done = in_folder("all.txt");
    if (!g_file_test(done, G_FILE_TEST_EXISTS))
        print_message("GIMP stopped in the middle of the cases (status %d):\n%s\n", status, said);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (server) stop_server();
    g_autoptr(GSubprocess) rm =
        g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, NULL, "rm", "-rf", folder, NULL);
    g_subprocess_wait(rm, NULL, NULL);
    g_free(folder);
    return 0;
}

/* ---- what GIMP left ------------------------------------------------------------------------ */

/* The fake edit inverts the right half of the layer; at the border between the halves it is soft.
 */
static void assert_right_half_inverted(const char *before, const char *after, bool exact)
{
    picture a = load(before), b = load(after);
    const int soft = 64;
    double error = 0;
    assert_int_equal(a.width, b.width);
    assert_int_equal(a.height, b.height);
    for (int y = 0; y < a.height; y++)
        for (int x = 0; x < a.width / 2 - soft; x++)
            if (exact && !same(&a, &b, x, y)) fail_msg("%s: pixel %d,%d was changed", after, x, y);
    for (int y = 0; y < a.height; y++)
        for (int x = a.width / 2 + soft; x < a.width; x++)
            for (int c = 0; c < 3; c++)
                error += fabs(65535.0 - at(&a, x, y)[c] - at(&b, x, y)[c]) / 65535;
    error /= 3.0 * a.height * (a.width / 2 - soft);
    if (error > 0.03) fail_msg("%s: the edit is off by %.3f on average", after, error);
    g_free(a.rgba);
    g_free(b.rgba);
}

static void assert_same_file(const char *a, const char *b)
{
    picture p = load(a), q = load(b);
    assert_int_equal(p.width, q.width);
    assert_int_equal(p.height, q.height);
    assert_memory_equal(p.rgba, q.rgba, (size_t)p.width * (size_t)p.height * 8);
    g_free(p.rgba);
    g_free(q.rgba);
}

static void assert_text(const char *name, const char *expected)
{
    g_autofree char *text = text_of(name);
    assert_string_equal(text, expected);
}

static const char reasoning[] = "The right half \xe2\x80\x93 it must be inverted.";

static void xcf_keeps_layer_and_reasoning(void **state)
{
    (void)state;
    assert_right_half_inverted("plain-source.png", "plain-layer.png", true);
    assert_same_file("in.png", "plain-source.png");
    assert_same_file("plain-layer.png", "plain-reopened.png");
    assert_same_file("plain-source.png", "plain-reopened-source.png");
    assert_text("plain-layers.txt", "2");
    assert_text("plain-name.txt", "make it winter");
    assert_text("plain-reasoning.txt", reasoning);
    assert_text("plain-reopened.txt", reasoning);
    assert_text("plain-seed.txt", "7");
}

static void parasite_is_as_contracted(void **state)
{
    (void)state;
    g_autofree char *text = text_of("plain.json");
    g_autoptr(JsonNode) root = json_from_string(text, NULL);
    assert_non_null(root);
    JsonObject *o = json_node_get_object(root);
    assert_int_equal(json_object_get_int_member(o, "schema"), 1);
    assert_int_equal(json_object_get_int_member(o, "seed"), 7);
    assert_string_equal(json_object_get_string_member(o, "instruction"), "make it winter");
    assert_string_equal(json_object_get_string_member(o, "reasoning"), reasoning);
    JsonObject *options = json_object_get_object_member(o, "options");
    assert_string_equal(json_object_get_string_member(options, "image-steps"), "3");
    JsonObject *model = json_object_get_object_member(o, "model");
    assert_string_equal(json_object_get_string_member(model, "name"), "fake");
    assert_string_equal(json_object_get_string_member(model, "hash"), "00000000deadbeef");
    JsonObject *region = json_object_get_object_member(o, "region");
    assert_int_equal(json_object_get_int_member(region, "x"), 0);
    assert_int_equal(json_object_get_int_member(region, "width"), WIDTH);
    assert_int_equal(json_object_get_int_member(region, "height"), HEIGHT);
    assert_true(json_object_has_member(o, "source_layer"));
    const char *time = json_object_get_string_member(o, "time");
    g_autoptr(GDateTime) parsed = g_date_time_new_from_iso8601(time, NULL);
    assert_non_null(parsed);
}

static void open_seed_is_drawn_and_told(void **state)
{
    (void)state;
    assert_text("seed.txt", "different");
}

static void outside_the_selection_every_bit_stays(void **state)
{
    (void)state;
    picture a = load("selection-before.png"), b = load("selection-after.png");
    int changed = 0;
    for (int y = 0; y < a.height; y++)
        for (int x = 0; x < a.width; x++) {
            bool near = x >= 300 - 24 && x < 460 + 24 && y >= 120 - 24 && y < 280 + 24;
            if (same(&a, &b, x, y)) continue;
            if (!near) fail_msg("pixel %d,%d outside the selection was changed", x, y);
            changed++;
        }
    if (changed < 2000) fail_msg("only %d pixels were edited", changed);
    assert_text("selection-mask.txt", "mask");
    g_free(a.rgba);
    g_free(b.rgba);
}

static void replacing_keeps_16_bits_and_the_selection(void **state)
{
    (void)state;
    assert_right_half_inverted("replace-before.png", "replace-after.png", true);
    assert_text("replace-same.txt", "same");
    assert_text("replace-record.txt", reasoning);
    assert_text("replace-layers.txt", "1");
    assert_text("replace-selection.txt", "1");
}

static void groups_offsets_and_grey_are_kept(void **state)
{
    (void)state;
    assert_text("group-parent.txt", "group");
    assert_text("group-offsets.txt", "(31 -17)");
    assert_right_half_inverted("group-before.png", "group-after.png", true);
}

static void a_group_is_edited_as_it_is_seen(void **state)
{
    (void)state;
    assert_text("whole-group-top.txt", "top");
    assert_text("whole-group-layers.txt", "2");
    assert_right_half_inverted("whole-group-before.png", "whole-group-after.png", true);
}

static void float_goes_into_a_new_image(void **state)
{
    (void)state;
    assert_text("float-image.txt", "new");
    assert_text("float-precision.txt", "#t");
    assert_text("float-before.txt", "1");
    assert_right_half_inverted("float-before.png", "float-after.png", true);
}

static void transparency_stays(void **state)
{
    (void)state;
    picture a = load("alpha-before.png"), b = load("alpha-after.png");
    for (int y = 0; y < a.height; y++)
        for (int x = 0; x < a.width; x++)
            if (at(&a, x, y)[3] != at(&b, x, y)[3]) fail_msg("alpha changed at %d,%d", x, y);
    g_free(a.rgba);
    g_free(b.rgba);
}

/* The exported files carry the wide profile, and are loaded through it: inverted as the model
 * meant. */
static void colour_profiles_are_converted(void **state)
{
    (void)state;
    assert_right_half_inverted("profile-before.png", "profile-after.png", true);
}

/* The filter inverts; the picture that the edit starts from must be inverted, too. */
static void filters_are_part_of_the_picture(void **state)
{
    (void)state;
    assert_right_half_inverted("filter-before.png", "filter-after.png", true);
    if (version[0] == '2') return; /* no filters there: the plain picture was compared */
    picture a = load("in.png"), b = load("filter-before.png");
    assert_int_equal(at(&b, 9, 9)[0], 65535 - at(&a, 9, 9)[0]);
    g_free(a.rgba);
    g_free(b.rgba);
}

/* ---- the example scripts, as a person calls them ------------------------------------------- */

/* In CALL @ stands for the folder. */
static void run_example(const char *script, const char *call)
{
    int status;
    g_autofree char *load_it = g_strdup_printf("(load \"%s/%s.scm\") ", EXAMPLES, script);
    g_autofree char *rest = g_strdup_printf("%s%s", load_it, call);
    g_auto(GStrv) halves = g_strsplit(rest, "@", -1);
    g_autofree char *command = g_strjoinv(folder, halves);
    g_autofree char *said = run_batch(&command, 1, &status);
    if (status) fail_msg("%s: status %d:\n%s", script, status, said);
}

static void examples_do_what_they_say(void **state)
{
    (void)state;
    run_example("edit-picture", "(edit-picture \"@/in.png\" \"example\" \"@/example.xcf\")");
    run_example("save-reasoning", "(save-reasoning \"@/example.xcf\" \"@/example.txt\")");
    assert_text("example.txt", reasoning);
    g_autofree char *pictures = in_folder("pictures"), *broken = in_folder("pictures/a.png");
    assert_int_equal(g_mkdir(pictures, 0700), 0);
    assert_true(g_file_set_contents(broken, "no picture", -1, NULL));
    write_input("pictures/b.png", false);
    write_input("pictures/c.png", false);
    run_example("edit-folder", "(edit-folder \"@/pictures/*.png\" \"example\")");
    assert_text("pictures/b-edited.txt", reasoning);
    assert_text("pictures/c-edited.txt", reasoning);
    assert_right_half_inverted("pictures/c.png", "pictures/c-edited.png", true);
}

/* ---- refusals ------------------------------------------------------------------------------ */

typedef struct refusal {
    const char *expression, *sentence;
} refusal;

static const refusal refusals[] = {
    {"(refuse-empty)", "The instruction is empty"},
    {"(refuse-form)", "is not of the form key=value"},
    {"(refuse-option)", "there is no option no-such-option"},
    {"(refuse-record)", "did not come from a thinking-aware edit"},
    {"(refuse-indexed)", "Image > Mode > RGB"},
    {"(refuse-locked)", "pixels are locked"},
    {"(refuse-group)", "A layer group has no pixels to replace"},
    {"(refuse-selection)", "does not touch the layer"},
    {"(refuse-fail)", "9 GB are needed and 1 GB is free"},
    {"(refuse-die)", "The engine stopped in the middle of the edit"}, /* last: the server is gone */
};

/* GIMP 2.10 goes on after an error and ends with status 0; 3.x stops at the first with 70. */
static void refusals_say_what_to_do(void **state)
{
    (void)state;
    const size_t n = TEST_LENGTH(refusals);
    const size_t together = version[0] == '2' ? n : 1;
    for (size_t i = 0; i < n; i += together) {
        const char *expressions[TEST_LENGTH(refusals)];
        int status;
        for (size_t j = 0; j < together; j++) expressions[j] = refusals[i + j].expression;
        g_autofree char *said = run_gimp(expressions, together, &status);
        for (size_t j = 0; j < together; j++)
            if (!strstr(said, refusals[i + j].sentence))
                fail_msg("%s: GIMP should say \"%s\", and said:\n%s", refusals[i + j].expression,
                         refusals[i + j].sentence, said);
        assert_int_equal(status, together == n ? 0 : 70);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) version = argv[1];
    test_gegl_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xcf_keeps_layer_and_reasoning),
        cmocka_unit_test(parasite_is_as_contracted),
        cmocka_unit_test(open_seed_is_drawn_and_told),
        cmocka_unit_test(outside_the_selection_every_bit_stays),
        cmocka_unit_test(replacing_keeps_16_bits_and_the_selection),
        cmocka_unit_test(groups_offsets_and_grey_are_kept),
        cmocka_unit_test(a_group_is_edited_as_it_is_seen),
        cmocka_unit_test(float_goes_into_a_new_image),
        cmocka_unit_test(transparency_stays),
        cmocka_unit_test(colour_profiles_are_converted),
        cmocka_unit_test(filters_are_part_of_the_picture),
        cmocka_unit_test(examples_do_what_they_say),
        cmocka_unit_test(refusals_say_what_to_do),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    gegl_exit();
    return failed;
}
