/* convert.c - thinkedit convert: published checkpoints to one model file. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

typedef struct talk {
    ti_bar bar;
    GTimer *timer;
} talk;

static void on_tensor(const char *tensor, int done, int count, void *user)
{
    talk *t = user;
    double seconds = g_timer_elapsed(t->timer, NULL);
    ti_bar_draw(&t->bar, tensor, done, count, seconds,
                done > 0 ? seconds * (count - done) / done : -1);
}

static void on_note(const char *sentence, void *user)
{
    talk *t = user;
    ti_bar_clear(&t->bar);
    ti_note("%s", sentence);
}

static int run(const ti_command *self, int argc, char **argv)
{
    te_convert_options opt = {0};
    bool quiet = false;
    const ti_arg list[] = {
        {"output", 'o', TI_ARG_TEXT, &opt.output, "OUT.gguf", "the model file to write"},
        {"profile", 0, TI_ARG_TEXT, &opt.profile, "PROFILE",
         "mmada-parallel-m or mmada-parallel-a"},
        {"layout", 0, TI_ARG_TEXT, &opt.layout, "FILE",
         "JSON with the special ids, where they are not the released ones"},
        {"image-tokenizer", 0, TI_ARG_TEXT, &opt.image_tokenizer, "DIR",
         "the image tokeniser (left out: DIR/vqvae if it is there)"},
        {"tokenizer", 0, TI_ARG_TEXT, &opt.tokenizer, "FILE",
         "tokenizer.json (left out: DIR/tokenizer.json if it is there)"},
        {"type", 0, TI_ARG_TEXT, &opt.type, "TYPE",
         "of the matrices: f32, f16, bf16, q8_0 or q4_k (left out: as they are)"},
        {"rope", 0, TI_ARG_TEXT, &opt.rope, "ORDER", "half, or interleaved as llama.cpp wants it"},
        {"name", 0, TI_ARG_TEXT, &opt.name, "NAME", "of the model (left out: the folder's)"},
        {"quiet", 'q', TI_ARG_FLAG, &quiet, NULL, "no progress bar"},
        {0},
    };
    ti_args args = {.list = list, .least = 1, .most = 1};
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    if (!opt.output) return ti_usage(self, "it needs -o OUT.gguf");
    opt.folder = args.positional[0];
    talk t = {.timer = g_timer_new()};
    ti_bar_init(&t.bar, quiet);
    opt.progress = on_tensor;
    opt.note = on_note;
    opt.user = &t;
    opt.cancel = ti_cancel_flag();
    te_error err;
    te_status st = te_convert(&opt, &err);
    ti_bar_clear(&t.bar);
    g_timer_destroy(t.timer);
    return ti_report(st, &err);
}

const ti_command ti_command_convert = {
    "convert", "DIR -o OUT.gguf --profile mmada-parallel-m|mmada-parallel-a [OPTION ...]",
    "turns published checkpoints into one model file", run};
