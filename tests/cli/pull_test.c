/* thinkedit pull against servers of the test's own: golden files stand for the published
 * checkpoint. One of them cuts connections: it answers by hand, as much of a file as the test says.
 */
#include "cli/spawn.h"

#include <glib/gstdio.h>
#include <libsoup/soup.h>

static struct {
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    SoupServer *server;
    char *address;
    int requests, resumed;
} site;

static const char *golden_of(const char *path)
{
    static const char *const files[][2] = {
        {"/config.json", "m-tiny/config.json"},
        {"/model-1.safetensors", "m-tiny/model.safetensors"},
        {"/pictures/config.json", "magvit-tiny/config.json"},
        {"/pictures/pytorch_model.bin", "magvit-tiny/model.safetensors"},
    };
    for (size_t i = 0; i < TEST_LENGTH(files); i++)
        if (!strcmp(path, files[i][0])) return files[i][1];
    return NULL;
}

/* An index that puts every tensor of m-tiny into one shard. */
static char *index_of_tensors(void)
{
    char *bytes;
    guint64 header;
    g_file_get_contents(TE_GOLDEN "/m-tiny/model.safetensors", &bytes, NULL, NULL);
    memcpy(&header, bytes, 8);
    char *text = g_strndup(bytes + 8, GUINT64_FROM_LE(header));
    JsonNode *node = json_from_string(text, NULL);
    GList *names = json_object_get_members(json_node_get_object(node));
    GString *index = g_string_new("{\"weight_map\": {");
    for (GList *name = names; name; name = name->next)
        if (strcmp(name->data, "__metadata__"))
            g_string_append_printf(index, "%s\"%s\": \"model-1.safetensors\"",
                                   index->str[index->len - 1] == '{' ? "" : ", ",
                                   (char *)name->data);
    g_string_append(index, "}}");
    g_list_free(names);
    json_node_unref(node);
    g_free(text);
    g_free(bytes);
    return g_string_free(index, FALSE);
}

static void answer(SoupServer *server, SoupServerMessage *message, const char *path,
                   GHashTable *query, gpointer user)
{
    (void)server, (void)query, (void)user;
    char *bytes = NULL;
    gsize n = 0;
    const char *golden = golden_of(path);
    site.requests++;
    if (golden) {
        char *file = g_build_filename(TE_GOLDEN, golden, NULL);
        g_file_get_contents(file, &bytes, &n, NULL);
        g_free(file);
    } else if (!strcmp(path, "/tokenizer.json")) {
        g_file_get_contents(TE_SOURCE "/tests/stand-in/tokenizer.json", &bytes, &n, NULL);
    } else if (!strcmp(path, "/model.safetensors.index.json")) {
        bytes = index_of_tensors();
        n = strlen(bytes);
    } else if (!strcmp(path, "/evil/model.safetensors.index.json")) {
        bytes = g_strdup("{\"weight_map\": {\"a\": \"../../model-1.safetensors\"}}");
        n = strlen(bytes);
    } else if (g_str_has_prefix(path, "/evil/")) {
        bytes = g_strdup("{}");
        n = 2;
    }
    if (!bytes) {
        soup_server_message_set_status(message, 404, NULL);
        return;
    }
    if (soup_message_headers_get_one(soup_server_message_get_request_headers(message), "Range"))
        site.resumed++;
    soup_server_message_set_status(message, 200, NULL); /* libsoup itself answers ranges of it */
    soup_server_message_set_response(message, "application/octet-stream", SOUP_MEMORY_TAKE, bytes,
                                     n);
}

static gpointer serve(gpointer user)
{
    (void)user;
    g_main_context_push_thread_default(site.context);
    g_main_loop_run(site.loop);
    g_main_context_pop_thread_default(site.context);
    return NULL;
}

static int site_up(void **state)
{
    if (spawn_set_up(state)) return -1;
    site.context = g_main_context_new();
    site.loop = g_main_loop_new(site.context, FALSE);
    g_main_context_push_thread_default(site.context);
    site.server = soup_server_new(NULL, NULL);
    soup_server_add_handler(site.server, NULL, answer, NULL, NULL);
    gboolean up = soup_server_listen_local(site.server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, NULL);
    g_main_context_pop_thread_default(site.context);
    GSList *uris = soup_server_get_uris(site.server);
    if (!up || !uris) return -1;
    site.address = g_strdup_printf("http://127.0.0.1:%d", g_uri_get_port(uris->data));
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    site.thread = g_thread_new("site", serve, NULL);
    return 0;
}

