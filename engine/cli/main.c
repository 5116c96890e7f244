/* main.c - `thinkedit COMMAND ...`: finds the command and runs it. */
#include "cli/cli.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const ti_command *const commands[] = {
    &ti_command_edit,  &ti_command_generate, &ti_command_batch,        &ti_command_convert,
    &ti_command_info,  &ti_command_tokenize, &ti_command_image_tokens, &ti_command_denoise,
    &ti_command_serve, &ti_command_pull,     &ti_command_bench,
};

static int print_help(void)
{
    printf("thinkedit %s - edits pictures by instruction, and thinks aloud while it does\n\n"
           "usage: thinkedit COMMAND ...\n\n",
           te_version());
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        printf("  %-14s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nthinkedit COMMAND --help explains a command. Exit status: 0 done, 1 failed, 2 bad "
           "usage, "
           "130 cancelled.\n");
    return EXIT_OK;
}

/* Libraries warn about damaged files in several lines; a command says one sentence. */
static GLogWriterOutput quiet(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user)
{
    bool worse = level & (G_LOG_LEVEL_ERROR | G_LOG_FLAG_FATAL);
    return worse ? g_log_writer_default(level, fields, n, user) : G_LOG_WRITER_HANDLED;
}

/* Threads that wait for each other should soon sleep: where GIMP or another job keeps a core busy,
 * OpenMP's habit of spinning made an edit five times slower than sleeping at once. It reads its
 * settings when it is loaded, hence the program starts once more with this one. */
static void wait_asleep(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    char self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0 || setenv("GOMP_SPINCOUNT", "10000", 1)) return;
    self[n] = '\0';
    execv(self, argv); /* comes back only if it failed; then threads spin */
}

int main(int argc, char **argv)
{
    wait_asleep(argv);
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* numbers in output are for programs, too */
    g_log_set_writer_func(quiet, NULL, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        fprintf(stderr, "thinkedit: it needs a command; see thinkedit --help\n");
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return print_help();
    if (!strcmp(argv[1], "--version")) {
        printf("thinkedit %s\n", te_version());
        return EXIT_OK;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (!strcmp(argv[1], commands[i]->name))
            return commands[i]->run(commands[i], argc - 1, argv + 1);
    fprintf(stderr, "thinkedit: there is no command '%s'; see thinkedit --help\n", argv[1]);
    return EXIT_USAGE;
}
