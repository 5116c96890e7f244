/* describe.h - what /v1/info tells of a loaded model: the model itself, its options with their
 * defaults for an edit, its presets. */
#ifndef TI_SERVER_DESCRIBE_H
#define TI_SERVER_DESCRIBE_H

#include <json-glib/json-glib.h>

#include "thinkedit.h"

JsonObject *ti_describe(const te_model *model); /* json_object_unref() */

#endif
