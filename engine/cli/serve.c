/* serve.c - thinkedit serve: the model kept in memory for whoever asks (engine/server). */
#include "cli/cli.h"
#include "server/serve.h"

static int run(const ti_command *self, int argc, char **argv)
{
    ti_serve_options opt;
    ti_serve_options_init(&opt);
    GPtrArray *listen = g_ptr_array_new();
    bool detach = false, stop = false;
    const ti_arg list[] = {
        {"listen", 0, TI_ARG_LIST, listen, "ADDRESS",
         "unix:PATH, PORT or HOST:PORT; may be repeated (left out: the user's socket)"},
        {"model", 'm', TI_ARG_TEXT, &opt.model, "MODEL.gguf", "left out: the embedded model"},
        {"device", 0, TI_ARG_TEXT, &opt.device, "DEVICE",
         "auto, cpu, cuda, cuda:N; with commas several, a model on each"},
        {"threads", 0, TI_ARG_INT, &opt.threads, "N", "of the CPU (left out: one per core)"},
        {"idle-unload", 0, TI_ARG_INT, &opt.idle_unload, "SECONDS",
         "without a job before the weights leave memory"},
        {"idle-exit", 0, TI_ARG_INT, &opt.idle_exit, "SECONDS",
         "without a job before it ends; 0: never"},
        {"max-jobs", 0, TI_ARG_INT, &opt.max_jobs, "N", "that may wait"},
        {"max-body", 0, TI_ARG_INT, &opt.max_body, "MIB", "of a request"},
        {"token-file", 0, TI_ARG_TEXT, &opt.token_file, "FILE", "for TCP (left out: the user's)"},
        {"log", 0, TI_ARG_TEXT, &opt.log, "FILE", "left out: standard error"},
        {"detach", 0, TI_ARG_FLAG, &detach, NULL,
         "starts it in the background and returns when it answers"},
        {"stop", 0, TI_ARG_FLAG, &stop, NULL, "ends the user's server"},
        {0},
    };
    ti_args args = {.list = list};
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) {
        g_ptr_array_unref(listen);
        return status;
    }
    g_ptr_array_add(listen, NULL);
    opt.listen = (const char *const *)(void *)listen->pdata;
    te_error err;
    te_status st;
    if (stop) {
        st = ti_serve_stop(&err);
    } else if (detach) { /* the same line without --detach, by this program's own path */
        GPtrArray *line = g_ptr_array_new_with_free_func(g_free);
        char *program = g_file_read_link("/proc/self/exe", NULL);
        g_ptr_array_add(line, program ? program : g_strdup("thinkedit"));
        for (int i = 0; i < argc; i++)
            if (g_strcmp0(argv[i], "--detach")) g_ptr_array_add(line, g_strdup(argv[i]));
        g_ptr_array_add(line, NULL);
        st = ti_serve_detach(&opt, (char **)(void *)line->pdata, &err);
        g_ptr_array_unref(line);
    } else {
        st = ti_serve(&opt, &err);
    }
    g_ptr_array_unref(listen);
    return ti_report(st, &err);
}

const ti_command ti_command_serve = {"serve", "[OPTION ...]",
                                     "keeps the model in memory and serves it over HTTP", run};
