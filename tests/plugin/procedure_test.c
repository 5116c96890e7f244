/* procedure_test.c - one edit from arguments to layer, with what may happen to the image meanwhile.
 */
#include "testing.h"
#include "start_gegl.h"

#include <glib/gstdio.h>
#include <stdbool.h>

#include "client/internal.h"
#include "host_file.h"
#include "picture/picture.h"
#include "procedure.h"

static char *folder;
static GSubprocess *server;
static int image, layer; /* opened anew for each test */

static char *in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void start_server(void)
{
    g_autofree char *socket = in_folder("thinkedit/serve.sock");
    char line[16] = "";
    server = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, FAKE_SERVER, socket, NULL);
    assert_non_null(server);
    g_input_stream_read(g_subprocess_get_stdout_pipe(server), line, sizeof line - 1, NULL, NULL);
    assert_string_equal(line, "listening\n");
}

static int set_up(void **state)
{
    te_error err;
    const GeglRectangle extent = {0, 0, 300, 200};
    (void)state;
    folder = g_dir_make_tmp("thinkedit-plugin-XXXXXX", NULL);
    assert_non_null(folder);
    g_setenv("XDG_RUNTIME_DIR", folder, TRUE);
    g_setenv("XDG_CONFIG_HOME", folder, TRUE);
    g_autofree char *runtime = in_folder("thinkedit"), *path = in_folder("in.png");
    assert_int_equal(g_mkdir(runtime, 0700), 0);
    g_autoptr(GeglBuffer) buffer = gegl_buffer_new(&extent, babl_format("R'G'B' u8"));
    const uint8_t blue[3] = {51, 127, 178};
    gegl_buffer_set_color_from_pixel(buffer, NULL, blue, babl_format("R'G'B' u8"));
    assert_ok(ti_picture_save(buffer, path, &err), err);
    start_server();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    g_subprocess_force_exit(server);
    g_subprocess_wait(server, NULL, NULL);
    g_clear_object(&server);
    g_autoptr(GSubprocess) rm =
        g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, NULL, "rm", "-rf", folder, NULL);
    g_subprocess_wait(rm, NULL, NULL);
    g_free(folder);
    return 0;
}

static int open_image(void **state)
{
    g_autofree char *path = in_folder("in.png");
    (void)state;
    return ti_file_open(path, &image, &layer, NULL) ? 0 : -1;
}

static int close_image(void **state)
{
    (void)state;
    ti_file_close_all();
    return 0;
}

static ti_edit_arguments arguments(const char *instruction, int output)
{
    return (ti_edit_arguments){.image = image,
                               .layer = layer,
                               .instruction = instruction,
                               .seed = 5,
                               .output = output,
                               .options = ""};
}

static void edit(const ti_edit_arguments *a, ti_edit_values *values)
{
    g_autoptr(GError) error = NULL;
    if (!ti_procedure_edit(a, values, &error)) fail_msg("%s", error->message);
    assert_int_equal(values->seed, 5);
    g_free(values->reasoning);
}

static void assert_refused(const ti_edit_arguments *a, const char *sentence)
{
    GError *error = NULL;
    ti_edit_values values;
    assert_false(ti_procedure_edit(a, &values, &error));
    assert_int_equal(values.layer, -1);
    if (!strstr(error->message, sentence))
        fail_msg("\"%s\" is not \"%s\"", error->message, sentence);
    g_error_free(error);
}

