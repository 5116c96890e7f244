/* session.c - see session.h. */
#include "session.h"

#include "testing.h"

#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE = 120, PATIENCE_AT_START = 300 }; /* seconds */

static struct {
    char *folder;
    GSubprocess *xvfb, *bus, *gimp;
    int port;
    bool windows;
} session;

const char *session_keep;
const char *session_version = GIMP_VERSION;
const char *session_screen_size = "1366x768";
const char *session_model;

char *session_path(const char *name)
{
    return g_build_filename(session.folder, name, NULL);
}

static void wait_for(session_condition holds, const void *data, const char *what, int seconds)
{
    gint64 end = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    while (!holds(data)) {
        if (g_get_monotonic_time() > end) {
            if (session.xvfb) session_keep_screen(0, "waiting.png");
            fail_msg("waited in vain for %s", what);
        }
        g_usleep(20000);
    }
}

void session_wait(session_condition holds, const void *data, const char *what)
{
    wait_for(holds, data, what, PATIENCE);
}

/* ---- folders ------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *text, int mode)
{
    g_autofree char *path = session_path(name);
    g_autofree char *folder = g_path_get_dirname(path);
    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, mode, NULL));
}

static void run(const char *const *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) process =
        g_subprocess_newv(command, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error);
    if (!process) fail_msg("%s: %s", command[0], error->message);
    if (!g_subprocess_wait_check(process, NULL, &error))
        fail_msg("%s %s: %s", command[0], command[1], error->message);
}

static void copy_plugin(void)
{
    g_autofree char *program = NULL;
    gsize size = 0;
    g_autofree char *path =
        g_build_filename(session.folder, "config/GIMP", session_version, "plug-ins",
                         "thinking-aware-edit/thinking-aware-edit", NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_true(g_file_get_contents(PLUGIN, &program, &size, NULL));
    assert_true(g_file_set_contents_full(path, program, (gssize)size, G_FILE_SET_CONTENTS_NONE,
                                         0755, NULL));
}

/* The plug-in finds "thinkedit" in the PATH: this one names the stand-in model to the server. */
static void write_starter(void)
{
    g_autofree char *stand_in = session_path("model.gguf");
    g_autofree char *text =
        g_strdup_printf("#!/bin/sh\n[ \"$2\" != --detach ] || set -- \"$@\" --model '%s' --threads "
                        "%d\nexec '%s' \"$@\"\n",
                        session_model ? session_model : stand_in, session_model ? 2 : 1, ENGINE);
    write_file("bin/thinkedit", text, 0755);
}

static void write_in_profile(const char *name, const char *text)
{
    g_autofree char *path = g_build_filename("config/GIMP", session_version, name, NULL);
    write_file(path, text, 0600);
}

static char *version_of_gimp(void)
{
    g_autofree char *program = g_strconcat("gimp-console-", session_version, NULL);
    g_autoptr(GSubprocess) process =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL,
                         program, "--version", NULL);
    char *said = NULL;
    if (!process || !g_subprocess_communicate_utf8(process, NULL, NULL, &said, NULL, NULL))
        fail_msg("%s does not start: install it", program);
    g_autofree char *line = g_strstrip(said);
    return g_strdup(strrchr(line, ' ') ? strrchr(line, ' ') + 1 : line);
}

/* No questions, no news, nothing remembered; Ctrl+Alt+T opens the panel. */
static void write_profile(void)
{
    static const char *const common = "(check-updates no)\n(save-session-info no)\n";
    if (session_version[0] == '2') {
        write_in_profile("gimprc", common);
        write_in_profile("menurc",
                         "(gtk_accel_path \"<Actions>/plug-in/plug-in-thinking-aware-edit\" "
                         "\"<Primary><Alt>t\")\n");
    } else { /* who has run this very version before gets no welcome window */
        g_autofree char *number = version_of_gimp();
        g_autofree char *text = g_strdup_printf(
            "%s(show-welcome-dialog no)\n(config-version \"%s\")\n", common, number);
        write_in_profile("gimprc", text);
        write_in_profile("shortcutsrc", "(file-version 1)\n(action \"plug-in-thinking-aware-edit\" "
                                        "\"<Primary><Alt>t\")\n");
    }
}

