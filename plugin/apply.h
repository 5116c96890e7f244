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

GBytes *ti_shot_image(const ti_shot *shot); /* PNG, the shot's */
GBytes *ti_shot_mask(const ti_shot *shot);  /* PNG, the shot's; NULL: everything may change */

/* Returns the id of the layer that has the result, -1 on failure. */
int ti_shot_apply(const ti_shot *shot, const ti_client_result *result, const char *instruction,
                  ti_output output, GError **error);

#endif
