/* screenshots.c - the pictures in the README: a real GIMP with the panel beside it, an edit under
 * way and done, taken from the screen. Runs like a test, so that a picture of something broken is
 * not taken.
 *
 * gimp_screenshots VERSION FOLDER [MODEL [INSTRUCTION]] leaves FOLDER/gimp.png and
 * FOLDER/panel.png. MODEL left out is the stand-in, whose words and pictures mean nothing.
 */
#include "parts.h"
#include "session.h"
#include "testing.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gio.h>

enum {
    SCREEN_WIDTH = 1400,
    SCREEN_HEIGHT = 860,
    PANEL_WIDTH = 450,
    GIMP_WIDTH = SCREEN_WIDTH - PANEL_WIDTH,
    GAP = 12
};

static const char *folder, *instruction = "make it winter";
static unsigned long panel, gimp;

static GdkPixbuf *shoot(unsigned long window)
{
    session_shot shot = session_screen(window);
    g_autofree char *path = session_path("shot.png");
    session_shot_save(&shot, path);
    session_shot_clear(&shot);
    GdkPixbuf *pixels = gdk_pixbuf_new_from_file(path, NULL);
    assert_non_null(pixels);
    return pixels;
}

static void keep(GdkPixbuf *pixels, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    assert_true(gdk_pixbuf_save(pixels, path, "png", NULL, "compression", "9", NULL));
}

static void keep_pair(GdkPixbuf *left, GdkPixbuf *right, const char *name)
{
    int height = MIN(gdk_pixbuf_get_height(left), gdk_pixbuf_get_height(right));
    int first = gdk_pixbuf_get_width(left), second = gdk_pixbuf_get_width(right);
    g_autoptr(GdkPixbuf) both =
        gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, first + GAP + second, height);
    gdk_pixbuf_fill(both, 0xffffffff);
    gdk_pixbuf_copy_area(left, 0, 0, first, height, both, 0, 0);
    gdk_pixbuf_copy_area(right, 0, 0, second, height, both, first + GAP, 0);
    keep(both, name);
}

static void open_gimp(void)
{
    g_autofree char *from = g_build_filename(TE_SOURCE, "installer", "demo.png", NULL);
    g_autofree char *to = session_path("street.png");
    g_autoptr(GFile) source = g_file_new_for_path(from);
    g_autoptr(GFile) copy = g_file_new_for_path(to);
    assert_true(g_file_copy(source, copy, G_FILE_COPY_NONE, NULL, NULL, NULL, NULL));
    session_gimp(true, "street.png");
    gimp = session_window("imported");
    session_move_window(gimp, 0, 0, GIMP_WIDTH, SCREEN_HEIGHT);
}

/* Three quarters of the steps are done, and so words and picture are half known (the embedded model
 * begins its picture at half); the stand-in may be faster than this can look, and then all are. */
static bool much_is_known(const void *unused)
{
    (void)unused;
    int step = 0, steps = 0;
    part over;
    g_autofree char *text = part_text("Step ");
    bool much = text && sscanf(text, "Step %d of %d", &step, &steps) == 2 && step * 4 >= 3 * steps;
    return much || part_find("Done in", &over);
}

static void the_readme_gets_its_pictures(void **state)
{
    (void)state;
    open_gimp();
    session_keys(gimp, "ctrl+shift+j"); /* the image as large as fits */
    session_keys(gimp, "ctrl+alt+t");
    panel = session_window("^Thinking-Aware Edit$");
    session_move_window(panel, GIMP_WIDTH, 0, PANEL_WIDTH, SCREEN_HEIGHT);
    session_keys(panel, "alt+w");
    session_type(panel, instruction);
    part_wait_text("Instruction", instruction);
    session_keys(panel, "ctrl+Return");
    session_wait(much_is_known, NULL, "three quarters of the steps");
    g_autoptr(GdkPixbuf) working = shoot(panel);
    part_wait("Done in");
    part slider = part_wait("Denoising step");
    g_autoptr(GdkPixbuf) done = shoot(0);
    session_click(panel, slider.x + slider.width * 2 / 3, slider.y + slider.height / 2);
    part_wait_text("Step ", "hidden");
    g_usleep(2 * G_USEC_PER_SEC); /* for the step's picture, which nothing announces */
    g_autoptr(GdkPixbuf) timeline = shoot(panel);
    keep(done, "gimp.png");
    keep_pair(working, timeline, "panel.png");
}

static int set_up(void **state)
{
    (void)state;
    session_screen_size = "1400x860";
    session_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    parts_close();
    session_end();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s VERSION FOLDER [MODEL [INSTRUCTION]]\n", argv[0]);
        return 2;
    }
    session_version = argv[1];
    folder = argv[2];
    session_keep = g_get_tmp_dir(); /* where waiting.png tells why it failed */
    if (argc > 3 && *argv[3]) session_model = argv[3];
    if (argc > 4) instruction = argv[4];
    const struct CMUnitTest pictures[] = {cmocka_unit_test(the_readme_gets_its_pictures)};
    return cmocka_run_group_tests(pictures, set_up, tear_down);
}
