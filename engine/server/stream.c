/* stream.c - see stream.h */
#include "server/stream.h"

typedef struct pending_event {
    ti_stream_slot slot;
    GBytes *bytes;
} pending_event;

struct ti_stream {
    SoupServerMessage *message;
    GQueue waiting; /* pending_event */
    gboolean writing, ending;
    guint beat;
    void (*closed)(void *user);
    void *user;
};

static void free_event(pending_event *event)
{
    g_bytes_unref(event->bytes);
    g_free(event);
}

static void destroy(ti_stream *s)
{
    g_signal_handlers_disconnect_by_data(s->message, s);
    if (s->beat) g_source_remove(s->beat);
    g_queue_clear_full(&s->waiting, (GDestroyNotify)free_event);
    void (*closed)(void *) = s->closed;
    void *user = s->user;
    g_object_unref(s->message);
    g_free(s);
    closed(user);
}

static void on_finished(SoupServerMessage *message, gpointer data)
{
    (void)message;
    destroy(data);
}

static void append(ti_stream *s, GBytes *bytes)
{
    s->writing = TRUE;
    soup_message_body_append_bytes(soup_server_message_get_response_body(s->message), bytes);
    soup_server_message_unpause(s->message);
}

static void write_next(ti_stream *s)
{
    pending_event *event = g_queue_pop_head(&s->waiting);
    if (event) {
        append(s, event->bytes);
        free_event(event);
    } else if (s->ending) {
        soup_message_body_complete(soup_server_message_get_response_body(s->message));
        soup_server_message_unpause(s->message);
    }
}

static void on_wrote_chunk(SoupServerMessage *message, gpointer data)
{
    (void)message;
    ti_stream *s = data;
    s->writing = FALSE;
    write_next(s);
}

static gboolean on_beat(gpointer data)
{
    ti_stream *s = data;
    GSocket *socket = soup_server_message_get_socket(s->message);
    if (socket && (g_socket_condition_check(socket, G_IO_HUP | G_IO_ERR) & (G_IO_HUP | G_IO_ERR))) {
        s->beat = 0;
        destroy(s);
        return G_SOURCE_REMOVE;
    }
    if (!s->writing && !s->ending) {
        GBytes *beat = g_bytes_new_static(": beat\n\n", 8);
        append(s, beat);
        g_bytes_unref(beat);
    }
    return G_SOURCE_CONTINUE;
}

ti_stream *ti_stream_open(SoupServerMessage *message, void (*closed)(void *user), void *user)
{
    ti_stream *s = g_new0(ti_stream, 1);
    s->message = g_object_ref(message);
    s->closed = closed;
    s->user = user;
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    soup_server_message_set_status(message, SOUP_STATUS_OK, NULL);
    soup_message_headers_set_encoding(headers, SOUP_ENCODING_CHUNKED);
    soup_message_headers_replace(headers, "Content-Type", "text/event-stream");
    soup_message_headers_replace(headers, "Cache-Control", "no-cache");
    soup_message_body_set_accumulate(soup_server_message_get_response_body(message), FALSE);
    g_signal_connect(message, "wrote-chunk", G_CALLBACK(on_wrote_chunk), s);
    g_signal_connect(message, "finished", G_CALLBACK(on_finished), s);
    s->beat = g_timeout_add_seconds(1, on_beat, s);
    return s;
}

void ti_stream_send(ti_stream *s, ti_stream_slot slot, const char *event, char *json)
{
    if (s->ending) {
        g_free(json);
        return;
    }
    if (slot != TI_STREAM_KEEP)
        for (GList *l = s->waiting.head; l; l = l->next) {
            pending_event *old = l->data;
            if (old->slot != slot) continue;
            free_event(old);
            g_queue_delete_link(&s->waiting, l);
            break;
        }
    char *text = g_strdup_printf("event: %s\ndata: %s\n\n", event, json);
    pending_event *new = g_new(pending_event, 1);
    new->slot = slot;
    new->bytes = g_bytes_new_take(text, strlen(text));
    g_queue_push_tail(&s->waiting, new);
    g_free(json);
    if (!s->writing) write_next(s);
}

void ti_stream_end(ti_stream *s)
{
    s->ending = TRUE;
    if (!s->writing) write_next(s);
}
