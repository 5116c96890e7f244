/* queue.c - jobs in the order they came, one at a time on each device; their streams; the few
 * results that are kept. Runs on the main thread only. */
#include "server/server.h"

#include "server/place.h"

static void send_json(ti_job *job, const char *event, JsonNode *node)
{
    char *text = ti_json_text(node);
    if (job->stream)
        ti_stream_send(job->stream, TI_STREAM_KEEP, event, text);
    else
        g_free(text);
}

static JsonNode *id_json(const ti_job *job, int position)
{
    JsonObject *o = json_object_new();
    json_object_set_string_member(o, "id", job->id);
    if (position >= 0) json_object_set_int_member(o, "position", position);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, o);
    return node;
}

guint ti_queue_running(const ti_server *server)
{
    guint n = 0;
    for (guint i = 0; i < server->n_workers; i++) n += server->running[i] != NULL;
    return n;
}

ti_job *ti_queue_first_running(const ti_server *server)
{
    for (guint i = 0; i < server->n_workers; i++)
        if (server->running[i]) return server->running[i];
    return NULL;
}

ti_worker *ti_queue_worker(const ti_server *server)
{
    for (guint i = 0; i < server->n_workers; i++)
        if (!server->running[i] && ti_worker_loaded(server->workers[i])) return server->workers[i];
    return server->workers[0];
}

int ti_queue_position(const ti_server *server, const ti_job *job)
{
    int at = g_queue_index((GQueue *)&server->waiting, job);
    return at < 0 ? 0 : at + (ti_queue_running(server) == server->n_workers ? 1 : 0);
}

static void tell_positions(ti_server *server)
{
    for (GList *l = server->waiting.head; l; l = l->next)
        send_json(l->data, "queued", id_json(l->data, ti_queue_position(server, l->data)));
}

/* Free workers take what waits, the first of them first: further models are loaded only when
 * needed. */
static void start_next(ti_server *server)
{
    for (guint i = 0; i < server->n_workers && !server->ending; i++) {
        ti_job *job = server->running[i] ? NULL : g_queue_pop_head(&server->waiting);
        if (!job) continue;
        server->running[i] = job;
        job->state = TI_JOB_RUNNING;
        job->started = g_get_monotonic_time();
        ti_worker_run(server->workers[i], job);
        tell_positions(server);
    }
}

/* The pixels of a finished job's input are not needed again. */
static void drop_input(ti_job *job)
{
    g_free(job->image.pixels);
    job->image.pixels = NULL;
    g_free(job->mask);
    job->mask = NULL;
}

void ti_queue_forget(ti_server *server, ti_job *job)
{
    g_queue_remove(&server->finished, job);
    g_hash_table_remove(server->jobs, job->id);
}

void ti_queue_expire(ti_server *server)
{
    gint64 now = g_get_monotonic_time();
    for (;;) {
        ti_job *oldest = g_queue_peek_head(&server->finished);
        if (!oldest || (server->finished.length <= TI_KEEP_RESULTS &&
                        now - oldest->finished < TI_KEEP_SECONDS * (gint64)G_USEC_PER_SEC))
            return;
        ti_queue_forget(server, oldest);
    }
}

static void finish(ti_server *server, ti_job *job, ti_job_state state)
{
    GDateTime *now = g_date_time_new_now_utc();
    job->state = state;
    job->finished = g_get_monotonic_time();
    job->finished_at = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    g_date_time_unref(now);
    if (job->started) job->seconds = (double)(job->finished - job->started) / G_USEC_PER_SEC;
    drop_input(job);
    if (state == TI_JOB_DONE)
        send_json(job, "done", ti_job_json(job, 0));
    else if (state == TI_JOB_CANCELLED)
        send_json(job, "cancelled", id_json(job, -1));
    else
        send_json(job, "failed",
                  ti_error_json(ti_status_word(job->error.status), job->error.message));
    if (job->stream) ti_stream_end(job->stream);
    server->active_at = job->finished;
    g_queue_push_tail(&server->finished, job);
    ti_queue_expire(server);
}

void ti_queue_cancel(ti_server *server, ti_job *job)
{
    job->cancel = 1;
    if (g_queue_remove(&server->waiting, job)) {
        finish(server, job, TI_JOB_CANCELLED);
        tell_positions(server);
    }
}

/* ---- streams ----------------------------------------------------------------------------- */

typedef struct listener {
    ti_server *server;
    ti_job *job;
} listener;

static void on_stream_closed(void *user)
{
    listener *l = user;
    l->job->stream = NULL;
    if (l->job->state == TI_JOB_QUEUED || l->job->state == TI_JOB_RUNNING)
        ti_queue_cancel(l->server, l->job);
    ti_job_unref(l->job);
    g_free(l);
}

void ti_queue_add(ti_server *server, ti_job *job, SoupServerMessage *message)
{
    g_hash_table_insert(server->jobs, job->id, job);
    g_queue_push_tail(&server->waiting, job);
    soup_message_headers_replace(soup_server_message_get_response_headers(message), "X-Job-Id",
                                 job->id);
    listener *l = g_new(listener, 1);
    l->server = server;
    l->job = ti_job_ref(job);
    job->stream = ti_stream_open(message, on_stream_closed, l);
    send_json(job, "queued", id_json(job, ti_queue_position(server, job)));
    start_next(server);
}

/* ---- from the worker --------------------------------------------------------------------- */

static void on_started(ti_job *job, char *json, void *user)
{
    (void)user;
    if (job->stream)
        ti_stream_send(job->stream, TI_STREAM_KEEP, "started", json);
    else
        g_free(json);
}

static void on_event(ti_job *job, ti_stream_slot slot, const char *name, char *json, void *user)
{
    (void)user;
    if (job->stream)
        ti_stream_send(job->stream, slot, name, json);
    else
        g_free(json);
}

static void on_ended(ti_job *job, void *user)
{
    ti_server *server = user;
    for (guint i = 0; i < server->n_workers; i++)
        if (server->running[i] == job) server->running[i] = NULL;
    ti_job_state state = job->result                         ? TI_JOB_DONE
                         : job->error.status == TE_CANCELLED ? TI_JOB_CANCELLED
                                                             : TI_JOB_FAILED;
    finish(server, job, state);
    start_next(server);
    if (server->ending && !ti_queue_running(server)) g_main_loop_quit(server->loop);
}

ti_worker_events ti_queue_events(ti_server *server)
{
    return (ti_worker_events){on_started, on_event, on_ended, server};
}

void ti_queue_end(ti_server *server)
{
    server->ending = TRUE;
    ti_job *job;
    while ((job = g_queue_pop_head(&server->waiting)) != NULL) {
        ti_server_fail(&job->error, TE_CANCELLED, "the server is shutting down: try again later");
        finish(server, job, TI_JOB_FAILED);
    }
    for (guint i = 0; i < server->n_workers; i++)
        if (server->running[i]) server->running[i]->cancel = 1;
}