void session_start(void)
{
    session.folder = g_dir_make_tmp("thinkedit-panel-XXXXXX", NULL);
    assert_non_null(session.folder);
    const char *const parts[][2] = {{"XDG_CONFIG_HOME", "config"}, {"XDG_RUNTIME_DIR", "run"},
                                    {"XDG_STATE_HOME", "state"},   {"XDG_CACHE_HOME", "cache"},
                                    {"XDG_DATA_HOME", "data"},     {"HOME", "home"}};
    for (size_t i = 0; i < TEST_LENGTH(parts); i++) {
        g_autofree char *path = session_path(parts[i][1]);
        assert_int_equal(g_mkdir(path, 0700), 0);
        g_setenv(parts[i][0], path, TRUE);
    }
    g_autofree char *bin = session_path("bin"), *model = session_path("model.gguf");
    g_autofree char *search = g_strdup_printf("%s:%s", bin, g_getenv("PATH"));
    g_setenv("PATH", search, TRUE);
    g_setenv("LC_ALL", "C.UTF-8", TRUE);
    g_setenv("ASAN_OPTIONS", "detect_leaks=0", TRUE); /* GTK keeps what it has for good */
    copy_plugin();
    write_starter();
    write_profile();
    if (!session_model)
        run((const char *const[]){TE_SOURCE "/tests/stand-in/assemble", ENGINE, model, NULL});
}

/* ---- processes ----------------------------------------------------------------------------- */

static bool is_of_session(const char *pid, const char *program)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/environ", pid);
    g_autofree char *command = g_strdup_printf("/proc/%s/cmdline", pid);
    g_autofree char *environment = NULL, *line = NULL;
    gsize size = 0;
    if (!g_file_get_contents(path, &environment, &size, NULL)) return false;
    if (!g_file_get_contents(command, &line, NULL, NULL)) return false;
    g_autofree char *base = g_path_get_basename(line);
    if (program && strcmp(base, program)) return false;
    return memmem(environment, size, session.folder, strlen(session.folder)) != NULL;
}

/* Calls EACH for every process of PROGRAM (NULL: any) in this session; returns how many. */
static int processes(const char *program, void (*each)(pid_t pid, void *data), void *data)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;
    int n = 0;
    while ((name = g_dir_read_name(dir))) {
        pid_t pid = (pid_t)g_ascii_strtoll(name, NULL, 10);
        if (pid <= 0 || pid == getpid() || !is_of_session(name, program)) continue;
        n++;
        if (each) each(pid, data);
    }
    return n;
}

static void take_pid(pid_t pid, void *data)
{
    *(pid_t *)data = pid;
}

static void kill_process(pid_t pid, void *data)
{
    (void)data;
    kill(pid, SIGKILL);
}

int session_count(const char *program)
{
    return processes(program, NULL, NULL);
}

pid_t session_plugin(void)
{
    pid_t pid = 0;
    processes("thinking-aware-edit", take_pid, &pid);
    return pid;
}

pid_t session_server(void)
{
    g_autofree char *path = session_path("run/thinkedit/serve.lock");
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) return 0;
    pid_t pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
    return pid > 0 && !kill(pid, 0) ? pid : 0;
}

char *session_server_info(void)
{
    static const char request[] =
        "GET /v1/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    g_autofree char *path = session_path("run/thinkedit/serve.sock");
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) line =
        g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
    if (!line) return NULL;
    GString *text = g_string_new(NULL);
    char buffer[4096];
    gssize n;
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(line)), request,
                              sizeof request - 1, NULL, NULL, NULL);
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(line));
    while ((n = g_input_stream_read(in, buffer, sizeof buffer, NULL, NULL)) > 0)
        g_string_append_len(text, buffer, n);
    return g_string_free(text, FALSE);
}

pid_t session_gimp_pid(void)
{
    const char *id = session.gimp ? g_subprocess_get_identifier(session.gimp) : NULL;
    return id ? (pid_t)g_ascii_strtoll(id, NULL, 10) : 0;
}

