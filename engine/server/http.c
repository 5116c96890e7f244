/* http.c - who may ask, and who answers. A request is judged when its headers are in (token,
 * length), before its body is read; the routes below run when it is complete. */
#include "server/server.h"

#include <string.h>
#include <unistd.h>

#include "server/place.h"
#include "server/png.h"

/* ---- answers ----------------------------------------------------------------------------- */

static void answer_bytes(SoupServerMessage *message, const char *type, GBytes *bytes)
{
    soup_server_message_set_status(message, SOUP_STATUS_OK, NULL);
    soup_message_headers_replace(soup_server_message_get_response_headers(message), "Content-Type",
                                 type);
    soup_message_body_append_bytes(soup_server_message_get_response_body(message), bytes);
}

void ti_http_json(SoupServerMessage *message, guint http_status, JsonNode *node)
{
    char *text = ti_json_text(node);
    soup_server_message_set_status(message, http_status, NULL);
    soup_server_message_set_response(message, "application/json", SOUP_MEMORY_TAKE, text,
                                     strlen(text));
}

void ti_http_error(SoupServerMessage *message, guint http_status, const char *word,
                   const char *text)
{
    ti_http_json(message, http_status, ti_error_json(word, text));
}

static void not_found(SoupServerMessage *message)
{
    ti_http_error(message, 404, "missing", "There is nothing at this path: see API.md.");
}

/* ---- before the body --------------------------------------------------------------------- */

static gboolean came_by_socket_file(SoupServerMessage *message)
{
    GSocketAddress *local = soup_server_message_get_local_address(message);
    return local && g_socket_address_get_family(local) == G_SOCKET_FAMILY_UNIX;
}

static gboolean has_token(const ti_server *server, SoupServerMessage *message)
{
    const char *header = soup_message_headers_get_one(
        soup_server_message_get_request_headers(message), "Authorization");
    return server->token && header && !g_ascii_strncasecmp(header, "Bearer ", 7) &&
           ti_token_equal(server->token, header + 7);
}

/* A refusal before the body is read: libsoup would wait for the whole body first, so the connection
 * is taken from it, answered by hand and closed a moment later, when the answer has arrived. */
typedef struct refusal {
    SoupServerMessage *message;
    char *text;
} refusal;

static gboolean close_stream(gpointer data)
{
    GIOStream *stream = data;
    g_io_stream_close(stream, NULL, NULL);
    g_object_unref(stream);
    return G_SOURCE_REMOVE;
}

static gboolean send_refusal(gpointer data)
{
    refusal *r = data;
    GSocket *socket = soup_server_message_get_socket(r->message);
    if (socket) g_object_ref(socket);
    GIOStream *stream = soup_server_message_steal_connection(r->message);
    if (stream) {
        g_output_stream_write_all(g_io_stream_get_output_stream(stream), r->text, strlen(r->text),
                                  NULL, NULL, NULL);
        if (socket) g_socket_shutdown(socket, FALSE, TRUE, NULL);
        g_timeout_add(500, close_stream, stream);
    }
    g_clear_object(&socket);
    g_object_unref(r->message);
    g_free(r->text);
    g_free(r);
    return G_SOURCE_REMOVE;
}

static void refuse_early(SoupServerMessage *message, guint http_status, const char *word,
                         const char *text)
{
    char *body = ti_json_text(ti_error_json(word, text));
    refusal *r = g_new(refusal, 1);
    r->message = g_object_ref(message);
    r->text = g_strdup_printf("HTTP/1.1 %u %s\r\nServer: thinkedit\r\nConnection: close\r\n%s"
                              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                              http_status, soup_status_get_phrase(http_status),
                              http_status == 401 ? "WWW-Authenticate: Bearer\r\n" : "",
                              strlen(body), body);
    g_free(body);
    soup_server_message_pause(message);
    g_idle_add(send_refusal, r);
}

