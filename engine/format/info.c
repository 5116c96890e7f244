/* info.c - see info.h. Keys come out sorted, tensors in the file's order. */
#include "format/info.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- a text that grows ----------------------------------------------------------------------- */

typedef struct text {
    char *bytes;
    size_t used, room;
    bool failed; /* memory ran out; nothing is added any more */
} text;

static void add(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(text *t, const char *format, ...)
{
    va_list args;
    for (int attempt = 0; attempt < 2 && !t->failed; attempt++) {
        va_start(args, format);
        int n = vsnprintf(t->bytes ? t->bytes + t->used : NULL, t->room - t->used, format, args);
        va_end(args);
        if (t->used + (size_t)n < t->room) {
            t->used += (size_t)n;
            return;
        }
        size_t room = 2 * (t->room + (size_t)n + 256);
        char *grown = ti_realloc_array(t->bytes, room, 1);
        t->failed = !grown;
        if (!grown) return;
        t->bytes = grown;
        t->room = room;
    }
}

/* ---- facts ----------------------------------------------------------------------------------- */

typedef struct facts {
    bool backbone, image, tokenizer, layout;
    uint64_t parameters;
    char profile[32], image_type[32], name[128], architecture[32];
} facts;

/* A text key into TO; empty when it is absent or no text. */
static void copy_text(const ti_gguf *file, const char *key, char *to, size_t size)
{
    const char *value;
    size_t length;
    to[0] = '\0';
    if (ti_gguf_string(file, key, &value, &length, NULL) || !value) return;
    for (size_t i = 0; i < length && i + 1 < size; i++) {
        to[i] = (unsigned char)value[i] < ' ' ? ' ' : value[i];
        to[i + 1] = '\0';
    }
}

static facts gather(const ti_gguf *file)
{
    facts f = {.backbone = ti_gguf_find(file, "token_embd.weight") != NULL,
               .tokenizer = ti_gguf_has(file, "tokenizer.huggingface.json"),
               .layout = ti_gguf_has(file, "thinkedit.layout.profile"),
               .image = ti_gguf_has(file, "image_tokenizer.type")};
    for (int i = 0; i < ti_gguf_tensor_count(file); i++)
        f.parameters += (uint64_t)ti_tensor_elements(ti_gguf_tensor(file, i));
    copy_text(file, "thinkedit.layout.profile", f.profile, sizeof f.profile);
    copy_text(file, "image_tokenizer.type", f.image_type, sizeof f.image_type);
    copy_text(file, "general.name", f.name, sizeof f.name);
    copy_text(file, "general.architecture", f.architecture, sizeof f.architecture);
    return f;
}

static int64_t number(const ti_gguf *file, const char *key)
{
    int64_t value;
    return ti_gguf_int(file, key, 0, &value, NULL) ? 0 : value;
}

/* ---- for people ------------------------------------------------------------------------------ */

static void add_parts(text *t, const ti_gguf *file, const facts *f)
{
    if (f->backbone)
        add(t,
            "  backbone          %s, %" PRId64 " layers, width %" PRId64 ", vocabulary %" PRId64
            "\n",
            f->architecture, number(file, "llada.block_count"),
            number(file, "llada.embedding_length"), number(file, "llada.vocab_size"));
    else
        add(t, "  backbone          absent\n");
    if (f->image)
        add(t, "  image tokeniser   %s, %" PRId64 " codes, %" PRId64 " pixels per token\n",
            f->image_type, number(file, "image_tokenizer.codebook"),
            number(file, "image_tokenizer.patch"));
    else
        add(t, "  image tokeniser   absent\n");
    add(t, "  text tokeniser    %s\n", f->tokenizer ? "tokenizer.json" : "absent");
    add(t, "  layout            %s\n", f->layout ? f->profile : "absent");
}

static te_status as_text(const ti_gguf *file, char **out, te_error *err)
{
    text t = {0};
    facts f = gather(file);
    add(&t, "%s: %s, %.1f million parameters, %.1f MB, hash %016" PRIx64 "\n", ti_gguf_path(file),
        f.name[0] ? f.name : "(no name)", (double)f.parameters / 1e6,
        (double)ti_gguf_size(file) / 1e6, ti_gguf_hash(file));
    add_parts(&t, file, &f);
    add(&t, "\n%d keys\n", ti_gguf_key_count(file));
    for (int i = 0; i < ti_gguf_key_count(file); i++) {
        char *value = ti_gguf_value_text(file, i);
        if (!value) t.failed = true;
        add(&t, "  %-44s %s\n", ti_gguf_key(file, i), value ? value : "");
        free(value);
    }
    add(&t, "\n%d tensors\n", ti_gguf_tensor_count(file));
    for (int i = 0; i < ti_gguf_tensor_count(file); i++) {
        const ti_tensor *tensor = ti_gguf_tensor(file, i);
        char shape[96];
        ti_shape_text(shape, sizeof shape, tensor->n_dims, tensor->shape);
        add(&t, "  %-56s %-5s %s\n", tensor->name, ti_type_name(tensor->type), shape);
    }
    if (t.failed) {
        free(t.bytes);
        return ti_fail_memory(err, "the description", t.room);
    }
    *out = t.bytes;
    return TE_OK;
}

/* ---- for scripts ----------------------------------------------------------------------------- */

/* A key's value in its own type; long texts and arrays as ti_gguf_value_text() shortens them. */
static json_t *value_json(const ti_gguf *file, int index)
{
    const char *key = ti_gguf_key(file, index);
    int64_t integer;
    double real;
    bool flag;
    if (!ti_gguf_int(file, key, 0, &integer, NULL)) return json_integer(integer);
    if (!ti_gguf_bool(file, key, false, &flag, NULL)) return json_boolean(flag);
    if (!ti_gguf_real(file, key, 0, &real, NULL)) return json_real(real);
    int64_t entries[64];
    int n;
    if (!ti_gguf_int_array(file, key, entries, 64, &n, NULL)) {
        json_t *array = json_array();
        for (int i = 0; i < n; i++) json_array_append_new(array, json_integer(entries[i]));
        return array;
    }
    char *shown = ti_gguf_value_text(file, index);
    json_t *value = shown ? json_string(shown) : NULL;
    if (shown && !value) value = json_string("(not UTF-8)");
    free(shown);
    return value;
}

static json_t *tensor_json(const ti_tensor *t)
{
    json_t *shape = json_array();
    for (int d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer(t->shape[d]));
    return json_pack("{s:s%, s:s, s:o, s:I}", "name", t->name, strlen(t->name), "type",
                     ti_type_name(t->type), "shape", shape, "bytes", (json_int_t)t->bytes);
}

static te_status as_json(const ti_gguf *file, char **out, te_error *err)
{
    facts f = gather(file);
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, ti_gguf_hash(file));
    json_t *keys = json_object(), *tensors = json_array();
    int failed = 0;
    for (int i = 0; i < ti_gguf_key_count(file); i++)
        failed |= json_object_set_new(keys, ti_gguf_key(file, i), value_json(file, i));
    for (int i = 0; i < ti_gguf_tensor_count(file); i++)
        failed |= json_array_append_new(tensors, tensor_json(ti_gguf_tensor(file, i)));
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:{s:b, s:b, s:b, s:b}, s:o, s:o}", "path",
                  ti_gguf_path(file), "name", f.name, "profile", f.profile, "hash", hash, "bytes",
                  (json_int_t)ti_gguf_size(file), "parameters", (json_int_t)f.parameters, "parts",
                  "backbone", f.backbone, "image_tokenizer", f.image, "tokenizer", f.tokenizer,
                  "layout", f.layout, "keys", keys, "tensors", tensors);
    size_t length = root && !failed ? json_dumpb(root, NULL, 0, JSON_INDENT(1)) : 0;
    char *bytes = length ? ti_calloc(length + 2, 1) : NULL;
    if (bytes) {
        json_dumpb(root, bytes, length, JSON_INDENT(1));
        bytes[length] = '\n';
    }
    json_decref(root);
    *out = bytes;
    if (bytes) return TE_OK;
    if (length) return ti_fail_memory(err, "the description", length);
    return ti_fail(err, TE_FORMAT, "%s: its names are not UTF-8 and cannot be written as JSON",
                   ti_gguf_path(file));
}

te_status ti_info(const ti_gguf *file, bool json, char **out, te_error *err)
{
    *out = NULL;
    return json ? as_json(file, out, err) : as_text(file, out, err);
}