/* A process that has ended and was not waited for is a zombie: its command line is empty. */
bool session_gimp_gone(void)
{
    pid_t pid = session_gimp_pid();
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid), *line = NULL;
    return pid <= 0 || !g_file_get_contents(path, &line, NULL, NULL) || !*line;
}

void session_kill_gimp(void)
{
    if (!session.gimp) return;
    g_subprocess_force_exit(session.gimp);
    g_subprocess_wait(session.gimp, NULL, NULL);
    g_clear_object(&session.gimp);
    /* GIMP's own, which wait on a socket */
    processes("script-fu", kill_process, NULL);
    processes("script-fu-server", kill_process, NULL);
}

void session_end(void)
{
    session_kill_gimp();
    GSubprocess *ours[] = {session.xvfb, session.bus};
    for (size_t i = 0; i < TEST_LENGTH(ours); i++) {
        if (ours[i]) g_subprocess_force_exit(ours[i]);
        g_clear_object(&ours[i]);
    }
    processes(NULL, kill_process, NULL);
    run((const char *const[]){"rm", "-rf", session.folder, NULL});
    g_free(session.folder);
}

/* ---- GIMP ---------------------------------------------------------------------------------- */

/* Starts a server that prints where it is; the line it printed, g_free(). */
static char *start_server(GSubprocess **process, const char *const *command)
{
    GString *line = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    char c = 0;
    *process = g_subprocess_newv(
        command, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error);
    if (!*process) fail_msg("%s: %s", command[0], error->message);
    GInputStream *out = g_subprocess_get_stdout_pipe(*process);
    while (c != '\n') { /* may come in parts */
        if (g_input_stream_read(out, &c, 1, NULL, NULL) != 1)
            fail_msg("%s did not start", command[0]);
        g_string_append_c(line, c);
    }
    return g_strchomp(g_string_free(line, FALSE));
}

static void start_xvfb(void)
{
    g_autofree char *screen = g_strconcat(session_screen_size, "x24", NULL);
    const char *const xvfb[] = {"Xvfb", "-displayfd", "1",   "-screen", "0",
                                screen, "-nolisten",  "tcp", NULL};
    const char *const dbus[] = {"dbus-daemon", "--session", "--nofork", "--print-address", NULL};
    g_autofree char *number = start_server(&session.xvfb, xvfb);
    g_autofree char *display = g_strdup_printf(":%s", number);
    g_setenv("DISPLAY", display, TRUE);
    g_autofree char *address = start_server(&session.bus, dbus);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
}

static int free_port(void)
{
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    int port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
    g_socket_listener_close(listener);
    return port;
}

static bool answers(const void *unused)
{
    (void)unused;
    g_autofree char *said = session_try("(display 1)");
    return said && *said == '1';
}

static void add_all(GPtrArray *command, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) g_ptr_array_add(command, (char *)words[i]);
}

void session_gimp(bool windows, const char *name)
{
    g_autoptr(GError) error = NULL;
    if (windows && !session.xvfb) start_xvfb();
    session.port = free_port();
    bool old = session_version[0] == '2';
    g_autofree char *batch =
        g_strdup_printf(old ? "(plug-in-script-fu-server RUN-NONINTERACTIVE \"127.0.0.1\" %d \"\")"
                            : "(plug-in-script-fu-server #:run-mode RUN-NONINTERACTIVE #:ip "
                              "\"127.0.0.1\" #:port %d #:logfile \"\")",
                        session.port);
    g_autofree char *file = session_path(name);
    g_autofree char *program =
        g_strconcat(windows ? "gimp-" : "gimp-console-", session_version, NULL);
    g_autoptr(GPtrArray) command = g_ptr_array_new();
    const char *const start[] = {program, windows ? "-n" : "-i", "-d", windows ? "-s" : "-f"};
    const char *const interpreter[] = {"--batch-interpreter", "plug-in-script-fu-eval"};
    const char *const rest[] = {"-b", batch, windows ? file : NULL, NULL};
    add_all(command, start, TEST_LENGTH(start));
    if (!old) add_all(command, interpreter, TEST_LENGTH(interpreter));
    add_all(command, rest, TEST_LENGTH(rest));
    session.gimp = g_subprocess_newv(
        (const char *const *)command->pdata,
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error);
    if (!session.gimp) fail_msg("%s: %s", program, error->message);
    wait_for(answers, NULL, "GIMP's Script-Fu server", PATIENCE_AT_START);
    g_autofree char *prelude = g_strdup_printf("(begin (load \"%s/tests/gimp/prelude-%s.scm\") "
                                               "(load \"%s/tests/gimp/prelude.scm\") (display 1))",
                                               TE_SOURCE, old ? "2.10" : "3", TE_SOURCE);
    g_free(session_ask(prelude));
}

