/* submit.c - a submission's multipart body to a job. Everything is checked before anything is
 * decoded: part names, sizes in PNG headers, option names and ranges. What is wrong is answered
 * here. */
#include "server/server.h"

#include <math.h>
#include <string.h>

#include "server/place.h"
#include "server/png.h"

typedef struct parts {
    GBytes *parameters, *image, *mask;
} parts;

static void parts_clear(parts *p)
{
    g_clear_pointer(&p->parameters, g_bytes_unref);
    g_clear_pointer(&p->image, g_bytes_unref);
    g_clear_pointer(&p->mask, g_bytes_unref);
}

static gboolean read_parts(SoupServerMessage *message, parts *out)
{
    GBytes *body = soup_message_body_flatten(soup_server_message_get_request_body(message));
    SoupMultipart *multipart =
        soup_multipart_new_from_message(soup_server_message_get_request_headers(message), body);
    g_bytes_unref(body);
    if (!multipart) {
        ti_http_error(
            message, 400, "invalid",
            "The body is no multipart/form-data: send the parts parameters, image and mask.");
        return FALSE;
    }
    for (int i = 0; i < soup_multipart_get_length(multipart); i++) {
        SoupMessageHeaders *headers;
        GBytes *bytes;
        char *disposition = NULL;
        GHashTable *fields = NULL;
        if (!soup_multipart_get_part(multipart, i, &headers, &bytes)) continue;
        if (soup_message_headers_get_content_disposition(headers, &disposition, &fields)) {
            const char *name = g_hash_table_lookup(fields, "name");
            GBytes **slot = !g_strcmp0(name, "parameters") ? &out->parameters
                            : !g_strcmp0(name, "image")    ? &out->image
                            : !g_strcmp0(name, "mask")     ? &out->mask
                                                           : NULL;
            if (slot && !*slot) *slot = g_bytes_ref(bytes);
            g_hash_table_destroy(fields);
            g_free(disposition);
        }
    }
    soup_multipart_free(multipart);
    if (out->parameters) return TRUE;
    ti_http_error(message, 400, "invalid", "The part 'parameters' is missing: send it as JSON.");
    return FALSE;
}

static gboolean refuse(SoupServerMessage *message, const char *text)
{
    ti_http_error(message, 422, "invalid", text);
    return FALSE;
}

static gboolean set_option(ti_job *job, const char *name, JsonNode *value, te_error *err)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    const char *text = NULL;
    te_options scratch;
    te_options_init(&scratch);
    if (JSON_NODE_HOLDS_VALUE(value)) {
        GType type = json_node_get_value_type(value);
        if (type == G_TYPE_STRING)
            text = json_node_get_string(value);
        else if (type == G_TYPE_INT64)
            g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, json_node_get_int(value));
        else if (type == G_TYPE_DOUBLE)
            g_ascii_dtostr(number, sizeof number, json_node_get_double(value));
        else
            return ti_server_fail(err, TE_INVALID, "The option '%s' needs a number or a string.",
                                  name) == TE_OK;
        if (!text) text = number;
    }
    if (!text)
        return ti_server_fail(err, TE_INVALID, "The option '%s' needs a number or a string.",
                              name) == TE_OK;
    if (te_options_set(&scratch, name, text, err)) return FALSE;
    g_ptr_array_add(job->options, g_strdup(name));
    g_ptr_array_add(job->options, g_strdup(text));
    return TRUE;
}

static gboolean read_options(SoupServerMessage *message, ti_job *job, JsonNode *node)
{
    if (!JSON_NODE_HOLDS_OBJECT(node)) return refuse(message, "'options' must be an object.");
    JsonObjectIter iter;
    const char *name;
    JsonNode *value;
    json_object_iter_init(&iter, json_node_get_object(node));
    while (json_object_iter_next(&iter, &name, &value)) {
        te_error err;
        if (!set_option(job, name, value, &err)) return refuse(message, err.message);
    }
    return TRUE;
}

static gboolean read_string(JsonNode *value, gsize limit, char **out)
{
    if (json_node_get_value_type(value) != G_TYPE_STRING) return FALSE;
    const char *text = json_node_get_string(value);
    if (strlen(text) > limit) return FALSE;
    g_free(*out);
    *out = g_strdup(text);
    return TRUE;
}

static gboolean read_int(JsonNode *value, int max, int *out)
{
    if (json_node_get_value_type(value) != G_TYPE_INT64) return FALSE;
    gint64 n = json_node_get_int(value);
    if (n < 0 || n > max) return FALSE;
    *out = (int)n;
    return TRUE;
}

