/* stream.h - server-sent events on one answer, for readers fast and slow.
 *
 * One chunk is in libsoup's hands at a time; what waits behind it is ours, so that a slow reader
 * costs at most one progress, one text and one preview event (the newest) plus the events that are
 * never dropped; the first progress of every stage is one of these. A comment line every second
 * finds out whether anybody still listens. */
#ifndef TI_SERVER_STREAM_H
#define TI_SERVER_STREAM_H

#include <libsoup/soup.h>

typedef struct ti_stream ti_stream;

typedef enum ti_stream_slot {
    TI_STREAM_KEEP, /* never dropped */
    TI_STREAM_PROGRESS,
    TI_STREAM_TEXT,
    TI_STREAM_PREVIEW
} ti_stream_slot;

/* Starts the answer. CLOSED is called once, when the reader hung up or the stream has ended. */
ti_stream *ti_stream_open(SoupServerMessage *message, void (*closed)(void *user), void *user);
/* JSON is freed. */
void ti_stream_send(ti_stream *stream, ti_stream_slot slot, const char *event, char *json);
/* No event after this; CLOSED follows when all is written. */
void ti_stream_end(ti_stream *stream);

#endif