static bool read_all(GInputStream *in, void *bytes, gsize n)
{
    gsize got = 0;
    return g_input_stream_read_all(in, bytes, n, &got, NULL, NULL) && got == n;
}

/* 'G', length; answer: 'G', error flag, length, text. */
char *session_try(const char *expression)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_enable_proxy(client, FALSE);
    g_autoptr(GSocketConnection) line =
        g_socket_client_connect_to_host(client, "127.0.0.1", (guint16)session.port, NULL, NULL);
    if (!line) return NULL;
    gsize n = strlen(expression);
    guchar head[4] = {'G', (guchar)(n >> 8), (guchar)n};
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(line));
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(line));
    if (!g_output_stream_write_all(out, head, 3, NULL, NULL, NULL) ||
        !g_output_stream_write_all(out, expression, n, NULL, NULL, NULL))
        return NULL;
    if (!read_all(in, head, 4)) return NULL;
    n = (gsize)head[2] << 8 | head[3];
    g_autofree char *text = g_malloc0(n + 1);
    if (!read_all(in, text, n) || head[1]) return NULL;
    return g_steal_pointer(&text);
}

char *session_ask(const char *expression)
{
    char *said = session_try(expression);
    if (!said) fail_msg("GIMP failed at %s", expression);
    return said;
}

void session_do(const char *expression)
{
    g_autofree char *whole = g_strdup_printf("(begin %s (display 1))", expression);
    g_free(session_ask(whole));
}

int session_ask_int(const char *expression)
{
    g_autofree char *whole = g_strdup_printf("(display %s)", expression);
    g_autofree char *said = session_ask(whole);
    return (int)g_ascii_strtoll(said, NULL, 10);
}

/* ---- windows ------------------------------------------------------------------------------- */

static char *xdotool(const char *const *arguments)
{
    g_autoptr(GPtrArray) command = g_ptr_array_new();
    char *said = NULL;
    g_ptr_array_add(command, (char *)"xdotool");
    for (; *arguments; arguments++) g_ptr_array_add(command, (char *)*arguments);
    g_ptr_array_add(command, NULL);
    g_autoptr(GSubprocess) process =
        g_subprocess_newv((const char *const *)command->pdata,
                          G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL);
    assert_non_null(process);
    g_subprocess_communicate_utf8(process, NULL, NULL, &said, NULL, NULL);
    return said;
}

static unsigned long find_window(const char *title)
{
    g_autofree char *said =
        xdotool((const char *const[]){"search", "--onlyvisible", "--name", title, NULL});
    return said ? strtoul(said, NULL, 10) : 0;
}

static bool window_there(const void *title)
{
    return find_window(title) != 0;
}

bool session_has_window(const char *title)
{
    return window_there(title);
}

unsigned long session_window(const char *title)
{
    session_wait(window_there, title, title);
    return find_window(title);
}

/* Without a window manager nobody else sets the focus. */
static void focus(unsigned long window)
{
    g_autofree char *id = g_strdup_printf("%lu", window);
    g_free(xdotool((const char *const[]){"windowraise", id, "windowfocus", "--sync", id, NULL}));
}

void session_keys(unsigned long window, const char *keys)
{
    focus(window);
    g_free(xdotool((const char *const[]){"key", "--clearmodifiers", keys, NULL}));
}

