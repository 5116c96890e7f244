/* The server from start to end: one per user, jobs in order, a queue with an end, what those hear
 * who wait when it is ended, and how it ends by itself. */
#include "serving.h"
#include "testing.h"
#include "wire.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <unistd.h>

static void assert_reads(int fd, const char *pattern)
{
    char *answer = wire_read(fd, pattern, 60);
    if (!strstr(answer, pattern)) fail_msg("no %s in: %s", pattern, answer);
    free(answer);
}

static bool thinkedit(const char *const *argv, char **said)
{
    int status = -1;
    assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, said, &status, NULL));
    return status == 0;
}

/* ---- a server for the first tests -------------------------------------------------------- */

static int start(void **state)
{
    *state = serving_start((const char *const[]){"--max-jobs", "2", NULL});
    return 0;
}

static int stop(void **state)
{
    return serving_end(*state) ? 0 : -1;
}

static void test_jobs_run_in_the_order_they_came(void **state)
{
    const serving *s = *state;
    int fds[3];
    fds[0] = serving_open(s, serving_slow, true);
    assert_reads(fds[0], "\"stage\":\"denoising\"");
    for (int i = 1; i < 3; i++) {
        fds[i] = serving_open(s, serving_slow, true);
        assert_reads(fds[i], i == 1 ? "\"position\":1" : "\"position\":2");
    }
    for (int i = 0; i < 2; i++) { /* who hangs up makes room for the next, and all move up */
        close(fds[i]);
        assert_reads(fds[i + 1], "event: started");
        if (i == 0) assert_reads(fds[2], "\"position\":1");
    }
    close(fds[2]);
    serving_wait_until_idle(s);
}

static void test_a_full_queue_is_said(void **state)
{
    const serving *s = *state;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = serving_open(s, serving_slow, true);
        assert_reads(fds[i], i ? "event: queued" : "\"stage\":\"denoising\"");
    }
    char *answer = serving_submit(s, serving_edit, true, "\"error\":{");
    assert_int_equal(wire_status(answer), 429);
    assert_non_null(strstr(answer, "Retry-After: 10"));
    assert_non_null(strstr(answer, "\"busy\""));
    free(answer);
    for (int i = 0; i < 3; i++) close(fds[i]);
    serving_wait_until_idle(s);
    answer = serving_submit(s, serving_edit, true, "event: done");
    assert_non_null(strstr(answer, "event: done"));
    free(answer);
}

static void test_there_is_one_for_a_user(void **state)
{
    const serving *s = *state;
    g_autofree char *other = g_strdup_printf("unix:%s/other.sock", s->folder), *said = NULL;
    const char *const argv[] = {TE_BINARY, "serve", "--model", s->model, "--listen", other, NULL};
    assert_false(thinkedit(argv, &said));
    g_autofree char *holder = g_strdup_printf("running already (process %d)", (int)s->pid);
    if (!strstr(said, holder)) fail_msg("not \"%s\" but: %s", holder, said);
}

/* The last test of this server. */
static void test_its_end_is_told_to_all(void **state)
{
    serving *s = *state;
    int running = serving_open(s, serving_slow, true);
    assert_reads(running, "\"stage\":\"denoising\"");
    int waiting = serving_open(s, serving_slow, true);
    assert_reads(waiting, "event: queued");
    kill(s->pid, SIGTERM);
    assert_reads(running, "event: cancelled");
    assert_reads(waiting, "event: failed\ndata: {\"error\":{\"status\":\"cancelled\"");
    assert_int_equal(serving_wait(s), 0);
    close(running);
    close(waiting);
}

/* ---- servers of their own ---------------------------------------------------------------- */

/* Nobody asks anything for a second, and the weights leave memory; for some more, and it ends. */
static void test_it_unloads_and_ends_when_nobody_needs_it(void **state)
{
    serving *s =
        serving_start((const char *const[]){"--idle-unload", "1", "--idle-exit", "5", NULL});
    (void)state;
    for (int i = 0; i < 2; i++) {
        char *answer = serving_submit(s, serving_edit, true, "event: done");
        assert_non_null(strstr(answer, "event: done"));
        if (i) assert_non_null(strstr(answer, "loading the model"));
        free(answer);
        g_usleep(3 * G_USEC_PER_SEC); /* asking would count as need */
        answer = serving_get(s, "/v1/info");
        assert_non_null(strstr(answer, "\"loaded\":false"));
        free(answer);
    }
    assert_int_equal(serving_wait(s), 0);
    assert_true(serving_end(s));
}

/* Who starts it in passing may be killed with all of its session: the server has one of its own. */
static void test_a_detached_one_leads_its_own_session(void **state)
{
    serving *s = serving_start(NULL);
    (void)state;
    g_autofree char *lock = g_build_filename(s->folder, "thinkedit", "serve.lock", NULL),
                    *pid = NULL;
    kill(s->pid, SIGTERM);
    assert_int_equal(serving_wait(s), 0);
    const char *const detach[] = {TE_BINARY, "serve", "--detach", "--model", s->model, NULL};
    const char *const end[] = {TE_BINARY, "serve", "--stop", NULL};
    g_autofree char *said = NULL, *again = NULL, *stopped = NULL;
    if (!thinkedit(detach, &said)) fail_msg("%s", said);
    assert_true(g_file_get_contents(lock, &pid, NULL, NULL));
    pid_t server = (pid_t)g_ascii_strtoll(pid, NULL, 10);
    assert_int_equal(getsid(server), server);
    assert_int_not_equal(getsid(0), server);
    assert_true(thinkedit(detach, &again)); /* there it is: no second one */
    if (!thinkedit(end, &stopped)) fail_msg("%s", stopped);
    assert_true(serving_end(s));
}

int main(void)
{
    const struct CMUnitTest shared[] = {
        cmocka_unit_test(test_jobs_run_in_the_order_they_came),
        cmocka_unit_test(test_a_full_queue_is_said),
        cmocka_unit_test(test_there_is_one_for_a_user),
        cmocka_unit_test(test_its_end_is_told_to_all),
    };
    const struct CMUnitTest own[] = {
        cmocka_unit_test(test_it_unloads_and_ends_when_nobody_needs_it),
        cmocka_unit_test(test_a_detached_one_leads_its_own_session),
    };
    signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests(shared, start, stop);
    return failed + cmocka_run_group_tests(own, NULL, NULL);
}
