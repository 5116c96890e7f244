/* describe.c - see describe.h */
#include "server/describe.h"

#include <string.h>

#include "server/job.h"

static JsonNode *option_json(const te_option_info *row, const te_options *defaults)
{
    static const char *const types[] = {"int", "real", "choice"};
    JsonBuilder *b = json_builder_new();
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "name");
    json_builder_add_string_value(b, row->name);
    json_builder_set_member_name(b, "type");
    json_builder_add_string_value(b, types[row->type]);
    json_builder_set_member_name(b, "min");
    json_builder_add_double_value(b, row->min);
    json_builder_set_member_name(b, "max");
    json_builder_add_double_value(b, row->max);
    json_builder_set_member_name(b, "choices");
    if (row->choices) {
        json_builder_begin_array(b);
        for (const char *const *c = row->choices; *c; c++) json_builder_add_string_value(b, *c);
        json_builder_end_array(b);
    } else {
        json_builder_add_null_value(b);
    }
    json_builder_set_member_name(b, "summary");
    json_builder_add_string_value(b, row->summary);
    json_builder_set_member_name(b, "advanced");
    json_builder_add_boolean_value(b, row->advanced);
    char text[64];
    json_builder_set_member_name(b, "default");
    if (te_options_get(defaults, row->name, text, sizeof text, NULL))
        json_builder_add_null_value(b);
    else if (row->type == TE_OPTION_CHOICE)
        json_builder_add_string_value(b, text);
    else if (row->type == TE_OPTION_INT)
        json_builder_add_int_value(b, g_ascii_strtoll(text, NULL, 10));
    else
        json_builder_add_double_value(b, g_ascii_strtod(text, NULL));
    json_builder_end_object(b);
    JsonNode *node = json_builder_get_root(b);
    g_object_unref(b);
    return node;
}

/* The options in which PRESET differs from the defaults. */
static JsonNode *preset_json(const te_model *model, const char *preset, const te_options *defaults)
{
    te_options opt;
    te_options_init(&opt);
    if (te_options_preset(&opt, model, preset, NULL) ||
        te_options_resolve(&opt, model, false, NULL))
        opt = *defaults;
    JsonNode *all = ti_options_json(&opt), *plain = ti_options_json(defaults);
    JsonObject *object = json_node_get_object(all);
    GList *names = json_object_get_members(object);
    for (GList *l = names; l; l = l->next) {
        char *mine = json_to_string(json_object_get_member(object, l->data), FALSE);
        char *theirs =
            json_to_string(json_object_get_member(json_node_get_object(plain), l->data), FALSE);
        if (!strcmp(mine, theirs) || !strcmp(l->data, "seed"))
            json_object_remove_member(object, l->data);
        g_free(mine);
        g_free(theirs);
    }
    g_list_free(names);
    json_node_unref(plain);
    JsonObject *row = json_object_new();
    json_object_set_string_member(row, "name", preset);
    json_object_set_member(row, "options", all);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, row);
    return node;
}

static JsonObject *model_json(const te_model *model)
{
    te_model_info info;
    te_model_get_info(model, &info);
    JsonObject *o = json_object_new();
    json_object_set_string_member(o, "name", info.name);
    json_object_set_string_member(o, "profile", info.profile);
    json_object_set_string_member(o, "hash", info.hash);
    json_object_set_string_member(o, "type", info.type);
    json_object_set_string_member(o, "device", info.device);
    if (info.note)
        json_object_set_string_member(o, "note", info.note);
    else
        json_object_set_null_member(o, "note");
    json_object_set_int_member(o, "parameters", (gint64)info.parameters);
    json_object_set_int_member(o, "file_bytes", (gint64)info.file_bytes);
    json_object_set_int_member(o, "width", info.width);
    json_object_set_int_member(o, "height", info.height);
    json_object_set_int_member(o, "patch", info.patch);
    return o;
}

JsonObject *ti_describe(const te_model *model)
{
    static const char *const presets[] = {"fast", "balanced", "paper"};
    JsonObject *known = json_object_new();
    JsonObject *m = model_json(model);
    const char *profile = json_object_get_string_member(m, "profile");
    json_object_set_string_member(known, "size_rule",
                                  g_str_has_suffix(profile, "-a") ? "area" : "square");
    json_object_set_object_member(known, "model", m);
    json_object_set_null_member(known, "problem");
    te_options defaults;
    te_options_init(&defaults);
    te_options_resolve(&defaults, model, false, NULL);
    json_object_set_int_member(known, "edit_bytes",
                               (gint64)te_model_memory_needed(model, &defaults));
    defaults.seed = -1;
    size_t n;
    const te_option_info *table = te_option_table(&n);
    JsonArray *rows = json_array_new();
    for (size_t i = 0; i < n; i++) json_array_add_element(rows, option_json(&table[i], &defaults));
    json_object_set_array_member(known, "options", rows);
    rows = json_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(presets); i++)
        json_array_add_element(rows, preset_json(model, presets[i], &defaults));
    json_object_set_array_member(known, "presets", rows);
    return known;
}
