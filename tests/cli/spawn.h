/* spawn.h - runs the built command as a person or a script would, in a folder of the test's own. */
#ifndef TESTS_CLI_SPAWN_H
#define TESTS_CLI_SPAWN_H

#include <glib.h>
#include <json-glib/json-glib.h>

#include "testing.h"

/* What the last run() left. */
extern char *run_output, *run_errors;

/* Runs `thinkedit ARG...`, NULL-terminated, in the folder; returns its exit status. */
int run(const char *arg, ...) G_GNUC_NULL_TERMINATED;
/* The same line, started only. */
GPid start(const char *arg, ...) G_GNUC_NULL_TERMINATED;
/* The last run failed with STATUS and exactly one line on standard error, with WORD in it. */
void failed_with(int got, int status, const char *word);

char *in_folder(const char *name); /* path in the folder; valid until the end of the program */
char *read_file(const char *name); /* g_free() */
void write_file(const char *name, const char *text);
JsonNode *parse_json(const char *text); /* fails the test when it is none */
const char *stand_in(void);             /* a whole model made of golden data */

int spawn_set_up(void **state);
int spawn_tear_down(void **state);

#endif
