/* panel_edit.h - one press of Generate, from the layer's pixels to the layers that come of it.
 *
 * Everything waits on the main loop, the long pixel work on threads; calls to GIMP are short. The
 * edit tells the panel how it goes and its owner what came of it.
 */
#ifndef PLUGIN_PANEL_EDIT_H
#define PLUGIN_PANEL_EDIT_H

#include "client/client.h"
#include "host.h"
#include "ui/panel.h"

typedef struct ti_panel_edit ti_panel_edit;

/* One variation is in the image. PICTURE has the proportions of what was edited. */
typedef struct ti_panel_made {
    int image, layer;
    const ti_client_result *result;
    GdkPixbuf *picture;
    int width, height; /* of PICTURE, and of pictures of its steps */
} ti_panel_made;

typedef struct ti_panel_edit_owner {
    ti_panel *panel;
    ti_client *client;
    void *user;
    void (*made)(void *user, const ti_panel_made *made);
    void (*ended)(void *user, ti_panel_edit *edit); /* after a cancel, too; EDIT is gone then */
} ti_panel_edit_owner;

/* Reads the layer as it is now; running it may wait. NULL when the layer cannot be edited. */
ti_panel_edit *ti_panel_edit_new(const ti_panel_edit_owner *owner, const ti_panel_request *request,
                                 int image, int layer, GError **error);
void ti_panel_edit_run(ti_panel_edit *edit);
/* Of one that has not run. */
void ti_panel_edit_free(ti_panel_edit *edit);
/* Hangs up. The panel hears nothing more of this edit. */
void ti_panel_edit_cancel(ti_panel_edit *edit);

/* PNG as it is to be seen at width x height; NULL when it is none. */
GdkPixbuf *ti_panel_picture(GBytes *png, int width, int height);

#endif
