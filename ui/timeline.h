/* timeline.h - what each denoising step revealed, read from the server's steps document. */
#ifndef TI_UI_TIMELINE_H
#define TI_UI_TIMELINE_H

#include <glib.h>

typedef struct ti_range {
    int first, end; /* code points, half open */
} ti_range;

typedef struct ti_step {
    char *reasoning;        /* U+2588 for each masked token */
    GArray *revealed_text;  /* ti_range */
    GArray *revealed_image; /* int: token indices, row by row */
    int masked_text, masked_image;
} ti_step;

typedef struct ti_timeline {
    GPtrArray *steps;            /* ti_step */
    int grid_width, grid_height; /* of the picture, in tokens; 0: not told */
} ti_timeline;

/* Parses {"grid": {...}, "steps": [...]}; NULL and *ERROR when it is no such document. Ranges are
 * clipped to the text, so that what is drawn is always inside it. */
ti_timeline *ti_timeline_parse(const char *json, gssize length, GError **error);
void ti_timeline_free(ti_timeline *timeline);
int ti_timeline_length(const ti_timeline *timeline);
const ti_step *ti_timeline_step(const ti_timeline *timeline, int step);

#endif
