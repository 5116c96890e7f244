/* zip.c - see zip.h. The directory at the end of the archive is believed, after checks; the local
 * headers are only asked how long they are. Compressed and encrypted entries are refused: PyTorch
 * writes none. */
#include "format/zip.h"

#include <string.h>

#define END_BYTES       22
#define END64_BYTES     56
#define LOCATOR64_BYTES 20
#define ENTRY_BYTES     46
#define LOCAL_BYTES     30

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, (size_t)bytes);
    return value;
}

static te_status damaged(const ti_zip *zip, te_error *err)
{
    return ti_fail(err, TE_FORMAT, "%s: the archive is damaged or incomplete; get it again",
                   zip->path);
}

/* The end record, searched backwards over a comment of up to 64 KB; SIZE_MAX when there is none. */
static size_t find_end(const ti_zip *zip)
{
    if (zip->size < END_BYTES) return SIZE_MAX;
    size_t last = zip->size - END_BYTES, first = last > 0xFFFF ? last - 0xFFFF : 0;
    for (size_t at = last + 1; at-- > first;)
        if (!memcmp(zip->bytes + at, "PK\5\6", 4)) return at;
    return SIZE_MAX;
}

te_status ti_zip_open(ti_zip *zip, const char *path, const uint8_t *bytes, size_t size,
                      te_error *err)
{
    *zip = (ti_zip){.path = path, .bytes = bytes, .size = size};
    size_t end = find_end(zip);
    if (end == SIZE_MAX) return damaged(zip, err);
    uint64_t length = number(bytes + end + 12, 4), start = number(bytes + end + 16, 4);
    if (end >= LOCATOR64_BYTES && !memcmp(bytes + end - LOCATOR64_BYTES, "PK\6\7", 4)) {
        uint64_t end64 = number(bytes + end - LOCATOR64_BYTES + 8, 8);
        if (size < END64_BYTES || end64 > size - END64_BYTES || memcmp(bytes + end64, "PK\6\6", 4))
            return damaged(zip, err);
        length = number(bytes + end64 + 40, 8);
        start = number(bytes + end64 + 48, 8);
    }
    if (start > size || length > size - start) return damaged(zip, err);
    zip->directory = (size_t)start;
    zip->directory_end = (size_t)(start + length);
    return TE_OK;
}

/* Values too large for 32 bits stand in extra field 1, in this order, each only where its 32-bit
 * field is all ones. */
static bool widen(const uint8_t *extra, size_t length, uint64_t *size, uint64_t *packed,
                  uint64_t *local)
{
    uint64_t *fields[] = {size, packed, local};
    while (length >= 4) {
        size_t tag = (size_t)number(extra, 2), bytes = (size_t)number(extra + 2, 2);
        extra += 4;
        length -= 4;
        if (bytes > length) return false;
        if (tag == 1)
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != 0xFFFFFFFF) continue;
                if (bytes < 8) return false;
                *fields[i] = number(extra, 8);
                extra += 8;
                length -= 8;
                bytes -= 8;
            }
        extra += bytes;
        length -= bytes;
    }
    return true;
}

te_status ti_zip_next(const ti_zip *zip, size_t *at, ti_zip_entry *out, bool *found, te_error *err)
{
    size_t here = zip->directory + *at, left = zip->directory_end - here;
    *found = left >= ENTRY_BYTES;
    if (!*found) return TE_OK;
    const uint8_t *entry = zip->bytes + here;
    size_t name = (size_t)number(entry + 28, 2), extra = (size_t)number(entry + 30, 2);
    size_t all = ENTRY_BYTES + name + extra + (size_t)number(entry + 32, 2);
    if (memcmp(entry, "PK\1\2", 4) || all > left) return damaged(zip, err);
    uint64_t packed = number(entry + 20, 4), size = number(entry + 24, 4),
             local = number(entry + 42, 4);
    if (number(entry + 8, 2) & 1 || number(entry + 10, 2) != 0)
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: a compressed archive; save it again with torch.save", zip->path);
    if (!widen(entry + ENTRY_BYTES + name, extra, &size, &packed, &local) || size != packed ||
        zip->size < LOCAL_BYTES || local > zip->size - LOCAL_BYTES ||
        memcmp(zip->bytes + local, "PK\3\4", 4))
        return damaged(zip, err);
    const uint8_t *header = zip->bytes + local;
    uint64_t data = local + LOCAL_BYTES + number(header + 26, 2) + number(header + 28, 2);
    if (data > zip->size || size > zip->size - data) return damaged(zip, err);
    *out = (ti_zip_entry){(const char *)entry + ENTRY_BYTES, name, zip->bytes + data, (size_t)size};
    *at += all;
    return TE_OK;
}