static int site_down(void **state)
{
    g_main_loop_quit(site.loop);
    g_thread_join(site.thread);
    g_object_unref(site.server);
    g_main_loop_unref(site.loop);
    g_main_context_unref(site.context);
    g_free(site.address);
    return spawn_tear_down(state);
}

static void test_pull(void **state)
{
    (void)state;
    int status =
        run("pull", "mmada-parallel-m", "--from", site.address, "-o", "pulled.gguf", "--layout",
            TE_SOURCE "/tests/stand-in/layout.json", "--type", "bf16", "--keep", "-q", NULL);
    if (status) fail_msg("%s", run_errors);
    assert_string_equal(run_output, "pulled.gguf\n");
    assert_int_equal(run("info", "pulled.gguf", NULL), 0);
    assert_non_null(strstr(run_output, "image tokeniser"));
    assert_non_null(strstr(run_output, "text tokeniser"));

    /* With half a shard the rest is fetched, and nothing else. */
    char *shard = in_folder("pulled.gguf.checkpoint/model-1.safetensors"), *bytes;
    char *part = in_folder("pulled.gguf.checkpoint/model-1.safetensors.part");
    gsize n;
    assert_true(g_file_get_contents(shard, &bytes, &n, NULL));
    assert_true(g_file_set_contents(part, bytes, (gssize)n / 2, NULL));
    g_unlink(shard);
    g_unlink(in_folder("pulled.gguf"));
    site.requests = site.resumed = 0;
    assert_int_equal(run("pull", "mmada-parallel-m", "--from", site.address, "-o", "pulled.gguf",
                         "--layout", TE_SOURCE "/tests/stand-in/layout.json", "--keep", "-q", NULL),
                     0);
    assert_int_equal(site.requests, 1);
    assert_int_equal(site.resumed, 1);
    char *again;
    gsize n_again;
    assert_true(g_file_get_contents(shard, &again, &n_again, NULL));
    assert_int_equal(n, n_again);
    assert_memory_equal(bytes, again, n);
    g_free(bytes);
    g_free(again);
}

/* ---- connections that break -------------------------------------------------------------- */

typedef struct cutter {
    GSocketListener *listener;
    GThread *thread;
    char *address, *shard;
    gsize size, most; /* of the shard; bytes of it in one answer */
    const char *tag;  /* its hash as the server has it; NULL: not said */
    gboolean twisted; /* ranges begin somewhere else */
    volatile int requests, ends;
} cutter;

static char *request_of(GInputStream *in)
{
    GString *text = g_string_new(NULL);
    char c;
    while (!g_str_has_suffix(text->str, "\r\n\r\n") &&
           g_input_stream_read(in, &c, 1, NULL, NULL) == 1)
        g_string_append_c(text, c);
    return g_string_free(text, FALSE);
}

static void answer_cut(cutter *c, const char *request, GOutputStream *out)
{
    const char *range = strstr(request, "Range: bytes=");
    gsize first = range ? (gsize)g_ascii_strtoull(range + 13, NULL, 10) : 0, n = c->size - first;
    GString *head =
        g_string_new(range ? "HTTP/1.1 206 Partial Content\r\n" : "HTTP/1.1 200 OK\r\n");
    g_string_append_printf(head, "Content-Length: %zu\r\nConnection: close\r\n", n);
    if (range)
        g_string_append_printf(head, "Content-Range: bytes %zu-%zu/%zu\r\n", first + c->twisted,
                               c->size - 1, c->size);
    if (c->tag) g_string_append_printf(head, "X-Linked-ETag: \"%s\"\r\n", c->tag);
    g_string_append(head, "\r\n");
    g_output_stream_write_all(out, head->str, head->len, NULL, NULL, NULL);
    g_output_stream_write_all(out, c->shard + first, MIN(n, c->most), NULL, NULL, NULL);
    g_string_free(head, TRUE);
}

static gpointer cut(gpointer user)
{
    cutter *c = user;
    while (!c->ends) {
        GSocketConnection *line = g_socket_listener_accept(c->listener, NULL, NULL, NULL);
        if (!line) break;
        GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(line));
        char *request = request_of(g_io_stream_get_input_stream(G_IO_STREAM(line)));
        if (strstr(request, "model-1.safetensors")) {
            c->requests++;
            answer_cut(c, request, out);
        } else if (!c->ends) { /* everything else is at the whole server's */
            const char *path = strchr(request, ' ') + 1;
            char *moved = g_strdup_printf("HTTP/1.1 302 Found\r\nLocation: %s%.*s\r\n"
                                          "Content-Length: 0\r\nConnection: close\r\n\r\n",
                                          site.address, (int)strcspn(path, " "), path);
            g_output_stream_write_all(out, moved, strlen(moved), NULL, NULL, NULL);
            g_free(moved);
        }
        g_free(request);
        g_io_stream_close(G_IO_STREAM(line), NULL, NULL);
        g_object_unref(line);
    }
    return NULL;
}

