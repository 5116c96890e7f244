/* What a reader gets who is slower than the events: every one that is kept, in order, and of the
 * others the newest. */
#include "testing.h"
#include "server/stream.h"

static GMainLoop *loop;
static gboolean closed;

static void on_closed(void *user)
{
    (void)user;
    closed = TRUE;
}

/* All of it before libsoup gets to write a byte. */
static void on_request(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    (void)server, (void)path, (void)query, (void)user;
    ti_stream *s = ti_stream_open(message, on_closed, NULL);
    ti_stream_send(s, TI_STREAM_KEEP, "started", g_strdup("{}"));
    for (int stage = 0; stage < 3; stage++)
        for (int step = 0; step < 100; step++) {
            char *json = g_strdup_printf("[%d,%d]", stage, step);
            ti_stream_send(s, step ? TI_STREAM_PROGRESS : TI_STREAM_KEEP, "progress", json);
            ti_stream_send(s, TI_STREAM_TEXT, "text", g_strdup_printf("[%d]", step));
        }
    ti_stream_send(s, TI_STREAM_KEEP, "done", g_strdup("{}"));
    ti_stream_end(s);
    ti_stream_send(s, TI_STREAM_KEEP, "late", g_strdup("{}"));
}

static void on_answer(GObject *session, GAsyncResult *result, gpointer user)
{
    *(GBytes **)user = soup_session_send_and_read_finish(SOUP_SESSION(session), result, NULL);
    g_main_loop_quit(loop);
}

static void test_a_slow_reader_gets_what_is_kept_and_the_newest(void **state)
{
    g_autoptr(SoupServer) server = soup_server_new(NULL, NULL);
    g_autoptr(SoupSession) session = soup_session_new();
    g_autoptr(GBytes) answer = NULL;
    GError *error = NULL;
    (void)state;
    loop = g_main_loop_new(NULL, FALSE);
    soup_server_add_handler(server, NULL, on_request, NULL, NULL);
    if (!soup_server_listen_local(server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error))
        fail_msg("%s", error->message);
    GSList *uris = soup_server_get_uris(server);
    g_autoptr(SoupMessage) message = soup_message_new_from_uri("GET", uris->data);
    soup_session_send_and_read_async(session, message, G_PRIORITY_DEFAULT, NULL, on_answer,
                                     &answer);
    g_main_loop_run(loop);
    assert_non_null(answer);
    g_autofree char *text = g_strndup(g_bytes_get_data(answer, NULL), g_bytes_get_size(answer));
    assert_string_equal(text, "event: started\ndata: {}\n\n"
                              "event: progress\ndata: [0,0]\n\n"
                              "event: progress\ndata: [1,0]\n\n"
                              "event: progress\ndata: [2,0]\n\n"
                              "event: progress\ndata: [2,99]\n\n"
                              "event: text\ndata: [99]\n\n"
                              "event: done\ndata: {}\n\n");
    while (!closed) g_main_context_iteration(NULL, TRUE);
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    g_main_loop_unref(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_reader_gets_what_is_kept_and_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
