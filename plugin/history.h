/* history.h - an image's edits as the panel lists them, and their thumbnails.
 *
 * The list itself is in the image (record.h). Thumbnails are not: they are PNG files in the user's
 * cache, named after the edits, the oldest going when there are too many; a missing one is no harm.
 */
#ifndef PLUGIN_HISTORY_H
#define PLUGIN_HISTORY_H

#include <gdk-pixbuf/gdk-pixbuf.h>

#include "ui/state.h"

/* A record (record.h) for the panel; NULL when it is damaged. The caller's. */
ti_entry *ti_history_entry(const char *record);
/* The edits of a history, newest first; empty when there is none. THUMBNAILS gets a GdkPixbuf or
 * NULL for each. The caller's, both. */
GPtrArray *ti_history_read(const char *history, GPtrArray **thumbnails);

/* An id comes out of a file that anybody may have made: only what a server gives becomes part of a
 * path. */
bool ti_history_is_id(const char *id);

/* An entry's options as "key=value ...", all but the seed; the caller's. */
char *ti_history_options(const ti_entry *entry);

/* The edit's picture as large as it is kept, NULL: not any more. The caller's. */
GdkPixbuf *ti_history_picture(const char *id);
/* FOLDER: NULL is the user's cache. */
void ti_history_keep_thumbnail(const char *folder, const char *id, GdkPixbuf *picture);
void ti_history_drop_thumbnail(const char *folder, const char *id);

#endif