static void cutter_start(cutter *c)
{
    assert_true(
        g_file_get_contents(TE_GOLDEN "/m-tiny/model.safetensors", &c->shard, &c->size, NULL));
    c->listener = g_socket_listener_new();
    guint16 port = g_socket_listener_add_any_inet_port(c->listener, NULL, NULL);
    assert_true(port > 0);
    c->address = g_strdup_printf("http://127.0.0.1:%u", port);
    c->thread = g_thread_new("cutter", cut, c);
}

static void cutter_stop(cutter *c)
{
    c->ends = 1;
    GSocketClient *client = g_socket_client_new();
    GSocketConnection *line = g_socket_client_connect_to_host(
        client, c->address + strlen("http://"), 80, NULL, NULL); /* so that it looks up */
    if (line) g_io_stream_close(G_IO_STREAM(line), NULL, NULL);
    g_clear_object(&line);
    g_object_unref(client);
    g_thread_join(c->thread);
    g_object_unref(c->listener);
    g_free(c->address);
    g_free(c->shard);
}

static int pull_cut(const cutter *c, const char *output)
{
    return run("pull", "mmada-parallel-m", "--from", c->address, "-o", output, "--layout",
               TE_SOURCE "/tests/stand-in/layout.json", "--keep", "-q", NULL);
}

/* Cut five times, each time behind a fifth: it goes on by itself, and the hash is right. */
static void test_cut_connections(void **state)
{
    (void)state;
    cutter c = {0};
    cutter_start(&c);
    char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)c.shard, c.size),
         *got;
    gsize n;
    c.most = c.size / 5 + 1;
    c.tag = hash;
    int status = pull_cut(&c, "cut.gguf");
    if (status) fail_msg("%s", run_errors);
    assert_int_equal(c.requests, 5);
    assert_true(
        g_file_get_contents(in_folder("cut.gguf.checkpoint/model-1.safetensors"), &got, &n, NULL));
    assert_int_equal(n, c.size);
    assert_memory_equal(got, c.shard, n);
    g_free(got);
    g_free(hash);
    cutter_stop(&c);
}

/* Nothing arrives at all, something else arrives, or another part of it: one sentence, and no
 * model. */
static void test_bad_downloads(void **state)
{
    (void)state;
    static const char other[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    cutter c = {0};
    cutter_start(&c);
    failed_with(pull_cut(&c, "none.gguf"), 1, "run the command again to go on");
    c.most = c.size;
    c.tag = other;
    failed_with(pull_cut(&c, "hash.gguf"), 1, "SHA-256");
    assert_false(
        g_file_test(in_folder("hash.gguf.checkpoint/model-1.safetensors"), G_FILE_TEST_EXISTS));
    assert_false(g_file_test(in_folder("hash.gguf.checkpoint/model-1.safetensors.part"),
                             G_FILE_TEST_EXISTS));
    c.tag = NULL;
    c.most = 1000;
    c.twisted = TRUE;
    failed_with(pull_cut(&c, "twist.gguf"), 1, "another part");
    assert_false(g_file_test(in_folder("twist.gguf"), G_FILE_TEST_EXISTS));
    cutter_stop(&c);
}

static void test_refusals(void **state)
{
    (void)state;
    char *evil = g_strconcat(site.address, "/evil", NULL),
         *nothing = g_strconcat(site.address, "/nothing", NULL);
    failed_with(run("pull", "mmada-parallel-m", "--from", nothing, "-o", "x.gguf", "-q", NULL), 1,
                "404");
    failed_with(run("pull", "mmada-parallel-m", "--from", evil, "-o", "y.gguf", "-q", NULL), 1,
                "index");
    failed_with(
        run("pull", "mmada-parallel-m", "--from", "http://127.0.0.1:1", "-o", "z.gguf", "-q", NULL),
        1, "127.0.0.1");
    assert_false(g_file_test(in_folder("y.gguf"), G_FILE_TEST_EXISTS));
    g_free(evil);
    g_free(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pull), cmocka_unit_test(test_cut_connections),
        cmocka_unit_test(test_bad_downloads), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, site_up, site_down);
}
