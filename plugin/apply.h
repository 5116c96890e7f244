/* apply.h - between the person's layer and the model's small picture.
 *
 * A shot is what one edit starts from: a snapshot of the layer, the selection, and the region of it
 * that is shown to the model, at the model's size. Applying carries the edit back to full
 * resolution: pixels that the model did not change, and pixels outside the selection, keep every
 * bit.
 */
#ifndef PLUGIN_APPLY_H
#define PLUGIN_APPLY_H

#include "client/client.h"
#include "host.h"

typedef struct ti_shot ti_shot;

/* Asks the server for its model's working size. The layer may change afterwards: the shot does not.
 */
ti_shot *ti_shot_take(ti_client *client, int image, int layer, bool use_selection, GError **error);
void ti_shot_free(ti_shot *shot); /* NULL is fine */

/* The same in two parts, for who must not wait: reading belongs on the main thread, drawing the
 * pictures at the model's size may happen on any. */
ti_shot *ti_shot_read(int image, int layer, bool use_selection, GError **error);
const GeglRectangle *ti_shot_region(const ti_shot *shot);
bool ti_shot_draw(ti_shot *shot, int width, int height, GError **error);

GBytes *ti_shot_image(const ti_shot *shot); /* PNG, the shot's */
GBytes *ti_shot_mask(const ti_shot *shot);  /* PNG, the shot's; NULL: everything may change */

/* Applying in two parts: carrying may happen on any thread and end early when *CANCEL turns true;
 * putting belongs on the main thread and takes milliseconds. */
typedef struct ti_carried {
    GeglBuffer *pixels, *mask; /* of a layer; mask: NULL where there is none */
} ti_carried;

bool ti_shot_carry(const ti_shot *shot, const ti_client_result *result, ti_output output,
                   const volatile int *cancel, ti_carried *carried, GError **error);
void ti_carried_clear(ti_carried *carried);
int ti_shot_put(const ti_shot *shot, const ti_client_result *result, const ti_carried *carried,
                const char *instruction, ti_output output, GError **error);

/* Returns the id of the layer that has the result, -1 on failure. */
int ti_shot_apply(const ti_shot *shot, const ti_client_result *result, const char *instruction,
                  ti_output output, GError **error);

#endif
