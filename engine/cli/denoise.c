/* denoise.c - thinkedit denoise: the denoiser on a file of tokens, without words or pictures. */
#include "cli/cli.h"
#include "tools.h"

static int run(const ti_command *self, int argc, char **argv)
{
    const char *sequence = NULL, *trace = NULL, *logits = NULL;
    te_model_options with = {0};
    bool explain = false;
    const ti_arg list[] = {
        {"sequence", 0, TI_ARG_TEXT, &sequence, "FILE.json", "prefixes, layout and options"},
        {"trace", 0, TI_ARG_TEXT, &trace, "OUT.jsonl", "one line per step, and the final tokens"},
        {"dump-logits", 0, TI_ARG_TEXT, &logits, "FILE.safetensors",
         "the logits of the first step"},
        {"device", 0, TI_ARG_TEXT, &with.device, "DEVICE", "auto, cpu, cuda or cuda:N"},
        {"threads", 0, TI_ARG_INT, &with.threads, "N", "of the CPU (left out: one per core)"},
        {"explain", 0, TI_ARG_FLAG, &explain, NULL,
         "prints the work done against the released code's"},
        {0},
    };
    ti_args args = {.list = list, .least = 1, .most = 1};
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    if (!sequence) return ti_usage(self, "it needs --sequence FILE.json");
    if (!trace && !logits) return ti_usage(self, "it needs --trace OUT.jsonl");
    te_model *model = NULL;
    te_work work = {0};
    te_error err;
    te_status st = te_model_open(&model, args.positional[0], &with, &err);
    if (!st) st = te_tool_denoise(model, sequence, trace, logits, &work, &err);
    if (!st && explain) st = ti_explain(&work, &err);
    te_model_free(model);
    return ti_report(st, &err);
}

const ti_command ti_command_denoise = {
    "denoise", "MODEL.gguf --sequence FILE.json --trace OUT.jsonl [OPTION ...]",
    "denoises a file of tokens and writes every step", run};
