/* place.c - see place.h. Refuses runtime folders that somebody else owns or may enter: whoever can
 * swap the socket can read a user's pictures. */
#include "server/place.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

te_status ti_server_fail(te_error *err, te_status status, const char *format, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, format);
    g_vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    err->status = status;
    return status;
}

te_status ti_runtime_folder(char **out, te_error *err)
{
    const char *xdg = g_getenv("XDG_RUNTIME_DIR");
    char *path = xdg && g_path_is_absolute(xdg)
                     ? g_build_filename(xdg, "thinkedit", NULL)
                     : g_strdup_printf("/tmp/thinkedit-%u", (unsigned)getuid());
    *out = NULL;
    if (g_mkdir(path, 0700) && errno != EEXIST) {
        te_status st = ti_server_fail(err, TE_IO, "%s: cannot make the runtime folder: %s", path,
                                      g_strerror(errno));
        g_free(path);
        return st;
    }
    struct stat info;
    if (lstat(path, &info) || !S_ISDIR(info.st_mode) || info.st_uid != getuid() ||
        (info.st_mode & 077)) {
        te_status st =
            ti_server_fail(err, TE_IO,
                           "%s is not a folder that belongs to you alone: remove it or set "
                           "its mode to 0700",
                           path);
        g_free(path);
        return st;
    }
    *out = path;
    return TE_OK;
}

static te_status parse_tcp(ti_address *out, const char *text, te_error *err)
{
    const char *colon = strrchr(text, ':'), *port_text = colon ? colon + 1 : text;
    char *host = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup("127.0.0.1");
    size_t n = strlen(host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
    }
    guint64 port;
    te_status st = TE_OK;
    if (!g_ascii_string_to_unsigned(port_text, 10, 0, 65535, &port, NULL) ||
        !(out->socket = g_inet_socket_address_new_from_string(host, (guint)port)))
        st = ti_server_fail(err, TE_INVALID,
                            "'%s' is no address to listen on: give unix:PATH, PORT or ADDRESS:PORT",
                            text);
    g_free(host);
    return st;
}

te_status ti_address_parse(ti_address *out, const char *text, te_error *err)
{
    *out = (ti_address){NULL, NULL};
    if (text && !g_str_has_prefix(text, "unix:")) return parse_tcp(out, text, err);
    if (text && text[5])
        out->path = g_strdup(text + 5);
    else if (text)
        return ti_server_fail(err, TE_INVALID, "'unix:' needs a path after it");
    else {
        char *folder;
        te_status st = ti_runtime_folder(&folder, err);
        if (st) return st;
        out->path = g_build_filename(folder, "serve.sock", NULL);
        g_free(folder);
    }
    if (strlen(out->path) > 107) {
        te_status st = ti_server_fail(
            err, TE_INVALID, "%s is too long for a socket (107 bytes): choose a shorter path",
            out->path);
        ti_address_clear(out);
        return st;
    }
    return TE_OK;
}

void ti_address_clear(ti_address *address)
{
    g_free(address->path);
    g_clear_object(&address->socket);
    address->path = NULL;
}

/* ---- lock ----------------------------------------------------------------------------------- */

