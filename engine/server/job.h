/* job.h - one edit or generation from submission to the moment it is forgotten.
 *
 * The request part never changes after submission; the state part belongs to the main thread;
 * `cancel` is the one thing both threads touch. The worker thread reports by closures on the main
 * loop. */
#ifndef TI_SERVER_JOB_H
#define TI_SERVER_JOB_H

#include <glib.h>
#include <json-glib/json-glib.h>

#include "thinkedit.h"

typedef enum ti_job_state {
    TI_JOB_QUEUED,
    TI_JOB_RUNNING,
    TI_JOB_DONE,
    TI_JOB_FAILED,
    TI_JOB_CANCELLED
} ti_job_state;

typedef struct ti_job_model { /* what a result says of the model that made it */
    char *name, *profile, *hash;
} ti_job_model;

struct ti_stream;

typedef struct ti_job {
    gint references;
    char id[17];

    /* request */
    te_image image; /* pixels NULL: generation */
    guint8 *mask;   /* NULL: everything may change */
    char *instruction, *label;
    char *preset;       /* NULL: none */
    GPtrArray *options; /* name, value, name, value, ... (char *) */
    int preview_every, width, height;

    volatile int cancel; /* set by the main thread, read by the worker */

    /* state */
    ti_job_state state;
    gint64 started, finished; /* monotonic, microseconds */
    char *finished_at;        /* ISO 8601 */
    int step, steps;
    double seconds, seconds_left;
    te_error error;
    te_result *result;
    ti_job_model model;
    int grid_width, grid_height;
    struct ti_stream *stream;  /* NULL once it is closed */
    GHashTable *step_pictures; /* step -> GBytes, drawn so far */
} ti_job;

ti_job *ti_job_new(void);
ti_job *ti_job_ref(ti_job *job);
void ti_job_unref(ti_job *job);
const char *ti_job_state_name(ti_job_state state);

/* The resolved options as an object, in the table's order. */
JsonNode *ti_options_json(const te_options *opt);
/* {"error": {...}} and its inner object. */
JsonNode *ti_error_json(const char *status, const char *message);
const char *ti_status_word(te_status status);
/* GET /v1/jobs/ID; POSITION counts only for waiting jobs. */
JsonNode *ti_job_json(const ti_job *job, int position);
/* GET /v1/jobs/ID/steps of a done job. */
JsonNode *ti_job_steps_json(const ti_job *job);
/* The text of a node; frees the node. */
char *ti_json_text(JsonNode *node);

#endif