static gboolean read_member(SoupServerMessage *message, ti_job *job, const char *name,
                            JsonNode *value)
{
    if (!strcmp(name, "options")) return read_options(message, job, value);
    if (!strcmp(name, "instruction")) {
        if (read_string(value, TI_INSTRUCTION_BYTES, &job->instruction)) return TRUE;
        if (json_node_get_value_type(value) != G_TYPE_STRING)
            return refuse(message, "'instruction' must be a string.");
        ti_http_error(message, 413, "invalid",
                      "The instruction is longer than 8192 bytes: shorten it.");
        return FALSE;
    }
    if (!strcmp(name, "label"))
        return read_string(value, 256, &job->label) ||
               refuse(message, "'label' must be a string of up to 256 bytes.");
    if (!strcmp(name, "preset")) {
        if (read_string(value, 16, &job->preset) &&
            (!strcmp(job->preset, "fast") || !strcmp(job->preset, "balanced") ||
             !strcmp(job->preset, "paper")))
            return TRUE;
        return refuse(message, "'preset' must be fast, balanced or paper.");
    }
    if (!strcmp(name, "preview_every"))
        return read_int(value, 1 << 20, &job->preview_every) ||
               refuse(message, "'preview_every' must be a whole number from 0.");
    if (!strcmp(name, "width") || !strcmp(name, "height"))
        return read_int(value, TI_MAX_SIDE, name[0] == 'w' ? &job->width : &job->height) ||
               refuse(message, "'width' and 'height' must be whole numbers up to 65535.");
    char *text = g_strdup_printf("'%.64s' is no parameter: use instruction, preset, options, "
                                 "preview_every, width, height or label.",
                                 name);
    refuse(message, text);
    g_free(text);
    return FALSE;
}

static gboolean read_parameters(SoupServerMessage *message, ti_job *job, GBytes *bytes)
{
    gsize n;
    const char *text = g_bytes_get_data(bytes, &n);
    JsonParser *parser = json_parser_new_immutable();
    gboolean ok = g_utf8_validate(text, (gssize)n, NULL) &&
                  json_parser_load_from_data(parser, text, (gssize)n, NULL) &&
                  json_parser_get_root(parser) &&
                  JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser));
    if (!ok) {
        ti_http_error(message, 400, "invalid", "The part 'parameters' is not a JSON object.");
    } else {
        JsonObjectIter iter;
        const char *name;
        JsonNode *value;
        json_object_iter_init(&iter, json_node_get_object(json_parser_get_root(parser)));
        while (ok && json_object_iter_next(&iter, &name, &value))
            ok = read_member(message, job, name, value);
        if (ok && (!job->instruction || !job->instruction[strspn(job->instruction, " \t\r\n")]))
            ok = refuse(message, "The instruction is empty: say what should change.");
    }
    g_object_unref(parser);
    return ok;
}

static gboolean check_png(SoupServerMessage *message, const char *what, GBytes *png, guint32 *width,
                          guint32 *height)
{
    if (!ti_png_size(png, width, height)) {
        char *text = g_strdup_printf("The part '%s' is not a PNG.", what);
        ti_http_error(message, 415, "format", text);
        g_free(text);
        return FALSE;
    }
    if (!*width || !*height || *width > TI_MAX_SIDE || *height > TI_MAX_SIDE ||
        (guint64)*width * *height > TI_MAX_PIXELS) {
        char *text =
            g_strdup_printf("The part '%s' is %u x %u pixels: send at most 65535 a side and "
                            "134217728 in all.",
                            what, *width, *height);
        ti_http_error(message, 413, "invalid", text);
        g_free(text);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_pictures(SoupServerMessage *message, ti_job *job, const parts *p)
{
    guint32 w = 0, h = 0, mw = 0, mh = 0;
    te_error err = {TE_OK, ""};
    if (p->image && !check_png(message, "image", p->image, &w, &h)) return FALSE;
    if (p->mask && !check_png(message, "mask", p->mask, &mw, &mh)) return FALSE;
    if (p->mask && (mw != w || mh != h))
        return refuse(message, "The mask must have the image's size in pixels.");
    if ((p->image && ti_png_read_rgba(p->image, "image", &job->image, &err)) ||
        (p->mask && ti_png_read_grey(p->mask, "mask", &job->mask, &err))) {
        ti_http_error(message, err.status == TE_NOMEM ? 500 : 422, ti_status_word(err.status),
                      err.message);
        return FALSE;
    }
    return TRUE;
}

ti_job *ti_submit_parse(SoupServerMessage *message)
{
    parts p = {NULL, NULL, NULL};
    ti_job *job = ti_job_new();
    if (!read_parts(message, &p) || !read_parameters(message, job, p.parameters) ||
        !read_pictures(message, job, &p))
        g_clear_pointer(&job, ti_job_unref);
    parts_clear(&p);
    if (job && !job->label) job->label = g_strdup("");
    return job;
}
