/* The real server with the stand-in model: one edit told as events, cancels and hang-ups, a crowd
 * of clients, the token on TCP, and requests nobody should send. */
#include "testing.h"
#include "serving.h"
#include "wire.h"

#include <glib.h>
#include <signal.h>
#include <unistd.h>

static void assert_alive(const serving *f)
{
    char *answer = serving_get(f, "/v1/health");
    assert_int_equal(wire_status(answer), 200);
    assert_non_null(strstr(answer, "\"status\":\"ok\""));
    free(answer);
}

static void test_one_edit_as_events(void **state)
{
    const serving *f = *state;
    char *answer = serving_submit(f, serving_edit, true, "event: done\ndata: ");
    static const char *const order[] = {"event: queued", "event: started", "event: progress",
                                        "event: text",   "event: preview", "event: done"};
    for (size_t i = 0; i < TEST_LENGTH(order); i++)
        if (!strstr(answer, order[i])) fail_msg("no %s in: %s", order[i], answer);
    assert_true(strstr(answer, order[0]) < strstr(answer, order[1]));
    assert_true(strstr(answer, order[1]) < strstr(answer, order[5]));
    assert_non_null(strstr(answer, "\"seed\":7"));
    static const char *const stages[] = {"reading the picture", "denoising", "drawing the picture"};
    const char *at = answer;
    for (size_t i = 0; i < TEST_LENGTH(stages); i++) /* none goes untold, however fast it passes */
        if (!(at = strstr(at, stages[i]))) fail_msg("no %s in its place in: %s", stages[i], answer);
    char id[17], path[64];
    serving_job_id(answer, id);
    free(answer);

    g_snprintf(path, sizeof path, "/v1/jobs/%s", id);
    answer = serving_get(f, path);
    assert_int_equal(wire_status(answer), 200);
    assert_non_null(strstr(answer, "\"state\":\"done\""));
    assert_non_null(strstr(answer, "\"change\":[\""));
    free(answer);
    static const char *const parts[] = {"picture", "input", "steps/0", "steps/15"};
    for (size_t i = 0; i < TEST_LENGTH(parts); i++) {
        g_snprintf(path, sizeof path, "/v1/jobs/%s/%s", id, parts[i]);
        answer = serving_get(f, path);
        if (wire_status(answer) != 200) fail_msg("%s: %s", path, answer);
        assert_non_null(strstr(answer, "image/png"));
        free(answer);
    }
    g_snprintf(path, sizeof path, "/v1/jobs/%s/steps", id);
    answer = serving_get(f, path);
    assert_non_null(strstr(answer, "\"revealed_text\":[["));
    free(answer);
    g_snprintf(path, sizeof path, "/v1/jobs/%s/trajectory", id);
    answer = serving_get(f, path);
    assert_non_null(strstr(answer, "\"final\""));
    free(answer);
    g_snprintf(path, sizeof path, "/v1/jobs/%s/steps/16", id);
    answer = serving_get(f, path);
    assert_int_equal(wire_status(answer), 404);
    free(answer);
}

static void test_info_and_size(void **state)
{
    const serving *f = *state;
    char *answer = serving_get(f, "/v1/info");
    assert_int_equal(wire_status(answer), 200);
    static const char *const parts[] = {"\"options\":[{",
                                        "\"presets\":[{",
                                        "\"limits\":{",
                                        "\"queue\":{",
                                        "\"profile\":\"mmada-parallel-m\"",
                                        "\"problem\":null"};
    for (size_t i = 0; i < TEST_LENGTH(parts); i++)
        if (!strstr(answer, parts[i])) fail_msg("no %s in: %s", parts[i], answer);
    free(answer);
    answer = serving_get(f, "/v1/size?width=300&height=200");
    assert_non_null(strstr(answer, "\"width\":16"));
    free(answer);
    answer = serving_get(f, "/v1/size?width=0&height=200");
    assert_int_equal(wire_status(answer), 422);
    free(answer);
}

static void test_generation_needs_no_picture(void **state)
{
    const serving *f = *state;
    char *answer = serving_submit(f, serving_edit, false, "event: done\ndata: ");
    assert_non_null(strstr(answer, "event: done"));
    char id[17], path[64];
    serving_job_id(answer, id);
    free(answer);
    g_snprintf(path, sizeof path, "/v1/jobs/%s/input", id);
    answer = serving_get(f, path);
    assert_int_equal(wire_status(answer), 404);
    free(answer);
}

