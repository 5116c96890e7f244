/* procedure.h - the plug-in's procedures, whichever GIMP calls them.
 *
 * The registration files turn GIMP's arguments into these structs and the values back; everything
 * in between is here and in apply.h. Calls return when the work is done and keep the main loop
 * running meanwhile.
 */
#ifndef PLUGIN_PROCEDURE_H
#define PLUGIN_PROCEDURE_H

#include "client/client.h"
#include "host.h"

#define TI_EDIT_PROCEDURE      "plug-in-thinking-aware-edit"
#define TI_REASONING_PROCEDURE "plug-in-thinking-aware-edit-reasoning"

typedef struct ti_edit_arguments {
    int image, layer;
    const char *instruction;
    gint64 seed; /* negative: a new one */
    int output;  /* ti_output */
    bool use_selection;
    const char *options; /* "key=value ..." */
} ti_edit_arguments;

typedef struct ti_edit_values {
    int layer;
    char *reasoning; /* the caller's */
    int seed;
} ti_edit_values;

/* A client of the server that the person chose, see procedure.c; the caller's. */
ti_client *ti_procedure_client(GError **error);

bool ti_procedure_edit(const ti_edit_arguments *arguments, ti_edit_values *values, GError **error);

/* The reasoning kept with a layer; the caller's. */
char *ti_procedure_reasoning(int layer, GError **error);

#endif