/* Red at X, Y of a layer. */
static int red(int id, int x, int y)
{
    uint8_t rgb[3];
    gegl_buffer_get(ti_file_pixels(id), GEGL_RECTANGLE(x, y, 1, 1), 1.0, babl_format("R'G'B' u8"),
                    rgb, GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    return rgb[0];
}

static void a_new_layer_lies_above_the_untouched_source(void **state)
{
    ti_edit_values values;
    ti_edit_arguments a = arguments("one", TI_NEW_LAYER);
    (void)state;
    edit(&a, &values);
    assert_int_not_equal(values.layer, layer);
    assert_int_equal(ti_file_image_of(values.layer), image);
    assert_null(ti_file_mask(values.layer));
    assert_int_equal(red(layer, 280, 100), 51);
    assert_int_equal(red(values.layer, 10, 100), 51);
    assert_in_range(red(values.layer, 280, 100), 196, 212);
}

static void nothing_changed_gives_the_same_pixels(void **state)
{
    ti_edit_values values;
    ti_edit_arguments a = arguments("same", TI_NEW_LAYER);
    (void)state;
    edit(&a, &values);
    for (int x = 0; x < 300; x += 7) assert_int_equal(red(values.layer, x, 100), 51);
}

static void a_selection_becomes_a_layer_mask(void **state)
{
    ti_edit_values values;
    ti_edit_arguments a = arguments("part", TI_NEW_LAYER);
    float soft[2];
    (void)state;
    g_autoptr(GeglBuffer) selection =
        gegl_buffer_new(GEGL_RECTANGLE(0, 0, 300, 200), babl_format("Y float"));
    const float full = 1;
    gegl_buffer_set_color_from_pixel(selection, GEGL_RECTANGLE(200, 60, 80, 80), &full,
                                     babl_format("Y float"));
    ti_file_select(image, selection);
    a.use_selection = true;
    edit(&a, &values);
    GeglBuffer *mask = ti_file_mask(values.layer);
    assert_non_null(mask);
    gegl_buffer_get(mask, GEGL_RECTANGLE(190, 100, 1, 1), 1.0, babl_format("Y float"), soft,
                    GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    gegl_buffer_get(mask, GEGL_RECTANGLE(260, 100, 1, 1), 1.0, babl_format("Y float"), soft + 1,
                    GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
    assert_true(soft[0] == 0);
    assert_true(soft[1] > 0.9f);
}

static gboolean close_in_the_middle(void *unused)
{
    (void)unused;
    ti_file_close(image);
    return G_SOURCE_REMOVE;
}

static void a_closed_image_gives_a_new_one(void **state)
{
    ti_edit_values values;
    ti_edit_arguments a = arguments("closed", TI_REPLACE);
    (void)state;
    g_idle_add_full(G_PRIORITY_HIGH, close_in_the_middle, NULL, NULL);
    edit(&a, &values);
    assert_int_not_equal(ti_file_image_of(values.layer), image);
    assert_in_range(red(values.layer, 280, 100), 196, 212);
}

static gboolean delete_in_the_middle(void *unused)
{
    (void)unused;
    ti_file_delete_layer(layer);
    return G_SOURCE_REMOVE;
}

static void a_deleted_layer_gives_a_new_one(void **state)
{
    ti_edit_values values;
    ti_edit_arguments a = arguments("deleted", TI_REPLACE);
    (void)state;
    g_idle_add_full(G_PRIORITY_HIGH, delete_in_the_middle, NULL, NULL);
    edit(&a, &values);
    assert_int_equal(ti_file_image_of(values.layer), image);
    assert_int_not_equal(values.layer, layer);
}

static void the_record_gives_the_reasoning(void **state)
{
    ti_edit_values values;
    ti_edit_arguments a = arguments("think", TI_NEW_LAYER);
    g_autoptr(GError) error = NULL;
    (void)state;
    assert_null(ti_procedure_reasoning(layer, &error));
    assert_non_null(error);
    edit(&a, &values);
    g_autofree char *reasoning = ti_procedure_reasoning(values.layer, NULL);
    assert_string_equal(reasoning, "The right half \xe2\x80\x93 it must be inverted.");
}

static void bad_arguments_are_refused(void **state)
{
    ti_edit_arguments empty = arguments(" \n", 0), bad = arguments("x", 3);
    ti_edit_arguments latin = arguments("gr\xfcn", 0), gone = arguments("x", 0);
    (void)state;
    assert_refused(&empty, "The instruction is empty");
    assert_refused(&bad, "output must be");
    assert_refused(&latin, "not UTF-8");
    gone.layer = 12345;
    assert_refused(&gone, "not there any more");
}

/* A file system without a free block, on which GEGL would lose what does not fit into its cache. */
static void a_full_disk_is_told_before_the_edit(void **state)
{
    enum { NEEDED = 300 * 200 * (4 + 4 + 4) }; /* layer and result with alpha, and the mask */
    ti_edit_arguments a = arguments("full", TI_NEW_LAYER), b = arguments("full", TI_REPLACE);
    g_autofree char *swap = NULL, *needed = g_format_size(1000), *there = g_format_size(0);
    g_autofree char *sentence = g_strdup_printf(
        "to full size may need %s in /proc and %s are free: free some disk", needed, there);
    guint64 cache;
    (void)state;
    g_object_get(gegl_config(), "swap", &swap, "tile-cache-size", &cache, NULL);
    g_object_set(gegl_config(), "swap", "/proc", "tile-cache-size", (guint64)NEEDED - 1000, NULL);
    assert_refused(&a, sentence);
    assert_refused(&b, "edit a smaller layer");
    g_object_set(gegl_config(), "swap", swap, "tile-cache-size", cache, NULL);
}

/* ---- the client alone ---------------------------------------------------------------------- */

static ti_client_request request(const char *instruction)
{
    return (ti_client_request){.instruction = instruction, .seed = -1};
}

static void cancel_at_progress(const ti_client_event *event, void *cancel)
{
    if (event->kind == TI_CLIENT_PROGRESS) g_cancellable_cancel(cancel);
}

static void cancelling_hangs_up(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GCancellable) cancel = g_cancellable_new();
    ti_client_request wait = request("wait");
    g_autofree char *noticed = in_folder("thinkedit/serve.sock.cancelled");
    (void)state;
    ti_client *client = ti_client_new(NULL, NULL, NULL);
    assert_null(ti_client_run(client, &wait, cancel, cancel_at_progress, cancel, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
    for (int i = 0; i < 300 && !g_file_test(noticed, G_FILE_TEST_EXISTS); i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(10000);
    }
    assert_true(g_file_test(noticed, G_FILE_TEST_EXISTS));
    ti_client_free(client);
}

static void a_dying_server_is_told_from_a_failing_job(void **state)
{
    g_autoptr(GError) failed = NULL;
    g_autoptr(GError) lost = NULL;
    ti_client_request fail = request("fail"), die = request("die");
    (void)state;
    ti_client *client = ti_client_new(NULL, NULL, NULL);
    assert_null(ti_client_run(client, &fail, NULL, NULL, NULL, &failed));
    assert_true(g_error_matches(failed, TI_CLIENT_ERROR, TI_CLIENT_NO_MEMORY));
    assert_non_null(strstr(failed->message, "9 GB are needed"));
    assert_null(ti_client_run(client, &die, NULL, NULL, NULL, &lost));
    assert_true(g_error_matches(lost, TI_CLIENT_ERROR, TI_CLIENT_LOST));
    ti_client_free(client);
    g_subprocess_wait(server, NULL, NULL);
    g_clear_object(&server);
    start_server();
}

static void take_answer(GObject *source, GAsyncResult *result, void *user)
{
    (void)source;
    *(GAsyncResult **)user = g_object_ref(result);
}

/* A job whose server says nothing any more is lost; an answer may take as long as a model to load.
 */
static void silence_means_death_in_a_job_only(void **state)
{
    g_autoptr(GError) lost = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GAsyncResult) result = NULL;
    ti_client_request mute = request("mute");
    (void)state;
    ti_client *client = ti_client_new(NULL, NULL, NULL);
    g_object_set(client->session, "timeout", 1, NULL);
    ti_client_get(client, "/v1/late", NULL, take_answer, &result);
    assert_null(ti_client_run(client, &mute, NULL, NULL, NULL, &lost));
    assert_true(g_error_matches(lost, TI_CLIENT_ERROR, TI_CLIENT_LOST));
    while (!result) g_main_context_iteration(NULL, TRUE);
    g_autoptr(GBytes) late = ti_client_get_finish(result, &error);
    if (!late) fail_msg("%s", error->message);
    ti_client_free(client);
}

static void addresses_are_checked(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) silent = NULL;
    ti_client_request any = request("x");
    (void)state;
    assert_null(ti_client_new("ftp://studio", NULL, &error));
    assert_non_null(strstr(error->message, "no server address"));
    ti_client *client = ti_client_new("http://127.0.0.1:1", "token", NULL);
    assert_null(ti_client_run(client, &any, NULL, NULL, NULL, &silent));
    assert_true(g_error_matches(silent, TI_CLIENT_ERROR, TI_CLIENT_UNREACHABLE));
    ti_client_free(client);
}

/* A folder that somebody else may enter is not where the user's server can be. */
static void an_open_runtime_folder_is_refused(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *runtime = in_folder("thinkedit");
    (void)state;
    g_chmod(runtime, 0755);
    assert_null(ti_client_new(NULL, NULL, &error));
    assert_non_null(strstr(error->message, "only you may enter"));
    g_chmod(runtime, 0700);
}

int main(void)
{
    g_setenv("GIO_USE_PROXY_RESOLVER", "dummy", TRUE); /* libproxy throws, which ASan dies of */
    test_gegl_init();
#define WITH_IMAGE(test) cmocka_unit_test_setup_teardown(test, open_image, close_image)
    const struct CMUnitTest tests[] = {
        WITH_IMAGE(a_new_layer_lies_above_the_untouched_source),
        WITH_IMAGE(nothing_changed_gives_the_same_pixels),
        WITH_IMAGE(a_selection_becomes_a_layer_mask),
        WITH_IMAGE(a_closed_image_gives_a_new_one),
        WITH_IMAGE(a_deleted_layer_gives_a_new_one),
        WITH_IMAGE(the_record_gives_the_reasoning),
        WITH_IMAGE(bad_arguments_are_refused),
        WITH_IMAGE(a_full_disk_is_told_before_the_edit),
        cmocka_unit_test(cancelling_hangs_up),
        cmocka_unit_test(a_dying_server_is_told_from_a_failing_job),
        cmocka_unit_test(silence_means_death_in_a_job_only),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(an_open_runtime_folder_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    gegl_exit();
    return failed;
}
