/* batch.c - thinkedit batch: one job per line of a JSON Lines manifest, the model opened once on
 * each device (--device cuda:0,cuda:1).
 *
 * A line is {"image", "instruction", "id", "region", "mask"} and any of the options a person may
 * tune. Without "image" it is a generation, without "id" it is called after its line number; paths
 * count from the manifest's folder. DIR gets ID.png (or another --format), ID.txt with the
 * reasoning, and results.jsonl with one line per job done. A job that fails is noted there and the
 * others go on;
 * --resume leaves out those that are done. */
#include "cli/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

typedef struct batch {
    const char *manifest, *folder, *extension;
    char *base; /* the manifest's folder */
    ti_engine engine;
    te_options options;
    GHashTable *done; /* ids, with --resume; and those of this run */
    FILE *results;
    GMutex lock, pictures; /* of everything here; of GEGL */
    char **lines;          /* of the manifest */
    int next;              /* line to be taken */
    bool ended;            /* no more */
    int failed, ran, skipped;
} batch;

/* One line as a job; texts belong to it. */
typedef struct item {
    char *id;
    ti_job job;
    JsonParser *parser; /* owns the texts of the line */
    char *image, *mask, *output, *reasoning;
} item;

static void item_clear(item *it)
{
    g_free(it->id);
    g_free(it->image);
    g_free(it->mask);
    g_free(it->output);
    g_free(it->reasoning);
    g_clear_object(&it->parser);
}

/* ---- reading a line ---------------------------------------------------------------------- */

static bool good_id(const char *id)
{
    if (!*id || *id == '.' || strlen(id) > 200) return false;
    for (const char *p = id; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("._-", *p)) return false;
    return true;
}

static const char *text_member(JsonObject *line, const char *name)
{
    JsonNode *node = json_object_get_member(line, name);
    bool text =
        node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
    return text ? json_node_get_string(node) : NULL;
}

static char *from_manifest(const batch *b, const char *path)
{
    if (!path) return NULL;
    return g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(b->base, path, NULL);
}

/* A member that is no known name is an option; its value may be text or a number. */
static te_status take_option(item *it, const char *name, JsonNode *node, te_error *err)
{
    static const char *const known[] = {"image", "instruction", "id", "region", "mask", NULL};
    if (g_strv_contains(known, name)) {
        if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) == G_TYPE_STRING ||
            !strcmp(name, "id"))
            return TE_OK;
        return ti_error(err, TE_INVALID, "\"%s\" is no text", name);
    }
    if (!JSON_NODE_HOLDS_VALUE(node))
        return ti_error(err, TE_INVALID, "\"%s\" has no value an option could have", name);
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    const char *value = number;
    GType type = json_node_get_value_type(node);
    if (type == G_TYPE_STRING)
        value = json_node_get_string(node);
    else if (type == G_TYPE_INT64)
        g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, json_node_get_int(node));
    else
        g_ascii_dtostr(number, sizeof number, json_node_get_double(node));
    return te_options_set(&it->job.options, name, value, err);
}

static te_status take_options(item *it, JsonObject *line, te_error *err)
{
    te_status st = TE_OK;
    GList *names = json_object_get_members(line);
    for (GList *n = names; !st && n; n = n->next) {
        JsonNode *node = json_object_get_member(line, n->data);
        bool nested = !strcmp(n->data, "options") && JSON_NODE_HOLDS_OBJECT(node);
        st = nested ? take_options(it, json_node_get_object(node), err)
                    : take_option(it, n->data, node, err);
    }
    g_list_free(names);
    return st;
}

static char *id_member(JsonObject *line, int number)
{
    JsonNode *node = json_object_get_member(line, "id");
    if (!node || !JSON_NODE_HOLDS_VALUE(node)) return g_strdup_printf("%06d", number);
    if (json_node_get_value_type(node) == G_TYPE_INT64)
        return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
    const char *text = text_member(line, "id");
    return g_strdup(text ? text : "");
}

static te_status parse_line(const batch *b, const char *text, int number, item *it, te_error *err)
{
    GError *error = NULL;
    it->parser = json_parser_new_immutable();
    it->job.options = b->options;
    it->id = g_strdup_printf("%06d", number);
    JsonNode *root = json_parser_load_from_data(it->parser, text, -1, &error)
                         ? json_parser_get_root(it->parser)
                         : NULL;
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        te_status st = ti_error(err, TE_FORMAT, "%s, line %d: no JSON object%s%s", b->manifest,
                                number, error ? ": " : "", error ? error->message : "");
        g_clear_error(&error);
        return st;
    }
    JsonObject *line = json_node_get_object(root);
    g_free(it->id);
    it->id = id_member(line, number);
    if (!good_id(it->id))
        return ti_error(err, TE_INVALID,
                        "%s, line %d: an id has letters, digits, '.', '_' and '-' only",
                        b->manifest, number);
    te_error inner;
    if (take_options(it, line, &inner))
        return ti_error(err, TE_INVALID, "%s, line %d: %s", b->manifest, number, inner.message);
    it->image = from_manifest(b, text_member(line, "image"));
    it->mask = from_manifest(b, text_member(line, "mask"));
    it->output = g_strdup_printf("%s/%s.%s", b->folder, it->id, b->extension);
    it->reasoning = g_strdup_printf("%s/%s.txt", b->folder, it->id);
    it->job.image = it->image;
    it->job.mask = it->mask;
    it->job.output = it->output;
    it->job.reasoning = it->reasoning;
    it->job.region = text_member(line, "region");
    it->job.instruction = text_member(line, "instruction");
    if (it->job.instruction) return TE_OK;
    return ti_error(err, TE_INVALID, "%s, line %d: it has no \"instruction\"", b->manifest, number);
}

