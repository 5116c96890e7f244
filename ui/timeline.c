/* timeline.c - see timeline.h */
#include "ui/timeline.h"

#include <json-glib/json-glib.h>

#include "ui/i18n.h"

enum { MOST_CELLS = 4096 /* a side */ };

static void step_free(gpointer data)
{
    ti_step *step = data;
    g_free(step->reasoning);
    g_array_unref(step->revealed_text);
    g_array_unref(step->revealed_image);
    g_free(step);
}

static JsonArray *array_member(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static void read_ranges(JsonArray *rows, glong length, GArray *out)
{
    for (guint i = 0; rows && i < json_array_get_length(rows); i++) {
        JsonNode *node = json_array_get_element(rows, i);
        JsonArray *pair = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        if (!pair || json_array_get_length(pair) != 2) continue;
        gint64 first = json_array_get_int_element(pair, 0),
               end = json_array_get_int_element(pair, 1);
        ti_range range = {(int)CLAMP(first, 0, length), (int)CLAMP(end, 0, length)};
        if (range.first < range.end) g_array_append_val(out, range);
    }
}

static void read_grid(JsonObject *root, ti_timeline *timeline)
{
    JsonNode *node = json_object_get_member(root, "grid");
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) return;
    JsonObject *grid = json_node_get_object(node);
    gint64 width = json_object_get_int_member_with_default(grid, "width", 0);
    gint64 height = json_object_get_int_member_with_default(grid, "height", 0);
    if (width < 1 || width > MOST_CELLS || height < 1 || height > MOST_CELLS) return;
    timeline->grid_width = (int)width;
    timeline->grid_height = (int)height;
}

static ti_step *read_step(JsonObject *object)
{
    ti_step *step = g_new0(ti_step, 1);
    const char *text = json_object_get_string_member_with_default(object, "reasoning", "");
    step->reasoning = g_strdup(text ? text : "");
    step->revealed_text = g_array_new(FALSE, FALSE, sizeof(ti_range));
    step->revealed_image = g_array_new(FALSE, FALSE, sizeof(int));
    read_ranges(array_member(object, "revealed_text"), g_utf8_strlen(step->reasoning, -1),
                step->revealed_text);
    JsonArray *tokens = array_member(object, "revealed_image");
    for (guint i = 0; tokens && i < json_array_get_length(tokens); i++) {
        int token = (int)json_array_get_int_element(tokens, i);
        g_array_append_val(step->revealed_image, token);
    }
    step->masked_text = (int)json_object_get_int_member_with_default(object, "masked_text", 0);
    step->masked_image = (int)json_object_get_int_member_with_default(object, "masked_image", 0);
    return step;
}

ti_timeline *ti_timeline_parse(const char *json, gssize length, GError **error)
{
    JsonParser *parser = json_parser_new_immutable();
    ti_timeline *timeline = NULL;
    if (json_parser_load_from_data(parser, json, length, error)) {
        JsonNode *root = json_parser_get_root(parser);
        JsonArray *steps = root && JSON_NODE_HOLDS_OBJECT(root)
                               ? array_member(json_node_get_object(root), "steps")
                               : NULL;
        if (steps) {
            timeline = g_new0(ti_timeline, 1);
            timeline->steps = g_ptr_array_new_with_free_func(step_free);
            read_grid(json_node_get_object(root), timeline);
        } else {
            g_set_error_literal(error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE,
                                _("The steps of this edit could not be read."));
        }
        for (guint i = 0; steps && i < json_array_get_length(steps); i++) {
            JsonNode *node = json_array_get_element(steps, i);
            if (JSON_NODE_HOLDS_OBJECT(node))
                g_ptr_array_add(timeline->steps, read_step(json_node_get_object(node)));
        }
    }
    g_object_unref(parser);
    return timeline;
}

void ti_timeline_free(ti_timeline *timeline)
{
    if (!timeline) return;
    g_ptr_array_unref(timeline->steps);
    g_free(timeline);
}

int ti_timeline_length(const ti_timeline *timeline)
{
    return timeline ? (int)timeline->steps->len : 0;
}

const ti_step *ti_timeline_step(const ti_timeline *timeline, int step)
{
    return step >= 0 && step < ti_timeline_length(timeline)
               ? g_ptr_array_index(timeline->steps, (guint)step)
               : NULL;
}
