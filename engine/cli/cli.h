/* cli.h - what the commands of `thinkedit` share. One file per command; main.c lists them.
 *
 * Exit status: 0 done, 1 failed, 2 bad usage, 130 cancelled. An error is one sentence on standard
 * error; standard output carries results only. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include <glib.h>

#include "thinkedit.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CANCELLED = 130 };

typedef struct ti_command {
    const char *name;
    const char *usage;   /* behind the name: "IMAGE \"INSTRUCTION\" -o OUT [OPTION ...]" */
    const char *summary; /* one line */
    int (*run)(const struct ti_command *self, int argc,
               char **argv); /* argv[0] is the command's name */
} ti_command;

extern const ti_command ti_command_batch, ti_command_bench, ti_command_convert, ti_command_denoise,
    ti_command_edit, ti_command_generate, ti_command_image_tokens, ti_command_info, ti_command_pull,
    ti_command_serve, ti_command_tokenize;

/* ---- args.c ------------------------------------------------------------------------------ */

typedef enum ti_arg_kind { TI_ARG_FLAG, TI_ARG_TEXT, TI_ARG_INT, TI_ARG_LIST } ti_arg_kind;

/* One option: --NAME, or -LETTER where there is one. TARGET is a bool, a const char *, an int or a
 * GPtrArray * of texts. */
typedef struct ti_arg {
    const char *name;
    char letter;
    ti_arg_kind kind;
    void *target;
    const char *value; /* its name in the help: "FILE" */
    const char *help;
} ti_arg;

typedef struct ti_args {
    const ti_arg *list; /* ends with a NULL name */
    te_options *tuned;  /* not NULL: the options of te_option_table() count as well */
    int least, most;    /* positional arguments */
    const char *positional[4];
    int n;
} ti_args;

/* Reads the command line. -1: go on; otherwise the exit status (help was asked for, or usage is
 * bad). */
int ti_args_parse(ti_args *args, const ti_command *command, int argc, char **argv);
/* Says what is wrong with the usage; returns EXIT_USAGE. */
int ti_usage(const ti_command *command, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* ---- report.c ---------------------------------------------------------------------------- */

/* The exit status of STATUS; says the sentence of ERR unless all went well. */
int ti_report(te_status status, const te_error *err);
te_status ti_error(te_error *err, te_status status, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Prints the work of a run against what the released code does. */
te_status ti_explain(const te_work *work, te_error *err);
/* A sentence about something that is not an error. */
void ti_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Becomes non-zero on the first Ctrl-C or SIGTERM; the second ends the program. */
const volatile int *ti_cancel_flag(void);

/* A bar with step, elapsed and left on a terminal; nothing elsewhere. */
typedef struct ti_bar {
    bool shown;
    double drawn; /* seconds when last drawn */
    int width;    /* characters on the line */
} ti_bar;

void ti_bar_init(ti_bar *bar, bool quiet);
void ti_bar_draw(ti_bar *bar, const char *stage, int step, int steps, double seconds, double left);
void ti_bar_clear(ti_bar *bar);

/* Numbers separated by white space or commas as int32_t; NULL when there is anything else. */
GArray *ti_parse_ids(const char *text);
/* Text of a JSON string with its quotes; g_free() it. */
char *ti_json_quote(const char *text);
/* Writes TEXT to PATH ("-": standard output) whole or not at all. */
te_status ti_write_text(const char *path, const char *text, te_error *err);
/* Prints TEXT to standard output and makes sure it arrived. */
te_status ti_print(const char *text, te_error *err);

#endif
