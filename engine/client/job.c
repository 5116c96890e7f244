/* job.c - submitting a job and reading its event stream.
 *
 * The stream is read line by line: "event: NAME", "data: JSON", an empty line; a line that begins
 * with a colon is the server's heartbeat. After `done` the two pictures of the result are fetched,
 * so that whoever waits gets everything at once. A stream that ends without a last event means the
 * server died.
 */
#include "client/internal.h"

#include <string.h>

struct ti_client_job {
    ti_client *client;
    GCancellable *cancel;
    gulong cancel_link; /* the client's own cancellable pulls this one */
    ti_client_event_fn event;
    ti_client_done_fn done;
    void *user;
    char *parameters; /* JSON */
    GBytes *image, *mask;
    GDataInputStream *lines;
    char *name; /* of the event being read */
    char *data;
    ti_client_result *result;
    GError *refused; /* the request was at fault before it was sent */
};

void ti_client_result_free(ti_client_result *result)
{
    if (!result) return;
    g_free(result->id);
    g_free(result->reasoning);
    g_free(result->model);
    g_free(result->profile);
    g_free(result->hash);
    g_free(result->options);
    g_free(result->change);
    g_clear_pointer(&result->picture, g_bytes_unref);
    g_clear_pointer(&result->input, g_bytes_unref);
    g_free(result);
}

/* Ends the job: tells its owner once, and is gone. Takes RESULT and ERROR. */
static void job_end(ti_client_job *job, ti_client_result *result, GError *error)
{
    g_cancellable_disconnect(job->client->cancel, job->cancel_link);
    job->done(result, error, job->user);
    g_clear_error(&error);
    ti_client_result_free(job->result);
    g_clear_object(&job->lines);
    g_clear_object(&job->cancel);
    g_clear_pointer(&job->image, g_bytes_unref);
    g_clear_pointer(&job->mask, g_bytes_unref);
    g_free(job->parameters);
    g_free(job->name);
    g_free(job->data);
    ti_client_unref(job->client);
    g_free(job);
}

static void job_lost(ti_client_job *job, const char *why)
{
    job_end(job, NULL,
            g_error_new(TI_CLIENT_ERROR, TI_CLIENT_LOST,
                        "The engine stopped in the middle of the edit (%s); nothing was changed: "
                        "try again.",
                        why));
}

/* ---- the request --------------------------------------------------------------------------- */

/* "key=value key=value" into a JSON object of strings; the server checks names and ranges. `preset`
 * stands beside the options there. */
static char *make_parameters(const ti_client_request *request, GError **error)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    g_auto(GStrv) pairs = g_strsplit_set(request->options ? request->options : "", " \t\n", -1);
    const char *preset = NULL;
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "instruction");
    json_builder_add_string_value(b, request->instruction);
    json_builder_set_member_name(b, "preview_every");
    json_builder_add_int_value(b, request->preview_every);
    json_builder_set_member_name(b, "label");
    json_builder_add_string_value(b, request->label ? request->label : "");
    json_builder_set_member_name(b, "options");
    json_builder_begin_object(b);
    for (char **pair = pairs; *pair; pair++) {
        char *equals = strchr(*pair, '=');
        if (!**pair) continue;
        if (!equals || equals == *pair) {
            g_set_error(error, TI_CLIENT_ERROR, TI_CLIENT_REFUSED,
                        "options: \"%s\" is not of the form key=value.", *pair);
            return NULL;
        }
        *equals = 0;
        if (!strcmp(*pair, "preset")) {
            preset = equals + 1;
        } else {
            json_builder_set_member_name(b, *pair);
            json_builder_add_string_value(b, equals + 1);
        }
    }
    if (request->seed >= 0) {
        json_builder_set_member_name(b, "seed");
        json_builder_add_int_value(b, request->seed);
    }
    json_builder_end_object(b);
    if (preset) {
        json_builder_set_member_name(b, "preset");
        json_builder_add_string_value(b, preset);
    }
    json_builder_end_object(b);
    g_autoptr(JsonNode) root = json_builder_get_root(b);
    return json_to_string(root, FALSE);
}

static SoupMessage *make_post(ti_client *client, void *user)
{
    ti_client_job *job = user;
    g_autofree char *uri = g_strconcat(client->base, "/v1/jobs", NULL);
    SoupMultipart *parts = soup_multipart_new("multipart/form-data");
    soup_multipart_append_form_string(parts, "parameters", job->parameters);
    if (job->image)
        soup_multipart_append_form_file(parts, "image", "image.png", "image/png", job->image);
    if (job->mask)
        soup_multipart_append_form_file(parts, "mask", "mask.png", "image/png", job->mask);
    SoupMessage *message = soup_message_new_from_multipart(uri, parts);
    soup_multipart_free(parts);
    return message;
}

/* ---- the events ---------------------------------------------------------------------------- */

static const char *string_of(JsonObject *object, const char *name)
{
    return json_object_get_string_member_with_default(object, name, "");
}

static int int_of(JsonObject *object, const char *name)
{
    return (int)json_object_get_int_member_with_default(object, name, 0);
}