/* A generation has the model's defaults for generations, whatever the preset. */
static void test_generations_have_their_own_defaults(void **state)
{
    const serving *f = *state;
    const char *const parameters[] = {serving_edit,
                                      "{\"instruction\": \"a\", \"preset\": \"fast\"}"};
    for (int i = 0; i < 4; i++) {
        const bool edit = i % 2;
        char *answer = serving_submit(f, parameters[i / 2], edit, "event: done\ndata: ");
        char id[17], path[64];
        serving_job_id(answer, id);
        free(answer);
        g_snprintf(path, sizeof path, "/v1/jobs/%s", id);
        answer = serving_get(f, path);
        assert_non_null(strstr(answer, edit ? "\"image-cfg\":3.5" : "\"image-cfg\":2.25"));
        free(answer);
    }
}

static void test_refusals(void **state)
{
    const serving *f = *state;
    static const struct {
        const char *parameters, *word;
        int status;
    } cases[] = {
        {"{\"instruction\": \"\"}", "empty", 422},
        {"{\"instruction\": 3}", "string", 422},
        {"{}", "empty", 422},
        {"[1]", "JSON object", 400},
        {"{\"instruction\": \"a\"", "JSON object", 400},
        {"{\"instruction\": \"a\", \"colour\": 1}", "colour", 422},
        {"{\"instruction\": \"a\", \"options\": {\"image-stepz\": 1}}", "image-stepz", 422},
        {"{\"instruction\": \"a\", \"options\": {\"image-steps\": -4}}", "image-steps", 422},
        {"{\"instruction\": \"a\", \"options\": {\"image-steps\": [1]}}", "image-steps", 422},
        {"{\"instruction\": \"a\", \"preset\": \"best\"}", "preset", 422},
        {"{\"instruction\": \"a\", \"options\": 7}", "options", 422},
    };
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        char *answer = serving_submit(f, cases[i].parameters, true, "\"error\":{");
        if (wire_status(answer) != cases[i].status || !strstr(answer, cases[i].word))
            fail_msg("%s: %s", cases[i].parameters, answer);
        free(answer);
    }
    static const struct {
        const char *request;
        int status;
    } paths[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404},
        {"GET /v1/jobs/0000000000000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404},
        {"PUT /v1/info HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 405},
        {"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
         400},
        {"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: "
         "99999999\r\n\r\n",
         413},
    };
    for (size_t i = 0; i < TEST_LENGTH(paths); i++) {
        char *answer = wire_ask(f->socket, paths[i].request);
        if (wire_status(answer) != paths[i].status) fail_msg("%s: %s", paths[i].request, answer);
        free(answer);
    }
}

/* Nobody says beforehand how long a body in chunks will be. */
static void test_chunks_have_a_limit_too(void **state)
{
    const serving *f = *state;
    static const char head[] =
        "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: "
        "multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n";
    enum { CHUNK = 1 << 20, CHUNKS = 5 };
    g_autofree char *chunk = g_strnfill(CHUNK, 'x');
    int fd = wire_unix(f->socket);
    assert_true(fd >= 0 && wire_send(fd, head, sizeof head - 1));
    for (int i = 0; i < CHUNKS; i++) {
        g_autofree char *size = g_strdup_printf("%x\r\n", CHUNK);
        assert_true(wire_send(fd, size, strlen(size)) && wire_send(fd, chunk, CHUNK) &&
                    wire_send(fd, "\r\n", 2));
    }
    assert_true(wire_send(fd, "0\r\n\r\n", 5));
    char *answer = wire_read(fd, NULL, 20);
    assert_int_equal(wire_status(answer), 413);
    free(answer);
    close(fd);
}

static void test_an_instruction_has_a_limit(void **state)
{
    const serving *f = *state;
    g_autofree char *words = g_strnfill(8193, 'w');
    g_autofree char *parameters = g_strdup_printf("{\"instruction\": \"%s\"}", words);
    char *answer = serving_submit(f, parameters, true, "\"error\":{");
    assert_int_equal(wire_status(answer), 413);
    assert_non_null(strstr(answer, "8192 bytes"));
    free(answer);
}

