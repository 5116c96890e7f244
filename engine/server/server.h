/* server.h - the main thread's state: sockets, jobs, clocks. Internal to engine/server. */
#ifndef TI_SERVER_SERVER_H
#define TI_SERVER_SERVER_H

#include <libsoup/soup.h>

#include "server/job.h"
#include "server/serve.h"
#include "server/worker.h"

#define TI_KEEP_RESULTS      16
#define TI_KEEP_SECONDS      3600
#define TI_INSTRUCTION_BYTES 8192

typedef struct ti_server {
    const ti_serve_options *opt;
    GMainLoop *loop;
    SoupServer *soup;
    char *token;         /* NULL without a TCP address */
    char **devices;      /* [n_workers] names, NULL-terminated; of one "auto" */
    ti_worker **workers; /* [n_workers], each with a model on its device */
    ti_job **running;    /* [n_workers]: what each works on, borrowed from jobs; NULL: nothing */
    guint n_workers;
    GHashTable *jobs; /* id -> job, owns a reference */
    GQueue waiting;   /* queued jobs, borrowed from jobs */
    GQueue finished;  /* oldest first, borrowed from jobs */
    guint requests;   /* being answered, health checks left out */
    gint64 active_at; /* last time anything happened, monotonic */
    gboolean ending;
} ti_server;

/* http.c: routes. */
void ti_http_install(ti_server *server);
void ti_http_error(SoupServerMessage *message, guint http_status, const char *word,
                   const char *text);
void ti_http_json(SoupServerMessage *message, guint http_status, JsonNode *node); /* frees node */

/* submit.c: the multipart body of a submission to a job, or an answered refusal and NULL. */
ti_job *ti_submit_parse(SoupServerMessage *message);

/* queue.c: what happens to jobs. */
ti_worker_events ti_queue_events(ti_server *server);
void ti_queue_add(ti_server *server, ti_job *job, SoupServerMessage *message);
void ti_queue_cancel(ti_server *server, ti_job *job);
void ti_queue_forget(ti_server *server, ti_job *job);
guint ti_queue_running(const ti_server *server); /* how many jobs */
ti_job *ti_queue_first_running(const ti_server *server);
/* The worker that answers for all: a free one, or the first. */
ti_worker *ti_queue_worker(const ti_server *server);
int ti_queue_position(const ti_server *server, const ti_job *job);
void ti_queue_end(ti_server *server); /* cancels the running one, fails the waiting ones */
void ti_queue_expire(ti_server *server);

#endif