static JsonObject *object_of(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* Rows of '0' and '1'; false when they are not grid_height rows of grid_width. */
static bool read_change(ti_client_result *r, JsonObject *data)
{
    JsonNode *node = json_object_get_member(data, "change");
    if (!node || !JSON_NODE_HOLDS_ARRAY(node)) return node && JSON_NODE_HOLDS_NULL(node);
    JsonArray *rows = json_node_get_array(node);
    if (r->grid_width <= 0 || json_array_get_length(rows) != (guint)r->grid_height) return false;
    r->change = g_malloc0((gsize)r->grid_width * (gsize)r->grid_height);
    for (int y = 0; y < r->grid_height; y++) {
        JsonNode *row = json_array_get_element(rows, (guint)y);
        const char *bits = JSON_NODE_HOLDS_VALUE(row) ? json_node_get_string(row) : NULL;
        if (!bits || strlen(bits) != (size_t)r->grid_width) return false;
        for (int x = 0; x < r->grid_width; x++)
            r->change[(gsize)y * (gsize)r->grid_width + (gsize)x] = bits[x] == '1';
    }
    return true;
}

static ti_client_result *read_result(JsonObject *data)
{
    ti_client_result *r = g_new0(ti_client_result, 1);
    JsonObject *model = object_of(data, "model"), *grid = object_of(data, "grid");
    JsonNode *options = json_object_get_member(data, "options");
    r->id = g_strdup(string_of(data, "id"));
    r->reasoning = g_strdup(string_of(data, "reasoning"));
    r->model = g_strdup(model ? string_of(model, "name") : "");
    r->profile = g_strdup(model ? string_of(model, "profile") : "");
    r->hash = g_strdup(model ? string_of(model, "hash") : "");
    r->options = options ? json_to_string(options, FALSE) : g_strdup("{}");
    r->seed = json_object_get_int_member_with_default(data, "seed", -1);
    r->steps = int_of(data, "steps");
    r->width = int_of(data, "width");
    r->height = int_of(data, "height");
    r->grid_width = grid ? int_of(grid, "width") : 0;
    r->grid_height = grid ? int_of(grid, "height") : 0;
    if (r->id[0] && r->width > 0 && r->height > 0 && read_change(r, data)) return r;
    ti_client_result_free(r);
    return NULL;
}

static void got_picture(GObject *source, GAsyncResult *result, void *user);

static void fetch(ti_client_job *job, const char *what)
{
    g_autofree char *path = g_strdup_printf("/v1/jobs/%s/%s", job->result->id, what);
    ti_client_get(job->client, path, job->cancel, got_picture, job);
}

/* First the edited picture, then the input as the model sees it; a generation has none. */
static void got_picture(GObject *source, GAsyncResult *result, void *user)
{
    ti_client_job *job = user;
    GError *error = NULL;
    (void)source;
    GBytes *png = ti_client_get_finish(result, &error);
    if (!png) {
        job_end(job, NULL, error);
        return;
    }
    if (job->result->picture)
        job->result->input = png;
    else
        job->result->picture = png;
    if (job->image && !job->result->input)
        fetch(job, "input");
    else
        job_end(job, g_steal_pointer(&job->result), NULL);
}

static void tell(ti_client_job *job, const char *name, JsonObject *data)
{
    ti_client_event e = {.id = string_of(data, "id"), .step = int_of(data, "step")};
    g_autoptr(GBytes) png = NULL;
    if (!strcmp(name, "queued")) {
        e.kind = TI_CLIENT_QUEUED;
        e.position = int_of(data, "position");
    } else if (!strcmp(name, "started")) {
        e.kind = TI_CLIENT_STARTED;
    } else if (!strcmp(name, "progress")) {
        e.kind = TI_CLIENT_PROGRESS;
        e.steps = int_of(data, "steps");
        e.seconds = json_object_get_double_member_with_default(data, "seconds", 0);
        e.seconds_left = json_object_get_double_member_with_default(data, "seconds_left", -1);
        e.stage = string_of(data, "stage");
    } else if (!strcmp(name, "text")) {
        e.kind = TI_CLIENT_TEXT;
        e.text = string_of(data, "text");
    } else if (!strcmp(name, "preview")) {
        gsize size = 0;
        guchar *bytes = g_base64_decode(string_of(data, "png"), &size);
        e.kind = TI_CLIENT_PREVIEW;
        e.png = png = g_bytes_new_take(bytes, size);
    } else {
        return; /* a later version's */
    }
    if (job->event) job->event(&e, job->user);
}

/* The last events of a stream; true when NAME was one of them, and JOB is gone or fetches pictures.
 */
static bool last_event(ti_client_job *job, const char *name, JsonObject *data)
{
    if (!strcmp(name, "done")) {
        job->result = read_result(data);
        if (job->result)
            fetch(job, "picture");
        else
            job_lost(job, "its result makes no sense");
    } else if (!strcmp(name, "failed")) {
        JsonObject *error = object_of(data, "error");
        const char *said = error ? string_of(error, "message") : "";
        const bool memory = error && !strcmp(string_of(error, "status"), "nomem");
        job_end(job, NULL,
                g_error_new(TI_CLIENT_ERROR, memory ? TI_CLIENT_NO_MEMORY : TI_CLIENT_FAILED, "%s",
                            said[0] ? said : "The engine gave no reason for failing."));
    } else if (!strcmp(name, "cancelled")) {
        job_end(job, NULL,
                g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "The edit was cancelled."));
    } else {
        return false;
    }
    return true;
}

