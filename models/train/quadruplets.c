/* quadruplets.c - see quadruplets.h */
#include "quadruplets.h"

#include "base/memory.h"

#include <cairo.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ti_quadruplets {
    char *path, *folder; /* FOLDER ends with a slash, or is empty */
    int size;
    char *text; /* the file, lines ended by NUL */
    char **lines;
    int64_t n;
};

static te_status read_file(const char *path, char **text, size_t *length, te_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) return ti_fail(err, TE_IO, "%s: cannot be opened", path);
    long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    *text = size < 0 || fseek(file, 0, SEEK_SET) ? NULL : ti_malloc_array((size_t)size + 1, 1);
    bool ok = *text && fread(*text, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (!ok) {
        free(*text);
        *text = NULL;
        return ti_fail(err, TE_IO, "%s: cannot be read", path);
    }
    (*text)[size] = 0;
    *length = (size_t)size;
    return TE_OK;
}

static te_status split_lines(ti_quadruplets *q, size_t length, te_error *err)
{
    int64_t lines = 1;
    for (size_t i = 0; i < length; i++) lines += q->text[i] == '\n';
    q->lines = ti_malloc_array((size_t)lines, sizeof *q->lines);
    if (!q->lines)
        return ti_fail_memory(err, "the list of samples", (size_t)lines * sizeof *q->lines);
    char *line = q->text;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && q->text[i] != '\n') continue;
        q->text[i] = 0;
        if (*line) q->lines[q->n++] = line;
        line = q->text + i + 1;
    }
    return q->n ? TE_OK : ti_fail(err, TE_FORMAT, "%s: holds no samples", q->path);
}

te_status ti_quadruplets_open(ti_quadruplets **out, const char *path, int size, te_error *err)
{
    size_t length = 0;
    *out = NULL;
    ti_quadruplets *q = ti_calloc(1, sizeof *q);
    if (!q) return ti_fail_memory(err, "samples", sizeof *q);
    const char *slash = strrchr(path, '/');
    q->size = size;
    q->path = ti_strdup(path);
    q->folder = ti_strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
    te_status st = q->path && q->folder ? TE_OK : ti_fail_memory(err, "samples", strlen(path));
    if (!st) st = read_file(path, &q->text, &length, err);
    if (!st) st = split_lines(q, length, err);
    if (st) {
        ti_quadruplets_free(q);
        return st;
    }
    *out = q;
    return TE_OK;
}

void ti_quadruplets_free(ti_quadruplets *q)
{
    if (!q) return;
    free(q->path);
    free(q->folder);
    free(q->text);
    free(q->lines);
    free(q);
}

int64_t ti_quadruplets_count(const ti_quadruplets *q)
{
    return q->n;
}

static te_status read_picture(const ti_quadruplets *q, const char *name, uint8_t **out,
                              te_error *err)
{
    char path[4096];
    const size_t size = (size_t)q->size;
    snprintf(path, sizeof path, "%s%s", name[0] == '/' ? "" : q->folder, name);
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    te_status st = TE_OK;
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS)
        st = ti_fail(err, TE_IO, "%s: no PNG picture that can be read", path);
    else if (cairo_image_surface_get_width(surface) != q->size ||
             cairo_image_surface_get_height(surface) != q->size)
        st = ti_fail(err, TE_FORMAT, "%s: must be %d x %d pixels", path, q->size, q->size);
    if (!st) *out = ti_malloc_array(size * size, 3);
    if (!st && !*out) st = ti_fail_memory(err, "a picture", size * size * 3);
    if (!st) {
        const unsigned char *data = cairo_image_surface_get_data(surface);
        const size_t stride = (size_t)cairo_image_surface_get_stride(surface);
        for (size_t y = 0; y < size; y++)
            for (size_t x = 0; x < size; x++) {
                uint32_t pixel;
                memcpy(&pixel, data + y * stride + 4 * x, sizeof pixel);
                for (int c = 0; c < 3; c++)
                    (*out)[(y * size + x) * 3 + (size_t)c] = (uint8_t)(pixel >> (16 - 8 * c));
            }
    }
    cairo_surface_destroy(surface);
    return st;
}

static te_status mark_unchanged(ti_world_sample *s, te_error *err)
{
    const size_t pixels = (size_t)s->size * (size_t)s->size;
    s->unchanged = ti_malloc_array(pixels, 1);
    if (!s->unchanged) return ti_fail_memory(err, "a picture", pixels);
    for (size_t i = 0; i < pixels; i++)
        s->unchanged[i] = !memcmp(s->input + 3 * i, s->output + 3 * i, 3);
    return TE_OK;
}

te_status ti_quadruplets_read(const ti_quadruplets *q, int64_t index, ti_world_sample *out,
                              te_error *err)
{
    json_error_t where;
    *out = (ti_world_sample){.category = TI_WORLD_GENERAL, .kind = "quadruplet", .size = q->size};
    json_t *o = json_loads(q->lines[index], JSON_REJECT_DUPLICATES, &where);
    const char *input = json_string_value(json_object_get(o, "input"));
    const char *output = json_string_value(json_object_get(o, "output"));
    const char *instruction = json_string_value(json_object_get(o, "instruction"));
    const char *reasoning = json_string_value(json_object_get(o, "reasoning"));
    te_status st = TE_OK;
    if (!output || !instruction || !reasoning)
        st =
            ti_fail(err, TE_FORMAT,
                    "%s: sample %lld needs the texts \"instruction\", \"reasoning\" and \"output\"",
                    q->path, (long long)index + 1);
    if (!st) {
        out->instruction = ti_strdup(instruction);
        out->reasoning = ti_strdup(reasoning);
        if (!out->instruction || !out->reasoning) st = ti_fail_memory(err, "a sample", 1);
    }
    if (!st) st = read_picture(q, output, &out->output, err);
    if (!st && input) st = read_picture(q, input, &out->input, err);
    if (!st && input) st = mark_unchanged(out, err);
    json_decref(o);
    if (st) ti_world_clear(out);
    return st;
}
