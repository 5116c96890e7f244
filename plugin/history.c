/* history.c - see history.h. */
#include "history.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

enum { LIST_SIDE = 64, KEPT_SIDE = 256, MOST_FILES = 300 };

/* ---- entries ------------------------------------------------------------------------------- */

static char *string_of(JsonObject *o, const char *name)
{
    JsonNode *node = json_object_get_member(o, name);
    return node && JSON_NODE_HOLDS_VALUE(node) ? g_strdup(json_node_get_string(node)) : NULL;
}

static void read_size(JsonObject *region, ti_entry *entry)
{
    gint64 width = json_object_get_int_member_with_default(region, "width", 0);
    gint64 height = json_object_get_int_member_with_default(region, "height", 0);
    if (width < 1 || width > G_MAXINT || height < 1 || height > G_MAXINT) return;
    entry->width = (int)width;
    entry->height = (int)height;
}

static ti_entry *read_entry(JsonNode *node)
{
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) return NULL;
    JsonObject *o = json_node_get_object(node);
    JsonNode *options = json_object_get_member(o, "options");
    JsonNode *model = json_object_get_member(o, "model");
    g_autofree char *id = string_of(o, "id");
    ti_entry *entry = ti_entry_new(id ? id : "");
    entry->instruction = string_of(o, "instruction");
    entry->reasoning = string_of(o, "reasoning");
    entry->time = string_of(o, "time");
    entry->options = options && JSON_NODE_HOLDS_OBJECT(options) ? json_to_string(options, FALSE)
                                                                : g_strdup("{}");
    if (model && JSON_NODE_HOLDS_OBJECT(model))
        entry->model = string_of(json_node_get_object(model), "name");
    entry->seed = json_object_get_int_member_with_default(o, "seed", -1);
    entry->source = (unsigned)json_object_get_int_member_with_default(o, "source_tattoo", 0);
    JsonNode *region = json_object_get_member(o, "region");
    if (region && JSON_NODE_HOLDS_OBJECT(region)) read_size(json_node_get_object(region), entry);
    return entry;
}

ti_entry *ti_history_entry(const char *record)
{
    g_autoptr(JsonNode) root = json_from_string(record, NULL);
    return read_entry(root);
}

char *ti_history_options(const ti_entry *entry)
{
    g_autoptr(JsonNode) root = json_from_string(entry->options, NULL);
    GString *text = g_string_new(NULL);
    if (root && JSON_NODE_HOLDS_OBJECT(root)) {
        JsonObject *o = json_node_get_object(root);
        g_autoptr(GList) names = json_object_get_members(o);
        for (GList *n = names; n; n = n->next) {
            JsonNode *value = json_object_get_member(o, n->data);
            if (g_str_equal(n->data, "seed") || !JSON_NODE_HOLDS_VALUE(value)) continue;
            g_autofree char *raw = json_node_get_value_type(value) == G_TYPE_STRING
                                       ? g_strdup(json_node_get_string(value))
                                       : json_to_string(value, FALSE);
            g_string_append_printf(text, "%s%s=%s", text->len ? " " : "", (char *)n->data, raw);
        }
    }
    return g_string_free(text, FALSE);
}

/* ---- thumbnails ---------------------------------------------------------------------------- */

static char *folder_of(const char *folder)
{
    return folder ? g_strdup(folder)
                  : g_build_filename(g_get_user_cache_dir(), "thinkedit", "thumbnails", NULL);
}

bool ti_history_is_id(const char *id)
{
    return *id && strlen(id) <= 64 && strspn(id, "0123456789abcdef") == strlen(id);
}

static char *path_of(const char *folder, const char *id)
{
    if (!ti_history_is_id(id)) return NULL;
    g_autofree char *name = g_strconcat(id, ".png", NULL);
    g_autofree char *place = folder_of(folder);
    return g_build_filename(place, name, NULL);
}

static GdkPixbuf *find_picture(const char *id, int side)
{
    g_autofree char *path = path_of(NULL, id);
    return path ? gdk_pixbuf_new_from_file_at_size(path, side, side, NULL) : NULL;
}

GdkPixbuf *ti_history_picture(const char *id)
{
    return find_picture(id, KEPT_SIDE);
}

/* Removes the file that was written longest ago when there are more than enough. */
static void limit(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autofree char *oldest = NULL;
    const char *name;
    gint64 oldest_time = G_MAXINT64;
    int files = 0;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        GStatBuf st;
        if (!g_str_has_suffix(name, ".png") || g_stat(path, &st)) continue;
        files++;
        if (st.st_mtime >= oldest_time) continue;
        oldest_time = st.st_mtime;
        g_free(oldest);
        oldest = g_steal_pointer(&path);
    }
    if (files > MOST_FILES) g_unlink(oldest);
}

void ti_history_keep_thumbnail(const char *folder, const char *id, GdkPixbuf *picture)
{
    g_autofree char *path = path_of(folder, id);
    if (!path || !picture) return;
    g_autofree char *place = g_path_get_dirname(path);
    int width = gdk_pixbuf_get_width(picture), height = gdk_pixbuf_get_height(picture);
    double scale = (double)KEPT_SIDE / MAX(width, height);
    g_autoptr(GdkPixbuf) small = gdk_pixbuf_scale_simple(
        picture, MAX(1, (int)(width * scale)), MAX(1, (int)(height * scale)), GDK_INTERP_BILINEAR);
    if (!small || g_mkdir_with_parents(place, 0700)) return;
    gdk_pixbuf_save(small, path, "png", NULL, NULL);
    limit(place);
}

void ti_history_drop_thumbnail(const char *folder, const char *id)
{
    g_autofree char *path = path_of(folder, id);
    if (path) g_unlink(path);
}

static void unref_picture(gpointer picture)
{
    if (picture) g_object_unref(picture);
}

GPtrArray *ti_history_read(const char *history, GPtrArray **thumbnails)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func(ti_entry_free);
    *thumbnails = g_ptr_array_new_with_free_func(unref_picture);
    g_autoptr(JsonNode) root = history ? json_from_string(history, NULL) : NULL;
    JsonNode *node = root && JSON_NODE_HOLDS_OBJECT(root)
                         ? json_object_get_member(json_node_get_object(root), "edits")
                         : NULL;
    JsonArray *edits = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    for (guint i = 0; edits && i < json_array_get_length(edits); i++) {
        ti_entry *entry = read_entry(json_array_get_element(edits, i));
        if (!entry) continue;
        g_ptr_array_add(entries, entry);
        g_ptr_array_add(*thumbnails, find_picture(entry->id, LIST_SIDE));
    }
    return entries;
}
