/* start.c - finding and starting the user's own server.
 *
 * The server is started by `thinkedit serve --detach`, which returns when it accepts connections or
 * says in one sentence why it cannot. It leads a session of its own from then on: GIMP ends a
 * plug-in, and its process group, with SIGKILL whenever it likes, and the server must outlive that.
 */
#include "client/internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same rule as the server's, see API.md. A runtime folder that is missing is fine (the server
 * makes it), one that somebody else could have put there is not. */
char *ti_client_socket_path(GError **error)
{
    const char *runtime = g_getenv("XDG_RUNTIME_DIR");
    g_autofree char *folder = runtime && g_path_is_absolute(runtime)
                                  ? g_build_filename(runtime, "thinkedit", NULL)
                                  : g_strdup_printf("/tmp/thinkedit-%lu", (unsigned long)getuid());
    struct stat st;
    if (!lstat(folder, &st) &&
        (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 077))) {
        g_set_error(error, TI_CLIENT_ERROR, TI_CLIENT_UNREACHABLE,
                    "%s is not a folder that only you may enter: remove it and try again.", folder);
        return NULL;
    }
    return g_build_filename(folder, "serve.sock", NULL);
}

/* The program of the same installation is not always in the PATH that a desktop gives to GIMP. */
static char *find_program(void)
{
    char *found = g_find_program_in_path("thinkedit");
    if (!found && g_file_test(TE_BINDIR "/thinkedit", G_FILE_TEST_IS_EXECUTABLE))
        found = g_strdup(TE_BINDIR "/thinkedit");
    return found;
}

static void started(GObject *source, GAsyncResult *result, void *user)
{
    GTask *task = user;
    GError *error = NULL;
    g_autofree char *said = NULL;
    GSubprocess *process = G_SUBPROCESS(source);
    if (!g_subprocess_communicate_utf8_finish(process, result, NULL, &said, &error)) {
        g_task_return_error(task, error);
    } else if (!g_subprocess_get_successful(process)) {
        g_strchomp(said);
        g_task_return_new_error(task, TI_CLIENT_ERROR, TI_CLIENT_UNREACHABLE, "%s",
                                said[0] ? said
                                        : "thinkedit serve ended without a word: run it in "
                                          "a terminal to see why.");
    } else {
        g_task_return_boolean(task, TRUE);
    }
    g_object_unref(task);
}

void ti_client_start(GCancellable *cancel, GAsyncReadyCallback done, void *user)
{
    GTask *task = g_task_new(NULL, cancel, done, user);
    GError *error = NULL;
    g_autofree char *program = find_program();
    if (!program) {
        g_task_return_new_error(task, TI_CLIENT_ERROR, TI_CLIENT_UNREACHABLE,
                                "The engine is not installed: there is no program thinkedit in the "
                                "PATH or in %s; run installer/install-user.",
                                TE_BINDIR);
        g_object_unref(task);
        return;
    }
    g_autoptr(GSubprocess) process =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error,
                         program, "serve", "--detach", NULL);
    if (!process) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_subprocess_communicate_utf8_async(process, NULL, cancel, started, task);
}

bool ti_client_start_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
