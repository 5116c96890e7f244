/* fake_server.c - a `thinkedit serve` whose edits are known beforehand, for tests of the plug-in.
 *
 * Usage: fake_server SOCKET. Works at 256 x 256 with tokens of 16 pixels. Its edit inverts the
 * colours of the right half, as far as the mask allows; the input it "sees" is the input it got.
 * The instruction's first word changes that: "fail" ends in an error, "die" ends the server in
 * mid-stream, "wait" goes on until the client hangs up and then writes SOCKET.cancelled, "mute"
 * says nothing more, "same" changes nothing. /v1/late is answered after two seconds.
 */
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gunixsocketaddress.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 256, PATCH = 16, GRID = SIZE / PATCH };

typedef struct fake {
    const char *socket;
    GBytes *input, *picture; /* PNG, of the newest job */
    char *result;            /* JSON */
} fake;

static GdkPixbuf *read_png(GBytes *bytes)
{
    g_autoptr(GInputStream) stream = g_memory_input_stream_new_from_bytes(bytes);
    return gdk_pixbuf_new_from_stream(stream, NULL, NULL);
}

static GBytes *write_png(GdkPixbuf *pixels)
{
    gchar *data = NULL;
    gsize size = 0;
    if (!gdk_pixbuf_save_to_buffer(pixels, &data, &size, "png", NULL, NULL)) return NULL;
    return g_bytes_new_take(data, size);
}

/* The part NAME of a form; NULL when it is missing. */
static GBytes *part(SoupMultipart *form, const char *name)
{
    for (int i = 0; i < soup_multipart_get_length(form); i++) {
        SoupMessageHeaders *headers = NULL;
        GBytes *body = NULL;
        g_autofree char *disposition = NULL;
        GHashTable *values = NULL;
        if (!soup_multipart_get_part(form, i, &headers, &body)) continue;
        if (!soup_message_headers_get_content_disposition(headers, &disposition, &values)) continue;
        bool found = !g_strcmp0(g_hash_table_lookup(values, "name"), name);
        g_hash_table_unref(values);
        if (found) return body;
    }
    return NULL;
}

static bool token_open(GdkPixbuf *mask, int tx, int ty)
{
    if (!mask) return true;
    int channels = gdk_pixbuf_get_n_channels(mask);
    const guchar *pixels = gdk_pixbuf_read_pixels(mask);
    for (int y = ty * PATCH; y < (ty + 1) * PATCH; y++)
        for (int x = tx * PATCH; x < (tx + 1) * PATCH; x++)
            if (pixels[y * gdk_pixbuf_get_rowstride(mask) + x * channels] > 127) return true;
    return false;
}

/* Inverts the right half of PIXELS in place and appends the change map to JSON. */
static void edit(GdkPixbuf *pixels, GdkPixbuf *mask, bool nothing, GString *json)
{
    int channels = gdk_pixbuf_get_n_channels(pixels), stride = gdk_pixbuf_get_rowstride(pixels);
    guchar *data = gdk_pixbuf_get_pixels(pixels);
    for (int ty = 0; ty < GRID; ty++) {
        g_string_append(json, ty ? ",\"" : "\"");
        for (int tx = 0; tx < GRID; tx++) {
            bool change = !nothing && tx >= GRID / 2 && token_open(mask, tx, ty);
            g_string_append_c(json, change ? '1' : '0');
            for (int y = 0; change && y < PATCH; y++)
                for (int i = 0; i < PATCH * channels; i++) {
                    guchar *p = data + (ty * PATCH + y) * stride + tx * PATCH * channels + i;
                    if (channels == 3 || i % 4 != 3) *p = 255 - *p;
                }
        }
        g_string_append_c(json, '"');
    }
}

static void answer_json(SoupServerMessage *m, guint status, const char *json)
{
    soup_server_message_set_status(m, status, NULL);
    soup_server_message_set_response(m, "application/json", SOUP_MEMORY_COPY, json, strlen(json));
}

static gboolean beat(void *message)
{
    SoupMessageBody *body = soup_server_message_get_response_body(message);
    soup_message_body_append(body, SOUP_MEMORY_STATIC, ": beat\n", 7);
    soup_server_message_unpause(message);
    return G_SOURCE_CONTINUE;
}

