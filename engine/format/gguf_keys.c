/* gguf_keys.c - typed access to GGUF metadata, and its values as text. */
#include "format/gguf_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const ti_kv *find(const ti_gguf *file, const char *key)
{
    int low = 0, high = file->n_keys;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(file->keys[middle].name, key);
        if (!order) return &file->keys[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static te_status wrong_type(const ti_gguf *file, const ti_kv *kv, const char *wanted, te_error *err)
{
    return ti_fail(err, TE_FORMAT, "%s: the key %s is not %s; convert the model again", file->path,
                   kv->name, wanted);
}

static bool is_integer(uint32_t type)
{
    return type <= TI_KV_I32 || type == TI_KV_U64 || type == TI_KV_I64;
}

/* False when the value is no integer or does not fit. */
static bool integer_at(const ti_kv *kv, size_t index, int64_t *out)
{
    if (!is_integer(kv->type)) return false;
    size_t size = ti_gguf_scalar_bytes(kv->type);
    bool is_signed = kv->type == TI_KV_I8 || kv->type == TI_KV_I16 || kv->type == TI_KV_I32 ||
                     kv->type == TI_KV_I64;
    uint64_t bits = 0;
    memcpy(&bits, kv->value + index * size, size);
    if (is_signed && size < 8) {
        uint64_t sign = (uint64_t)1 << (8 * size - 1);
        bits = (bits ^ sign) - sign;
    }
    if (!is_signed && bits > INT64_MAX) return false;
    memcpy(out, &bits, sizeof *out);
    return true;
}

bool ti_gguf_has(const ti_gguf *file, const char *key)
{
    return find(file, key) != NULL;
}

te_status ti_gguf_int(const ti_gguf *file, const char *key, int64_t fallback, int64_t *out,
                      te_error *err)
{
    const ti_kv *kv = find(file, key);
    *out = fallback;
    if (!kv) return TE_OK;
    if (kv->is_array || !integer_at(kv, 0, out)) return wrong_type(file, kv, "an integer", err);
    return TE_OK;
}

te_status ti_gguf_need_int(const ti_gguf *file, const char *key, int64_t min, int64_t max,
                           int64_t *out, te_error *err)
{
    *out = 0;
    if (!find(file, key))
        return ti_fail(err, TE_FORMAT, "%s: the key %s is missing; convert the model again",
                       file->path, key);
    te_status st = ti_gguf_int(file, key, 0, out, err);
    if (!st && (*out < min || *out > max))
        st = ti_fail(err, TE_FORMAT, "%s: %s is %lld, outside %lld to %lld", file->path, key,
                     (long long)*out, (long long)min, (long long)max);
    return st;
}

te_status ti_gguf_real(const ti_gguf *file, const char *key, double fallback, double *out,
                       te_error *err)
{
    const ti_kv *kv = find(file, key);
    int64_t integer;
    float single;
    *out = fallback;
    if (!kv) return TE_OK;
    if (kv->is_array) return wrong_type(file, kv, "a number", err);
    if (kv->type == TI_KV_F32) {
        memcpy(&single, kv->value, sizeof single);
        *out = single;
    } else if (kv->type == TI_KV_F64) {
        memcpy(out, kv->value, sizeof *out);
    } else if (integer_at(kv, 0, &integer)) {
        *out = (double)integer;
    } else {
        return wrong_type(file, kv, "a number", err);
    }
    return TE_OK;
}

te_status ti_gguf_bool(const ti_gguf *file, const char *key, bool fallback, bool *out,
                       te_error *err)
{
    const ti_kv *kv = find(file, key);
    *out = fallback;
    if (!kv) return TE_OK;
    if (kv->is_array || kv->type != TI_KV_BOOL) return wrong_type(file, kv, "true or false", err);
    *out = *kv->value != 0;
    return TE_OK;
}

static const char *string_at(const uint8_t *value, size_t *length)
{
    uint64_t n;
    memcpy(&n, value, sizeof n);
    *length = (size_t)n;
    return (const char *)value + sizeof n;
}

te_status ti_gguf_string(const ti_gguf *file, const char *key, const char **out, size_t *length,
                         te_error *err)
{
    const ti_kv *kv = find(file, key);
    *out = NULL;
    *length = 0;
    if (!kv) return TE_OK;
    if (kv->is_array || kv->type != TI_KV_STRING) return wrong_type(file, kv, "a text", err);
    *out = string_at(kv->value, length);
    return TE_OK;
}

te_status ti_gguf_int_array(const ti_gguf *file, const char *key, int64_t *out, int capacity,
                            int *n, te_error *err)
{
    const ti_kv *kv = find(file, key);
    *n = 0;
    if (!kv) return TE_OK;
    if (!kv->is_array || !is_integer(kv->type))
        return wrong_type(file, kv, "an array of integers", err);
    if (kv->count > (size_t)capacity)
        return ti_fail(err, TE_FORMAT, "%s: %s has %zu entries; up to %d can be read", file->path,
                       key, kv->count, capacity);
    for (size_t i = 0; i < kv->count; i++)
        if (!integer_at(kv, i, &out[i])) return wrong_type(file, kv, "an array of integers", err);
    *n = (int)kv->count;
    return TE_OK;
}

int ti_gguf_key_count(const ti_gguf *file)
{
    return file->n_keys;
}

const char *ti_gguf_key(const ti_gguf *file, int index)
{
    return index >= 0 && index < file->n_keys ? file->keys[index].name : NULL;
}

/* ---- values as text -------------------------------------------------------------------------- */

#define SHOWN_BYTES   60
#define SHOWN_ENTRIES 8

/* A stranger's text on one line: control characters become spaces, a cut keeps whole characters. */
static size_t put_text(char *to, size_t size, const char *text, size_t length)
{
    size_t shown = length < SHOWN_BYTES ? length : SHOWN_BYTES;
    if (shown < length)
        while (shown && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--;
    size_t n = 0;
    for (size_t i = 0; i < shown && n + 1 < size; i++)
        to[n++] = (unsigned char)text[i] < ' ' || text[i] == 0x7F ? ' ' : text[i];
    to[n] = '\0';
    if (shown < length) n += (size_t)snprintf(to + n, size - n, "... (%zu bytes)", length);
    return n;
}

static size_t put_scalar(char *to, size_t size, const ti_kv *kv, size_t index)
{
    const uint8_t *at = kv->value + index * ti_gguf_scalar_bytes(kv->type);
    int64_t integer;
    uint64_t large;
    double real = 0;
    float single;
    if (kv->type == TI_KV_BOOL) return (size_t)snprintf(to, size, "%s", *at ? "true" : "false");
    if (integer_at(kv, index, &integer)) return (size_t)snprintf(to, size, "%" PRId64, integer);
    if (kv->type == TI_KV_U64) {
        memcpy(&large, at, sizeof large);
        return (size_t)snprintf(to, size, "%" PRIu64, large);
    }
    if (kv->type == TI_KV_F32) {
        memcpy(&single, at, sizeof single);
        real = single;
    } else {
        memcpy(&real, at, sizeof real);
    }
    return (size_t)snprintf(to, size, "%.*g", kv->type == TI_KV_F32 ? 7 : 15, real);
}

char *ti_gguf_value_text(const ti_gguf *file, int index)
{
    if (index < 0 || index >= file->n_keys) return NULL;
    const ti_kv *kv = &file->keys[index];
    const uint8_t *at = kv->value;
    size_t size = SHOWN_ENTRIES * (SHOWN_BYTES + 40), n = 0;
    char *text = ti_calloc(size, 1);
    if (!text) return NULL;
    if (kv->is_array) text[n++] = '[';
    for (size_t i = 0; i < kv->count && i < SHOWN_ENTRIES; i++) {
        if (i) n += (size_t)snprintf(text + n, size - n, ", ");
        if (kv->type == TI_KV_STRING) {
            size_t length;
            const char *string = string_at(at, &length);
            n += put_text(text + n, size - n, string, length);
            at = (const uint8_t *)string + length;
        } else {
            n += put_scalar(text + n, size - n, kv, i);
        }
    }
    if (kv->count > SHOWN_ENTRIES)
        n += (size_t)snprintf(text + n, size - n, ", ... (%zu)", kv->count);
    if (kv->is_array) snprintf(text + n, size - n, "]");
    return text;
}
