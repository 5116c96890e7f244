/* settings.c - see settings.h */
#include "ui/settings.h"

#include <json-glib/json-glib.h>
#include <string.h>

static void read_strings(JsonObject *o, const char *name, GPtrArray *out)
{
    JsonNode *node = json_object_get_member(o, name);
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *item = json_array_get_element(array, i);
        if (json_node_get_value_type(item) == G_TYPE_STRING)
            g_ptr_array_add(out, g_strdup(json_node_get_string(item)));
    }
}

static int read_int(JsonObject *o, const char *name, int least, int most, int fallback)
{
    gint64 value = json_object_get_int_member_with_default(o, name, fallback);
    return value < least || value > most ? fallback : (int)value;
}

static void read_all(ti_settings *s, JsonObject *o)
{
    g_free(s->draft);
    s->draft = g_strdup(json_object_get_string_member_with_default(o, "draft", ""));
    read_strings(o, "recent", s->recent);
    read_strings(o, "saved", s->saved);
    g_free(s->preset);
    s->preset = g_strdup(json_object_get_string_member_with_default(o, "preset", "balanced"));
    g_free(s->options);
    s->options = g_strdup(json_object_get_string_member_with_default(o, "options", ""));
    s->seed = json_object_get_int_member_with_default(o, "seed", -1);
    s->seed_locked = json_object_get_boolean_member_with_default(o, "seed_locked", FALSE);
    s->variations = read_int(o, "variations", 1, 8, 1);
    s->output = read_int(o, "output", 0, 2, 0);
    s->use_selection = json_object_get_boolean_member_with_default(o, "use_selection", TRUE);
    s->from_source = json_object_get_boolean_member_with_default(o, "from_source", FALSE);
    s->width = read_int(o, "width", 200, 10000, 440);
    s->height = read_int(o, "height", 200, 10000, 0);
}

ti_settings *ti_settings_load(const char *path)
{
    ti_settings *s = g_new0(ti_settings, 1);
    s->path = path ? g_strdup(path)
                   : g_build_filename(g_get_user_config_dir(), "thinkedit", "panel.json", NULL);
    s->recent = g_ptr_array_new_with_free_func(g_free);
    s->saved = g_ptr_array_new_with_free_func(g_free);
    char *text = NULL;
    JsonNode *root = NULL;
    if (g_file_get_contents(s->path, &text, NULL, NULL)) root = json_from_string(text, NULL);
    JsonObject *empty = json_object_new();
    read_all(s, root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : empty);
    json_object_unref(empty);
    if (root) json_node_unref(root);
    g_free(text);
    return s;
}

void ti_settings_free(ti_settings *s)
{
    if (!s) return;
    g_free(s->path);
    g_free(s->draft);
    g_free(s->preset);
    g_free(s->options);
    g_ptr_array_unref(s->recent);
    g_ptr_array_unref(s->saved);
    g_free(s);
}

static void write_strings(JsonObject *o, const char *name, const GPtrArray *list)
{
    JsonArray *array = json_array_new();
    for (guint i = 0; i < list->len; i++)
        json_array_add_string_element(array, g_ptr_array_index(list, i));
    json_object_set_array_member(o, name, array);
}

bool ti_settings_save(const ti_settings *s, GError **error)
{
    JsonObject *o = json_object_new();
    json_object_set_string_member(o, "draft", s->draft);
    write_strings(o, "recent", s->recent);
    write_strings(o, "saved", s->saved);
    json_object_set_string_member(o, "preset", s->preset);
    json_object_set_string_member(o, "options", s->options);
    json_object_set_int_member(o, "seed", s->seed);
    json_object_set_boolean_member(o, "seed_locked", s->seed_locked);
    json_object_set_int_member(o, "variations", s->variations);
    json_object_set_int_member(o, "output", s->output);
    json_object_set_boolean_member(o, "use_selection", s->use_selection);
    json_object_set_boolean_member(o, "from_source", s->from_source);
    json_object_set_int_member(o, "width", s->width);
    json_object_set_int_member(o, "height", s->height);
    JsonNode *root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, o);
    char *text = json_to_string(root, TRUE);
    char *folder = g_path_get_dirname(s->path);
    g_mkdir_with_parents(folder, 0700);
    gboolean ok = g_file_set_contents(s->path, text, -1, error); /* writes beside and renames */
    g_free(folder);
    g_free(text);
    json_node_unref(root);
    return ok;
}

static void remove_string(GPtrArray *list, const char *text)
{
    for (guint i = 0; i < list->len; i++)
        if (!strcmp(g_ptr_array_index(list, i), text)) g_ptr_array_remove_index(list, i--);
}

void ti_settings_used(ti_settings *s, const char *instruction)
{
    char *copy = g_strdup(instruction);
    remove_string(s->recent, copy);
    g_ptr_array_insert(s->recent, 0, copy);
    if (s->recent->len > TI_SETTINGS_RECENT) g_ptr_array_set_size(s->recent, TI_SETTINGS_RECENT);
}

void ti_settings_keep(ti_settings *s, const char *prompt)
{
    char *copy = g_strdup(prompt);
    remove_string(s->saved, copy);
    g_ptr_array_add(s->saved, copy);
}

void ti_settings_drop(ti_settings *s, const char *prompt)
{
    char *copy = g_strdup(prompt);
    remove_string(s->saved, copy);
    g_free(copy);
}

void ti_settings_set_draft(ti_settings *s, const char *text)
{
    char *copy = g_strdup(text);
    g_free(s->draft);
    s->draft = copy;
}

void ti_settings_set_options(ti_settings *s, const char *preset, const char *options)
{
    char *new_preset = g_strdup(preset), *new_options = g_strdup(options);
    g_free(s->preset);
    g_free(s->options);
    s->preset = new_preset;
    s->options = new_options;
}