static void hung_up(SoupServerMessage *m, void *user)
{
    fake *f = user;
    g_autofree char *path = g_strconcat(f->socket, ".cancelled", NULL);
    g_source_remove(GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(m), "beat")));
    g_file_set_contents(path, "", 0, NULL);
}

static gboolean die(void *unused)
{
    (void)unused;
    exit(1);
}

static void say(SoupServerMessage *m, const char *text)
{
    soup_message_body_append(soup_server_message_get_response_body(m), SOUP_MEMORY_COPY, text,
                             strlen(text));
}

/* Makes the result of a job that ends well; false when the request is not what the API asks for. */
static bool make_result(fake *f, SoupMultipart *form, JsonObject *parameters)
{
    GBytes *image = part(form, "image"), *mask = part(form, "mask");
    g_autoptr(GdkPixbuf) pixels = image ? read_png(image) : NULL;
    g_autoptr(GdkPixbuf) allowed = mask ? read_png(mask) : NULL;
    if (!pixels || (mask && !allowed) || gdk_pixbuf_get_width(pixels) != SIZE ||
        gdk_pixbuf_get_height(pixels) != SIZE)
        return false;
    JsonNode *options = json_object_get_member(parameters, "options");
    g_autofree char *resolved = json_to_string(options, FALSE);
    const char *instruction = json_object_get_string_member(parameters, "instruction");
    g_autoptr(GString) json = g_string_new(NULL);
    g_string_printf(
        json,
        "{\"id\":\"0123456789abcdef\",\"state\":\"done\",\"model\":{\"name\":\"fake\","
        "\"profile\":\"mmada-parallel-m\",\"hash\":\"00000000deadbeef\"},"
        "\"reasoning\":\"The right half \\u2013 it must be inverted.\","
        "\"seed\":%" G_GINT64_FORMAT ",\"options\":%s,\"width\":%d,\"height\":%d,"
        "\"grid\":{\"width\":%d,\"height\":%d},\"steps\":2,\"change\":[",
        json_object_get_int_member_with_default(json_node_get_object(options), "seed", 1), resolved,
        SIZE, SIZE, GRID, GRID);
    g_clear_pointer(&f->input, g_bytes_unref);
    g_clear_pointer(&f->picture, g_bytes_unref);
    f->input = write_png(pixels);
    edit(pixels, allowed, g_str_has_prefix(instruction, "same"), json);
    f->picture = write_png(pixels);
    g_string_append(json, "]}");
    g_free(f->result);
    f->result = g_strdup(json->str);
    return true;
}

static void run_job(fake *f, SoupServerMessage *m, SoupMultipart *form, JsonObject *parameters)
{
    const char *instruction = json_object_get_string_member(parameters, "instruction");
    soup_server_message_set_status(m, SOUP_STATUS_OK, NULL);
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(m);
    soup_message_headers_set_content_type(headers, "text/event-stream", NULL);
    soup_message_headers_set_encoding(headers, SOUP_ENCODING_CHUNKED);
    say(m, "event: queued\ndata: {\"id\":\"0123456789abcdef\",\"position\":0}\n\n: beat\n"
           "event: progress\ndata: {\"stage\":\"denoising\",\"step\":1,\"steps\":2,\"seconds\":0.5,"
           "\"seconds_left\":0.5}\n\n");
    if (g_str_has_prefix(instruction, "die")) {
        g_timeout_add(100, die, NULL);
        guint source = g_timeout_add(20, beat, m);
        g_object_set_data(G_OBJECT(m), "beat", GUINT_TO_POINTER(source));
    } else if (g_str_has_prefix(instruction, "wait")) {
        guint source = g_timeout_add(50, beat, m);
        g_object_set_data(G_OBJECT(m), "beat", GUINT_TO_POINTER(source));
        g_signal_connect(m, "disconnected", G_CALLBACK(hung_up), f);
    } else if (g_str_has_prefix(instruction, "mute")) {
        soup_server_message_unpause(m);
    } else if (g_str_has_prefix(instruction, "fail")) {
        say(m,
            "event: failed\ndata: {\"error\":{\"status\":\"nomem\",\"message\":\"9 GB are needed "
            "and 1 GB is free: close something.\"}}\n\n");
        soup_message_body_complete(soup_server_message_get_response_body(m));
    } else if (make_result(f, form, parameters)) {
        say(m, "event: text\ndata: {\"step\":1,\"text\":\"The \\u2588\"}\n\nevent: done\ndata: ");
        say(m, f->result);
        say(m, "\n\n");
        soup_message_body_complete(soup_server_message_get_response_body(m));
    } else {
        say(m, "event: failed\ndata: {\"error\":{\"message\":\"image is not a PNG of 256 x 256.\"}}"
               "\n\n");
        soup_message_body_complete(soup_server_message_get_response_body(m));
    }
}

