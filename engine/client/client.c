/* client.c - the session with the server: requests, answers, and starting it when nobody answers.
 */
#include "client/internal.h"

#include <gio/gunixsocketaddress.h>

G_DEFINE_QUARK(ti - client - error, ti_client_error)

/* The server says something every second while a job runs: silence this long means it is gone. */
enum { SILENCE_SECONDS = 30, IDLE_SECONDS = 5, MAX_CONNECTIONS = 64, MAX_MESSAGE = 1 << 16 };

/* LOCAL: NULL for TCP. SILENCE: seconds; 0: it may last. */
static SoupSession *new_session(GSocketAddress *local, int silence)
{
    return soup_session_new_with_options("timeout", silence, "idle-timeout", IDLE_SECONDS,
                                         "max-conns", MAX_CONNECTIONS, "max-conns-per-host",
                                         MAX_CONNECTIONS, "remote-connectable", local, NULL);
}

ti_client *ti_client_new(const char *address, const char *token, GError **error)
{
    g_autofree char *path = NULL;
    if (!address) {
        path = ti_client_socket_path(error);
        if (!path) return NULL;
    } else if (g_str_has_prefix(address, "unix:")) {
        path = g_strdup(address + strlen("unix:"));
    } else if (!g_str_has_prefix(address, "http://")) {
        g_set_error(error, TI_CLIENT_ERROR, TI_CLIENT_UNREACHABLE,
                    "%s is no server address: write unix:PATH or http://HOST:PORT.", address);
        return NULL;
    }
    ti_client *client = g_rc_box_new0(ti_client);
    GSocketAddress *local = path ? g_unix_socket_address_new(path) : NULL;
    client->session = new_session(local, SILENCE_SECONDS);
    client->patient = new_session(local, 0);
    g_clear_object(&local);
    client->cancel = g_cancellable_new();
    client->base = path ? g_strdup("http://localhost") : g_strdup(address);
    client->token = path ? NULL : g_strdup(token);
    client->own = !address;
    if (g_str_has_suffix(client->base, "/")) client->base[strlen(client->base) - 1] = 0;
    return client;
}

void ti_client_free(ti_client *client)
{
    if (!client) return;
    g_cancellable_cancel(client->cancel);
    soup_session_abort(client->session);
    soup_session_abort(client->patient);
    ti_client_unref(client);
}

static void clear(void *data)
{
    ti_client *client = data;
    g_object_unref(client->session);
    g_object_unref(client->patient);
    g_object_unref(client->cancel);
    g_free(client->base);
    g_free(client->token);
}

ti_client *ti_client_ref(ti_client *client)
{
    return g_rc_box_acquire(client);
}

void ti_client_unref(ti_client *client)
{
    g_rc_box_release_full(client, clear);
}

/* ---- sending ------------------------------------------------------------------------------- */

typedef struct sending {
    ti_client *client;
    SoupSession *session; /* the client's */
    ti_message_fn make;
    void *make_user;
    SoupMessage *message;
    GInputStream *body; /* of a refusal, while its sentence is read */
    bool started;       /* the server was started for this; do not try that twice */
} sending;

static void sending_free(void *data)
{
    sending *s = data;
    g_clear_object(&s->message);
    g_clear_object(&s->body);
    ti_client_unref(s->client);
    g_free(s);
}

static void send_again(GTask *task);

/* {"error": {"message": "..."}} */
static char *sentence_of(GBytes *body, guint status)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    gsize size = 0;
    const char *text = g_bytes_get_data(body, &size);
    if (text && json_parser_load_from_data(parser, text, (gssize)size, NULL)) {
        JsonNode *root = json_parser_get_root(parser);
        JsonObject *outer =
            root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
        JsonNode *node = outer ? json_object_get_member(outer, "error") : NULL;
        JsonObject *inner =
            node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        const char *said =
            inner ? json_object_get_string_member_with_default(inner, "message", NULL) : NULL;
        if (said) return g_strdup(said);
    }
    return g_strdup_printf("The server answered with HTTP status %u.", status);
}

static void refusal_read(GObject *source, GAsyncResult *result, void *user)
{
    GTask *task = user;
    sending *s = g_task_get_task_data(task);
    g_autoptr(GBytes) body = g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, NULL);
    g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
    g_autofree char *said = sentence_of(body ? body : nothing, soup_message_get_status(s->message));
    g_task_return_new_error(task, TI_CLIENT_ERROR, TI_CLIENT_REFUSED, "%s", said);
    g_object_unref(task);
}

static void server_started(GObject *source, GAsyncResult *result, void *user)
{
    GTask *task = user;
    GError *error = NULL;
    (void)source;
    if (ti_client_start_finish(result, &error)) {
        send_again(task);
    } else {
        g_task_return_error(task, error);
        g_object_unref(task);
    }
}

