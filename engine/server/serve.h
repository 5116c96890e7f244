/* serve.h - `thinkedit serve`: one model in memory, jobs in order, HTTP in front (API.md). */
#ifndef TI_SERVER_SERVE_H
#define TI_SERVER_SERVE_H

#include <glib.h>

#include "thinkedit.h"

typedef struct ti_serve_options {
    const char *const
        *listen; /* NULL-terminated addresses as in API.md; NULL or empty: the user's socket */
    const char *model;  /* NULL: the embedded model */
    const char *device; /* as te_model_options; several with commas: a model on each, one queue */
    int threads;
    int idle_unload, idle_exit; /* seconds; idle_exit 0: never */
    int max_jobs;               /* waiting ones */
    int max_body;               /* MiB */
    const char *token_file;     /* NULL: the user's */
    const char *log;            /* NULL: standard error */
} ti_serve_options;

void ti_serve_options_init(ti_serve_options *opt);

/* Serves until a signal, or until idle. Returns when everything is down; TE_OK for a clean end. */
te_status ti_serve(const ti_serve_options *opt, te_error *err);

/* Starts ARGV (this program's own `serve` line without --detach; NULL-terminated) in a session of
 * its own and returns when the default address, or the first --listen of OPT, answers. */
te_status ti_serve_detach(const ti_serve_options *opt, char **argv, te_error *err);

/* Ends the server that holds this user's lock: SIGTERM, then up to ten seconds of patience. */
te_status ti_serve_stop(te_error *err);

#endif
