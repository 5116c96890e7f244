/* bench.c - thinkedit bench: how fast forward passes are here, op by op. */
#include "cli/cli.h"
#include "tools.h"

static int run(const ti_command *self, int argc, char **argv)
{
    te_bench bench = {0};
    bool json = false;
    const ti_arg list[] = {
        {"shape", 0, TI_ARG_TEXT, &bench.shape, "NAME", "random weights in this shape: llada-8b"},
        {"type", 0, TI_ARG_TEXT, &bench.type, "TYPE",
         "of random weights: q8_0, q4_k, bf16, f16 or f32"},
        {"layers", 0, TI_ARG_INT, &bench.layers, "N", "(left out: the model's; 4 of a shape)"},
        {"tokens", 0, TI_ARG_INT, &bench.tokens, "N", "of the sequence (left out: 2340)"},
        {"rounds", 0, TI_ARG_INT, &bench.rounds, "N", "passes; the median counts (left out: 3)"},
        {"device", 0, TI_ARG_TEXT, &bench.with.device, "DEVICE", "auto, cpu, cuda or cuda:N"},
        {"threads", 0, TI_ARG_INT, &bench.with.threads, "N", "of the CPU (left out: one per core)"},
        {"json", 0, TI_ARG_FLAG, &json, NULL, "one JSON object"},
        {0}};
    ti_args args = {.list = list, .least = 0, .most = 1};
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    bench.model = args.n ? args.positional[0] : NULL;
    if (!bench.model == !bench.shape)
        return ti_usage(self, "it needs a model file or --shape, and not both");
    char *text = NULL;
    te_error err;
    te_status st = te_tool_bench(&bench, json, &text, &err);
    if (!st) st = ti_print(text, &err);
    te_free(text);
    return ti_report(st, &err);
}

const ti_command ti_command_bench = {"bench", "MODEL.gguf|--shape NAME [OPTION ...]",
                                     "measures how fast forward passes are here", run};
