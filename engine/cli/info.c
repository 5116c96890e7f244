/* info.c - thinkedit info: what is in a model file. */
#include "cli/cli.h"

static int run(const ti_command *self, int argc, char **argv)
{
    bool json = false;
    const ti_arg list[] = {{"json", 0, TI_ARG_FLAG, &json, NULL, "one JSON object"}, {0}};
    ti_args args = {.list = list, .least = 1, .most = 1};
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    char *text = NULL;
    te_error err;
    te_status st = te_describe(args.positional[0], json, &text, &err);
    if (!st) st = ti_print(text, &err);
    te_free(text);
    return ti_report(st, &err);
}

const ti_command ti_command_info = {"info", "MODEL.gguf [--json]", "lists what is in a model file",
                                    run};
