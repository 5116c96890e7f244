/* client.h - a client of `thinkedit serve`, for the plug-in, the panel's owner and the command
 * line.
 *
 *     ti_client *client = ti_client_new(NULL, NULL, &error);
 *     ti_client_result *result = ti_client_run(client, &request, NULL, NULL, NULL, &error);
 *
 * What the server offers is written down in engine/server/API.md; this is its other side.
 * Everything happens on the main context of the calling thread, nothing blocks it except
 * ti_client_run(), which runs a loop of its own until the job has ended. The event stream is the
 * job's lifeline: cancelling hangs up, and so does the death of this process, whichever way it
 * comes.
 *
 * Without an address the client talks to this user's own server and starts it when it does not run.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define TI_CLIENT_ERROR (ti_client_error_quark())
GQuark ti_client_error_quark(void);

/* Cancelling gives G_IO_ERROR_CANCELLED; everything else one of these, with a sentence to show. */
typedef enum ti_client_error {
    TI_CLIENT_UNREACHABLE, /* no server, and none could be started */
    TI_CLIENT_REFUSED,     /* the server said no: the request is at fault, or the queue is full */
    TI_CLIENT_NO_MEMORY,   /* the job needs more memory than there is */
    TI_CLIENT_FAILED,      /* the job ended with another error */
    TI_CLIENT_LOST         /* the server died or the line broke; trying again makes sense */
} ti_client_error;

typedef struct ti_client ti_client;

/* ADDRESS: NULL (own server), "unix:PATH" or "http://HOST:PORT", then with TOKEN. */
ti_client *ti_client_new(const char *address, const char *token, GError **error);
void ti_client_free(ti_client *client); /* NULL is fine; cancels what is under way */

/* Any GET of the API: the answer's body, JSON or PNG. PATH begins with "/v1/". */
void ti_client_get(ti_client *client, const char *path, GCancellable *cancel,
                   GAsyncReadyCallback done, void *user);
GBytes *ti_client_get_finish(GAsyncResult *result, GError **error);

/* The size the server's model works at for a width x height picture. Runs a loop until it knows. */
bool ti_client_size(ti_client *client, int width, int height, int *work_width, int *work_height,
                    GError **error);

/* The same for who must not wait: the path to ti_client_get() (the caller frees it), and its answer
 * read. */
char *ti_client_size_path(int width, int height);
bool ti_client_read_size(GBytes *body, int *work_width, int *work_height, GError **error);

/* ---- jobs ----------------------------------------------------------------------------------- */

typedef struct ti_client_request {
    const char *instruction;
    const char *options; /* "key=value key=value", NULL: defaults; "preset" is one of the keys */
    gint64 seed;         /* negative: leave it to the options or the server */
    GBytes *image;       /* PNG; NULL: generation */
    GBytes *mask;        /* PNG; NULL: everything may change */
    int preview_every;   /* 0: no previews */
    const char *label;   /* may be NULL */
} ti_client_request;

typedef enum ti_client_event_kind {
    TI_CLIENT_QUEUED,
    TI_CLIENT_STARTED,
    TI_CLIENT_PROGRESS,
    TI_CLIENT_TEXT,
    TI_CLIENT_PREVIEW
} ti_client_event_kind;

/* Only the members of its kind are set. Valid during the call. */
typedef struct ti_client_event {
    ti_client_event_kind kind;
    const char *id;      /* queued, started */
    int position;        /* queued */
    int step, steps;     /* progress; text and preview: step */
    double seconds;      /* progress */
    double seconds_left; /* progress; negative while unknown */
    const char *stage;   /* progress */
    const char *text;    /* text: the reasoning so far */
    GBytes *png;         /* preview */
} ti_client_event;

typedef struct ti_client_result {
    char *id, *reasoning;
    char *model, *profile, *hash;
    char *options; /* resolved, one JSON object */
    gint64 seed;
    int steps;
    int width, height; /* of the pictures */
    int grid_width, grid_height;
    uint8_t *change;         /* one byte per token, 1 where it differs from the input's */
    GBytes *picture, *input; /* PNG, RGB 8 bit */
} ti_client_result;

void ti_client_result_free(ti_client_result *result);

typedef struct ti_client_job ti_client_job;
typedef void (*ti_client_event_fn)(const ti_client_event *event, void *user);
/* Called once. RESULT is the callee's to free; NULL with ERROR set. The job is gone afterwards. */
typedef void (*ti_client_done_fn)(ti_client_result *result, const GError *error, void *user);

ti_client_job *ti_client_submit(ti_client *client, const ti_client_request *request,
                                ti_client_event_fn event, ti_client_done_fn done, void *user);
/* Hangs up; done follows with G_IO_ERROR_CANCELLED. */
void ti_client_job_cancel(ti_client_job *job);

/* The whole job at once. CANCEL and EVENT may be NULL. */
ti_client_result *ti_client_run(ti_client *client, const ti_client_request *request,
                                GCancellable *cancel, ti_client_event_fn event, void *user,
                                GError **error);

#endif
