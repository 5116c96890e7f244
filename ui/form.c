/* form.c - see form.h */
#include "ui/form.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "ui/i18n.h"

static void row_free(gpointer data)
{
    ti_form_row *row = data;
    g_free(row->name);
    g_free(row->summary);
    g_strfreev(row->choices);
    g_free(row->standard);
    g_free(row->value);
    g_free(row);
}

/* A scalar as the text an options string carries; NULL for anything else. */
static char *scalar_text(JsonNode *node)
{
    if (!node || !JSON_NODE_HOLDS_VALUE(node)) return NULL;
    GType type = json_node_get_value_type(node);
    if (type == G_TYPE_STRING) return g_strdup(json_node_get_string(node));
    if (type == G_TYPE_INT64) return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
    if (type != G_TYPE_DOUBLE) return NULL;
    char *text = g_malloc(G_ASCII_DTOSTR_BUF_SIZE);
    return g_ascii_formatd(text, G_ASCII_DTOSTR_BUF_SIZE, "%.10g", json_node_get_double(node));
}

static char **string_list(JsonNode *node)
{
    if (!node || !JSON_NODE_HOLDS_ARRAY(node)) return NULL;
    JsonArray *array = json_node_get_array(node);
    guint n = json_array_get_length(array);
    char **list = g_new0(char *, n + 1);
    for (guint i = 0; i < n; i++) list[i] = g_strdup(json_array_get_string_element(array, i));
    return list;
}

static double number(JsonObject *o, const char *name)
{
    JsonNode *node = json_object_get_member(o, name);
    return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : 0;
}

static ti_form_row *read_row(JsonObject *o)
{
    const char *name = json_object_get_string_member_with_default(o, "name", NULL);
    const char *type = json_object_get_string_member_with_default(o, "type", "");
    if (!name || !strcmp(name, "seed")) return NULL; /* the seed has a place of its own */
    ti_form_row *row = g_new0(ti_form_row, 1);
    row->name = g_strdup(name);
    row->summary = g_strdup(json_object_get_string_member_with_default(o, "summary", ""));
    row->type = !strcmp(type, "int")    ? TI_FORM_INT
                : !strcmp(type, "real") ? TI_FORM_REAL
                                        : TI_FORM_CHOICE;
    row->min = number(o, "min");
    row->max = number(o, "max");
    row->choices = string_list(json_object_get_member(o, "choices"));
    row->standard = scalar_text(json_object_get_member(o, "default"));
    row->advanced = json_object_get_boolean_member_with_default(o, "advanced", TRUE);
    if (!row->standard)
        row->standard = g_strdup(row->choices && row->choices[0] ? row->choices[0] : "0");
    return row;
}

static void read_presets(ti_form *form, JsonArray *array)
{
    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        if (!JSON_NODE_HOLDS_OBJECT(node)) continue;
        JsonObject *o = json_node_get_object(node);
        const char *name = json_object_get_string_member_with_default(o, "name", NULL);
        JsonNode *values = json_object_get_member(o, "options");
        if (!name || !values || !JSON_NODE_HOLDS_OBJECT(values)) continue;
        GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        JsonObjectIter iter;
        const char *key;
        JsonNode *value;
        json_object_iter_init(&iter, json_node_get_object(values));
        while (json_object_iter_next(&iter, &key, &value)) {
            char *text = scalar_text(value);
            if (text) g_hash_table_insert(table, g_strdup(key), text);
        }
        g_hash_table_insert(form->presets, g_strdup(name), table);
    }
}

static void read_model(ti_form *form, JsonObject *root)
{
    JsonNode *node = json_object_get_member(root, "model");
    if (node && JSON_NODE_HOLDS_OBJECT(node)) {
        JsonObject *m = json_node_get_object(node);
        form->model =
            g_strdup_printf("%s · %s", json_object_get_string_member_with_default(m, "name", "?"),
                            json_object_get_string_member_with_default(m, "device", "?"));
    } else {
        const char *problem = json_object_get_string_member_with_default(root, "problem", NULL);
        form->problem = g_strdup(problem ? problem : _("The server has no model."));
    }
}

ti_form *ti_form_parse(const char *json, gssize length, GError **error)
{
    JsonParser *parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, json, length, error) ||
        !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser))) {
        if (error && !*error)
            g_set_error_literal(error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE,
                                _("The server's description of itself could not be read."));
        g_object_unref(parser);
        return NULL;
    }
    JsonObject *root = json_node_get_object(json_parser_get_root(parser));
    ti_form *form = g_new0(ti_form, 1);
    form->rows = g_ptr_array_new_with_free_func(row_free);
    form->presets =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
    form->preset = g_strdup("balanced");
    JsonNode *rows = json_object_get_member(root, "options");
    JsonArray *array = rows && JSON_NODE_HOLDS_ARRAY(rows) ? json_node_get_array(rows) : NULL;
    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        ti_form_row *row =
            JSON_NODE_HOLDS_OBJECT(node) ? read_row(json_node_get_object(node)) : NULL;
        if (row) g_ptr_array_add(form->rows, row);
    }
    JsonNode *presets = json_object_get_member(root, "presets");
    if (presets && JSON_NODE_HOLDS_ARRAY(presets)) read_presets(form, json_node_get_array(presets));
    read_model(form, root);
    g_object_unref(parser);
    return form;
}

