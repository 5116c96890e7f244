/* host_file.h - what the host of picture files offers beside host.h: images without a GIMP. */
#ifndef PLUGIN_HOST_FILE_H
#define PLUGIN_HOST_FILE_H

#include "host.h"

/* Opens PATH as an image of one layer; ids go to IMAGE and LAYER. */
bool ti_file_open(const char *path, int *image, int *layer, GError **error);
/* SELECTION ("Y float", the image's coordinates) replaces the image's; NULL selects nothing. */
void ti_file_select(int image, GeglBuffer *selection);
void ti_file_delete_layer(int layer);
/* Also deletes the layers. Ids stay unused for good. */
void ti_file_close(int image);
void ti_file_close_all(void);

/* Borrowed; NULL where there is none. */
GeglBuffer *ti_file_pixels(int layer);
GeglBuffer *ti_file_mask(int layer);
/* -1 for a layer that is gone. */
int ti_file_image_of(int layer);

#endif
