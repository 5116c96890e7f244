/* pull.c - thinkedit pull: fetches a published checkpoint and makes a model file of it.
 *
 * Files come over HTTPS into a folder beside the model file. What is there stays; a broken download
 * goes on where it broke, by itself as long as something arrives in between; a file counts only
 * when it has the length the server announced and, where the server names it (X-Linked-ETag), the
 * SHA-256 hash. Then the folder is converted, and removed unless --keep says otherwise. Names
 * inside an index are only ever file names: one with a slash is refused. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#define INDEX      "model.safetensors.index.json"
#define MAX_SHARDS 1000

typedef struct source {
    const char *name;
    const char *backbone, *pictures; /* where their files are */
    const char *picture_files[3];    /* names there; NULL-terminated */
} source;

static const source sources[] = {
    {"mmada-parallel-m",
     "https://huggingface.co/tyfeld/MMaDA-Parallel-M/resolve/main",
     "https://huggingface.co/showlab/magvitv2/resolve/main",
     {"config.json", "pytorch_model.bin", NULL}},
    {"mmada-parallel-a",
     "https://huggingface.co/tyfeld/MMaDA-Parallel-A/resolve/main",
     "https://huggingface.co/tyfeld/MMaDA-Parallel-A/resolve/main/vqvae",
     {"config.json", "diffusion_pytorch_model.safetensors", NULL}},
};

typedef struct pull {
    const source *from;
    char *backbone, *pictures; /* addresses */
    char *folder, *picture_folder, *model;
    SoupSession *session;
    GCancellable *cancel;
    const volatile int *cancelled;
    ti_bar bar;
    GTimer *timer;
} pull;

/* ---- one file ---------------------------------------------------------------------------- */

typedef struct download {
    char *from, *path, *part; /* address; where it goes, whole and meanwhile */
    char *sha256;             /* as the server has it; NULL: it does not say */
    goffset had, have, whole; /* bytes at the start and now; whole 0: unknown */
    bool broken;              /* the connection, not the file */
} download;

static te_status fail_http(const char *address, GError *error, te_error *err)
{
    te_status st = ti_error(err, TE_IO, "%s cannot be fetched: %s", address, error->message);
    g_error_free(error);
    return st;
}

/* Answers on the way, redirections among them, may name the hash of the file behind. */
static void read_hash(SoupMessage *message, gpointer user)
{
    download *d = user;
    const char *tag =
        soup_message_headers_get_one(soup_message_get_response_headers(message), "X-Linked-ETag");
    if (!tag) return;
    char *bare = g_strdup(tag);
    g_strdelimit(bare, "\"", ' ');
    g_strstrip(bare);
    if (strlen(bare) == 64 && strspn(bare, "0123456789abcdef") == 64) {
        g_free(d->sha256);
        d->sha256 = g_strdup(bare);
    }
    g_free(bare);
}

static te_status check_hash(pull *p, const download *d, te_error *err)
{
    enum { CHUNK = 1 << 20 };
    if (!d->sha256) return TE_OK;
    FILE *file = g_fopen(d->part, "rb");
    if (!file) return ti_error(err, TE_IO, "%s cannot be read: %s", d->part, g_strerror(errno));
    guchar *chunk = g_malloc(CHUNK);
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    te_status st = TE_OK;
    for (size_t n; !st && (n = fread(chunk, 1, CHUNK, file)) > 0;) {
        g_checksum_update(sum, chunk, (gssize)n);
        if (*p->cancelled) st = ti_error(err, TE_CANCELLED, "cancelled");
    }
    if (!st && strcmp(g_checksum_get_string(sum), d->sha256)) {
        st = ti_error(err, TE_FORMAT,
                      "%s is not what the server has, its SHA-256 differs; it is removed, run the "
                      "command again",
                      d->part);
        g_unlink(d->part);
    }
    g_checksum_free(sum);
    g_free(chunk);
    fclose(file);
    return st;
}