/* ---- running ----------------------------------------------------------------------------- */

/* One line of results.jsonl. */
static te_status note_result(const batch *b, const item *it, const ti_outcome *out,
                             const te_error *failure, te_error *err)
{
    char *id = ti_json_quote(it->id), *rest;
    if (failure) {
        char *text = ti_json_quote(failure->message);
        rest = g_strdup_printf("\"status\": \"failed\", \"error\": %s", text);
        g_free(text);
    } else {
        char *object = ti_outcome_json(out, &it->job);
        rest = g_strdup_printf("\"status\": \"done\", %s",
                               object + 1); /* its members, and the brace */
        rest[strlen(rest) - 1] = '\0';
        g_free(object);
    }
    int n = fprintf(b->results, "{\"id\": %s, %s}\n", id, rest);
    bool written = n > 0 && !fflush(b->results);
    g_free(id);
    g_free(rest);
    return written ? TE_OK
                   : ti_error(err, TE_IO, "%s/results.jsonl cannot be written: %s", b->folder,
                              g_strerror(errno));
}

/* What comes before the model works: false when there is nothing to do. */
static bool begin(batch *b, const char *text, int number, item *it, te_status *st,
                  te_error *failure)
{
    g_mutex_lock(&b->lock);
    *st = parse_line(b, text, number, it, failure);
    bool done = !*st && g_hash_table_contains(b->done, it->id);
    if (done)
        b->skipped++;
    else if (!*st)
        g_hash_table_add(b->done, g_strdup(it->id));
    g_mutex_unlock(&b->lock);
    return !done;
}

/* Only what ends the whole batch is returned. */
static te_status end(batch *b, const item *it, const ti_outcome *out, te_status st,
                     const te_error *failure, te_error *err)
{
    if (st == TE_CANCELLED) return st;
    g_mutex_lock(&b->lock);
    if (st) {
        b->failed++;
        ti_note("%s", failure->message);
    } else {
        b->ran++;
    }
    te_status written = note_result(b, it, out, st ? failure : NULL, err);
    g_mutex_unlock(&b->lock);
    return written;
}

static te_status run_line(batch *b, const ti_engine *engine, const char *text, int number,
                          te_error *err)
{
    item it = {0};
    ti_outcome out = {0};
    te_error failure;
    te_status st, last = TE_OK;
    if (begin(b, text, number, &it, &st, &failure)) {
        if (!st) st = ti_job_run(&it.job, engine, &out, &failure);
        last = end(b, &it, &out, st, &failure, err);
    }
    ti_outcome_clear(&out);
    item_clear(&it);
    return last;
}

/* Ids that an earlier run finished and whose picture is still there. */
static void read_done(batch *b, const char *path)
{
    char *text;
    if (!g_file_get_contents(path, &text, NULL, NULL)) return;
    char **lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        JsonParser *parser = json_parser_new();
        JsonNode *root = json_parser_load_from_data(parser, *line, -1, NULL)
                             ? json_parser_get_root(parser)
                             : NULL;
        if (root && JSON_NODE_HOLDS_OBJECT(root)) {
            JsonObject *object = json_node_get_object(root);
            const char *id = text_member(object, "id"), *output = text_member(object, "output");
            if (id && output && !g_strcmp0(text_member(object, "status"), "done") &&
                g_file_test(output, G_FILE_TEST_IS_REGULAR))
                g_hash_table_add(b->done, g_strdup(id));
        }
        g_object_unref(parser);
    }
    g_strfreev(lines);
    g_free(text);
}

static te_status open_results(batch *b, bool resume, te_error *err)
{
    char *path = g_build_filename(b->folder, "results.jsonl", NULL);
    te_status st = TE_OK;
    if (g_mkdir_with_parents(b->folder, 0777))
        st =
            ti_error(err, TE_IO, "%s: the folder cannot be made: %s", b->folder, g_strerror(errno));
    if (!st && resume) read_done(b, path);
    if (!st && !(b->results = g_fopen(path, resume ? "a" : "w")))
        st = ti_error(err, TE_IO, "%s cannot be written: %s", path, g_strerror(errno));
    g_free(path);
    return st;
}

