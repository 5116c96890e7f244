/* main.c - the command `thinkedit-train`. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: thinkedit-train tokenizer CONFIG             text tokeniser (tokenizer.json)\n"
    "       thinkedit-train image-tokens CONFIG [--resume]\n"
    "       thinkedit-train pool CONFIG                   every sample of sft beforehand\n"
    "       thinkedit-train sft CONFIG [--resume]         backbone\n"
    "       thinkedit-train average CONFIG                mean of several runs' weights\n"
    "       thinkedit-train grow CONFIG                   a deeper backbone from a shallower one\n"
    "       thinkedit-train export CONFIG                 model file from the checkpoints\n"
    "       thinkedit-train import CONFIG                 checkpoints from the model file, to "
    "train on\n"
    "       thinkedit-train grad MODEL.gguf --sft FILE.json [--grads OUT.safetensors]\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage. models/default/README.md describes CONFIG.\n";

/* -1: wrong usage */
static int run(int argc, char **argv, te_error *err)
{
    const char *command = argv[1], *positional = NULL, *sft = NULL, *grads = NULL;
    bool resume = false;
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--resume"))
            resume = true;
        else if (!strcmp(argv[i], "--sft") && i + 1 < argc)
            sft = argv[++i];
        else if (!strcmp(argv[i], "--grads") && i + 1 < argc)
            grads = argv[++i];
        else if (argv[i][0] != '-' && !positional)
            positional = argv[i];
        else
            return -1;
    }
    const bool is_grad = !strcmp(command, "grad");
    const bool resumes = !strcmp(command, "image-tokens") || !strcmp(command, "sft");
    if (!positional || is_grad != (sft != NULL) || (grads && !is_grad) || (resume && !resumes))
        return -1;
    if (is_grad) return (int)ti_command_grad(positional, sft, grads, err);
    if (!strcmp(command, "tokenizer")) return (int)ti_command_tokenizer(positional, err);
    if (!strcmp(command, "image-tokens"))
        return (int)ti_command_image_tokens(positional, resume, err);
    if (!strcmp(command, "sft")) return (int)ti_command_sft(positional, resume, err);
    if (!strcmp(command, "pool")) return (int)ti_command_pool(positional, err);
    if (!strcmp(command, "average")) return (int)ti_command_average(positional, err);
    if (!strcmp(command, "grow")) return (int)ti_command_grow(positional, err);
    if (!strcmp(command, "import")) return (int)ti_command_import(positional, err);
    if (!strcmp(command, "export")) return (int)ti_command_export(positional, err);
    return -1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(usage, stdout);
        return 0;
    }
    te_error err = {0};
    int status = argc > 1 ? run(argc, argv, &err) : -1;
    if (status < 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (status) fprintf(stderr, "thinkedit-train: %s\n", err.message);
    return status ? 1 : 0;
}
