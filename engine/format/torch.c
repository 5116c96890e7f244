/* torch.c - the zip files of torch.save(): NAME/data.pkl describes the tensors, NAME/data/KEY holds
 * the bytes of one storage each. */
#include "format/checkpoint_internal.h"
#include "format/pickle.h"
#include "format/zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

typedef struct archive {
    const ti_part *file;
    ti_zip_entry *entries; /* sorted by name */
    size_t n;
    char *name; /* room for a looked-up name */
    size_t prefix;
} archive;

static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int by_name(const void *a, const void *b)
{
    const ti_zip_entry *x = a, *y = b;
    return compare(x->name, x->name_length, y->name, y->name_length);
}

static te_status list_entries(archive *a, const ti_zip *zip, te_error *err)
{
    size_t at = 0, room = 0;
    bool found = true;
    te_status st = TE_OK;
    while (!st) {
        if (a->n == room) {
            room = room ? 2 * room : 256;
            ti_zip_entry *grown = ti_realloc_array(a->entries, room, sizeof *grown);
            if (!grown) return ti_fail_memory(err, "the archive's table", room * sizeof *grown);
            a->entries = grown;
        }
        st = ti_zip_next(zip, &at, &a->entries[a->n], &found, err);
        if (st || !found) break;
        a->n++;
    }
    if (a->n) qsort(a->entries, a->n, sizeof *a->entries, by_name);
    return st;
}

/* Everything lies in one folder of any name: the one with data.pkl. */
static const ti_zip_entry *find_pickle(archive *a)
{
    static const char tail[] = "/data.pkl";
    const size_t length = sizeof tail - 1;
    for (size_t i = 0; i < a->n; i++) {
        const ti_zip_entry *e = &a->entries[i];
        if (e->name_length <= length || memcmp(e->name + e->name_length - length, tail, length))
            continue;
        if (memchr(e->name, '/', e->name_length - length)) continue;
        a->prefix = e->name_length - length + 1;
        return e;
    }
    return NULL;
}

/* The entry FOLDER/MIDDLE LAST. */
static const ti_zip_entry *find(archive *a, const char *middle, const char *last,
                                size_t last_length)
{
    size_t length = a->prefix + strlen(middle);
    memcpy(a->name + a->prefix, middle, strlen(middle));
    memcpy(a->name + length, last, last_length);
    ti_zip_entry key = {.name = a->name, .name_length = length + last_length};
    return bsearch(&key, a->entries, a->n, sizeof *a->entries, by_name);
}

static te_status add_tensor(ti_checkpoint *c, archive *a, const ti_pickle_tensor *t, te_error *err)
{
    char shown[64];
    ti_tensor tensor = t->tensor;
    ti_show_name(shown, t->name, t->name_length);
    const ti_zip_entry *e =
        t->storage_length > 64 ? NULL : find(a, "data/", t->storage, t->storage_length);
    size_t first, each = ti_type_block_bytes(tensor.type);
    if (!e)
        return ti_fail(err, TE_FORMAT, "%s: the data of tensor %s is missing", a->file->path,
                       shown);
    if (!ti_mul_size((size_t)t->offset, each, &first) || first > e->bytes ||
        tensor.bytes > e->bytes - first)
        return ti_fail(err, TE_FORMAT, "%s: tensor %s reaches outside its data; get the file again",
                       a->file->path, shown);
    if (memchr(t->name, 0, t->name_length))
        return ti_fail(err, TE_FORMAT, "%s: tensor %s has an unusable name", a->file->path, shown);
    tensor.data = e->data + first;
    return ti_checkpoint_add(c, t->name, t->name_length, &tensor, err);
}

static te_status read_tensors(ti_checkpoint *c, archive *a, const ti_zip_entry *pickle,
                              te_error *err)
{
    ti_pickle_tensor *tensors;
    int n;
    a->name = ti_calloc(a->prefix + 128, 1);
    if (!a->name) return ti_fail_memory(err, "the archive's table", a->prefix + 128);
    memcpy(a->name, pickle->name, a->prefix);
    const ti_zip_entry *order = find(a, "byteorder", "", 0);
    if (order && !(order->bytes == 6 && !memcmp(order->data, "little", 6)))
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: a big-endian file; save it again on another machine", a->file->path);
    te_status st = ti_pickle_read(a->file->path, pickle->data, pickle->bytes, &tensors, &n, err);
    for (int i = 0; i < n && !st; i++) st = add_tensor(c, a, &tensors[i], err);
    free(tensors);
    return st;
}

te_status ti_torch_read(ti_checkpoint *c, const ti_part *file, te_error *err)
{
    archive a = {.file = file};
    ti_zip zip;
    te_status st = ti_zip_open(&zip, file->path, file->bytes, file->size, err);
    if (!st) st = list_entries(&a, &zip, err);
    if (!st) {
        const ti_zip_entry *pickle = find_pickle(&a);
        st = pickle ? read_tensors(c, &a, pickle, err)
                    : ti_fail(err, TE_FORMAT, "%s: a zip file without data.pkl, not a PyTorch file",
                              file->path);
    }
    free(a.entries);
    free(a.name);
    return st;
}
