/* panel_test.c - the panel as a person meets it: a real GIMP 2.10 in windows, keys typed into them, the
 * real server with the stand-in model. One GIMP and one panel serve all tests, in their order.
 *
 * test_gimp_panel --keep FOLDER leaves the screenshots there.
 */
#include "session.h"
#include "testing.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <signal.h>

#define PANEL   "^Thinking-Aware Edit$"
#define IMAGES  "imported"
#define MAGENTA 0xc81ea0
#define GREEN   0x1ea03c

static unsigned long panel, gimp;

/* ---- conditions ---------------------------------------------------------------------------- */

typedef struct counted {
    const char *expression;
    int value;
} counted;

static bool is_value(const void *data)
{
    const counted *c = data;
    g_autofree char *whole = g_strdup_printf("(display %s)", c->expression);
    g_autofree char *said = session_try(whole);
    return said && g_ascii_isdigit(*said) && g_ascii_strtoll(said, NULL, 10) == c->value;
}

static void wait_value(const char *expression, int value, const char *what)
{
    const counted c = {expression, value};
    session_wait(is_value, &c, what);
}

static int pixels_of(const session_shot *shot, unsigned colour)
{
    int n = 0;
    for (int i = 0; i < shot->width * shot->height; i++) n += shot->rgb[i] == colour;
    return n;
}

static int colours_of(const session_shot *shot)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    for (int i = 0; i < shot->width * shot->height; i++)
        g_hash_table_add(seen, GUINT_TO_POINTER(shot->rgb[i]));
    return (int)g_hash_table_size(seen);
}

typedef struct seen {
    unsigned colour;
    int least;
} seen;

static bool panel_shows(const void *data)
{
    const seen *s = data;
    session_shot shot = session_screen(panel);
    bool there = pixels_of(&shot, s->colour) >= s->least;
    session_shot_clear(&shot);
    return there;
}

static bool panel_differs(const void *data)
{
    const session_shot *before = data;
    session_shot now = session_screen(panel);
    bool differs = now.width != before->width || now.height != before->height ||
                   memcmp(now.rgb, before->rgb, sizeof *now.rgb * (size_t)(now.width * now.height));
    session_shot_clear(&now);
    return differs;
}

static bool panel_is_colourful(const void *data)
{
    session_shot shot = session_screen(panel);
    bool many = colours_of(&shot) >= *(const int *)data;
    session_shot_clear(&shot);
    return many;
}

static bool is_queue(const void *running)
{
    g_autofree char *info = session_server_info();
    if (!info || !strstr(info, "\"running\":")) return false;
    return !strstr(info, "\"running\":null") == *(const bool *)running;
}

static bool plugin_is_gone(const void *unused)
{
    (void)unused;
    return session_count("thinking-aware-edit") == 0;
}

/* ---- steps --------------------------------------------------------------------------------- */

#define LAYERS_OF_FIRST  "(car (gimp-image-get-layers first))"
#define LAYERS_OF_SECOND "(car (gimp-image-get-layers second))"
#define IMAGES_OPEN      "(car (gimp-image-list))"

/* Presses Generate and waits until the panel has taken it. */
static void generate(void)
{
    session_shot before = session_screen(panel);
    session_keys(panel, "ctrl+Return");
    session_wait(panel_differs, &before, "the panel to react to Generate");
    session_shot_clear(&before);
}

static void call_menu(void)
{
    session_keys(gimp, "ctrl+alt+t");
}

static void undo_in_gimp(void)
{
    session_keys(gimp, "ctrl+z");
}

static void write_picture(const char *name, unsigned rgb)
{
    g_autofree char *path = session_path(name);
    g_autoptr(GdkPixbuf) pixels = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, 200, 150);
    gdk_pixbuf_fill(pixels, rgb << 8 | 0xff);
    assert_true(gdk_pixbuf_save(pixels, path, "png", NULL, NULL));
}

