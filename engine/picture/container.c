/* container.c - the kinds of picture files, whether a file is whole, and its Exif orientation.
 *
 * Decoders fill what a cut off file lacks with grey and call it done. So the containers are walked
 * first: PNG's chunks and their checksums, JPEG's markers to the end, TIFF's strips, WebP's chunks.
 * Nothing here allocates, and no offset is trusted. */
#include "picture/internal.h"

#include <string.h>
#include <zlib.h>

const char *ti_kind_name(ti_kind kind)
{
    static const char *const names[] = {"picture", "PNG", "JPEG", "TIFF", "WebP"};
    return names[kind];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* ---- TIFF, which Exif is too ------------------------------------------------------------- */

typedef struct tiff {
    const uint8_t *bytes;
    size_t size;
    gboolean big_endian;
} tiff;

static uint32_t tiff_number(const tiff *t, size_t at, int length)
{
    uint32_t value = 0;
    for (int i = 0; i < length; i++) {
        uint32_t byte = t->bytes[at + (size_t)i];
        value = t->big_endian ? value << 8 | byte : value | byte << 8 * i;
    }
    return value;
}

/* Element INDEX of the directory entry at AT, of which the type is SHORT or LONG; 0 if it is not
 * there. */
static uint32_t tiff_element(const tiff *t, size_t at, uint32_t index)
{
    int length = tiff_number(t, at + 2, 2) == 3 ? 2 : 4;
    uint32_t count = tiff_number(t, at + 4, 4);
    if (index >= count) return 0;
    size_t from = (uint64_t)count * (uint64_t)length <= 4 ? at + 8 : tiff_number(t, at + 8, 4);
    from += (size_t)index * (size_t)length;
    return from <= t->size && t->size - from >= (size_t)length ? tiff_number(t, from, length) : 0;
}

/* Walks the first directory. */
static void read_tiff(const uint8_t *bytes, size_t size, int *orientation, gboolean *whole)
{
    tiff t = {bytes, size, size > 0 && bytes[0] == 'M'};
    *whole = FALSE;
    if (size < 8) return;
    if (tiff_number(&t, 2, 2) == 43) { /* the 64-bit form: left to the decoder */
        *whole = TRUE;
        return;
    }
    size_t at = tiff_number(&t, 4, 4);
    if (at > size || size - at < 2) return;
    uint32_t entries = tiff_number(&t, at, 2);
    if ((size - at - 2) / 12 < entries) return;
    size_t offsets = 0, counts = 0;
    for (at += 2; entries--; at += 12) {
        uint32_t tag = tiff_number(&t, at, 2);
        if (tag == 273 || tag == 324) offsets = at;
        if (tag == 279 || tag == 325) counts = at;
        if (tag != 274) continue;
        uint32_t value = tiff_element(&t, at, 0);
        if (value >= 1 && value <= 8) *orientation = (int)value;
    }
    *whole = TRUE;
    uint32_t strips = offsets && counts ? tiff_number(&t, counts + 4, 4) : 0;
    if (strips > size) *whole = FALSE;
    for (uint32_t i = 0; *whole && i < strips; i++) {
        uint32_t from = tiff_element(&t, offsets, i), n = tiff_element(&t, counts, i);
        if (from > size || n > size - from) *whole = FALSE;
    }
}

static void read_exif(const uint8_t *bytes, size_t size, ti_container *c)
{
    gboolean ignored;
    if (size > 6 && !memcmp(bytes, "Exif\0\0", 6)) bytes += 6, size -= 6;
    if (size > 2 && bytes[0] == bytes[1] && (bytes[0] == 'I' || bytes[0] == 'M'))
        read_tiff(bytes, size, &c->orientation, &ignored);
}

/* ---- the others -------------------------------------------------------------------------- */

static void read_png(const uint8_t *bytes, size_t size, ti_container *c)
{
    for (size_t at = 8; size - at >= 12;) {
        uint32_t length = be32(bytes + at);
        if (length > size - at - 12) return;
        const uint8_t *type = bytes + at + 4;
        if (crc32(0, type, length + 4) != be32(type + 4 + length)) return;
        if (!memcmp(type, "eXIf", 4)) read_exif(type + 4, length, c);
        if (!memcmp(type, "IEND", 4)) {
            c->whole = TRUE;
            return;
        }
        at += (size_t)length + 12;
    }
}

static void read_jpeg(const uint8_t *bytes, size_t size, ti_container *c)
{
    size_t at = 2;
    while (size - at >= 4 && bytes[at] == 0xFF) {
        uint8_t marker = bytes[at + 1];
        if (marker == 0xFF) {
            at++;
            continue;
        }
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length < 2 || length > size - at - 2) return;
        if (marker == 0xE1) read_exif(bytes + at + 4, length - 2, c);
        at += 2 + length;
        if (marker == 0xDA) break;
    }
    for (; size - at >= 2; at++)
        if (bytes[at] == 0xFF && bytes[at + 1] == 0xD9)
            c->whole = TRUE; /* some write junk behind it */
}

static void read_webp(const uint8_t *bytes, size_t size, ti_container *c)
{
    uint32_t riff = le32(bytes + 4);
    if (riff > size - 8) return;
    size_t end = 8 + (size_t)riff;
    for (size_t at = 12; at <= end && end - at >= 8;) {
        uint32_t length = le32(bytes + at + 4);
        if (length > end - at - 8) return;
        const uint8_t *data = bytes + at + 8;
        if (!memcmp(bytes + at, "EXIF", 4)) read_exif(data, length, c);
        if (!memcmp(bytes + at, "ICCP", 4)) c->profile = data, c->profile_size = length;
        at += 8 + (size_t)length + (length & 1);
    }
    c->whole = TRUE;
}

ti_container ti_container_read(const uint8_t *bytes, size_t size)
{
    ti_container c = {.orientation = 1};
    if (size >= 12 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8)) {
        c.kind = TI_PNG;
        read_png(bytes, size, &c);
    } else if (size >= 4 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) {
        c.kind = TI_JPEG;
        read_jpeg(bytes, size, &c);
    } else if (size >= 16 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4)) {
        c.kind = TI_WEBP;
        read_webp(bytes, size, &c);
    } else if (size >= 8 && (!memcmp(bytes, "II*\0", 4) || !memcmp(bytes, "MM\0*", 4) ||
                             !memcmp(bytes, "II+\0", 4) || !memcmp(bytes, "MM\0+", 4))) {
        c.kind = TI_TIFF;
        read_tiff(bytes, size, &c.orientation, &c.whole);
    }
    return c;
}
