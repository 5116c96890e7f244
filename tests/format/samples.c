/* samples.c - see samples.h */
#include "samples.h"

#include <string.h>

void sample_put(sample *s, const void *data, size_t n)
{
    memcpy(s->bytes + s->n, data, n);
    s->n += n;
}

void sample_text(sample *s, const char *text)
{
    sample_put(s, text, strlen(text));
}

static void number(sample *s, uint64_t value, size_t bytes)
{
    sample_put(s, &value, bytes);
}

/* ---- pickle ---------------------------------------------------------------------------------- */

static void op(sample *s, uint8_t opcode)
{
    sample_put(s, &opcode, 1);
}

static void unicode(sample *s, const char *text)
{
    op(s, 'X');
    number(s, strlen(text), 4);
    sample_text(s, text);
}

static void small(sample *s, uint8_t value)
{
    op(s, 'K');
    number(s, value, 1);
}

/* _rebuild_tensor_v2(storage, offset, shape, stride, False, OrderedDict()) */
static void tensor(sample *s, const char *storage_type, const char *key, uint8_t elements,
                   uint8_t offset, const uint8_t *shape, int n_dims)
{
    sample_text(s, "ctorch._utils\n_rebuild_tensor_v2\n");
    op(s, '(');
    op(s, '(');
    unicode(s, "storage");
    sample_text(s, "ctorch\n");
    sample_text(s, storage_type);
    sample_text(s, "\n");
    unicode(s, key);
    unicode(s, "cpu");
    small(s, elements);
    op(s, 't');
    op(s, 'Q');
    small(s, offset);
    for (int pass = 0; pass < 2; pass++) { /* shape, then strides */
        for (int i = 0; i < n_dims; i++)
            small(s, pass ? (i + 1 < n_dims ? shape[i + 1] : 1) : shape[i]);
        op(s, n_dims == 2 ? 0x86 : 0x85);
    }
    op(s, 0x89);
    sample_text(s, "ccollections\nOrderedDict\n)R");
    op(s, 't');
    op(s, 'R');
}

void sample_pickle(sample *s)
{
    s->n = 0;
    sample_text(s, "\x80\x02");
    sample_text(s, "ccollections\nOrderedDict\nq");
    number(s, 0, 1);
    op(s, ')');
    op(s, 'R');
    sample_text(s, "q\x01(");
    unicode(s, "a.weight");
    tensor(s, "FloatStorage", "0", 6, 0, (const uint8_t[]){2, 3}, 2);
    unicode(s, "b");
    tensor(s, "BFloat16Storage", "1", 6, 2, (const uint8_t[]){4}, 1);
    unicode(s, "step");
    small(s, 9);
    op(s, 'u');
    op(s, '}');
    unicode(s, "_metadata");
    op(s, 'h');
    number(s, 1, 1);
    op(s, 's');
    op(s, 'b');
    op(s, '.');
}

/* ---- zip ------------------------------------------------------------------------------------- */

typedef struct directory {
    sample entries;
    int count;
} directory;

static void store(sample *zip, directory *d, const char *name, const void *data, size_t n)
{
    size_t local = zip->n;
    for (int central = 0; central < 2; central++) {
        sample *s = central ? &d->entries : zip;
        sample_put(s, central ? "PK\1\2" : "PK\3\4", 4);
        if (central) number(s, 20, 2);
        number(s, 20, 2);
        number(s, 0, 8); /* flags, method, time */
        number(s, 0, 4); /* checksum */
        number(s, n, 4);
        number(s, n, 4);
        number(s, strlen(name), 2);
        number(s, 0, 2);
        if (central) {
            number(s, 0, 8);
            number(s, 0, 2);
            number(s, local, 4);
        }
        sample_text(s, name);
    }
    sample_put(zip, data, n);
    d->count++;
}

void sample_torch(sample *zip, const sample *pickle)
{
    directory d = {.count = 0};
    const float six[] = {1, 2, 3, 4, 5, 6};
    const uint16_t halves[] = {0, 0, 0x3F80, 0x4000, 0x4040, 0x4080};
    zip->n = 0;
    store(zip, &d, "archive/data.pkl", pickle->bytes, pickle->n);
    store(zip, &d, "archive/byteorder", "little", 6);
    store(zip, &d, "archive/data/0", six, sizeof six);
    store(zip, &d, "archive/data/1", halves, sizeof halves);
    store(zip, &d, "archive/version", "3\n", 2);
    size_t start = zip->n;
    sample_put(zip, d.entries.bytes, d.entries.n);
    sample_put(zip, "PK\5\6", 4);
    number(zip, 0, 4);
    number(zip, (uint64_t)d.count, 2);
    number(zip, (uint64_t)d.count, 2);
    number(zip, d.entries.n, 4);
    number(zip, start, 4);
    number(zip, 0, 2);
}

/* ---- safetensors ----------------------------------------------------------------------------- */

void sample_header(sample *s, const char *json, size_t n)
{
    s->n = 0;
    number(s, strlen(json), 8);
    sample_text(s, json);
    memset(s->bytes + s->n, 0, n);
    s->n += n;
}

void sample_safetensors(sample *s)
{
    const float four[] = {1, 2, 3, 4};
    sample_header(s,
                  "{\"__metadata__\":{\"format\":\"pt\"},"
                  "\"x\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                  "\"y\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}",
                  0);
    sample_put(s, four, sizeof four);
    sample_put(s, "\1\2\3", 3);
}
