/* serving.c - see serving.h */
#include "serving.h"
#include "testing.h"
#include "wire.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char serving_edit[] = "{\"instruction\": \"make it autumn\", \"preview_every\": 2, "
                            "\"options\": {\"seed\": 7, \"text-steps\": 16, \"text-len\": 16}}";
const char serving_slow[] =
    "{\"instruction\": \"x\", \"options\": {\"seed\": 7, \"text-steps\": 256, "
    "\"text-len\": 256, \"image-steps\": 16}}";

/* The golden layout, with generations guided less than edits. */
static void write_layout(const char *path)
{
    char *text;
    GError *error = NULL;
    assert_true(g_file_get_contents(TE_GOLDEN "/standin/layout.json", &text, NULL, &error));
    char **parts = g_strsplit(text, "\"options\": {", 2);
    char *joined = g_strjoinv("\"options\": {\"generation\": {\"image_cfg\": 2.25},", parts);
    assert_int_equal(g_strv_length(parts), 2);
    assert_true(g_file_set_contents(path, joined, -1, &error));
    g_strfreev(parts);
    g_free(joined);
    g_free(text);
}

static void convert(const char *model, const char *layout)
{
    const char *const argv[] = {TE_BINARY,
                                "convert",
                                TE_GOLDEN "/m-tiny",
                                "-o",
                                model,
                                "--profile",
                                "mmada-parallel-m",
                                "--layout",
                                layout,
                                "--image-tokenizer",
                                TE_GOLDEN "/magvit-tiny",
                                "--tokenizer",
                                TE_GOLDEN "/standin/tokenizer.json",
                                NULL};
    int status = -1;
    char *errors = NULL;
    assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, &errors, &status, NULL));
    if (status) fail_msg("%s: %s", argv[1], errors);
    g_free(errors);
}

/* The server prints one line per address; the second tells the port. */
static int read_port(int out)
{
    GString *text = g_string_new(NULL);
    char c;
    const char *at;
    while (!(at = strstr(text->str, "127.0.0.1:")) || !strchr(at, '\n')) {
        if (read(out, &c, 1) != 1) fail_msg("the server did not start: %s", text->str);
        g_string_append_c(text, c);
    }
    int port = atoi(at + strlen("127.0.0.1:"));
    g_string_free(text, TRUE);
    return port;
}

static void spawn(serving *s, const char *const *more)
{
    g_autofree char *address = g_strconcat("unix:", s->socket, NULL);
    const char *const common[] = {TE_BINARY,      "serve",       "--model",   s->model,
                                  "--listen",     address,       "--listen",  "127.0.0.1:0",
                                  "--token-file", s->token_file, "--threads", "1"};
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    for (size_t i = 0; i < TEST_LENGTH(common); i++) g_ptr_array_add(argv, (char *)common[i]);
    for (; more && *more; more++) g_ptr_array_add(argv, (char *)*more);
    g_ptr_array_add(argv, NULL);
    int out;
    assert_true(g_spawn_async_with_pipes(NULL, (char **)argv->pdata, NULL,
                                         G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &s->pid, NULL, &out,
                                         NULL, NULL));
    s->port = read_port(out);
}

serving *serving_start(const char *const *more)
{
    serving *s = g_new0(serving, 1);
    s->folder = g_dir_make_tmp("serve-XXXXXX", NULL);
    g_setenv("XDG_RUNTIME_DIR", s->folder, TRUE);
    g_setenv("XDG_STATE_HOME", s->folder, TRUE);
    s->socket = g_build_filename(s->folder, "t.sock", NULL);
    s->model = g_build_filename(s->folder, "standin.gguf", NULL);
    s->token_file = g_build_filename(s->folder, "token", NULL);
    g_file_set_contents(s->token_file, "the-token-of-this-test\n", -1, NULL);
    char *layout = g_build_filename(s->folder, "layout.json", NULL);
    write_layout(layout);
    convert(s->model, layout);
    g_unlink(layout);
    g_free(layout);
    /* For a server under AddressSanitizer: what is freed leaves memory soon, so that it can be
     * measured; libsoup itself loses the path of a malformed request. */
    g_setenv("ASAN_OPTIONS", "quarantine_size_mb=1:detect_leaks=0", TRUE);
    spawn(s, more);
    GStatBuf info;
    assert_int_equal(g_stat(s->socket, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    s->png = wire_png(40, 30, &s->png_size);
    return s;
}

int serving_wait(serving *s)
{
    int status = -1;
    waitpid(s->pid, &status, 0);
    s->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool serving_end(serving *s)
{
    g_autofree char *lock = g_build_filename(s->folder, "thinkedit", "serve.lock", NULL);
    bool well = true;
    if (s->pid) {
        kill(s->pid, SIGTERM);
        well = serving_wait(s) == 0;
    }
    well = well && !g_file_test(s->socket, G_FILE_TEST_EXISTS) &&
           !g_file_test(lock, G_FILE_TEST_EXISTS);
    free(s->png);
    g_free(s->folder);
    g_free(s->socket);
    g_free(s->model);
    g_free(s->token_file);
    g_free(s);
    return well;
}

char *serving_get(const serving *s, const char *path)
{
    char *request =
        g_strdup_printf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    char *answer = wire_ask(s->socket, request);
    g_free(request);
    return answer;
}

int serving_open(const serving *s, const char *parameters, bool image)
{
    size_t n;
    char *request = wire_submission(parameters, image ? s->png : NULL, s->png_size, &n);
    int fd = wire_unix(s->socket);
    assert_true(fd >= 0);
    assert_true(wire_send(fd, request, n));
    free(request);
    return fd;
}

char *serving_submit(const serving *s, const char *parameters, bool image, const char *pattern)
{
    int fd = serving_open(s, parameters, image);
    char *answer = wire_read(fd, pattern, 60);
    close(fd);
    return answer;
}

void serving_job_id(const char *answer, char id[17])
{
    const char *header = strstr(answer, "X-Job-Id: ");
    assert_non_null(header);
    memcpy(id, header + 10, 16);
    id[16] = '\0';
}

void serving_wait_until_idle(const serving *s)
{
    for (int i = 0; i < 600; i++) {
        char *answer = serving_get(s, "/v1/info");
        bool idle = strstr(answer, "\"running\":null") && strstr(answer, "\"waiting\":0");
        free(answer);
        if (idle) return;
        g_usleep(100000);
    }
    fail_msg("jobs of clients that left are still there");
}