void session_type(unsigned long window, const char *text)
{
    focus(window);
    g_free(xdotool((const char *const[]){"type", "--delay", "15", text, NULL}));
}

void session_click(unsigned long window, int x, int y)
{
    g_autofree char *id = g_strdup_printf("%lu", window);
    g_autofree char *right = g_strdup_printf("%d", x), *down = g_strdup_printf("%d", y);
    focus(window);
    g_free(xdotool(
        (const char *const[]){"mousemove", "--window", id, right, down, "click", "1", NULL}));
}

void session_move_window(unsigned long window, int x, int y, int width, int height)
{
    g_autofree char *id = g_strdup_printf("%lu", window);
    g_autofree char *right = g_strdup_printf("%d", x), *down = g_strdup_printf("%d", y);
    g_autofree char *wide = g_strdup_printf("%d", width), *high = g_strdup_printf("%d", height);
    g_free(xdotool((const char *const[]){"windowsize", "--sync", id, wide, high, "windowmove", id,
                                         right, down, NULL}));
}

void session_close_window(unsigned long window)
{
    Display *display = XOpenDisplay(NULL);
    assert_non_null(display);
    XEvent event = {.xclient = {.type = ClientMessage, .window = window, .format = 32}};
    event.xclient.message_type = XInternAtom(display, "WM_PROTOCOLS", False);
    event.xclient.data.l[0] = (long)XInternAtom(display, "WM_DELETE_WINDOW", False);
    XSendEvent(display, window, False, NoEventMask, &event);
    XCloseDisplay(display);
}

/* Nothing may lie over the window: what is seen is what is on the screen. */
session_shot session_screen(unsigned long window)
{
    Display *display = XOpenDisplay(NULL);
    XWindowAttributes a;
    assert_non_null(display);
    if (window)
        XRaiseWindow(display, window);
    else
        window = DefaultRootWindow(display);
    XSync(display, False);
    XGetWindowAttributes(display, window, &a);
    Window child;
    int x, y, screen_width = DisplayWidth(display, 0), screen_height = DisplayHeight(display, 0);
    XTranslateCoordinates(display, window, DefaultRootWindow(display), 0, 0, &x, &y, &child);
    session_shot shot = {MIN(a.width, screen_width - x), MIN(a.height, screen_height - y), NULL};
    XImage *image = XGetImage(display, window, 0, 0, (unsigned)shot.width, (unsigned)shot.height,
                              AllPlanes, ZPixmap);
    assert_non_null(image);
    shot.rgb = g_new(unsigned, (gsize)shot.width *(gsize)shot.height);
    for (int j = 0; j < shot.height; j++)
        for (int i = 0; i < shot.width; i++)
            shot.rgb[j * shot.width + i] = (unsigned)XGetPixel(image, i, j) & 0xffffff;
    XDestroyImage(image);
    XCloseDisplay(display);
    return shot;
}

void session_shot_clear(session_shot *shot)
{
    g_clear_pointer(&shot->rgb, g_free);
}

void session_shot_save(const session_shot *shot, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GdkPixbuf) pixels =
        gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, shot->width, shot->height);
    guchar *data = gdk_pixbuf_get_pixels(pixels);
    int stride = gdk_pixbuf_get_rowstride(pixels);
    for (int y = 0; y < shot->height; y++)
        for (int x = 0; x < shot->width; x++) {
            unsigned c = shot->rgb[y * shot->width + x];
            guchar *p = data + y * stride + x * 3;
            p[0] = (guchar)(c >> 16);
            p[1] = (guchar)(c >> 8);
            p[2] = (guchar)c;
        }
    if (!gdk_pixbuf_save(pixels, path, "png", &error, "compression", "9", NULL))
        fail_msg("%s: %s", path, error->message);
}

void session_keep_screen(unsigned long window, const char *name)
{
    if (!session_keep) return;
    g_autofree char *path = g_build_filename(session_keep, name, NULL);
    session_shot shot = session_screen(window);
    session_shot_save(&shot, path);
    session_shot_clear(&shot);
}