static void read_line(ti_client_job *job);

/* An empty line: the event is complete. */
static void end_of_event(ti_client_job *job)
{
    g_autofree char *name = g_steal_pointer(&job->name), *data = g_steal_pointer(&job->data);
    if (name && data) {
        g_autoptr(JsonParser) parser = json_parser_new();
        JsonNode *root = json_parser_load_from_data(parser, data, -1, NULL)
                             ? json_parser_get_root(parser)
                             : NULL;
        if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
            job_lost(job, "an event makes no sense");
            return;
        }
        if (last_event(job, name, json_node_get_object(root))) return;
        tell(job, name, json_node_get_object(root));
    }
    read_line(job);
}

static void got_line(GObject *source, GAsyncResult *result, void *user)
{
    ti_client_job *job = user;
    GError *error = NULL;
    g_autofree char *line =
        g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(source), result, NULL, &error);
    if (!line) {
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
            job_end(job, NULL, error);
        } else {
            job_lost(job, error ? error->message : "its event stream broke off");
            g_clear_error(&error);
        }
    } else if (!*line) {
        end_of_event(job);
    } else {
        if (g_str_has_prefix(line, "event: ")) {
            g_free(job->name);
            job->name = g_strdup(line + strlen("event: "));
        } else if (g_str_has_prefix(line, "data: ")) {
            g_free(job->data);
            job->data = g_strdup(line + strlen("data: "));
        }
        read_line(job);
    }
}

static void read_line(ti_client_job *job)
{
    g_data_input_stream_read_line_async(job->lines, G_PRIORITY_DEFAULT, job->cancel, got_line, job);
}

static void accepted(GObject *source, GAsyncResult *result, void *user)
{
    ti_client_job *job = user;
    GError *error = NULL;
    (void)source;
    g_autoptr(GInputStream) body = ti_client_send_finish(result, &error);
    if (!body) {
        job_end(job, NULL, error);
        return;
    }
    job->lines = g_data_input_stream_new(body);
    g_data_input_stream_set_newline_type(job->lines, G_DATA_STREAM_NEWLINE_TYPE_LF);
    read_line(job);
}

/* ---- submitting ---------------------------------------------------------------------------- */

static void pull_cancel(GCancellable *source, void *user)
{
    (void)source;
    g_cancellable_cancel(user);
}

static gboolean refuse(void *user)
{
    ti_client_job *job = user;
    job_end(job, NULL, g_steal_pointer(&job->refused));
    return G_SOURCE_REMOVE;
}

ti_client_job *ti_client_submit(ti_client *client, const ti_client_request *request,
                                ti_client_event_fn event, ti_client_done_fn done, void *user)
{
    ti_client_job *job = g_new0(ti_client_job, 1);
    job->client = ti_client_ref(client);
    job->cancel = g_cancellable_new();
    job->event = event;
    job->done = done;
    job->user = user;
    job->image = request->image ? g_bytes_ref(request->image) : NULL;
    job->mask = request->mask ? g_bytes_ref(request->mask) : NULL;
    job->cancel_link =
        g_cancellable_connect(client->cancel, G_CALLBACK(pull_cancel), job->cancel, NULL);
    job->parameters = make_parameters(request, &job->refused);
    if (job->parameters)
        ti_client_send(client, client->session, make_post, job, job->cancel, accepted, job);
    else
        g_idle_add(refuse, job);
    return job;
}

void ti_client_job_cancel(ti_client_job *job)
{
    g_cancellable_cancel(job->cancel);
}

/* ---- the whole job at once ----------------------------------------------------------------- */

typedef struct running {
    ti_client_event_fn event;
    void *user;
    ti_client_result *result;
    GError *error;
    bool ended;
} running;

static void run_event(const ti_client_event *event, void *user)
{
    running *run = user;
    if (run->event) run->event(event, run->user);
}

static void run_done(ti_client_result *result, const GError *error, void *user)
{
    running *run = user;
    run->result = result;
    run->error = error ? g_error_copy(error) : NULL;
    run->ended = true;
}

ti_client_result *ti_client_run(ti_client *client, const ti_client_request *request,
                                GCancellable *cancel, ti_client_event_fn event, void *user,
                                GError **error)
{
    running run = {.event = event, .user = user};
    ti_client_job *job = ti_client_submit(client, request, run_event, run_done, &run);
    gulong link = cancel ? g_cancellable_connect(cancel, G_CALLBACK(pull_cancel),
                                                 g_object_ref(job->cancel), g_object_unref)
                         : 0;
    while (!run.ended) g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
    if (link) g_cancellable_disconnect(cancel, link);
    if (run.error) g_propagate_error(error, run.error);
    return run.result;
}