/* ---- devices: each takes the next line when it is free ----------------------------------- */

typedef struct device {
    batch *b;
    ti_engine engine;
    te_error error;
    te_status status;
    GThread *thread;
} device;

/* The next line that has something in it; its number from 1, 0: none is left. */
static int next_line(batch *b)
{
    g_mutex_lock(&b->lock);
    while (!b->ended && b->lines[b->next] && !*g_strstrip(b->lines[b->next])) b->next++;
    int number = !b->ended && b->lines[b->next] ? ++b->next : 0;
    g_mutex_unlock(&b->lock);
    return number;
}

static gpointer work(gpointer data)
{
    device *d = data;
    batch *b = d->b;
    for (int number; !d->status && (number = next_line(b)) > 0;)
        d->status = run_line(b, &d->engine, b->lines[number - 1], number, &d->error);
    if (d->status) {
        g_mutex_lock(&b->lock);
        b->ended = true;
        g_mutex_unlock(&b->lock);
    }
    return NULL;
}

/* Opens the engine on every device named; several draw no bars over each other. */
static te_status open_devices(batch *b, device *devices, char **names, guint n, te_error *err)
{
    te_status st = TE_OK;
    for (guint i = 0; !st && i < n; i++) {
        devices[i].b = b;
        devices[i].engine = b->engine;
        devices[i].engine.pictures = &b->pictures;
        ti_engine *e = &devices[i].engine;
        if (n > 1) e->quiet = true;
        if (n > 1) e->with.device = names[i];
        st = i ? te_model_open(&e->model, e->model_path, &e->with, err) : ti_engine_open(e, err);
    }
    return st;
}

static te_status work_on_devices(batch *b, te_error *err)
{
    char **names = g_strsplit(b->engine.with.device ? b->engine.with.device : "auto", ",", -1);
    guint n = b->engine.server ? 1 : g_strv_length(names);
    device *devices = g_new0(device, n);
    te_status st = open_devices(b, devices, names, n, err);
    for (guint i = 1; !st && i < n; i++)
        devices[i].thread = g_thread_new("device", work, &devices[i]);
    if (!st) work(&devices[0]);
    for (guint i = 0; i < n; i++) {
        if (devices[i].thread) g_thread_join(devices[i].thread);
        if (!st && devices[i].status) *err = devices[i].error;
        if (!st) st = devices[i].status;
    }
    for (guint i = 1; i < n; i++) te_model_free(devices[i].engine.model);
    ti_engine_close(&devices[0].engine);
    g_free(devices);
    g_strfreev(names);
    return st;
}

static te_status run_all(batch *b, te_error *err)
{
    GError *error = NULL;
    char *text;
    if (!g_file_get_contents(b->manifest, &text, NULL, &error)) {
        te_status st = ti_error(err, TE_IO, "%s: the manifest cannot be read: %s", b->manifest,
                                error->message);
        g_error_free(error);
        return st;
    }
    b->lines = g_strsplit(text, "\n", -1);
    te_status st = work_on_devices(b, err);
    g_strfreev(b->lines);
    g_free(text);
    return st;
}

static int run(const ti_command *self, int argc, char **argv)
{
    batch b = {.extension = "png"};
    bool resume = false;
    const ti_arg list[] = {
        {"output", 'o', TI_ARG_TEXT, &b.folder, "DIR", "for pictures, reasoning and results.jsonl"},
        ENGINE_ARGS(b.engine),
        {"resume", 0, TI_ARG_FLAG, &resume, NULL, "leaves out what an earlier run has finished"},
        {"format", 0, TI_ARG_TEXT, &b.extension, "EXT",
         "of the pictures: png (left out), jpg, tiff or webp"},
        {0},
    };
    static const char *const extensions[] = {"png", "jpg", "jpeg", "tif", "tiff", "webp", NULL};
    ti_args args = {.list = list, .tuned = &b.options, .least = 1, .most = 1};
    te_options_init(&b.options);
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    if (!b.folder) return ti_usage(self, "it needs -o DIR");
    if (!g_strv_contains(extensions, b.extension))
        return ti_usage(self, "--format is png, jpg, tiff or webp");
    b.manifest = args.positional[0];
    b.base = g_path_get_dirname(b.manifest);
    b.done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    te_error err;
    te_status st = open_results(&b, resume, &err);
    if (!st) st = run_all(&b, &err);
    if (b.results) fclose(b.results);
    if (!b.engine.quiet && (!st || st == TE_CANCELLED))
        ti_note("%d done, %d failed, %d left out as done before", b.ran, b.failed, b.skipped);
    g_hash_table_unref(b.done);
    g_free(b.base);
    status = ti_report(st, &err);
    return status ? status : b.failed ? EXIT_FAILED : EXIT_OK;
}

const ti_command ti_command_batch = {"batch", "MANIFEST.jsonl -o DIR [--resume] [OPTION ...]",
                                     "runs one job per line of a manifest", run};