/* A socket file nobody listens on any more says "refused"; none at all, "not found". */
static bool nobody_listens(const GError *error)
{
    return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
           g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static void sent(GObject *source, GAsyncResult *result, void *user)
{
    GTask *task = user;
    sending *s = g_task_get_task_data(task);
    GError *error = NULL;
    GInputStream *body = soup_session_send_finish(SOUP_SESSION(source), result, &error);
    GCancellable *cancel = g_task_get_cancellable(task);
    if (body && SOUP_STATUS_IS_SUCCESSFUL(soup_message_get_status(s->message))) {
        g_task_return_pointer(task, body, g_object_unref);
        g_object_unref(task);
    } else if (body) {
        s->body = body;
        g_input_stream_read_bytes_async(body, MAX_MESSAGE, G_PRIORITY_DEFAULT, cancel, refusal_read,
                                        task);
    } else if (nobody_listens(error) && s->client->own && !s->started) {
        g_error_free(error);
        s->started = true;
        ti_client_start(cancel, server_started, task);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_task_return_error(task, error);
        g_object_unref(task);
    } else {
        g_task_return_new_error(task, TI_CLIENT_ERROR,
                                nobody_listens(error) ? TI_CLIENT_UNREACHABLE : TI_CLIENT_LOST,
                                "The engine at %s does not answer (%s): start it again and retry.",
                                s->client->own ? "its socket" : s->client->base, error->message);
        g_error_free(error);
        g_object_unref(task);
    }
}

static void send_again(GTask *task)
{
    sending *s = g_task_get_task_data(task);
    g_clear_object(&s->message);
    s->message = s->make(s->client, s->make_user);
    if (s->client->token) {
        g_autofree char *value = g_strconcat("Bearer ", s->client->token, NULL);
        soup_message_headers_replace(soup_message_get_request_headers(s->message), "Authorization",
                                     value);
    }
    soup_session_send_async(s->session, s->message, G_PRIORITY_DEFAULT,
                            g_task_get_cancellable(task), sent, task);
}

void ti_client_send(ti_client *client, SoupSession *session, ti_message_fn make, void *make_user,
                    GCancellable *cancel, GAsyncReadyCallback done, void *user)
{
    GTask *task = g_task_new(NULL, cancel, done, user);
    sending *s = g_new0(sending, 1);
    s->client = ti_client_ref(client);
    s->session = session;
    s->make = make;
    s->make_user = make_user;
    g_task_set_task_data(task, s, sending_free);
    send_again(task);
}

GInputStream *ti_client_send_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* ---- plain GET ----------------------------------------------------------------------------- */

typedef struct getting {
    char *path;
    GOutputStream *body;
} getting;

static void getting_free(void *data)
{
    getting *g = data;
    g_free(g->path);
    g_clear_object(&g->body);
    g_free(g);
}

static SoupMessage *make_get(ti_client *client, void *user)
{
    getting *g = user;
    g_autofree char *uri = g_strconcat(client->base, g->path, NULL);
    return soup_message_new(SOUP_METHOD_GET, uri);
}

static void got_body(GObject *source, GAsyncResult *result, void *user)
{
    GTask *task = user;
    getting *g = g_task_get_task_data(task);
    GError *error = NULL;
    if (g_output_stream_splice_finish(G_OUTPUT_STREAM(source), result, &error) < 0)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(
            task, g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(g->body)),
            (GDestroyNotify)g_bytes_unref);
    g_object_unref(task);
}

static void got_answer(GObject *source, GAsyncResult *result, void *user)
{
    GTask *task = user;
    getting *g = g_task_get_task_data(task);
    GError *error = NULL;
    (void)source;
    g_autoptr(GInputStream) body = ti_client_send_finish(result, &error);
    if (!body) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g->body = g_memory_output_stream_new_resizable();
    g_output_stream_splice_async(
        g->body, body, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
        G_PRIORITY_DEFAULT, g_task_get_cancellable(task), got_body, task);
}

void ti_client_get(ti_client *client, const char *path, GCancellable *cancel,
                   GAsyncReadyCallback done, void *user)
{
    GTask *task = g_task_new(NULL, cancel ? cancel : client->cancel, done, user);
    getting *g = g_new0(getting, 1);
    g->path = g_strdup(path);
    g_task_set_task_data(task, g, getting_free);
    ti_client_send(client, client->patient, make_get, g, g_task_get_cancellable(task), got_answer,
                   task);
}

GBytes *ti_client_get_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* ---- the working size ---------------------------------------------------------------------- */

static void keep_result(GObject *source, GAsyncResult *result, void *user)
{
    GAsyncResult **kept = user;
    (void)source;
    *kept = g_object_ref(result);
}

char *ti_client_size_path(int width, int height)
{
    return g_strdup_printf("/v1/size?width=%d&height=%d", width, height);
}

bool ti_client_size(ti_client *client, int width, int height, int *work_width, int *work_height,
                    GError **error)
{
    g_autofree char *path = ti_client_size_path(width, height);
    g_autoptr(GAsyncResult) result = NULL;
    ti_client_get(client, path, NULL, keep_result, &result);
    while (!result) g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
    g_autoptr(GBytes) body = ti_client_get_finish(result, error);
    return body && ti_client_read_size(body, work_width, work_height, error);
}

bool ti_client_read_size(GBytes *body, int *work_width, int *work_height, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    gsize size = 0;
    const char *text = g_bytes_get_data(body, &size);
    JsonNode *root = text && json_parser_load_from_data(parser, text, (gssize)size, NULL)
                         ? json_parser_get_root(parser)
                         : NULL;
    JsonObject *object = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    *work_width = object ? (int)json_object_get_int_member_with_default(object, "width", 0) : 0;
    *work_height = object ? (int)json_object_get_int_member_with_default(object, "height", 0) : 0;
    if (*work_width > 0 && *work_height > 0) return true;
    g_set_error(error, TI_CLIENT_ERROR, TI_CLIENT_LOST,
                "The server's answer to /v1/size makes no sense: update it.");
    return false;
}