void ti_form_free(ti_form *form)
{
    if (!form) return;
    g_ptr_array_unref(form->rows);
    g_hash_table_unref(form->presets);
    g_free(form->preset);
    g_free(form->model);
    g_free(form->problem);
    g_free(form);
}

ti_form_row *ti_form_find(const ti_form *form, const char *name)
{
    for (guint i = 0; i < form->rows->len; i++) {
        ti_form_row *row = g_ptr_array_index(form->rows, i);
        if (!strcmp(row->name, name)) return row;
    }
    return NULL;
}

const char *ti_form_effective(const ti_form *form, const ti_form_row *row)
{
    if (row->value) return row->value;
    GHashTable *preset = g_hash_table_lookup(form->presets, form->preset);
    const char *value = preset ? g_hash_table_lookup(preset, row->name) : NULL;
    return value ? value : row->standard;
}

void ti_form_set_preset(ti_form *form, const char *preset)
{
    char *copy = g_strdup(preset);
    g_free(form->preset);
    form->preset = copy;
    for (guint i = 0; i < form->rows->len; i++)
        g_clear_pointer(&((ti_form_row *)g_ptr_array_index(form->rows, i))->value, g_free);
}

bool ti_form_set(ti_form *form, const char *name, const char *value)
{
    ti_form_row *row = ti_form_find(form, name);
    if (!row) return false;
    if (row->type == TI_FORM_CHOICE) {
        if (!row->choices || !g_strv_contains((const char *const *)row->choices, value))
            return false;
    } else {
        char *end;
        double number_value = g_ascii_strtod(value, &end);
        if (end == value || *end || !(number_value >= row->min && number_value <= row->max))
            return false;
        if (row->type == TI_FORM_INT && number_value != (double)(gint64)number_value) return false;
    }
    char *copy = g_strdup(value);
    g_clear_pointer(&row->value, g_free);
    if (strcmp(copy, ti_form_effective(form, row)))
        row->value = copy;
    else
        g_free(copy);
    return true;
}

char *ti_form_values(const ti_form *form)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < form->rows->len; i++) {
        const ti_form_row *row = g_ptr_array_index(form->rows, i);
        if (row->value)
            g_string_append_printf(text, "%s%s=%s", text->len ? " " : "", row->name, row->value);
    }
    return g_string_free(text, FALSE);
}

void ti_form_take(ti_form *form, const char *values)
{
    char **pairs = g_strsplit(values, " ", -1);
    for (char **pair = pairs; *pair; pair++) {
        char *equals = strchr(*pair, '=');
        if (!equals) continue;
        *equals = '\0';
        ti_form_set(form, *pair, equals + 1);
    }
    g_strfreev(pairs);
}

char *ti_form_options(const ti_form *form)
{
    char *values = ti_form_values(form);
    char *text = g_strdup_printf("preset=%s%s%s", form->preset, *values ? " " : "", values);
    g_free(values);
    return text;
}

void ti_form_reuse(ti_form *form, const char *options_json)
{
    JsonNode *root = options_json ? json_from_string(options_json, NULL) : NULL;
    if (root && JSON_NODE_HOLDS_OBJECT(root)) {
        JsonObjectIter iter;
        const char *name;
        JsonNode *node;
        json_object_iter_init(&iter, json_node_get_object(root));
        while (json_object_iter_next(&iter, &name, &node)) {
            char *text = scalar_text(node);
            if (text) ti_form_set(form, name, text);
            g_free(text);
        }
    }
    if (root) json_node_unref(root);
}

char *ti_form_differences(const ti_form *form, const char *options_json)
{
    g_autoptr(JsonNode) root = options_json ? json_from_string(options_json, NULL) : NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; root && JSON_NODE_HOLDS_OBJECT(root) && i < form->rows->len; i++) {
        const ti_form_row *row = g_ptr_array_index(form->rows, i);
        g_autofree char *value =
            scalar_text(json_object_get_member(json_node_get_object(root), row->name));
        if (value && strcmp(value, row->standard))
            g_string_append_printf(text, "%s%s %s", text->len ? ", " : "", row->name, value);
    }
    return g_string_free(text, FALSE);
}
