/* form.h - the tunable options as the server describes them, with the person's values: presets,
 * advanced values, and the "key=value ..." string a request carries. No widgets. */
#ifndef TI_UI_FORM_H
#define TI_UI_FORM_H

#include <glib.h>
#include <stdbool.h>

typedef enum ti_form_type { TI_FORM_INT, TI_FORM_REAL, TI_FORM_CHOICE } ti_form_type;

typedef struct ti_form_row {
    char *name, *summary;
    ti_form_type type;
    double min, max;
    char **choices; /* TI_FORM_CHOICE, NULL-terminated */
    char *standard; /* the model's default, as text */
    char *value;    /* the person's, NULL while it is the preset's */
    bool advanced;
} ti_form_row;

typedef struct ti_form {
    GPtrArray *rows;     /* ti_form_row */
    GHashTable *presets; /* name -> GHashTable of option -> value */
    char *preset;        /* chosen one; never NULL */
    char *model;         /* name and device of the model, for people; NULL without one */
    char *problem;       /* why there is no model, or NULL */
} ti_form;

/* From GET /v1/info. */
ti_form *ti_form_parse(const char *json, gssize length, GError **error);
void ti_form_free(ti_form *form);
ti_form_row *ti_form_find(const ti_form *form, const char *name);
/* What the row amounts to now: the person's value, else the preset's, else the model's default. */
const char *ti_form_effective(const ti_form *form, const ti_form_row *row);
void ti_form_set_preset(ti_form *form, const char *preset); /* forgets the person's values */
/* Takes VALUE for NAME if it is in range; false otherwise, nothing changed. */
bool ti_form_set(ti_form *form, const char *name, const char *value);
/* The person's values, "text-steps=20 ..."; caller frees. */
char *ti_form_values(const ti_form *form);
/* Takes such a string back; what is out of range or unknown is left out. */
void ti_form_take(ti_form *form, const char *values);
/* "preset=fast text-steps=20"; caller frees. */
char *ti_form_options(const ti_form *form);
/* Takes over the values of a JSON object of resolved options (an older edit's), seed left out. */
void ti_form_reuse(ti_form *form, const char *options_json);
/* Those of such an object that are not the model's defaults, "text-steps 20, ..."; caller frees. */
char *ti_form_differences(const ti_form *form, const char *options_json);

#endif
