/* pull.c - thinkedit pull: fetches a published checkpoint and makes a model file of it.
 *
 * Files come over HTTPS into a folder beside the model file. What is there stays; a broken download
 * goes on where it broke; a file counts only when it has the length the server announced. Then the
 * folder is converted, and removed unless --keep says otherwise. Names inside an index are only
 * ever file names: one with a slash is refused. */
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

/* ---- one file
 * ------------------------------------------------------------------------------------------ */

static te_status fail_http(const char *address, GError *error, te_error *err)
{
    te_status st = ti_error(err, TE_IO, "%s cannot be fetched: %s", address, error->message);
    g_error_free(error);
    return st;
}

/* What arrives behind the HAVE bytes that FILE has. */
static te_status receive(pull *p, GInputStream *body, FILE *file, const char *path, goffset have,
                         goffset whole, te_error *err)
{
    enum { CHUNK = 1 << 20 };
    char *chunk = g_malloc(CHUNK), *name = g_path_get_basename(path);
    goffset began = have;
    double since = g_timer_elapsed(p->timer, NULL);
    te_status st = TE_OK;
    while (!st) {
        GError *error = NULL;
        gssize n = g_input_stream_read(body, chunk, CHUNK, p->cancel, &error);
        if (n < 0)
            st = fail_http(name, error, err);
        else if (!n)
            break;
        else if (fwrite(chunk, 1, (size_t)n, file) != (size_t)n)
            st = ti_error(err, TE_IO, "%s cannot be written: %s", path, g_strerror(errno));
        if (*p->cancelled) st = ti_error(err, TE_CANCELLED, "cancelled");
        have += n > 0 ? n : 0;
        double now = g_timer_elapsed(p->timer, NULL);
        double left =
            have > began ? (now - since) * (double)(whole - have) / (double)(have - began) : -1;
        ti_bar_draw(&p->bar, name, (int)(have >> 20), (int)(whole >> 20), now, left);
    }
    if (!st && whole > 0 && have != whole)
        st = ti_error(err, TE_IO,
                      "%s: the download broke off after %" G_GOFFSET_FORMAT " of %" G_GOFFSET_FORMAT
                      " bytes; run the command again to go on",
                      name, have, whole);
    g_free(name);
    g_free(chunk);
    return st;
}

static te_status answer_to_file(pull *p, SoupMessage *message, GInputStream *body,
                                const char *address, const char *part, goffset have, te_error *err)
{
    guint code = soup_message_get_status(message);
    if (code == SOUP_STATUS_OK)
        have = 0; /* the server does not go on in the middle */
    else if (code != SOUP_STATUS_PARTIAL_CONTENT)
        return ti_error(err, TE_IO, "%s cannot be fetched: the server says %u %s", address, code,
                        soup_message_get_reason_phrase(message));
    goffset length =
        soup_message_headers_get_content_length(soup_message_get_response_headers(message));
    FILE *file = g_fopen(part, have ? "ab" : "wb");
    if (!file) return ti_error(err, TE_IO, "%s cannot be written: %s", part, g_strerror(errno));
    te_status st = receive(p, body, file, part, have, length > 0 ? have + length : 0, err);
    if (fclose(file) && !st)
        st = ti_error(err, TE_IO, "%s cannot be written: %s", part, g_strerror(errno));
    return st;
}

/* FOLDER/NAME from ADDRESS/NAME, unless it is there. MISSING may be NULL; otherwise a file that the
 * server does not have is no error, and *MISSING tells. */
static te_status fetch(pull *p, const char *address, const char *folder, const char *name,
                       bool *missing, te_error *err)
{
    char *path = g_build_filename(folder, name, NULL), *part = g_strconcat(path, ".part", NULL);
    char *from = g_strdup_printf("%s/%s", address, name);
    te_status st = TE_OK;
    GStatBuf about;
    if (missing) *missing = false;
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        goffset have = !g_stat(part, &about) ? about.st_size : 0;
        GError *error = NULL;
        SoupMessage *message = soup_message_new("GET", from);
        if (!message) {
            st = ti_error(err, TE_INVALID, "'%s' is no address to fetch from", from);
        } else {
            if (have)
                soup_message_headers_set_range(soup_message_get_request_headers(message), have, -1);
            GInputStream *body = soup_session_send(p->session, message, p->cancel, &error);
            guint code = soup_message_get_status(message);
            if (!body)
                st = fail_http(from, error, err);
            else if (missing && code == SOUP_STATUS_NOT_FOUND)
                *missing = true;
            else if (have && code == SOUP_STATUS_REQUESTED_RANGE_NOT_SATISFIABLE)
                have = 0; /* it was all there */
            else
                st = answer_to_file(p, message, body, from, part, have, err);
            g_clear_object(&body);
            g_object_unref(message);
        }
        if (!st && !(missing && *missing) && g_rename(part, path))
            st = ti_error(err, TE_IO, "%s cannot be written: %s", path, g_strerror(errno));
    }
    g_free(from);
    g_free(part);
    g_free(path);
    return st;
}

/* ---- the checkpoint
 * ------------------------------------------------------------------------------------ */

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