static void test_damaged_pictures(void **state)
{
    const serving *f = *state;
    serving bad = *f;
    bad.png = g_memdup2(f->png, f->png_size);
    bad.png_size = f->png_size / 2; /* truncated */
    char *answer = serving_submit(&bad, serving_edit, true, "\"error\":{");
    assert_int_equal(wire_status(answer), 422);
    free(answer);
    memset(bad.png, 'x', 8);
    answer = serving_submit(&bad, serving_edit, true, "\"error\":{");
    assert_int_equal(wire_status(answer), 415);
    free(answer);
    memcpy(bad.png, f->png, 32);
    memset((char *)bad.png + 16, 0x00, 8); /* 0 x 0 */
    answer = serving_submit(&bad, serving_edit, true, "\"error\":{");
    assert_int_equal(wire_status(answer), 413);
    free(answer);
    memset((char *)bad.png + 16, 0x0f, 8); /* 252645135 pixels a side */
    answer = serving_submit(&bad, serving_edit, true, "\"error\":{");
    assert_int_equal(wire_status(answer), 413);
    free(answer);
    g_free(bad.png);
}

static void test_token_guards_tcp(void **state)
{
    const serving *f = *state;
    static const struct {
        const char *header;
        int status;
    } cases[] = {{"", 401},
                 {"Authorization: Bearer wrong\r\n", 401},
                 {"Authorization: Bearer the-token-of-this-tes\r\n", 401},
                 {"Authorization: Basic the-token-of-this-test\r\n", 401},
                 {"Authorization: Bearer the-token-of-this-test\r\n", 200}};
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        int fd = wire_tcp(f->port);
        assert_true(fd >= 0);
        char *request = g_strdup_printf(
            "GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", cases[i].header);
        wire_send(fd, request, strlen(request));
        char *answer = wire_read(fd, NULL, 10);
        assert_int_equal(wire_status(answer), cases[i].status);
        free(answer);
        g_free(request);
        close(fd);
    }
}

/* ---- a crowd ----------------------------------------------------------------------------- */

typedef struct crowd {
    const serving *f;
    unsigned seed;
    int done, cancelled, hung_up, wrong;
} crowd;

static char *cancel_request(const char *id)
{
    return g_strdup_printf("DELETE /v1/jobs/%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                           id);
}

static void one_visit(crowd *c, const char *request, size_t n, int habit)
{
    int fd = wire_unix(c->f->socket);
    if (fd < 0 || !wire_send(fd, request, n)) {
        c->wrong++;
        if (fd >= 0) close(fd);
        return;
    }
    if (habit == 0) { /* leaves at once */
        c->hung_up++;
        close(fd);
        return;
    }
    char *answer = wire_read(fd, habit == 1 ? "event: progress" : "X-Job-Id", 60);
    char *rest = NULL;
    if (habit == 1) { /* leaves in the middle */
        c->hung_up++;
    } else if (habit == 2) { /* cancels */
        char id[17];
        serving_job_id(answer, id);
        char *cancel = cancel_request(id), *said = wire_ask(c->f->socket, cancel);
        rest = wire_read(fd, "event: cancelled", 60);
        if (strstr(rest, "event: cancelled"))
            c->cancelled++;
        else if (strstr(rest, "event: done"))
            c->done++; /* it was faster */
        else
            c->wrong++;
        g_free(cancel);
        free(said);
    } else {
        rest = strstr(answer, "event: done") ? NULL : wire_read(fd, "event: done", 120);
        if (!rest || strstr(rest, "event: done"))
            c->done++;
        else
            c->wrong++;
    }
    free(rest);
    free(answer);
    close(fd);
}

static gpointer visit(gpointer data)
{
    crowd *c = data;
    size_t n;
    char *request = wire_submission(serving_edit, c->f->png, c->f->png_size, &n);
    for (int i = 0; i < 10; i++) {
        c->seed = c->seed * 1103515245u + 12345u;
        one_visit(c, request, n, (int)(c->seed >> 16) % 4);
    }
    free(request);
    return NULL;
}

static long resident_kib(GPid pid)
{
    char *path = g_strdup_printf("/proc/%d/status", (int)pid), *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    long kib = atol(strstr(text, "VmRSS:") + 6);
    g_free(text);
    g_free(path);
    return kib;
}

static void run_crowd(const serving *f, unsigned seed, crowd *sum)
{
    enum { CLIENTS = 20 };
    crowd c[CLIENTS];
    GThread *threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = (crowd){.f = f, .seed = seed + (unsigned)i * 2654435761u};
        threads[i] = g_thread_new("client", visit, &c[i]);
    }
    *sum = (crowd){0};
    for (int i = 0; i < CLIENTS; i++) {
        g_thread_join(threads[i]);
        sum->done += c[i].done;
        sum->cancelled += c[i].cancelled;
        sum->hung_up += c[i].hung_up;
        sum->wrong += c[i].wrong;
    }
    serving_wait_until_idle(f);
}

