/* place.h - where a user's server lives: runtime folder, lock, socket, token, log. */
#ifndef TI_SERVER_PLACE_H
#define TI_SERVER_PLACE_H

#include <gio/gio.h>

#include "thinkedit.h"

/* One address to listen on. */
typedef struct ti_address {
    char *path;             /* Unix socket, or NULL */
    GSocketAddress *socket; /* TCP, or NULL */
} ti_address;

te_status ti_server_fail(te_error *err, te_status status, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* $XDG_RUNTIME_DIR/thinkedit or /tmp/thinkedit-UID, made if missing; refused when somebody else
 * could enter. Caller frees. */
te_status ti_runtime_folder(char **out, te_error *err);

/* Parses "unix:PATH", "PORT", "ADDRESS:PORT", "[V6]:PORT"; TEXT NULL is RUNTIME/serve.sock. */
te_status ti_address_parse(ti_address *out, const char *text, te_error *err);
void ti_address_clear(ti_address *address);

/* Takes RUNTIME/serve.lock for the life of the process and writes the process id into it.
 * TE_INVALID with a sentence when another server holds it. The descriptor is the caller's. */
te_status ti_lock_take(int *fd, te_error *err);
/* Process id in the lock if somebody holds it, else 0. */
int ti_lock_holder(void);
void ti_lock_release(int fd);

/* The token in FILE, or in the user's own, which is made when missing. Caller frees. */
te_status ti_token_read(const char *file, char **out, te_error *err);
/* Same time wherever they differ. */
gboolean ti_token_equal(const char *expected, const char *given);

/* $XDG_STATE_HOME/thinkedit/serve.log, its folder made. Caller frees. */
char *ti_log_path(void);

#endif
