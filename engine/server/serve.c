/* serve.c - the life of a server: lock, addresses, clocks, signals, and the detached start. */
#include "server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <gio/gunixsocketaddress.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/place.h"
#include "server/server.h"

void ti_serve_options_init(ti_serve_options *opt)
{
    *opt =
        (ti_serve_options){.idle_unload = 300, .idle_exit = 900, .max_jobs = 64, .max_body = 256};
}

/* ---- listening --------------------------------------------------------------------------- */

static te_status listen_socket_file(ti_server *server, const char *path, te_error *err)
{
    GError *error = NULL;
    g_unlink(path); /* the lock is ours, so whoever made it is gone */
    GSocketAddress *address = g_unix_socket_address_new(path);
    mode_t before = umask(0177);
    gboolean ok = FALSE;
    GSocket *socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, &error);
    if (socket)
        ok = g_socket_bind(socket, address, FALSE, &error) && g_socket_listen(socket, &error) &&
             soup_server_listen_socket(server->soup, socket, 0, &error);
    umask(before);
    g_clear_object(&socket);
    g_object_unref(address);
    te_status st =
        ok ? TE_OK
           : ti_server_fail(err, TE_IO, "%s: cannot listen there: %s", path, error->message);
    g_clear_error(&error);
    if (ok) g_print("listening on unix:%s\n", path);
    return st;
}

static te_status listen_tcp(ti_server *server, const char *text, GSocketAddress *address,
                            te_error *err)
{
    GError *error = NULL;
    GSocket *socket =
        g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM, 0, &error);
    gboolean ok = socket && g_socket_bind(socket, address, TRUE, &error) &&
                  g_socket_listen(socket, &error) &&
                  soup_server_listen_socket(server->soup, socket, 0, &error);
    te_status st = TE_OK;
    if (ok) {
        GInetSocketAddress *bound = G_INET_SOCKET_ADDRESS(g_socket_get_local_address(socket, NULL));
        char *host = g_inet_address_to_string(g_inet_socket_address_get_address(bound));
        gboolean v6 = strchr(host, ':') != NULL;
        g_print("listening on http://%s%s%s:%u\n", v6 ? "[" : "", host, v6 ? "]" : "",
                g_inet_socket_address_get_port(bound));
        g_free(host);
        g_object_unref(bound);
    } else {
        st = ti_server_fail(err, TE_IO, "%s: cannot listen there: %s", text, error->message);
    }
    g_clear_error(&error);
    g_clear_object(&socket);
    return st;
}

static te_status listen_all(ti_server *server, GPtrArray *paths, te_error *err)
{
    static const char *const own[] = {NULL, NULL};
    const char *const *list =
        server->opt->listen && server->opt->listen[0] ? server->opt->listen : own;
    te_status st = TE_OK;
    for (int i = 0; !st && (list[i] || (list == own && i == 0)); i++) {
        ti_address address;
        st = ti_address_parse(&address, list[i], err);
        if (!st && address.path) {
            st = listen_socket_file(server, address.path, err);
            if (!st) g_ptr_array_add(paths, g_strdup(address.path));
        } else if (!st) {
            if (!server->token) st = ti_token_read(server->opt->token_file, &server->token, err);
            if (!st) st = listen_tcp(server, list[i], address.socket, err);
        }
        ti_address_clear(&address);
    }
    fflush(stdout);
    return st;
}

/* ---- clocks and signals ------------------------------------------------------------------ */

