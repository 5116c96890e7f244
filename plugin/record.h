/* record.h - what is kept with a layer about the edit that made it: the JSON of the `thinking-edit`
 * parasite. Schema 1:
 *
 *     {"schema": 1, "instruction": "...", "reasoning": "...", "seed": 7, "options":
 * {...resolved...}, "model": {"name": "...", "hash": "..."}, "source_layer": "...", "region": {"x":
 * 0, "y": 0, "width": 640, "height": 480}, "time": "2026-01-31T12:00:00Z"}
 *
 * The region is what the model was shown, in the source layer's pixels.
 */
#ifndef PLUGIN_RECORD_H
#define PLUGIN_RECORD_H

#include "client/client.h"

#include <gegl.h>

/* The caller frees it. */
char *ti_record_write(const ti_client_result *result, const char *instruction,
                      const char *source_layer, const GeglRectangle *region);

/* The reasoning in RECORD; NULL with a sentence when it cannot be read. The caller frees it. */
char *ti_record_reasoning(const char *record, GError **error);

#endif