static void on_chunk(SoupServerMessage *message, GBytes *chunk, gpointer data)
{
    ti_server *server = data;
    gsize so_far =
        GPOINTER_TO_SIZE(g_object_get_data(G_OBJECT(message), "ti-body")) + g_bytes_get_size(chunk);
    g_object_set_data(G_OBJECT(message), "ti-body", GSIZE_TO_POINTER(so_far));
    if (so_far > (gsize)server->opt->max_body << 20)
        soup_message_body_set_accumulate(soup_server_message_get_request_body(message), FALSE);
}

static gboolean body_too_big(const ti_server *server, SoupServerMessage *message)
{
    return GPOINTER_TO_SIZE(g_object_get_data(G_OBJECT(message), "ti-body")) >
           (gsize)server->opt->max_body << 20;
}

static void on_headers(SoupServer *soup, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    (void)soup;
    (void)query;
    ti_server *server = data;
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    if (!came_by_socket_file(message) && !has_token(server, message)) {
        refuse_early(message, 401, "denied",
                     "The token is missing or wrong: send Authorization: Bearer.");
        return;
    }
    if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CONTENT_LENGTH &&
        soup_message_headers_get_content_length(headers) > (goffset)server->opt->max_body << 20) {
        refuse_early(message, 413, "invalid",
                     "The body is over the limit: send a smaller picture.");
        return;
    }
    if (!strcmp(path, "/v1/jobs") && !strcmp(soup_server_message_get_method(message), "POST") &&
        soup_message_headers_get_encoding(headers) != SOUP_ENCODING_CONTENT_LENGTH &&
        soup_message_headers_get_encoding(headers) != SOUP_ENCODING_CHUNKED) {
        refuse_early(message, 411, "invalid",
                     "The request says neither its length nor that it is chunked.");
        return;
    }
    g_signal_connect(message, "got-chunk", G_CALLBACK(on_chunk), server);
}

/* ---- answers that wait for the worker ---------------------------------------------------- */

typedef struct pending {
    ti_server *server;
    SoupServerMessage *message;
    ti_job *job; /* a picture: whose; a submission: the job to add */
    int step;
    gboolean gone;
} pending;

static void on_gone(SoupServerMessage *message, gpointer data)
{
    (void)message;
    ((pending *)data)->gone = TRUE;
}

static pending *wait_for_worker(ti_server *server, SoupServerMessage *message, ti_job *job)
{
    pending *p = g_new0(pending, 1);
    p->server = server;
    p->message = g_object_ref(message);
    p->job = job ? ti_job_ref(job) : NULL;
    g_signal_connect(message, "finished", G_CALLBACK(on_gone), p);
    soup_server_message_pause(message);
    return p;
}

static void end_wait(pending *p)
{
    g_signal_handlers_disconnect_by_data(p->message, p);
    if (!p->gone) soup_server_message_unpause(p->message);
    g_object_unref(p->message);
    ti_job_unref(p->job);
    g_free(p);
}

static gint64 memory_line(const char *file, const char *name)
{
    char *text = NULL;
    gint64 kib = 0;
    if (g_file_get_contents(file, &text, NULL, NULL)) {
        char *line = strstr(text, name);
        if (line) kib = g_ascii_strtoll(line + strlen(name), NULL, 10);
    }
    g_free(text);
    return kib * 1024;
}