/* What arrives behind the bytes that FILE has. */
static te_status receive(pull *p, download *d, GInputStream *body, FILE *file, te_error *err)
{
    enum { CHUNK = 1 << 20 };
    char *chunk = g_malloc(CHUNK), *name = g_path_get_basename(d->path);
    goffset began = d->have;
    double since = g_timer_elapsed(p->timer, NULL);
    te_status st = TE_OK;
    while (!st) {
        gssize n = g_input_stream_read(body, chunk, CHUNK, p->cancel, NULL);
        if (*p->cancelled)
            st = ti_error(err, TE_CANCELLED, "cancelled");
        else if (n <= 0)
            break;
        else if (fwrite(chunk, 1, (size_t)n, file) != (size_t)n)
            st = ti_error(err, TE_IO, "%s cannot be written: %s", d->part, g_strerror(errno));
        else
            d->have += n;
        d->broken = n < 0;
        double now = g_timer_elapsed(p->timer, NULL), got = (double)(d->have - began);
        double left = got > 0 ? (now - since) * (double)(d->whole - d->have) / got : -1;
        ti_bar_draw(&p->bar, name, (int)(d->have >> 20), (int)(d->whole >> 20), now, left);
    }
    if (!st && d->whole > 0 && d->have != d->whole) d->broken = true;
    g_free(name);
    g_free(chunk);
    return st;
}

/* Where in the file the answer begins: at its start, or behind what is there. */
static te_status find_place(download *d, SoupMessage *message, te_error *err)
{
    SoupMessageHeaders *headers = soup_message_get_response_headers(message);
    guint code = soup_message_get_status(message);
    goffset start = 0, end = 0, total = 0,
            length = soup_message_headers_get_content_length(headers);
    if (code == SOUP_STATUS_OK) {
        d->have = 0; /* the server does not go on in the middle */
    } else if (code != SOUP_STATUS_PARTIAL_CONTENT) {
        return ti_error(err, TE_IO, "%s cannot be fetched: the server says %u %s", d->from, code,
                        soup_message_get_reason_phrase(message));
    } else if (!soup_message_headers_get_content_range(headers, &start, &end, &total) ||
               start != d->have) {
        return ti_error(err, TE_IO,
                        "%s cannot be fetched: the server sends another part than was "
                        "asked for",
                        d->from);
    }
    d->whole = length > 0 ? d->have + length : 0;
    return TE_OK;
}

static te_status answer_to_file(pull *p, download *d, SoupMessage *message, GInputStream *body,
                                te_error *err)
{
    te_status st = find_place(d, message, err);
    if (st) return st;
    FILE *file = g_fopen(d->part, d->have ? "ab" : "wb");
    if (!file) return ti_error(err, TE_IO, "%s cannot be written: %s", d->part, g_strerror(errno));
    st = receive(p, d, body, file, err);
    if (fclose(file) && !st)
        st = ti_error(err, TE_IO, "%s cannot be written: %s", d->part, g_strerror(errno));
    return st;
}

/* One request. d->broken: it may be tried again. */
static te_status ask(pull *p, download *d, bool *missing, te_error *err)
{
    GStatBuf about;
    GError *error = NULL;
    d->have = d->had = !g_stat(d->part, &about) ? about.st_size : 0;
    d->broken = false;
    SoupMessage *message = soup_message_new("GET", d->from);
    if (!message) return ti_error(err, TE_INVALID, "'%s' is no address to fetch from", d->from);
    SoupMessageHeaders *headers = soup_message_get_request_headers(message);
    if (d->have) soup_message_headers_set_range(headers, d->have, -1);
    soup_message_headers_replace(headers, "Accept-Encoding",
                                 "identity"); /* lengths are of the file */
    g_signal_connect(message, "got-headers", G_CALLBACK(read_hash), d);
    GInputStream *body = soup_session_send(p->session, message, p->cancel, &error);
    guint code = soup_message_get_status(message);
    te_status st = TE_OK;
    if (!body)
        st = fail_http(d->from, error, err);
    else if (missing && code == SOUP_STATUS_NOT_FOUND)
        *missing = true;
    else if (!(d->have && code == SOUP_STATUS_REQUESTED_RANGE_NOT_SATISFIABLE)) /* all was there */
        st = answer_to_file(p, d, message, body, err);
    g_clear_object(&body);
    g_object_unref(message);
    return st;
}

