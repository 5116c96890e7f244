/* record.h - what is kept with a layer about the edit that made it: the JSON of the `thinking-edit`
 * parasite. Schema 1:
 *
 *     {"schema": 1, "id": "...", "instruction": "...", "reasoning": "...", "seed": 7,
 *      "options": {...resolved...}, "model": {"name": "...", "hash": "..."},
 *      "source_layer": "...", "source_tattoo": 12,
 *      "region": {"x": 0, "y": 0, "width": 640, "height": 480}, "time": "2026-01-31T12:00:00Z"}
 *
 * The region is what the model was shown, in the source layer's pixels. The tattoo is GIMP's number
 * for the source layer, which stays with it in the file.
 */
#ifndef PLUGIN_RECORD_H
#define PLUGIN_RECORD_H

#include "client/client.h"

#include <gegl.h>

/* A server's id of the job is the edit's id; the image's history is {"schema": 1, "edits": [...]}
 * of the same objects, newest first, as many as fit: it is part of the person's file. */
enum { TI_HISTORY_EDITS = 50, TI_HISTORY_BYTES = 128 * 1024 };

/* HISTORY (NULL: none yet) with RECORD in front, or without the edit ID. The caller frees it. */
char *ti_record_remember(const char *history, const char *record);
char *ti_record_forget(const char *history, const char *id);

/* SOURCE: name and tattoo of the layer that was edited. The caller frees it. */
typedef struct ti_record_source {
    const char *name;
    unsigned tattoo;
} ti_record_source;

char *ti_record_write(const ti_client_result *result, const char *instruction,
                      const ti_record_source *source, const GeglRectangle *region);

/* The reasoning in RECORD; NULL with a sentence when it cannot be read. The caller frees it. */
char *ti_record_reasoning(const char *record, GError **error);

#endif