static void assert_same_picture(const char *a, const char *b)
{
    g_autofree char *path_a = session_path(a), *path_b = session_path(b);
    g_autoptr(GdkPixbuf) p = gdk_pixbuf_new_from_file(path_a, NULL);
    g_autoptr(GdkPixbuf) q = gdk_pixbuf_new_from_file(path_b, NULL);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal(gdk_pixbuf_get_byte_length(p), gdk_pixbuf_get_byte_length(q));
    assert_memory_equal(gdk_pixbuf_read_pixels(p), gdk_pixbuf_read_pixels(q),
                        gdk_pixbuf_get_byte_length(p));
}

static int set_up(void **state)
{
    (void)state;
    session_start();
    write_picture("first.png", MAGENTA);
    write_picture("second.png", GREEN);
    g_autofree char *settings = session_path("config/thinkedit/panel.json");
    g_autofree char *gtk = session_path("config/gtk-3.0/settings.ini");
    g_autofree char *folder = g_path_get_dirname(settings), *gtk_folder = g_path_get_dirname(gtk);
    g_mkdir_with_parents(folder, 0700);
    g_mkdir_with_parents(gtk_folder, 0700);
    /* the longest edits; and a panel that changes only when something happened */
    assert_true(g_file_set_contents(settings, "{\"preset\": \"paper\"}", -1, NULL));
    assert_true(g_file_set_contents(gtk, "[Settings]\ngtk-cursor-blink=0\ngtk-enable-animations=0\n",
                                    -1, NULL));
    session_gimp(true, "first.png");
    gimp = session_window(IMAGES);
    g_free(session_ask("(begin (define first (vector-ref (cadr (gimp-image-list)) 0)) (display 1))"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    session_end();
    return 0;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void menu_opens_the_panel_for_the_layer(void **state)
{
    (void)state;
    call_menu();
    panel = session_window(PANEL);
    const seen thumbnail = {MAGENTA, 2000};
    session_wait(panel_shows, &thumbnail, "the layer's thumbnail in the panel");
    session_shot screen = session_screen(panel);
    assert_true(screen.height <= 740); /* usable where 768 pixels are all there is */
    session_shot_clear(&screen);
    session_keep_screen(panel, "panel-open.png");
}

static void words_become_a_layer_and_a_record(void **state)
{
    (void)state;
    session_shot idle = session_screen(panel);
    int colours = colours_of(&idle) + 500;
    session_shot_clear(&idle);
    session_type(panel, "make it winter");
    generate();
    wait_value(LAYERS_OF_FIRST, 2, "the result layer");
    g_autofree char *name = session_ask(
        "(display (car (gimp-item-get-name (vector-ref (cadr (gimp-image-get-layers first)) 0))))");
    assert_non_null(strstr(name, "make it winter"));
    g_autofree char *record =
        session_ask("(display (caddr (car (gimp-item-get-parasite (vector-ref (cadr "
                    "(gimp-image-get-layers first)) 0) \"thinking-edit\"))))");
    assert_non_null(strstr(record, "\"instruction\":\"make it winter\""));
    g_autofree char *history = session_ask(
        "(display (caddr (car (gimp-image-get-parasite first \"thinking-edit-history\"))))");
    assert_non_null(strstr(history, "\"instruction\":\"make it winter\""));
    session_wait(panel_is_colourful, &colours, "the result in the panel");
    session_keep_screen(0, "gimp-done.png");
}

static void reasoning_becomes_a_text_layer(void **state)
{
    (void)state;
    session_keys(panel, "alt+x");
    wait_value(LAYERS_OF_FIRST, 3, "the text layer");
    assert_int_equal(session_ask_int("(car (gimp-item-is-text-layer (vector-ref (cadr "
                                     "(gimp-image-get-layers first)) 0)))"),
                     1);
    undo_in_gimp();
    wait_value(LAYERS_OF_FIRST, 2, "the text layer to be undone");
}

static void one_undo_returns_the_exact_picture(void **state)
{
    (void)state;
    undo_in_gimp();
    wait_value(LAYERS_OF_FIRST, 1, "the layer to be undone");
    g_autofree char *path = session_path("undone.png");
    g_autofree char *save =
        g_strdup_printf("(begin (file-png-save-defaults RUN-NONINTERACTIVE first (car "
                        "(gimp-image-get-active-layer first)) \"%s\" \"%s\") (display 1))",
                        path, path);
    g_free(session_ask(save));
    assert_same_picture("undone.png", "first.png");
    g_autofree char *parasites = session_ask("(display (cadr (gimp-image-get-parasite-list first)))");
    assert_null(strstr(parasites, "thinking-edit-history"));
}

static void a_second_menu_call_goes_to_the_same_panel(void **state)
{
    (void)state;
    g_autofree char *path = session_path("second.png");
    g_autofree char *load = g_strdup_printf(
        "(begin (define second (car (gimp-file-load RUN-NONINTERACTIVE \"%s\" \"%s\"))) (define "
        "view (car (gimp-display-new second))) (display 1))",
        path, path);
    g_free(session_ask(load));
    call_menu();
    const seen thumbnail = {GREEN, 2000};
    session_wait(panel_shows, &thumbnail, "the other image's thumbnail in the panel");
    assert_int_equal(session_count("thinking-aware-edit"), 1);
}

static void escape_cancels(void **state)
{
    (void)state;
    pid_t server = session_server();
    assert_true(server > 0);
    kill(server, SIGSTOP);
    generate();
    session_shot busy = session_screen(panel);
    session_keys(panel, "Escape");
    session_wait(panel_differs, &busy, "the panel to say that it was cancelled");
    session_shot_clear(&busy);
    kill(server, SIGCONT);
    bool running = false;
    session_wait(is_queue, &running, "the server to be idle");
    assert_int_equal(session_ask_int(LAYERS_OF_SECOND), 1);
}

static void a_killed_server_is_told_and_tried_again(void **state)
{
    (void)state;
    bool running = true;
    int layers = session_ask_int(LAYERS_OF_SECOND);
    generate();
    session_wait(is_queue, &running, "the job to run");
    session_shot busy = session_screen(panel);
    kill(session_server(), SIGKILL);
    session_wait(panel_differs, &busy, "the panel to say that the server stopped");
    session_shot_clear(&busy);
    session_keys(panel, "alt+y");
    wait_value(LAYERS_OF_SECOND, layers + 1, "the edit after Try again");
}

static void closing_the_image_loses_no_result(void **state)
{
    (void)state;
    int images = session_ask_int(IMAGES_OPEN);
    pid_t server = session_server();
    kill(server, SIGSTOP);
    generate();
    g_free(session_ask("(begin (gimp-display-delete view) (display 1))"));
    wait_value(IMAGES_OPEN, images - 1, "the image to be closed");
    kill(server, SIGCONT);
    wait_value(IMAGES_OPEN, images, "the result as a new image");
    session_keep_screen(panel, "panel-closed-image.png");
}

static void closing_the_panel_ends_its_process(void **state)
{
    (void)state;
    session_close_window(panel);
    session_wait(plugin_is_gone, NULL, "the panel's process to end");
    assert_int_equal(
        session_ask_int("(car (gimp-procedural-db-proc-exists "
                        "\"plug-in-thinking-aware-edit-panel\"))"),
        0);
    assert_int_equal(session_ask_int(LAYERS_OF_FIRST), 1);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--keep")) session_keep = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(menu_opens_the_panel_for_the_layer),
        cmocka_unit_test(words_become_a_layer_and_a_record),
        cmocka_unit_test(reasoning_becomes_a_text_layer),
        cmocka_unit_test(one_undo_returns_the_exact_picture),
        cmocka_unit_test(a_second_menu_call_goes_to_the_same_panel),
        cmocka_unit_test(escape_cancels),
        cmocka_unit_test(a_killed_server_is_told_and_tried_again),
        cmocka_unit_test(closing_the_image_loses_no_result),
        cmocka_unit_test(closing_the_panel_ends_its_process),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