static te_status fetch_new(pull *p, download *d, bool *missing, te_error *err)
{
    te_status st;
    do st = ask(p, d, missing, err);
    while (!st && d->broken && d->have > d->had);
    if (!st && d->broken)
        st = ti_error(err, TE_IO,
                      "%s: the download broke off after %" G_GOFFSET_FORMAT " of %" G_GOFFSET_FORMAT
                      " bytes; run the command again to go on",
                      d->from, d->have, d->whole);
    if (st || (missing && *missing)) return st;
    st = check_hash(p, d, err);
    if (!st && g_rename(d->part, d->path))
        st = ti_error(err, TE_IO, "%s cannot be written: %s", d->path, g_strerror(errno));
    return st;
}

/* FOLDER/NAME from ADDRESS/NAME, unless it is there. MISSING may be NULL; otherwise a file that the
 * server does not have is no error, and *MISSING tells. */
static te_status fetch(pull *p, const char *address, const char *folder, const char *name,
                       bool *missing, te_error *err)
{
    download d = {.from = g_strdup_printf("%s/%s", address, name),
                  .path = g_build_filename(folder, name, NULL)};
    te_status st = TE_OK;
    d.part = g_strconcat(d.path, ".part", NULL);
    if (missing) *missing = false;
    if (!g_file_test(d.path, G_FILE_TEST_EXISTS)) st = fetch_new(p, &d, missing, err);
    g_free(d.from);
    g_free(d.path);
    g_free(d.part);
    g_free(d.sha256);
    return st;
}

/* ---- the checkpoint ---------------------------------------------------------------------- */

/* The shards that the index names, each once. */
static te_status shards_of(const char *path, GHashTable *shards, te_error *err)
{
    JsonParser *parser = json_parser_new_immutable();
    bool good = json_parser_load_from_file(parser, path, NULL);
    JsonNode *root = good ? json_parser_get_root(parser) : NULL;
    JsonNode *map = root && JSON_NODE_HOLDS_OBJECT(root)
                        ? json_object_get_member(json_node_get_object(root), "weight_map")
                        : NULL;
    good = map && JSON_NODE_HOLDS_OBJECT(map);
    GList *files = good ? json_object_get_values(json_node_get_object(map)) : NULL;
    for (GList *f = files; good && f; f = f->next) {
        const char *name = JSON_NODE_HOLDS_VALUE(f->data) ? json_node_get_string(f->data) : NULL;
        good = name && !strchr(name, '/') && g_str_has_suffix(name, ".safetensors") &&
               g_hash_table_size(shards) < MAX_SHARDS;
        if (good) g_hash_table_add(shards, g_strdup(name));
    }
    g_list_free(files);
    g_object_unref(parser);
    return good ? TE_OK
                : ti_error(err, TE_FORMAT,
                           "%s is no index of safetensors files; remove it and try again", path);
}

static te_status fetch_backbone(pull *p, te_error *err)
{
    bool single;
    te_status st = fetch(p, p->backbone, p->folder, "config.json", NULL, err);
    if (!st) st = fetch(p, p->backbone, p->folder, "tokenizer.json", NULL, err);
    if (!st) st = fetch(p, p->backbone, p->folder, INDEX, &single, err);
    if (!st && single) return fetch(p, p->backbone, p->folder, "model.safetensors", NULL, err);
    if (st) return st;
    char *index = g_build_filename(p->folder, INDEX, NULL);
    GHashTable *shards = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    st = shards_of(index, shards, err);
    GHashTableIter each;
    gpointer name;
    g_hash_table_iter_init(&each, shards);
    while (!st && g_hash_table_iter_next(&each, &name, NULL))
        st = fetch(p, p->backbone, p->folder, name, NULL, err);
    g_hash_table_unref(shards);
    g_free(index);
    return st;
}

static te_status fetch_all(pull *p, te_error *err)
{
    te_status st = TE_OK;
    if (g_mkdir_with_parents(p->picture_folder, 0777))
        st = ti_error(err, TE_IO, "%s: the folder cannot be made: %s", p->picture_folder,
                      g_strerror(errno));
    for (int i = 0; !st && p->from->picture_files[i]; i++)
        st = fetch(p, p->pictures, p->picture_folder, p->from->picture_files[i], NULL, err);
    return st ? st : fetch_backbone(p, err);
}

