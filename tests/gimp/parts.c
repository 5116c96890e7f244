/* parts.c - the panel's parts as assistive programs see them, over AT-SPI: names, places on the
 * screen, texts. The test uses them as a person uses eyes: to find what to press and to read what
 * is said. It presses with key and mouse only.
 */
#include "parts.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "testing.h"

#define ACCESSIBLE "org.a11y.atspi.Accessible"
#define PROGRAM    "thinking-aware-edit"

enum {
    STATE_SENSITIVE = 24,
    STATE_SHOWING = 25,
    STATE_CHECKED = 4,
    WINDOW_COORDINATES = 1,
    ROLE_LABEL = 29,
    DEEP = 24
};

static GDBusConnection *bus; /* AT-SPI's own */

typedef struct node {
    char *owner, *path;
} node;

static void free_node(gpointer data)
{
    node *n = data;
    g_free(n->owner);
    g_free(n->path);
    g_free(n);
}

static GVariant *call(const node *at, const char *interface, const char *method,
                      GVariant *arguments)
{
    return g_dbus_connection_call_sync(bus, at->owner, at->path, interface, method, arguments, NULL,
                                       G_DBUS_CALL_FLAGS_NONE, 5000, NULL, NULL);
}

static bool connect_bus(void)
{
    if (bus) return true;
    g_autoptr(GDBusConnection) session = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);
    if (!session) return false;
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        session, "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", NULL, NULL,
        G_DBUS_CALL_FLAGS_NONE, 20000, NULL, NULL);
    if (!answer) return false;
    const char *address;
    g_variant_get(answer, "(&s)", &address);
    bus = g_dbus_connection_new_for_address_sync(address,
                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                     G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                 NULL, NULL, NULL);
    return bus != NULL;
}

static GPtrArray *children_of(const node *at)
{
    GPtrArray *out = g_ptr_array_new_with_free_func(free_node);
    g_autoptr(GVariant) answer = call(at, ACCESSIBLE, "GetChildren", NULL);
    if (!answer) return out;
    g_autoptr(GVariantIter) children = NULL;
    const char *owner, *path;
    g_variant_get(answer, "(a(so))", &children);
    while (g_variant_iter_next(children, "(&s&o)", &owner, &path)) {
        node *child = g_new(node, 1);
        *child = (node){g_strdup(owner), g_strdup(path)};
        g_ptr_array_add(out, child);
    }
    return out;
}

static char *name_of(const node *at)
{
    g_autoptr(GVariant) answer = call(at, "org.freedesktop.DBus.Properties", "Get",
                                      g_variant_new("(ss)", ACCESSIBLE, "Name"));
    if (!answer) return g_strdup("");
    g_autoptr(GVariant) boxed = NULL;
    g_variant_get(answer, "(v)", &boxed);
    return g_variant_dup_string(boxed, NULL);
}

static bool has_state(const node *at, int state)
{
    g_autoptr(GVariant) answer = call(at, ACCESSIBLE, "GetState", NULL);
    if (!answer) return false;
    g_autoptr(GVariant) words = g_variant_get_child_value(answer, 0);
    guint32 word = 0;
    g_variant_get_child(words, (gsize)state / 32, "u", &word);
    return word >> (state % 32) & 1;
}

static bool is_label(const node *at)
{
    g_autoptr(GVariant) answer = call(at, ACCESSIBLE, "GetRole", NULL);
    guint32 role = 0;
    if (answer) g_variant_get(answer, "(u)", &role);
    return role == ROLE_LABEL;
}

/* Depth first; the first shown one, labels or others, whose name begins with NAME. Takes AT, gives
 * it back when it is it. */
static node *find_under(node *at, const char *name, bool labels, int depth)
{
    g_autofree char *own = name_of(at);
    if (depth && g_str_has_prefix(own, name) && is_label(at) == labels &&
        has_state(at, STATE_SHOWING))
        return at;
    node *found = NULL;
    if (depth < DEEP) {
        g_autoptr(GPtrArray) children = children_of(at);
        g_ptr_array_set_free_func(children, NULL);
        for (guint i = 0; i < children->len; i++) {
            if (found)
                free_node(g_ptr_array_index(children, i));
            else
                found = find_under(g_ptr_array_index(children, i), name, labels, depth + 1);
        }
    }
    free_node(at);
    return found;
}

static node *find_kind(const char *name, bool labels)
{
    const node root = {(char *)"org.a11y.atspi.Registry",
                       (char *)"/org/a11y/atspi/accessible/root"};
    g_autoptr(GPtrArray) programs = children_of(&root);
    node *found = NULL;
    for (guint i = 0; i < programs->len && !found; i++) {
        const node *program = g_ptr_array_index(programs, i);
        g_autofree char *own = name_of(program);
        if (strcmp(own, PROGRAM)) continue;
        node *copy = g_new(node, 1);
        *copy = (node){g_strdup(program->owner), g_strdup(program->path)};
        found = find_under(copy, name, labels, 0);
    }
    return found;
}

/* A label may have the name of what it names: that comes first. */
static node *find(const char *name)
{
    if (!connect_bus()) return NULL;
    node *found = find_kind(name, false);
    return found ? found : find_kind(name, true);
}

bool part_find(const char *name, part *out)
{
    node *n = find(name);
    if (!n) return false;
    g_autoptr(GVariant) answer =
        call(n, "org.a11y.atspi.Component", "GetExtents", g_variant_new("(u)", WINDOW_COORDINATES));
    if (answer) g_variant_get(answer, "((iiii))", &out->x, &out->y, &out->width, &out->height);
    out->usable = has_state(n, STATE_SENSITIVE);
    out->checked = has_state(n, STATE_CHECKED);
    free_node(n);
    return answer != NULL;
}

static bool is_there(const void *name)
{
    part unused;
    return part_find(name, &unused);
}

part part_wait(const char *name)
{
    part out;
    g_autofree char *what = g_strdup_printf("the panel's part \"%s\"", name);
    session_wait(is_there, name, what);
    if (!part_find(name, &out)) fail_msg("the panel's part \"%s\" went away", name);
    return out;
}

static bool is_usable(const void *name)
{
    part p;
    return part_find(name, &p) && p.usable;
}

void part_click(unsigned long window, const char *name)
{
    g_autofree char *what = g_strdup_printf("\"%s\" to be usable", name);
    session_wait(is_usable, name, what);
    part p = part_wait(name);
    session_click(window, p.x + p.width / 2, p.y + p.height / 2);
}

char *part_text(const char *name)
{
    node *n = find(name);
    if (!n) return NULL;
    g_autoptr(GVariant) answer =
        call(n, "org.a11y.atspi.Text", "GetText", g_variant_new("(ii)", 0, -1));
    char *text = NULL;
    if (answer) g_variant_get(answer, "(s)", &text);
    free_node(n);
    return text;
}

typedef struct said {
    const char *name, *words;
} said;

static bool says(const void *data)
{
    const said *s = data;
    g_autofree char *text = part_text(s->name);
    return text && strstr(text, s->words);
}

void part_wait_text(const char *name, const char *words)
{
    const said s = {name, words};
    g_autofree char *what = g_strdup_printf("\"%s\" to say \"%s\"", name, words);
    session_wait(says, &s, what);
}

void parts_close(void)
{
    if (!bus) return;
    g_dbus_connection_close_sync(bus, NULL, NULL);
    g_clear_object(&bus);
}
