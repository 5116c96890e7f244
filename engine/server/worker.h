/* worker.h - the one thread that owns the model: loads it, runs jobs, draws timeline pictures,
 * unloads.
 *
 * Everything is called from the main thread; answers arrive there too, as closures on the default
 * main context. What the worker tells about the model (ti_worker_model_*) is a copy, safe at any
 * time. */
#ifndef TI_SERVER_WORKER_H
#define TI_SERVER_WORKER_H

#include "server/job.h"
#include "server/serve.h"
#include "server/stream.h"

typedef struct ti_worker ti_worker;

typedef struct ti_worker_events { /* all on the main thread */
    void (*started)(ti_job *job, char *json, void *user);
    /* progress, text and preview events; JSON is the callee's to free */
    void (*event)(ti_job *job, ti_stream_slot slot, const char *name, char *json, void *user);
    void (*ended)(ti_job *job, void *user); /* result or error are in the job */
    void *user;
} ti_worker_events;

ti_worker *ti_worker_new(const ti_serve_options *opt, const ti_worker_events *events);
/* Waits for the running task: cancel its job first. */
void ti_worker_free(ti_worker *worker);

void ti_worker_run(ti_worker *worker, ti_job *job); /* one at a time */
/* PNG of step STEP of a done job, or NULL with *err. Runs between the steps of a running job. */
typedef void (*ti_drawn_fn)(GBytes *png, const te_error *err, void *user);
void ti_worker_draw(ti_worker *worker, ti_job *job, int step, ti_drawn_fn drawn, void *user);

/* What is known of the model: {"model": ..., "size_rule": ..., "options": [...], "presets": [...],
 * "edit_bytes": n} as last loaded, or {"model": null, "problem": "..."}; LOADED is called once that
 * is known, at once if it is known now. */
typedef void (*ti_known_fn)(JsonObject *known, void *user);
void ti_worker_know(ti_worker *worker, ti_known_fn known, void *user);
/* The working size for a picture; {0, 0} without a model, and PROBLEM says why. */
typedef void (*ti_sized_fn)(int width, int height, const char *problem, void *user);
void ti_worker_size(ti_worker *worker, int width, int height, ti_sized_fn sized, void *user);

gboolean ti_worker_loaded(ti_worker *worker);
void ti_worker_unload(ti_worker *worker); /* when it is next free */

#endif
