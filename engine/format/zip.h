/* zip.h - finds stored (uncompressed) entries of a zip archive held in memory. */
#ifndef TI_FORMAT_ZIP_H
#define TI_FORMAT_ZIP_H

#include "base/error.h"

typedef struct ti_zip {
    const char *path; /* for messages */
    const uint8_t *bytes;
    size_t size;
    size_t directory, directory_end; /* the central directory */
} ti_zip;

typedef struct ti_zip_entry {
    const char *name; /* not terminated */
    size_t name_length;
    const uint8_t *data;
    size_t bytes;
} ti_zip_entry;

/* Finds the central directory; zip64 included. Nothing is allocated. */
te_status ti_zip_open(ti_zip *out, const char *path, const uint8_t *bytes, size_t size,
                      te_error *err);
/* The entry at *at (0: the first) and the place of the next one; *found false after the last. */
te_status ti_zip_next(const ti_zip *zip, size_t *at, ti_zip_entry *out, bool *found, te_error *err);

#endif