static void add_limits(const ti_server *server, JsonObject *info)
{
    JsonObject *limits = json_object_new();
    json_object_set_int_member(limits, "jobs", server->opt->max_jobs);
    json_object_set_int_member(limits, "body_bytes", (gint64)server->opt->max_body << 20);
    json_object_set_int_member(limits, "side", TI_MAX_SIDE);
    json_object_set_int_member(limits, "pixels", TI_MAX_PIXELS);
    json_object_set_int_member(limits, "instruction_bytes", TI_INSTRUCTION_BYTES);
    json_object_set_int_member(limits, "results", TI_KEEP_RESULTS);
    json_object_set_int_member(limits, "result_seconds", TI_KEEP_SECONDS);
    json_object_set_object_member(info, "limits", limits);
    JsonObject *queue = json_object_new();
    ti_job *running = ti_queue_first_running(server);
    json_object_set_int_member(queue, "devices", server->n_workers);
    if (running)
        json_object_set_string_member(queue, "running", running->id);
    else
        json_object_set_null_member(queue, "running");
    json_object_set_int_member(queue, "waiting", server->waiting.length);
    json_object_set_object_member(info, "queue", queue);
}

/* KNOWN's members are copied: it is shared. */
static void answer_info(JsonObject *known, void *user)
{
    pending *p = user;
    JsonObject *info = json_object_new(), *memory = json_object_new();
    json_object_set_string_member(info, "version", te_version());
    json_object_set_int_member(info, "api", 1);
    json_object_set_int_member(info, "pid", getpid());
    GList *names = json_object_get_members(known);
    for (GList *l = names; l; l = l->next)
        if (strcmp(l->data, "edit_bytes"))
            json_object_set_member(info, l->data,
                                   json_node_copy(json_object_get_member(known, l->data)));
    g_list_free(names);
    if (!json_object_get_null_member(info, "model")) {
        JsonNode *copy = json_from_string("{}", NULL);
        JsonObject *model = json_object_ref(json_node_get_object(copy));
        JsonObjectIter iter;
        const char *name;
        JsonNode *value;
        json_object_iter_init(&iter, json_object_get_object_member(known, "model"));
        while (json_object_iter_next(&iter, &name, &value))
            json_object_set_member(model, name, json_node_copy(value));
        json_object_set_boolean_member(model, "loaded", ti_worker_loaded(p->server->workers[0]));
        json_object_set_object_member(info, "model", model);
        json_node_unref(copy);
    }
    add_limits(p->server, info);
    json_object_set_int_member(memory, "resident_bytes",
                               memory_line("/proc/self/status", "VmRSS:"));
    json_object_set_int_member(memory, "free_bytes", memory_line("/proc/meminfo", "MemAvailable:"));
    json_object_set_int_member(memory, "edit_bytes",
                               json_object_get_int_member_with_default(known, "edit_bytes", 0));
    json_object_set_object_member(info, "memory", memory);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, info);
    ti_http_json(p->message, 200, node);
    end_wait(p);
}

static void answer_size(int width, int height, const char *problem, void *user)
{
    pending *p = user;
    if (problem) {
        ti_http_error(p->message, 503, "io", problem);
    } else {
        JsonObject *o = json_object_new();
        json_object_set_int_member(o, "width", width);
        json_object_set_int_member(o, "height", height);
        JsonNode *node = json_node_new(JSON_NODE_OBJECT);
        json_node_take_object(node, o);
        ti_http_json(p->message, 200, node);
    }
    end_wait(p);
}

static void answer_drawn(GBytes *png, const te_error *err, void *user)
{
    pending *p = user;
    if (png) {
        g_hash_table_insert(p->job->step_pictures, GINT_TO_POINTER(p->step), g_bytes_ref(png));
        answer_bytes(p->message, "image/png", png);
    } else {
        ti_http_error(p->message, 500, ti_status_word(err->status), err->message);
    }
    end_wait(p);
}

/* A submission is accepted only when there is a model to run it. */
static void answer_submission(JsonObject *known, void *user)
{
    pending *p = user;
    ti_server *server = p->server;
    if (json_object_get_null_member(known, "model"))
        ti_http_error(p->message, 503, "io", json_object_get_string_member(known, "problem"));
    else if (server->ending)
        ti_http_error(p->message, 503, "busy", "The server is shutting down: try again later.");
    else if ((int)server->waiting.length >= server->opt->max_jobs) {
        soup_message_headers_replace(soup_server_message_get_response_headers(p->message),
                                     "Retry-After", "10");
        ti_http_error(p->message, 429, "busy", "Too many jobs are waiting: try again later.");
    } else if (!p->gone)
        ti_queue_add(server, ti_job_ref(p->job), p->message);
    end_wait(p);
}

