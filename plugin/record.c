/* record.c - writing and reading the JSON that stays with a layer. */
#include "record.h"
#include "ui/i18n.h"

#include <json-glib/json-glib.h>
#include <string.h>

static void add_string(JsonBuilder *b, const char *name, const char *value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, value);
}

static void add_int(JsonBuilder *b, const char *name, gint64 value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_int_value(b, value);
}

char *ti_record_write(const ti_client_result *result, const char *instruction,
                      const ti_record_source *source, const GeglRectangle *region)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    JsonNode *options = json_from_string(result->options, NULL);
    json_builder_begin_object(b);
    add_int(b, "schema", 1);
    add_string(b, "id", result->id);
    add_string(b, "instruction", instruction);
    add_string(b, "reasoning", result->reasoning);
    add_int(b, "seed", result->seed);
    json_builder_set_member_name(b, "options");
    json_builder_add_value(b, options ? options : json_node_new(JSON_NODE_NULL));
    json_builder_set_member_name(b, "model");
    json_builder_begin_object(b);
    add_string(b, "name", result->model);
    add_string(b, "hash", result->hash);
    json_builder_end_object(b);
    add_string(b, "source_layer", source->name);
    add_int(b, "source_tattoo", source->tattoo);
    json_builder_set_member_name(b, "region");
    json_builder_begin_object(b);
    add_int(b, "x", region->x);
    add_int(b, "y", region->y);
    add_int(b, "width", region->width);
    add_int(b, "height", region->height);
    json_builder_end_object(b);
    add_string(b, "time", time);
    json_builder_end_object(b);
    g_autoptr(JsonNode) root = json_builder_get_root(b);
    return json_to_string(root, FALSE);
}

char *ti_record_reasoning(const char *record, GError **error)
{
    g_autoptr(JsonNode) root = json_from_string(record, NULL);
    JsonNode *node = root && JSON_NODE_HOLDS_OBJECT(root)
                         ? json_object_get_member(json_node_get_object(root), "reasoning")
                         : NULL;
    const char *reasoning = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
    if (reasoning) return g_strdup(reasoning);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                        _("The layer's record of its edit is damaged: edit the picture again."));
    return NULL;
}

/* ---- the image's history ------------------------------------------------------------------- */

static const char *id_of(JsonNode *edit)
{
    JsonNode *id = JSON_NODE_HOLDS_OBJECT(edit)
                       ? json_object_get_member(json_node_get_object(edit), "id")
                       : NULL;
    return id && JSON_NODE_HOLDS_VALUE(id) ? json_node_get_string(id) : NULL;
}

/* Takes FIRST (may be NULL); the edits of HISTORY follow, but for the one called ID. */
static char *write_history(JsonNode *first, const char *history, const char *id)
{
    g_autoptr(JsonNode) root = history ? json_from_string(history, NULL) : NULL;
    JsonNode *node = root && JSON_NODE_HOLDS_OBJECT(root)
                         ? json_object_get_member(json_node_get_object(root), "edits")
                         : NULL;
    JsonArray *old = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    JsonArray *edits = json_array_new();
    if (first) json_array_add_element(edits, first);
    for (guint i = 0; old && i < json_array_get_length(old); i++) {
        JsonNode *edit = json_array_get_element(old, i);
        if (json_array_get_length(edits) < TI_HISTORY_EDITS && g_strcmp0(id_of(edit), id))
            json_array_add_element(edits, json_node_copy(edit));
    }
    JsonObject *object = json_object_new();
    g_autoptr(JsonNode) out = json_node_init_object(json_node_alloc(), object);
    json_object_set_int_member(object, "schema", 1);
    json_object_set_array_member(object, "edits", edits);
    char *text = json_to_string(out, FALSE);
    while (strlen(text) > TI_HISTORY_BYTES && json_array_get_length(edits) > 1) {
        json_array_remove_element(edits, json_array_get_length(edits) - 1);
        g_free(text);
        text = json_to_string(out, FALSE);
    }
    json_object_unref(object);
    return text;
}

char *ti_record_remember(const char *history, const char *record)
{
    JsonNode *edit = json_from_string(record, NULL);
    return write_history(edit, history, edit ? id_of(edit) : NULL);
}

char *ti_record_forget(const char *history, const char *id)
{
    return write_history(NULL, history, id);
}
