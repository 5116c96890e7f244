/* host_gimp3.h - ids to objects, for the two hosts of GIMP 3.x. libgimp remembers objects whose
 * image or layer is long gone, so GIMP itself is asked first. */
#ifndef PLUGIN_HOST_GIMP3_H
#define PLUGIN_HOST_GIMP3_H

#include <libgimp/gimp.h>

/* Borrowed; NULL when there is none any more. */
GimpImage *ti_gimp3_image(int id);
GimpLayer *ti_gimp3_layer(int id);

#endif