static void on_tensor(const char *tensor, int done, int count, void *user)
{
    pull *p = user;
    ti_bar_draw(&p->bar, tensor, done, count, g_timer_elapsed(p->timer, NULL), -1);
}

static te_status convert(pull *p, const char *type, const char *layout, te_error *err)
{
    te_convert_options opt = {.folder = p->folder,
                              .output = p->model,
                              .profile = p->from->name,
                              .layout = layout,
                              .image_tokenizer = p->picture_folder,
                              .type = type,
                              .name = p->from->name,
                              .progress = on_tensor,
                              .user = p,
                              .cancel = p->cancelled};
    return te_convert(&opt, err);
}

static void remove_folder(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        char *child = g_build_filename(path, name, NULL);
        g_unlink(child);
        g_free(child);
    }
    if (dir) g_dir_close(dir);
    g_rmdir(path);
}

static void pull_init(pull *p, const source *from, const char *address, const char *output,
                      bool quiet)
{
    p->from = from;
    p->backbone = g_strdup(address ? address : from->backbone);
    p->pictures = address ? g_strconcat(address, "/pictures", NULL) : g_strdup(from->pictures);
    p->model =
        output ? g_strdup(output)
               : g_strdup_printf("%s/thinkedit/models/%s.gguf", g_get_user_data_dir(), from->name);
    p->folder = g_strconcat(p->model, ".checkpoint", NULL);
    p->picture_folder = g_build_filename(p->folder, "pictures", NULL);
    p->session = soup_session_new();
    p->cancel = g_cancellable_new();
    p->cancelled = ti_cancel_flag();
    p->timer = g_timer_new();
    ti_bar_init(&p->bar, quiet);
}

static void pull_clear(pull *p)
{
    ti_bar_clear(&p->bar);
    g_free(p->backbone);
    g_free(p->pictures);
    g_free(p->model);
    g_free(p->folder);
    g_free(p->picture_folder);
    g_object_unref(p->session);
    g_object_unref(p->cancel);
    g_timer_destroy(p->timer);
}

static int run(const ti_command *self, int argc, char **argv)
{
    const char *output = NULL, *type = "q8_0", *address = NULL, *layout = NULL;
    bool keep = false, quiet = false;
    const ti_arg list[] = {
        {"output", 'o', TI_ARG_TEXT, &output, "OUT.gguf",
         "left out: NAME.gguf in the user's data folder"},
        {"type", 0, TI_ARG_TEXT, &type, "TYPE",
         "of the matrices: q8_0 (left out), q4_k, bf16, f16 or f32"},
        {"from", 0, TI_ARG_TEXT, &address, "URL",
         "another place with the same files (image tokeniser in URL/pictures)"},
        {"layout", 0, TI_ARG_TEXT, &layout, "FILE", "as of convert"},
        {"keep", 0, TI_ARG_FLAG, &keep, NULL, "keeps the checkpoint beside the model file"},
        {"quiet", 'q', TI_ARG_FLAG, &quiet, NULL, "no progress bar"},
        {0},
    };
    ti_args args = {.list = list, .least = 1, .most = 1};
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    size_t i = 0;
    while (i < G_N_ELEMENTS(sources) && strcmp(sources[i].name, args.positional[0])) i++;
    if (i == G_N_ELEMENTS(sources))
        return ti_usage(self, "'%s' is none of: mmada-parallel-m, mmada-parallel-a",
                        args.positional[0]);
    pull p = {0};
    te_error err;
    pull_init(&p, &sources[i], address, output, quiet);
    te_status st = fetch_all(&p, &err);
    if (!st) st = convert(&p, type, layout, &err);
    if (!st && !keep) {
        remove_folder(p.picture_folder);
        remove_folder(p.folder);
    }
    ti_bar_clear(&p.bar);
    if (!st) {
        char *line = g_strconcat(p.model, "\n", NULL);
        st = ti_print(line, &err);
        g_free(line);
    }
    pull_clear(&p);
    return ti_report(st, &err);
}

const ti_command ti_command_pull = {
    "pull", "NAME [-o OUT.gguf] [OPTION ...]",
    "fetches a published model: mmada-parallel-m or mmada-parallel-a", run};
