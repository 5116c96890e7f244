/* tokenize.c - thinkedit tokenize: text to token ids and back. */
#include "cli/cli.h"
#include "tools.h"

#include <stdlib.h>
#include <string.h>

static te_status print_ids(const char *tokenizer, const char *text, te_error *err)
{
    int32_t *ids;
    int n;
    te_status st = te_tool_encode_text(tokenizer, text, &ids, &n, err);
    if (st) return st;
    GString *line = g_string_new(NULL);
    for (int i = 0; i < n; i++) g_string_append_printf(line, i ? " %d" : "%d", (int)ids[i]);
    g_string_append_c(line, '\n');
    st = ti_print(line->str, err);
    g_string_free(line, TRUE);
    te_free(ids);
    return st;
}

static te_status print_text(const char *tokenizer, const GArray *ids, te_error *err)
{
    char *text;
    te_status st = te_tool_decode_text(tokenizer, (const int32_t *)(void *)ids->data, (int)ids->len,
                                       &text, err);
    if (!st) st = ti_print(text, err);
    if (!st) st = ti_print("\n", err);
    te_free(text);
    return st;
}

static int run(const ti_command *self, int argc, char **argv)
{
    const char *tokenizer = NULL, *text = NULL, *decode = NULL;
    const ti_arg list[] = {
        {"tokenizer", 0, TI_ARG_TEXT, &tokenizer, "FILE", "tokenizer.json, or a model file"},
        {"text", 0, TI_ARG_TEXT, &text, "STRING", "prints its ids, separated by spaces"},
        {"decode", 0, TI_ARG_TEXT, &decode, "\"ID ID ...\"",
         "prints their text, without special tokens"},
        {0},
    };
    ti_args args = {.list = list};
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    if (!tokenizer) return ti_usage(self, "it needs --tokenizer FILE");
    if (!text == !decode) return ti_usage(self, "it needs either --text or --decode");
    te_error err;
    if (text) return ti_report(print_ids(tokenizer, text, &err), &err);
    GArray *ids = ti_parse_ids(decode);
    if (!ids) return ti_usage(self, "--decode takes whole numbers separated by spaces");
    status = ti_report(print_text(tokenizer, ids, &err), &err);
    g_array_unref(ids);
    return status;
}

const ti_command ti_command_tokenize = {"tokenize",
                                        "--tokenizer FILE (--text STRING | --decode \"ID ID ...\")",
                                        "turns text into token ids, or ids into text", run};
