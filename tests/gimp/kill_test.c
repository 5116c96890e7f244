/* kill_test.c - kill -9 of the server, the plug-in and GIMP at random moments of an edit, fifty
 * times: the picture is either as it was or has the whole result, the file opens, the next edit
 * works, and in the end no process and no lock is left.
 *
 * test_gimp_kill [VERSION [ROUNDS [SEED]]]: GIMP "2.10", "3.0" or "3.2"
 */
#include "session.h"
#include "testing.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gio.h>
#include <signal.h>
#include <sys/file.h>
#include <fcntl.h>
#include <unistd.h>

enum { WIDTH = 120, HEIGHT = 90 };

#ifdef __SANITIZE_ADDRESS__
static int rounds = 10; /* everything takes five times as long */
#else
static int rounds = 50;
#endif
static guint32 seed = 1;
static GRand *dice;
static int finished, unfinished; /* edits that were done before the kill, and not */

#define EDIT                                                                                       \
    "(te-edit image (te-bottom image) \"make it winter\" 0 te-false "                              \
    "\"text-steps=4 image-steps=4 text-len=16\")"

static void load(const char *name)
{
    g_autofree char *path = session_path(name);
    g_autofree char *expression = g_strdup_printf("(define image (te-load \"%s\"))", path);
    session_gimp(false, name);
    session_do(expression);
}

/* The layer that is edited, as GIMP has it now. */
static void assert_source_is_whole(void)
{
    g_autofree char *now = session_path("now.png"), *before = session_path("in.png");
    g_autofree char *export = g_strdup_printf("(te-export (te-bottom image) \"%s\")", now);
    session_do(export);
    g_autoptr(GdkPixbuf) p = gdk_pixbuf_new_from_file(now, NULL);
    g_autoptr(GdkPixbuf) q = gdk_pixbuf_new_from_file(before, NULL);
    assert_non_null(p);
    assert_int_equal(gdk_pixbuf_get_byte_length(p), gdk_pixbuf_get_byte_length(q));
    assert_memory_equal(gdk_pixbuf_read_pixels(p), gdk_pixbuf_read_pixels(q),
                        gdk_pixbuf_get_byte_length(p));
}

/* One layer, or two of which the upper has its record: nothing in between. */
static void assert_whole(void)
{
    int layers = session_ask_int("(length (te-layers image))");
    assert_in_range(layers, 1, 2);
    if (layers == 2) {
        g_autofree char *record = session_ask("(display (te-record (te-top image)))");
        assert_non_null(strstr(record, "\"reasoning\""));
        session_do("(gimp-image-remove-layer image (te-top image))");
        finished++;
    } else {
        unfinished++;
    }
    assert_source_is_whole();
}

static void *edit_thread(void *unused)
{
    (void)unused;
    return session_try("(begin " EDIT " (display 1))");
}

static int set_up(void **state)
{
    (void)state;
    dice = g_rand_new_with_seed(seed);
    session_start();
    g_autofree char *path = session_path("in.png");
    g_autoptr(GdkPixbuf) pixels = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, WIDTH, HEIGHT);
    guchar *data = gdk_pixbuf_get_pixels(pixels);
    for (gsize i = 0; i < gdk_pixbuf_get_byte_length(pixels); i++)
        data[i] = (guchar)g_rand_int_range(dice, 0, 256);
    assert_true(gdk_pixbuf_save(pixels, path, "png", NULL, NULL));
    load("in.png");
    g_autofree char *keep = session_path("picture.xcf");
    g_autofree char *save = g_strdup_printf("(te-save image \"%s\")", keep);
    session_do(save);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    session_end();
    g_rand_free(dice);
    return 0;
}

static bool nothing_runs(const void *unused)
{
    (void)unused;
    return session_count("thinking-aware-edit") == 0;
}

static void whatever_is_killed_the_picture_is_whole(void **state)
{
    enum { KILL_SERVER, KILL_PLUGIN, KILL_GIMP };
    static const int victims[] = {KILL_SERVER, KILL_PLUGIN, KILL_SERVER, KILL_PLUGIN, KILL_GIMP};
    (void)state;
    gint64 start = g_get_monotonic_time();
    session_do(EDIT); /* how long an edit takes, server and all */
    assert_whole();
    gulong longest = (gulong)(g_get_monotonic_time() - start);
    for (int i = 0; i < rounds; i++) {
        int victim = victims[(size_t)i % TEST_LENGTH(victims)];
        GThread *thread = g_thread_new("edit", edit_thread, NULL);
        g_usleep((gulong)g_rand_double_range(dice, 0, (double)longest));
        pid_t pid = victim == KILL_SERVER   ? session_server()
                    : victim == KILL_PLUGIN ? session_plugin()
                                            : 0;
        if (pid > 0) kill(pid, SIGKILL);
        if (victim == KILL_GIMP) session_kill_gimp();
        g_free(g_thread_join(thread));
        session_wait(nothing_runs, NULL, "the plug-in's process to end");
        if (victim == KILL_GIMP) load("picture.xcf"); /* the file on disk opens */
        assert_whole();
    }
    print_message("%d edits were done before the kill, %d not (seed %u)\n", finished, unfinished,
                  seed);
    session_do(EDIT); /* after all that, it works */
    assert_int_equal(session_ask_int("(length (te-layers image))"), 2);
}

static bool no_engine_runs(const void *unused)
{
    (void)unused;
    return session_count("thinkedit") == 0;
}

static bool lock_is_free(const void *unused)
{
    (void)unused;
    g_autofree char *path = session_path("run/thinkedit/serve.lock");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool is_free = fd < 0 || !flock(fd, LOCK_EX | LOCK_NB);
    if (fd >= 0) close(fd);
    return is_free;
}

static void nothing_stays_behind(void **state)
{
    (void)state;
    session_kill_gimp();
    session_wait(nothing_runs, NULL, "the plug-in's process to end");
    assert_true(session_count("thinkedit") <= 1); /* the one server of this user, no other */
    g_autoptr(GSubprocess) stop =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE, NULL, ENGINE, "serve", "--stop", NULL);
    assert_non_null(stop);
    assert_true(g_subprocess_wait_check(stop, NULL, NULL));
    session_wait(no_engine_runs, NULL, "the server's process to end");
    session_wait(lock_is_free, NULL, "the lock to be free");
}

int main(int argc, char **argv)
{
    if (argc > 1) session_version = argv[1];
    if (argc > 2) rounds = (int)g_ascii_strtoll(argv[2], NULL, 10);
    if (argc > 3) seed = (guint32)g_ascii_strtoll(argv[3], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_killed_the_picture_is_whole),
        cmocka_unit_test(nothing_stays_behind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
