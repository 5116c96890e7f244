/* spawn.c - see spawn.h */
#include "cli/spawn.h"

#include <gegl.h>
#include <glib/gstdio.h>
#include <sys/wait.h>

#include "start_gegl.h"

char *run_output, *run_errors;
static char *folder;
static GPtrArray *paths;

static char **arguments(const char *first, va_list list)
{
    GPtrArray *line = g_ptr_array_new();
    g_ptr_array_add(line, g_strdup(TE_BINARY));
    for (const char *a = first; a; a = va_arg(list, const char *))
        g_ptr_array_add(line, g_strdup(a));
    g_ptr_array_add(line, NULL);
    return (char **)(void *)g_ptr_array_free(line, FALSE);
}

/* Under the leak finder: GEGL and babl keep what they learn, so commands that start them are not
 * searched. No proxies: the tests talk to this machine only. */
static char **environment(const char *command)
{
    static const char *const with_gegl[] = {"edit", "generate", "batch", "image-tokens", NULL};
    char **env = g_environ_setenv(g_get_environ(), "GIO_USE_PROXY_RESOLVER", "dummy", TRUE);
    env = g_environ_setenv(env, "XDG_RUNTIME_DIR", folder, TRUE); /* a server of its own */
    if (command && g_strv_contains(with_gegl, command))
        env = g_environ_setenv(env, "LSAN_OPTIONS", "detect_leaks=0", TRUE);
    return env;
}

int run(const char *arg, ...)
{
    va_list list;
    va_start(list, arg);
    char **line = arguments(arg, list);
    va_end(list);
    g_clear_pointer(&run_output, g_free);
    g_clear_pointer(&run_errors, g_free);
    GError *error = NULL;
    int status;
    char **env = environment(arg);
    if (!g_spawn_sync(folder, line, env, G_SPAWN_DEFAULT, NULL, NULL, &run_output, &run_errors,
                      &status, &error))
        fail_msg("%s", error->message);
    g_strfreev(env);
    g_strfreev(line);
    if (!WIFEXITED(status)) fail_msg("it died of signal %d: %s", WTERMSIG(status), run_errors);
    return WEXITSTATUS(status);
}

GPid start(const char *arg, ...)
{
    va_list list;
    va_start(list, arg);
    char **line = arguments(arg, list);
    va_end(list);
    GPid pid;
    GError *error = NULL;
    GSpawnFlags flags =
        G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL | G_SPAWN_STDOUT_TO_DEV_NULL;
    char **env = environment(arg);
    if (!g_spawn_async(folder, line, env, flags, NULL, NULL, &pid, &error))
        fail_msg("%s", error->message);
    g_strfreev(env);
    g_strfreev(line);
    return pid;
}

void failed_with(int got, int status, const char *word)
{
    if (got != status) fail_msg("exit status %d, not %d: %s", got, status, run_errors);
    char *newline = strchr(run_errors, '\n');
    if (!newline || newline[1]) fail_msg("not one line: %s", run_errors);
    if (!strstr(run_errors, word)) fail_msg("no '%s' in: %s", word, run_errors);
}

char *in_folder(const char *name)
{
    char *path = g_build_filename(folder, name, NULL);
    g_ptr_array_add(paths, path);
    return path;
}

char *read_file(const char *name)
{
    char *text;
    GError *error = NULL;
    if (!g_file_get_contents(in_folder(name), &text, NULL, &error)) fail_msg("%s", error->message);
    return text;
}

void write_file(const char *name, const char *text)
{
    assert_true(g_file_set_contents(in_folder(name), text, -1, NULL));
}

JsonNode *parse_json(const char *text)
{
    GError *error = NULL;
    JsonNode *node = json_from_string(text, &error);
    if (!node) fail_msg("no JSON: %s", error ? error->message : text);
    return node;
}

const char *stand_in(void)
{
    char *model = in_folder("stand-in.gguf");
    if (g_file_test(model, G_FILE_TEST_EXISTS)) return model;
    const char *line[] = {"sh", TE_SOURCE "/tests/stand-in/assemble", TE_BINARY, model, NULL};
    char *errors = NULL;
    int status;
    assert_true(g_spawn_sync(NULL, (char **)(void *)line, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                             NULL, &errors, &status, NULL));
    if (status) fail_msg("the stand-in was not made: %s", errors);
    g_free(errors);
    return model;
}

int spawn_set_up(void **state)
{
    (void)state;
    test_gegl_init();
    paths = g_ptr_array_new_with_free_func(g_free);
    folder = g_dir_make_tmp("thinkedit-cli-XXXXXX", NULL);
    return folder ? 0 : -1;
}

static void remove_all(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        char *child = g_build_filename(path, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_DIR))
            remove_all(child);
        else
            g_unlink(child);
        g_free(child);
    }
    if (dir) g_dir_close(dir);
    g_rmdir(path);
}

int spawn_tear_down(void **state)
{
    (void)state;
    remove_all(folder);
    g_free(folder);
    g_free(run_output);
    g_free(run_errors);
    g_ptr_array_unref(paths);
    gegl_exit();
    return 0;
}