/* ---- routes ------------------------------------------------------------------------------ */

static void get_size(ti_server *server, SoupServerMessage *message, GHashTable *query)
{
    guint64 w, h;
    const char *width = query ? g_hash_table_lookup(query, "width") : NULL;
    const char *height = query ? g_hash_table_lookup(query, "height") : NULL;
    if (!width || !height || !g_ascii_string_to_unsigned(width, 10, 1, TI_MAX_SIDE, &w, NULL) ||
        !g_ascii_string_to_unsigned(height, 10, 1, TI_MAX_SIDE, &h, NULL)) {
        ti_http_error(message, 422, "invalid",
                      "width and height must be whole numbers from 1 to 65535.");
        return;
    }
    ti_worker_size(server->workers[0], (int)w, (int)h, answer_size,
                   wait_for_worker(server, message, NULL));
}

static void get_step_picture(ti_server *server, SoupServerMessage *message, ti_job *job,
                             const char *number)
{
    guint64 step;
    if (!g_ascii_string_to_unsigned(number, 10, 0, G_MAXINT32, &step, NULL) ||
        (int)step >= te_result_steps(job->result)) {
        ti_http_error(message, 404, "missing", "This job has no such step.");
        return;
    }
    GBytes *png = g_hash_table_lookup(job->step_pictures, GINT_TO_POINTER((int)step));
    if (png) {
        answer_bytes(message, "image/png", png);
        return;
    }
    pending *p = wait_for_worker(server, message, job);
    p->step = (int)step;
    ti_worker_draw(ti_queue_worker(server), job, (int)step, answer_drawn, p);
}

static void get_picture(SoupServerMessage *message, const te_image *image)
{
    if (!image) {
        ti_http_error(message, 404, "missing", "A generation has no input picture.");
        return;
    }
    GBytes *png = ti_png_write(image);
    if (!png) {
        ti_http_error(message, 500, "nomem", "Not enough memory to write the picture.");
        return;
    }
    answer_bytes(message, "image/png", png);
    g_bytes_unref(png);
}

static void get_trajectory(SoupServerMessage *message, const ti_job *job)
{
    char *path = NULL;
    int fd = g_file_open_tmp("thinkedit-XXXXXX", &path, NULL);
    char *text = NULL;
    gsize n;
    te_error err;
    if (fd >= 0) close(fd);
    if (fd < 0 || te_result_write_trajectory(job->result, path, &err) ||
        !g_file_get_contents(path, &text, &n, NULL)) {
        ti_http_error(message, 500, "io", "The trajectory could not be written: is the disk full?");
    } else {
        soup_server_message_set_status(message, SOUP_STATUS_OK, NULL);
        soup_server_message_set_response(message, "application/x-ndjson", SOUP_MEMORY_TAKE, text,
                                         n);
    }
    if (path) unlink(path);
    g_free(path);
}

static void get_part(ti_server *server, SoupServerMessage *message, ti_job *job, char **part)
{
    gboolean known = part[0] && (!part[1] || (!strcmp(part[0], "steps") && !part[2])) &&
                     (!strcmp(part[0], "picture") || !strcmp(part[0], "input") ||
                      !strcmp(part[0], "steps") || !strcmp(part[0], "trajectory"));
    if (!known)
        not_found(message);
    else if (job->state != TI_JOB_DONE)
        ti_http_error(message, 409, "missing", "This job is not done.");
    else if (!strcmp(part[0], "picture"))
        get_picture(message, te_result_image(job->result));
    else if (!strcmp(part[0], "input"))
        get_picture(message, te_result_input(job->result));
    else if (!strcmp(part[0], "trajectory"))
        get_trajectory(message, job);
    else if (part[1])
        get_step_picture(server, message, job, part[1]);
    else
        ti_http_json(message, 200, ti_job_steps_json(job));
}