/* FLAGS: O_CREAT or 0. */
static te_status open_lock(int *fd, int flags, te_error *err)
{
    char *folder;
    te_status st = ti_runtime_folder(&folder, err);
    if (st) return st;
    char *path = g_build_filename(folder, "serve.lock", NULL);
    *fd = open(path, O_RDWR | flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        st = ti_server_fail(err, TE_IO, "%s: cannot open the lock: %s", path, g_strerror(errno));
    g_free(path);
    g_free(folder);
    return st;
}

/* Whether FD is still the file of that name: who held the lock before may have removed it
 * meanwhile. */
static gboolean lock_is_current(int fd)
{
    struct stat held, named;
    char *folder;
    if (ti_runtime_folder(&folder, NULL)) return FALSE;
    char *path = g_build_filename(folder, "serve.lock", NULL);
    gboolean same = !fstat(fd, &held) && !stat(path, &named) && held.st_ino == named.st_ino &&
                    held.st_dev == named.st_dev;
    g_free(path);
    g_free(folder);
    return same;
}

te_status ti_lock_take(int *fd, te_error *err)
{
    te_status st;
    for (;;) {
        st = open_lock(fd, O_CREAT, err);
        if (st) return st;
        if (flock(*fd, LOCK_EX | LOCK_NB)) {
            close(*fd);
            return ti_server_fail(
                err, TE_INVALID,
                "a server of yours is running already (process %d): use it, or end "
                "it with thinkedit serve --stop",
                ti_lock_holder());
        }
        if (lock_is_current(*fd)) break;
        close(*fd);
    }
    char pid[24];
    int n = g_snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(*fd, 0) || write(*fd, pid, (size_t)n) != n) {
        st = ti_server_fail(err, TE_IO, "cannot write the lock file: %s", g_strerror(errno));
        close(*fd);
    }
    return st;
}

int ti_lock_holder(void)
{
    int fd, pid = 0;
    if (open_lock(&fd, 0, NULL)) return 0;
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        char text[24] = "";
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        if (n > 0) pid = (int)g_ascii_strtoll(text, NULL, 10);
    }
    close(fd);
    return pid;
}

void ti_lock_release(int fd)
{
    char *folder;
    if (!ti_runtime_folder(&folder, NULL)) {
        char *path = g_build_filename(folder, "serve.lock", NULL);
        g_unlink(path);
        g_free(path);
        g_free(folder);
    }
    close(fd);
}

/* ---- token ---------------------------------------------------------------------------------- */

static te_status make_token(const char *path, te_error *err)
{
    guchar bytes[32];
    char text[2 * sizeof bytes + 2];
    int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    gboolean ok = random >= 0 && read(random, bytes, sizeof bytes) == (ssize_t)sizeof bytes;
    if (random >= 0) close(random);
    for (size_t i = 0; i < sizeof bytes; i++) g_snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    text[2 * sizeof bytes] = '\n';
    char *folder = g_path_get_dirname(path);
    g_mkdir_with_parents(folder, 0700);
    g_free(folder);
    int fd = ok ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || write(fd, text, 2 * sizeof bytes + 1) != (ssize_t)(2 * sizeof bytes + 1))
        ok = FALSE;
    if (fd >= 0 && close(fd)) ok = FALSE;
    return ok ? TE_OK
              : ti_server_fail(err, TE_IO, "%s: cannot write a token there: %s", path,
                               g_strerror(errno));
}

te_status ti_token_read(const char *file, char **out, te_error *err)
{
    char *path = file ? g_strdup(file)
                      : g_build_filename(g_get_user_config_dir(), "thinkedit", "token", NULL);
    te_status st = TE_OK;
    *out = NULL;
    if (!file && !g_file_test(path, G_FILE_TEST_EXISTS)) st = make_token(path, err);
    gsize n = 0;
    char *text = NULL;
    if (!st && !g_file_get_contents(path, &text, &n, NULL))
        st = ti_server_fail(err, TE_IO, "%s: cannot read the token", path);
    if (!st) {
        text[strcspn(text, "\r\n")] = '\0';
        if (strlen(text) < 16)
            st = ti_server_fail(err, TE_INVALID,
                                "%s: the token is shorter than 16 characters: write a longer one",
                                path);
    }
    if (st)
        g_free(text);
    else
        *out = text;
    g_free(path);
    return st;
}

gboolean ti_token_equal(const char *expected, const char *given)
{
    size_t n = strlen(expected), m = strlen(given);
    unsigned char difference = n != m;
    for (size_t i = 0; i < n; i++)
        difference |= (unsigned char)(expected[i] ^ given[m ? i % m : 0]);
    return difference == 0;
}

char *ti_log_path(void)
{
    char *folder = g_build_filename(g_get_user_state_dir(), "thinkedit", NULL);
    g_mkdir_with_parents(folder, 0700);
    char *path = g_build_filename(folder, "serve.log", NULL);
    g_free(folder);
    return path;
}
