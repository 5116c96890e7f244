/* args.c - one table of options per command: it is parsed, checked and explained from the same
 * rows. The rows a person may tune come from te_option_table(), so that every front end has them
 * alike. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ti_usage(const ti_command *command, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *text = g_strdup_vprintf(format, list);
    va_end(list);
    fprintf(stderr, "thinkedit %s: %s; see thinkedit %s --help\n", command->name, text,
            command->name);
    g_free(text);
    return EXIT_USAGE;
}

static void print_row(const char *names, const char *help)
{
    if (strlen(names) > 27)
        printf("  %s\n%29s %s\n", names, "", help);
    else
        printf("  %-27s %s\n", names, help);
}

static void print_tuned(void)
{
    size_t n;
    const te_option_info *rows = te_option_table(&n);
    printf("\nWhat may be tuned (left out: the model's own value):\n");
    for (size_t i = 0; i < n; i++) {
        char names[128], help[256];
        if (rows[i].type == TE_OPTION_CHOICE) {
            char *choices = g_strjoinv("|", (char **)(void *)rows[i].choices);
            g_snprintf(names, sizeof names, "--%s %s", rows[i].name, choices);
            g_strlcpy(help, rows[i].summary, sizeof help);
            g_free(choices);
        } else {
            g_snprintf(names, sizeof names, "--%s N", rows[i].name);
            if (rows[i].max > 1e9) /* any whole number, as far as a person is concerned */
                g_strlcpy(help, rows[i].summary, sizeof help);
            else
                g_snprintf(help, sizeof help, "%s (%g to %g)", rows[i].summary, rows[i].min,
                           rows[i].max);
        }
        print_row(names, help);
    }
}

static int print_help(const ti_args *args, const ti_command *command)
{
    printf("thinkedit %s %s\n\n%s\n", command->name, command->usage, command->summary);
    if (args->list->name) printf("\nOptions:\n");
    for (const ti_arg *a = args->list; a->name; a++) {
        char letter[8] = "", names[128];
        if (a->letter) g_snprintf(letter, sizeof letter, "-%c, ", a->letter);
        g_snprintf(names, sizeof names, "%s--%s%s%s", letter, a->name, a->value ? " " : "",
                   a->value ? a->value : "");
        print_row(names, a->help);
    }
    if (args->tuned) print_tuned();
    return EXIT_OK;
}

/* Stores VALUE in the target of A. */
static int store(const ti_arg *a, const ti_command *command, const char *value)
{
    if (a->kind == TI_ARG_TEXT)
        *(const char **)a->target = value;
    else if (a->kind == TI_ARG_LIST)
        g_ptr_array_add(a->target, (void *)(uintptr_t)value);
    if (a->kind != TI_ARG_INT) return -1;
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < 0 || number > G_MAXINT)
        return ti_usage(command, "--%s takes a whole number, not '%s'", a->name, value);
    *(int *)a->target = (int)number;
    return -1;
}

/* An option of te_option_table(): 1 it was one, 0 it was none, -1 its value is wrong (said). */
static int store_tuned(const ti_args *args, const ti_command *command, const char *name,
                       const char *value)
{
    size_t n, i = 0;
    const te_option_info *rows = te_option_table(&n);
    while (i < n && strcmp(rows[i].name, name)) i++;
    if (!args->tuned || i == n) return 0;
    te_error err;
    if (!value)
        ti_usage(command, "--%s needs a value", name);
    else if (te_options_set(args->tuned, name, value, &err))
        ti_usage(command, "%s", err.message);
    else
        return 1;
    return -1;
}

/* One option at argv[*at]. -1 goes on. */
static int parse_option(ti_args *args, const ti_command *command, int argc, char **argv, int *at)
{
    const char *text = argv[*at];
    bool dashes = text[1] == '-';
    const char *equals = dashes ? strchr(text, '=') : NULL;
    char *name = dashes
                     ? g_strndup(text + 2, equals ? (size_t)(equals - text - 2) : strlen(text + 2))
                     : g_strdup(text + 1);
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    const char *value = equals ? equals + 1 : next;
    int status = EXIT_USAGE;
    const ti_arg *a = args->list;
    while (a->name &&
           !(dashes ? !strcmp(name, a->name) : a->letter && name[0] == a->letter && !name[1]))
        a++;
    if (!strcmp(name, "help") || !strcmp(text, "-h")) {
        status = print_help(args, command);
    } else if (!a->name) {
        int tuned = dashes ? store_tuned(args, command, name, value) : 0;
        if (!tuned) ti_usage(command, "there is no option %s", text);
        if (tuned > 0) status = -1;
        if (tuned > 0 && !equals) ++*at;
    } else if (a->kind == TI_ARG_FLAG) {
        if (equals)
            ti_usage(command, "--%s takes no value", a->name);
        else
            *(bool *)a->target = true, status = -1;
    } else if (!value) {
        ti_usage(command, "%s needs a value", text);
    } else {
        status = store(a, command, value);
        if (!equals) ++*at;
    }
    g_free(name);
    return status;
}

int ti_args_parse(ti_args *args, const ti_command *command, int argc, char **argv)
{
    bool plain = false; /* behind "--" nothing is an option */
    for (int i = 1; i < argc; i++) {
        if (!plain && !strcmp(argv[i], "--")) {
            plain = true;
        } else if (!plain && argv[i][0] == '-' && argv[i][1]) {
            int status = parse_option(args, command, argc, argv, &i);
            if (status >= 0) return status;
        } else if (args->n == args->most) {
            return ti_usage(command, "'%s' is one argument too many", argv[i]);
        } else {
            args->positional[args->n++] = argv[i];
        }
    }
    if (args->n < args->least) return ti_usage(command, "it needs %s", command->usage);
    return -1;
}