static void one_job(ti_server *server, SoupServerMessage *message, const char *method, char **part)
{
    ti_job *job = g_hash_table_lookup(server->jobs, part[0]);
    if (!job) {
        ti_http_error(message, 404, "missing", "There is no such job: it may have been forgotten.");
    } else if (part[1]) {
        get_part(server, message, job, part + 1);
    } else if (strcmp(method, "DELETE")) {
        ti_http_json(message, 200, ti_job_json(job, ti_queue_position(server, job)));
    } else {
        soup_server_message_set_status(message, SOUP_STATUS_NO_CONTENT, NULL);
        if (job->state == TI_JOB_QUEUED || job->state == TI_JOB_RUNNING)
            ti_queue_cancel(server, job);
        else
            ti_queue_forget(server, job);
    }
}

static gboolean allow(SoupServerMessage *message, const char *method, const char *allowed)
{
    char **list = g_strsplit(allowed, ", ", -1);
    gboolean ok = g_strv_contains((const char *const *)list, method);
    g_strfreev(list);
    if (ok) return TRUE;
    soup_message_headers_replace(soup_server_message_get_response_headers(message), "Allow",
                                 allowed);
    ti_http_error(message, 405, "invalid", "This path does not take this method.");
    return FALSE;
}

static void health(SoupServerMessage *message)
{
    JsonObject *o = json_object_new();
    json_object_set_string_member(o, "status", "ok");
    json_object_set_string_member(o, "version", te_version());
    json_object_set_int_member(o, "api", 1);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, o);
    ti_http_json(message, 200, node);
}

static void submit(ti_server *server, SoupServerMessage *message)
{
    if (body_too_big(server, message)) {
        ti_http_error(message, 413, "invalid",
                      "The body is over the limit: send a smaller picture.");
        return;
    }
    ti_job *job = ti_submit_parse(message);
    if (!job) return;
    ti_worker_know(server->workers[0], answer_submission, wait_for_worker(server, message, job));
    ti_job_unref(job);
}

static void on_request_done(SoupServerMessage *message, gpointer data)
{
    (void)message;
    ti_server *server = data;
    server->requests--;
    server->active_at = g_get_monotonic_time();
}

static void on_request(SoupServer *soup, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    (void)soup;
    ti_server *server = data;
    const char *method = soup_server_message_get_method(message);
    if (strcmp(path, "/v1/health")) {
        server->requests++;
        g_signal_connect(message, "finished", G_CALLBACK(on_request_done), server);
    }
    ti_queue_expire(server);
    if (!strcmp(path, "/v1/health")) {
        if (allow(message, method, "GET, HEAD")) health(message);
    } else if (!strcmp(path, "/v1/info")) {
        if (allow(message, method, "GET, HEAD"))
            ti_worker_know(server->workers[0], answer_info, wait_for_worker(server, message, NULL));
    } else if (!strcmp(path, "/v1/size")) {
        if (allow(message, method, "GET, HEAD")) get_size(server, message, query);
    } else if (!strcmp(path, "/v1/jobs")) {
        if (allow(message, method, "POST")) submit(server, message);
    } else if (g_str_has_prefix(path, "/v1/jobs/")) {
        char **part = g_strsplit(path + 9, "/", 4);
        if (allow(message, method, part[1] ? "GET, HEAD" : "GET, HEAD, DELETE"))
            one_job(server, message, method, part);
        g_strfreev(part);
    } else {
        not_found(message);
    }
}

void ti_http_install(ti_server *server)
{
    soup_server_add_early_handler(server->soup, NULL, on_headers, server, NULL);
    soup_server_add_handler(server->soup, NULL, on_request, server, NULL);
}