static void test_two_hundred_jobs_from_twenty_clients(void **state)
{
    const serving *f = *state;
    crowd first, second;
    run_crowd(f, 1, &first);
    long before = resident_kib(f->pid);
    run_crowd(f, 99, &second);
    long after = resident_kib(f->pid);
    assert_int_equal(second.wrong, 0);
    assert_int_equal(second.done + second.cancelled + second.hung_up, 200);
    assert_true(second.done > 0 && second.cancelled > 0 && second.hung_up > 0);
    if (after > before + 16384) fail_msg("memory grew from %ld to %ld KiB", before, after);
    assert_alive(f);
}

/* ---- nonsense ---------------------------------------------------------------------------- */

static void test_malformed_requests_never_crash_it(void **state)
{
    const serving *f = *state;
    size_t n;
    char *request = wire_submission(serving_edit, f->png, f->png_size, &n), *copy = malloc(n);
    unsigned seed = 12345;
    for (int i = 0; i < 400; i++) {
        memcpy(copy, request, n);
        size_t length = n;
        for (int flips = 0; flips < 1 + i % 9; flips++) {
            seed = seed * 1103515245u + 12345u;
            size_t at = (seed >> 8) % (i % 2 ? n : 400);
            seed = seed * 1103515245u + 12345u;
            copy[at] = (char)(seed >> 16);
        }
        seed = seed * 1103515245u + 12345u;
        if (i % 5 == 0) length = (seed >> 8) % n;
        int fd = wire_unix(f->socket);
        if (fd < 0) fail_msg("nobody listens after request %d", i);
        wire_send(fd, copy, length);
        close(fd);
    }
    free(copy);
    free(request);
    serving_wait_until_idle(f);
    assert_int_equal(kill(f->pid, 0), 0);
    assert_alive(f);
}

/* Two devices work on two jobs at the same time, a third job waits for the first of them. */
static void test_two_devices(void **state)
{
    const serving *f = *state;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = serving_open(f, serving_slow, true);
        char *answer =
            wire_read(fds[i], i < 2 ? "\"stage\":\"denoising\"" : "event: queued\ndata: ", 60);
        assert_non_null(strstr(answer, i < 2 ? "event: started" : "event: queued"));
        free(answer);
    }
    char *answer = serving_get(f, "/v1/info");
    assert_non_null(strstr(answer, "\"devices\":2"));
    assert_non_null(strstr(answer, "\"waiting\":1"));
    free(answer);
    close(fds[1]); /* its job is cancelled: the third begins while the first goes on */
    answer = wire_read(fds[2], "\"stage\":\"denoising\"", 60);
    assert_non_null(strstr(answer, "event: started"));
    free(answer);
    close(fds[2]);
    answer = wire_read(fds[0], "event: done\ndata: ", 60);
    assert_non_null(strstr(answer, "event: done"));
    free(answer);
    close(fds[0]);
    serving_wait_until_idle(f);
}

static int start_one(void **state)
{
    *state = serving_start((const char *const[]){"--max-body", "4", "--max-jobs", "300", NULL});
    return 0;
}

static int start_two(void **state)
{
    *state = serving_start((const char *const[]){"--device", "cpu,cpu", NULL});
    return 0;
}

static int stop(void **state)
{
    return serving_end(*state) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest two[] = {cmocka_unit_test(test_two_devices)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info_and_size),
        cmocka_unit_test(test_one_edit_as_events),
        cmocka_unit_test(test_generation_needs_no_picture),
        cmocka_unit_test(test_generations_have_their_own_defaults),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_chunks_have_a_limit_too),
        cmocka_unit_test(test_an_instruction_has_a_limit),
        cmocka_unit_test(test_damaged_pictures),
        cmocka_unit_test(test_token_guards_tcp),
        cmocka_unit_test(test_two_hundred_jobs_from_twenty_clients),
        cmocka_unit_test(test_malformed_requests_never_crash_it),
    };
    signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests(tests, start_one, stop);
    return failed + cmocka_run_group_tests(two, start_two, stop);
}
