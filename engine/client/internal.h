/* internal.h - what the client's files share. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include "client/client.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

struct ti_client {
    SoupSession *session; /* of jobs: silence means that the server is gone */
    SoupSession *patient; /* of answers, which may wait until a large model is loaded */
    GCancellable *cancel; /* of everything under way */
    char *base;           /* "http://localhost" or "http://HOST:PORT" */
    char *token;          /* NULL on a Unix socket */
    bool own;             /* this user's own server: may be started */
};

ti_client *ti_client_ref(ti_client *client);
void ti_client_unref(ti_client *client);

/* start.c: where the user's own server listens, and starting it. */
char *ti_client_socket_path(GError **error);
void ti_client_start(GCancellable *cancel, GAsyncReadyCallback done, void *user);
bool ti_client_start_finish(GAsyncResult *result, GError **error);

/* client.c: sends a message over one of the two SESSIONs; when nobody answers and the server is the
 * user's own, starts it and sends it again. MAKE builds the message anew for each try: a message
 * can be sent once. An answer other than 200 becomes an error with the server's sentence. */
typedef SoupMessage *(*ti_message_fn)(ti_client *client, void *user);
void ti_client_send(ti_client *client, SoupSession *session, ti_message_fn make, void *make_user,
                    GCancellable *cancel, GAsyncReadyCallback done, void *user);
GInputStream *ti_client_send_finish(GAsyncResult *result, GError **error);

#endif
