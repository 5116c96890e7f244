/* host.h - all that the plug-in asks of the program it lives in.
 *
 * host_gimp2.c and host_gimp3.c answer it for GIMP 2.10 and 3.x, host_file.c for tests, with
 * picture files and no GIMP. Images and layers are GIMP's ids; an id may go stale at any moment
 * while an edit runs, so everything here checks it again. Calls belong on the main thread.
 *
 * A refusal is one sentence that says what to do, in error->message, for a person to read.
 */
#ifndef PLUGIN_HOST_H
#define PLUGIN_HOST_H

#include <gegl.h>
#include <stdbool.h>

typedef enum ti_output { TI_NEW_LAYER, TI_REPLACE, TI_NEW_IMAGE } ti_output;

/* The names under which an edit is recorded with its layer, and an image's edits with the image. */
#define TI_PARASITE "thinking-edit"
#define TI_HISTORY  "thinking-edit-history"

/* May LAYER of IMAGE be edited with this output? */
bool ti_host_check(int image, int layer, ti_output output, GError **error);

/* The layer's pixels as they are now, with non-destructive filters applied, as a buffer of the
 * caller's: extent 0,0 width x height, the layer's own precision, a format that knows its colour
 * space (on 2.10 too, where GIMP leaves the image's profile out). */
GeglBuffer *ti_host_read(int image, int layer, GError **error);

/* The selection over the layer, "Y float", in the layer's coordinates; NULL without an error when
 * nothing is selected. Its bounds within the layer go to BOUNDS. */
GeglBuffer *ti_host_selection(int image, int layer, GeglRectangle *bounds, GError **error);

char *ti_host_layer_name(int layer);
/* A number that stays with the layer, in its file too; and the layer that has it, -1: none. */
unsigned ti_host_tattoo(int layer);
int ti_host_tattooed(int image, unsigned tattoo);

/* What an image of its own would need, kept by the caller in case IMAGE is closed meanwhile. */
typedef struct ti_host_kind {
    int precision; /* GIMP's */
    bool gray;
    GBytes *profile; /* ICC; NULL: sRGB */
} ti_host_kind;

void ti_host_kind_read(int image, ti_host_kind *kind);
void ti_host_kind_clear(ti_host_kind *kind);

typedef struct ti_host_result {
    int image, layer; /* where it came from */
    ti_output output;
    ti_host_kind kind;
    GeglBuffer *pixels;  /* as ti_host_read() gave it, but with an alpha channel */
    GeglBuffer *mask;    /* "Y float" for a layer mask; NULL: none. New layers only */
    const char *name;    /* of the new layer */
    const char *record;  /* for the parasite */
    const char *history; /* of the image's edits, this one included; into the same undo step */
} ti_host_result;

/* Puts the result into the image in one undo step and returns the layer's id, -1 on failure. When
 * the image was closed or the source layer deleted meanwhile, nothing is lost: the result becomes a
 * new image, or a layer on top. A new layer lies above the source and above earlier edits that lie
 * on it, so that it is seen. */
int ti_host_apply(const ti_host_result *result, GError **error);

/* The record kept with a layer; NULL when there is none. */
char *ti_host_record(int layer);

/* The image's edits, newest first, as record.h writes them; NULL when there are none. */
char *ti_host_history(int image);

/* Progress for a person who waits without a panel. FRACTION below 0 takes it away. */
void ti_host_progress(double fraction, const char *text);

#endif
