/* thinkedit pull against a server of the test's own: golden files stand for the published
 * checkpoint. */
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pull),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, site_up, site_down);
}