static void submit(SoupServer *server, SoupServerMessage *m, const char *path, GHashTable *query,
                   void *user)
{
    (void)server;
    (void)path;
    (void)query;
    SoupMessageBody *body = soup_server_message_get_request_body(m);
    g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
    SoupMultipart *form =
        soup_multipart_new_from_message(soup_server_message_get_request_headers(m), bytes);
    GBytes *text = form ? part(form, "parameters") : NULL;
    g_autoptr(JsonParser) parser = json_parser_new();
    gsize size = 0;
    const char *data = text ? g_bytes_get_data(text, &size) : NULL;
    if (data && json_parser_load_from_data(parser, data, (gssize)size, NULL)) {
        JsonObject *parameters = json_node_get_object(json_parser_get_root(parser));
        JsonObject *options = json_object_get_object_member(parameters, "options");
        if (json_object_has_member(options, "no-such-option"))
            answer_json(m, 422,
                        "{\"error\":{\"status\":\"invalid\",\"message\":\"there is no option "
                        "no-such-option: see /v1/info.\"}}");
        else
            run_job(user, m, form, parameters);
    } else {
        answer_json(m, 400, "{\"error\":{\"status\":\"invalid\",\"message\":\"no parameters.\"}}");
    }
    if (form) soup_multipart_free(form);
}

static gboolean answer_late(void *message)
{
    answer_json(message, 200, "{\"width\":256,\"height\":256}");
    soup_server_message_unpause(message);
    return G_SOURCE_REMOVE;
}

static void serve(SoupServer *server, SoupServerMessage *m, const char *path, GHashTable *query,
                  void *user)
{
    fake *f = user;
    GBytes *png = g_str_has_suffix(path, "/picture") ? f->picture
                  : g_str_has_suffix(path, "/input") ? f->input
                                                     : NULL;
    (void)server;
    (void)query;
    if (g_str_equal(path, "/v1/size")) {
        answer_json(m, 200, "{\"width\":256,\"height\":256}");
    } else if (g_str_equal(path, "/v1/late")) {
        soup_server_message_pause(m);
        g_timeout_add_full(G_PRIORITY_DEFAULT, 2000, answer_late, g_object_ref(m), g_object_unref);
    } else if (png) {
        soup_server_message_set_status(m, SOUP_STATUS_OK, NULL);
        gsize size = 0;
        const char *data = g_bytes_get_data(png, &size);
        soup_server_message_set_response(m, "image/png", SOUP_MEMORY_COPY, data, size);
    } else {
        answer_json(m, 404, "{\"error\":{\"status\":\"missing\",\"message\":\"no such path.\"}}");
    }
}

int main(int argc, char **argv)
{
    fake f = {.socket = argc == 2 ? argv[1] : ""};
    g_autoptr(GError) error = NULL;
    g_autoptr(SoupServer) server = soup_server_new(NULL, NULL);
    remove(f.socket);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(f.socket);
    soup_server_add_handler(server, NULL, serve, &f, NULL);
    soup_server_add_handler(server, "/v1/jobs", submit, &f, NULL);
    soup_server_add_handler(server, "/v1/jobs/0123456789abcdef", serve, &f, NULL);
    if (!soup_server_listen(server, address, 0, &error)) {
        fprintf(stderr, "fake_server: %s\n", error->message);
        return 1;
    }
    puts("listening");
    fflush(stdout);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 0;
}
