/* panel_steps.c - see panel_steps.h */
#include "panel_steps.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>

#define IMAGES "imported"

enum { WIDTH = 200, HEIGHT = 150 };

unsigned long panel, gimp;

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

void wait_value(const char *expression, int value, const char *what)
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

bool panel_shows(const void *data)
{
    const seen *s = data;
    session_shot shot = session_screen(panel);
    bool there = pixels_of(&shot, s->colour) >= s->least;
    session_shot_clear(&shot);
    return there;
}

static bool is_queue(const void *running)
{
    g_autofree char *info = session_server_info();
    if (!info || !strstr(info, "\"running\":")) return false;
    return !strstr(info, "\"running\":null") == *(const bool *)running;
}

void wait_for_job(bool running)
{
    session_wait(is_queue, &running, running ? "the job to run" : "the server to be idle");
}

bool one_plugin_runs(const void *unused)
{
    (void)unused;
    return session_count("thinking-aware-edit") == 1;
}

bool plugin_is_gone(const void *unused)
{
    (void)unused;
    return session_count("thinking-aware-edit") == 0;
}

bool panel_is_usable(const void *name)
{
    part p;
    return part_find(name, &p) && p.usable;
}

bool is_hidden(const void *name)
{
    part p;
    return !part_find(name, &p);
}

/* ---- steps --------------------------------------------------------------------------------- */

char *ask_text(const char *expression)
{
    g_autofree char *whole = g_strdup_printf("(display %s)", expression);
    char *said = session_ask(whole);
    if (g_str_has_suffix(said, "#t")) said[strlen(said) - 2] = '\0'; /* what display gives back */
    return said;
}

void wait_idle(void)
{
    session_wait(panel_is_usable, "Generate", "Generate to be usable");
}

void signal_server(int signal)
{
    pid_t pid = session_server();
    assert_true(pid > 0);
    assert_int_equal(kill(pid, signal), 0);
}

/* Presses Generate while the server stands still, so that what follows comes in the middle of an
 * edit. */
void generate_held(void)
{
    wait_idle();
    signal_server(SIGSTOP);
    session_keys(panel, "ctrl+Return");
    session_wait(panel_is_usable, "Cancel", "the panel to take the edit");
}

void generate(void)
{
    generate_held();
    signal_server(SIGCONT);
}

void call_menu(void)
{
    session_keys(gimp, "ctrl+alt+t");
}

void undo_in_gimp(void)
{
    session_keys(gimp, "ctrl+z");
}

/* Writes TEXT in the place of the instruction. */
void write_instruction(const char *text)
{
    session_keys(panel, "alt+w");
    session_keys(panel, "ctrl+a");
    session_type(panel, text);
    part_wait_text("Instruction", text);
}

static void write_picture(const char *name, unsigned rgb)
{
    g_autofree char *path = session_path(name);
    g_autoptr(GdkPixbuf) pixels = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, WIDTH, HEIGHT);
    gdk_pixbuf_fill(pixels, rgb << 8 | 0xff);
    assert_true(gdk_pixbuf_save(pixels, path, "png", NULL, NULL));
}

static GdkPixbuf *load(const char *name)
{
    g_autofree char *path = session_path(name);
    GdkPixbuf *pixels = gdk_pixbuf_new_from_file(path, NULL);
    if (!pixels) fail_msg("GIMP left no %s", name);
    return pixels;
}

/* What IMAGE shows now, as file NAME. */
void save_flat(const char *image, const char *name)
{
    g_autofree char *path = session_path(name);
    g_autofree char *save = g_strdup_printf("(te-flat %s \"%s\")", image, path);
    session_do(save);
}

static bool same_pixel(GdkPixbuf *a, GdkPixbuf *b, int x, int y)
{
    gsize at = (gsize)y * (gsize)gdk_pixbuf_get_rowstride(a) +
               (gsize)x * (gsize)gdk_pixbuf_get_n_channels(a);
    gsize bt = (gsize)y * (gsize)gdk_pixbuf_get_rowstride(b) +
               (gsize)x * (gsize)gdk_pixbuf_get_n_channels(b);
    return !memcmp(gdk_pixbuf_read_pixels(a) + at, gdk_pixbuf_read_pixels(b) + bt, 3);
}

/* How many pixels differ; those outside KEEP (NULL: none) must not. */
int differing(const char *a, const char *b, const area *keep)
{
    g_autoptr(GdkPixbuf) p = load(a);
    g_autoptr(GdkPixbuf) q = load(b);
    int n = 0;
    assert_int_equal(gdk_pixbuf_get_width(p), gdk_pixbuf_get_width(q));
    assert_int_equal(gdk_pixbuf_get_height(p), gdk_pixbuf_get_height(q));
    for (int y = 0; y < gdk_pixbuf_get_height(p); y++)
        for (int x = 0; x < gdk_pixbuf_get_width(p); x++) {
            if (same_pixel(p, q, x, y)) continue;
            if (keep && (x < keep->x || x >= keep->x + keep->width || y < keep->y ||
                         y >= keep->y + keep->height))
                fail_msg("pixel %d,%d outside the selection was changed", x, y);
            n++;
        }
    return n;
}

/* The part is on the screen, inside the window, and something is drawn there. */
static bool is_drawn(const void *name)
{
    part p;
    if (!part_find(name, &p)) return false;
    session_shot shot = session_screen(panel);
    g_autoptr(GHashTable) colours = g_hash_table_new(g_direct_hash, g_direct_equal);
    bool inside = p.x >= 0 && p.y >= 0 && p.width >= 8 && p.height >= 3 &&
                  p.x + p.width <= shot.width && p.y + p.height <= shot.height;
    for (int y = p.y; inside && y < p.y + p.height; y++)
        for (int x = p.x; x < p.x + p.width; x++)
            g_hash_table_add(colours, GUINT_TO_POINTER(shot.rgb[y * shot.width + x]));
    session_shot_clear(&shot);
    return g_hash_table_size(colours) > 1;
}

void assert_drawn(const char *name)
{
    g_autofree char *what = g_strdup_printf("\"%s\" to be drawn in the window", name);
    session_wait(is_drawn, name, what);
}

int panel_set_up(void **state)
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
    assert_true(g_file_set_contents(
        gtk, "[Settings]\ngtk-cursor-blink=0\ngtk-enable-animations=0\n", -1, NULL));
    session_gimp(true, "first.png");
    gimp = session_window(IMAGES);
    session_do("(define first (car (te-images)))");
    return 0;
}

int panel_tear_down(void **state)
{
    (void)state;
    parts_close();
    session_end();
    return 0;
}