static gboolean on_tick(gpointer data)
{
    ti_server *server = data;
    const ti_serve_options *opt = server->opt;
    ti_queue_expire(server);
    if (ti_queue_running(server) || server->waiting.length || server->requests)
        return G_SOURCE_CONTINUE;
    gint64 idle = (g_get_monotonic_time() - server->active_at) / G_USEC_PER_SEC;
    for (guint i = 0; i < server->n_workers && opt->idle_unload > 0 && idle >= opt->idle_unload;
         i++)
        if (ti_worker_loaded(server->workers[i])) ti_worker_unload(server->workers[i]);
    if (opt->idle_exit > 0 && idle >= opt->idle_exit) g_main_loop_quit(server->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean quit_loop(gpointer data)
{
    g_main_loop_quit(((ti_server *)data)->loop);
    return G_SOURCE_REMOVE;
}

static gboolean on_signal(gpointer data)
{
    ti_server *server = data;
    if (server->ending) return G_SOURCE_CONTINUE;
    gboolean busy = ti_queue_running(server) > 0;
    ti_queue_end(server);
    if (!busy) g_timeout_add(200, quit_loop, server); /* last events still go out */
    return G_SOURCE_CONTINUE;
}

static te_status redirect_log(const char *path, te_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        return ti_server_fail(err, TE_IO, "%s: cannot write the log: %s", path, g_strerror(errno));
    close(fd);
    return TE_OK;
}

static void open_workers(ti_server *server)
{
    ti_worker_events events = ti_queue_events(server);
    ti_serve_options opt = *server->opt;
    server->devices = g_strsplit(opt.device ? opt.device : "auto", ",", -1);
    server->n_workers = g_strv_length(server->devices);
    server->workers = g_new0(ti_worker *, server->n_workers);
    server->running = g_new0(ti_job *, server->n_workers);
    for (guint i = 0; i < server->n_workers; i++) {
        opt.device = server->devices[i];
        server->workers[i] = ti_worker_new(&opt, &events);
    }
}

static te_status run(ti_server *server, te_error *err)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    open_workers(server);
    server->active_at = g_get_monotonic_time();
    ti_http_install(server);
    guint tick = g_timeout_add_seconds(1, on_tick, server);
    guint term = g_unix_signal_add(SIGTERM, on_signal, server);
    guint interrupt = g_unix_signal_add(SIGINT, on_signal, server);
    te_status st = listen_all(server, paths, err);
    if (!st) {
        g_main_loop_run(server->loop);
        while (g_main_context_iteration(NULL, FALSE)) continue; /* the last events */
    }
    g_source_remove(tick);
    g_source_remove(term);
    g_source_remove(interrupt);
    soup_server_disconnect(server->soup);
    for (guint i = 0; i < server->n_workers; i++) ti_worker_free(server->workers[i]);
    while (g_main_context_iteration(NULL, FALSE)) continue; /* reports of what it still did */
    for (guint i = 0; i < paths->len; i++) g_unlink(g_ptr_array_index(paths, i));
    g_ptr_array_unref(paths);
    return st;
}

te_status ti_serve(const ti_serve_options *opt, te_error *err)
{
    ti_server server = {.opt = opt};
    int lock = -1;
    signal(SIGPIPE, SIG_IGN);
    te_status st = opt->log ? redirect_log(opt->log, err) : TE_OK;
    if (!st) st = ti_lock_take(&lock, err);
    if (st) return st;
    g_queue_init(&server.waiting);
    g_queue_init(&server.finished);
    server.jobs =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)ti_job_unref);
    server.loop = g_main_loop_new(NULL, FALSE);
    server.soup = soup_server_new("server-header", "thinkedit", NULL);
    st = run(&server, err);
    g_object_unref(server.soup);
    g_queue_clear(&server.finished);
    g_hash_table_unref(server.jobs);
    g_main_loop_unref(server.loop);
    g_free(server.token);
    g_free(server.workers);
    g_free(server.running);
    g_strfreev(server.devices);
    ti_lock_release(lock);
    return st;
}

/* ---- detached start and stop ------------------------------------------------------------- */

static gboolean answers(const ti_address *address)
{
    GSocketAddress *to =
        address->path ? g_unix_socket_address_new(address->path) : g_object_ref(address->socket);
    GSocketClient *client = g_socket_client_new();
    GSocketConnection *line = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(to), NULL, NULL);
    gboolean ok = line != NULL;
    g_clear_object(&line);
    g_object_unref(client);
    g_object_unref(to);
    return ok;
}

static void own_session(gpointer data)
{
    (void)data;
    setsid();
}

static te_status spawn(char **argv, GPid *pid, te_error *err)
{
    char *log = ti_log_path();
    GPtrArray *line = g_ptr_array_new();
    for (char **a = argv; *a; a++) g_ptr_array_add(line, *a);
    g_ptr_array_add(line, (char *)"--log");
    g_ptr_array_add(line, log);
    g_ptr_array_add(line, NULL);
    GError *error = NULL;
    gboolean ok = g_spawn_async(NULL, (char **)line->pdata, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, own_session,
                                NULL, pid, &error);
    te_status st =
        ok ? TE_OK
           : ti_server_fail(err, TE_IO, "the server could not be started: %s", error->message);
    g_clear_error(&error);
    g_ptr_array_unref(line);
    g_free(log);
    return st;
}

te_status ti_serve_detach(const ti_serve_options *opt, char **argv, te_error *err)
{
    ti_address address;
    GPid pid = 0;
    te_status st = ti_address_parse(&address, opt->listen ? opt->listen[0] : NULL, err);
    if (st) return st;
    gboolean up = answers(&address), gone = FALSE;
    if (!up) st = spawn(argv, &pid, err);
    for (int i = 0; !st && !up && i < 200; i++) { /* ten seconds */
        g_usleep(50000);
        up = answers(&address);
        if (!gone) gone = waitpid(pid, NULL, WNOHANG) == pid;
        /* ours may end because somebody faster holds the lock: then theirs will answer */
        if (!up && gone && !ti_lock_holder()) break;
    }
    if (!st && !up) {
        char *log = ti_log_path();
        st = ti_server_fail(err, TE_IO, "the server did not come up: its log is %s", log);
        g_free(log);
    }
    ti_address_clear(&address);
    return st;
}

te_status ti_serve_stop(te_error *err)
{
    int pid = ti_lock_holder();
    if (pid <= 0) return ti_server_fail(err, TE_INVALID, "no server of yours is running");
    if (kill(pid, SIGTERM))
        return ti_server_fail(err, TE_IO, "the server (process %d) cannot be ended: %s", pid,
                              g_strerror(errno));
    for (int i = 0; i < 200; i++) {
        g_usleep(50000);
        if (!ti_lock_holder()) return TE_OK;
    }
    return ti_server_fail(err, TE_IO, "the server (process %d) did not end within ten seconds",
                          pid);
}
