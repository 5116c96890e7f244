/* map.h - a whole regular file in memory, read only. */
#ifndef TI_FORMAT_MAP_H
#define TI_FORMAT_MAP_H

#include "base/error.h"

typedef struct ti_map {
    const uint8_t *bytes;
    size_t size; /* at least 1 */
} ti_map;

/* Errors: TE_IO when PATH cannot be opened or is no regular file, TE_FORMAT when it is empty. */
te_status ti_map_file(ti_map *out, const char *path, te_error *err);
void ti_map_clear(ti_map *map); /* zeroed or mapped */
/* Gives the whole pages among these bytes of a mapping back to the system until they are read
 * again: they count as this process's memory otherwise. Nothing is lost, the mapping is never
 * written. */
void ti_map_forget(const void *data, size_t bytes);
/* Has the system read these bytes of a mapping before somebody waits for them; only a hint. */
void ti_map_foresee(const void *data, size_t bytes);

#endif
