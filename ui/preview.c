/* preview.c - the panel alone, with an owner that only pretends: for looking at it.
 *
 *     thinkedit-panel [--settings FILE] [--show idle|working|done|failed|history] [--seconds N]
 *
 * An edit here takes N seconds (4) and comes back with a made-up reasoning and drawing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ui/i18n.h"
#include "ui/panel.h"

enum { STEPS = 24, GRID = 16 };

static const char reasoning[] = "The street lies in full daylight with a red house and two trees. "
                                "In fifty years the trees have "
                                "grown taller than the roof, the paint has faded and moss covers "
                                "the wall. The road, the sky and "
                                "the hills stay as they are.";

typedef struct owner {
    ti_panel *panel;
    guint timer;
    int step;
    double seconds;
    char *settings, *show;
} owner;

static GdkPixbuf *drawing(int step)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 256, 256);
    cairo_t *cr = cairo_create(s);
    double age = (double)step / STEPS;
    cairo_set_source_rgb(cr, 0.55, 0.75 - 0.1 * age, 0.95 - 0.2 * age);
    cairo_paint(cr);
    cairo_set_source_rgb(cr, 0.35, 0.38, 0.4);
    cairo_rectangle(cr, 0, 190, 256, 66);
    cairo_fill(cr);
    cairo_set_source_rgb(cr, 0.8 - 0.25 * age, 0.25 + 0.2 * age, 0.2 + 0.15 * age);
    cairo_rectangle(cr, 90, 110, 90, 80);
    cairo_fill(cr);
    for (int i = 0; i < 2; i++) {
        double x = 50 + 160 * i, height = 50 + 60 * age;
        cairo_set_source_rgb(cr, 0.4, 0.28, 0.18);
        cairo_rectangle(cr, x - 4, 190 - height, 8, height);
        cairo_fill(cr);
        cairo_set_source_rgb(cr, 0.2, 0.5 - 0.1 * age, 0.2);
        cairo_arc(cr, x, 190 - height, 24 + 16 * age, 0, 2 * G_PI);
        cairo_fill(cr);
    }
    cairo_destroy(cr);
    GdkPixbuf *pixbuf = gdk_pixbuf_get_from_surface(s, 0, 0, 256, 256);
    cairo_surface_destroy(s);
    return pixbuf;
}

/* The words known after STEP: every third one first, as confidence would have it. */
static char *words_at(int step, GString *ranges)
{
    GString *text = g_string_new(NULL);
    char **words = g_strsplit(reasoning, " ", -1);
    int n = (int)g_strv_length(words);
    for (int i = 0; i < n; i++) {
        int reveal = (i * 7919) % STEPS;
        if (i) g_string_append_c(text, ' ');
        if (ranges && reveal == step)
            g_string_append_printf(ranges, "%s[%ld,%ld]", ranges->len ? "," : "",
                                   g_utf8_strlen(text->str, -1),
                                   g_utf8_strlen(text->str, -1) + g_utf8_strlen(words[i], -1));
        g_string_append(text, reveal <= step ? words[i] : "\xE2\x96\x88");
    }
    g_strfreev(words);
    return g_string_free(text, FALSE);
}

static char *steps_json(void)
{
    GString *json = g_string_new(NULL);
    g_string_printf(json, "{\"grid\":{\"width\":%d,\"height\":%d},\"steps\":[", GRID, GRID);
    for (int s = 0; s < STEPS; s++) {
        GString *ranges = g_string_new(NULL), *cells = g_string_new(NULL);
        char *text = words_at(s, ranges);
        for (int c = 0; c < GRID * GRID; c++)
            if ((c * 104729) % STEPS == s)
                g_string_append_printf(cells, "%s%d", cells->len ? "," : "", c);
        g_string_append_printf(json,
                               "%s{\"step\":%d,\"reasoning\":\"%s\",\"revealed_text\":[%s],"
                               "\"revealed_image\":[%s],\"masked_text\":%d,\"masked_image\":%d}",
                               s ? "," : "", s, text, ranges->str, cells->str, 2 * (STEPS - 1 - s),
                               10 * (STEPS - 1 - s));
        g_free(text);
        g_string_free(ranges, TRUE);
        g_string_free(cells, TRUE);
    }
    g_string_append(json, "]}");
    return g_string_free(json, FALSE);
}

static void fill_history(owner *o)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func(ti_entry_free);
    GPtrArray *thumbnails = g_ptr_array_new_with_free_func(g_object_unref);
    static const char *const said[] = {"make the street look as it will in 50 years",
                                       "the hour when the street lamps come on"};
    for (int i = 0; i < 2; i++) {
        char id[8];
        g_snprintf(id, sizeof id, "%d", i);
        ti_entry *entry = ti_entry_new(id);
        entry->instruction = g_strdup(said[i]);
        entry->reasoning = g_strdup(reasoning);
        entry->options = g_strdup("{\"text-steps\": 24}");
        entry->model = g_strdup("thinkedit-small");
        entry->time = g_strdup("2026-01-31T12:00:00Z");
        entry->seed = 7 + i;
        g_ptr_array_add(entries, entry);
        GdkPixbuf *large = drawing(i ? 4 : STEPS);
        g_ptr_array_add(thumbnails, gdk_pixbuf_scale_simple(large, 64, 64, GDK_INTERP_BILINEAR));
        g_object_unref(large);
    }
    ti_panel_set_history(o->panel, entries, thumbnails);
    g_ptr_array_unref(thumbnails);
}

static void finish(owner *o)
{
    GdkPixbuf *picture = drawing(STEPS);
    char *json = steps_json();
    ti_panel_done(o->panel, reasoning, picture, 1764000000);
    ti_panel_set_steps(o->panel, json, -1);
    fill_history(o);
    g_object_unref(picture);
    g_free(json);
}

static void show_progress(owner *o, int step)
{
    GdkPixbuf *picture = drawing(step);
    char *text = words_at(step, NULL);
    double elapsed = o->seconds * step / STEPS;
    ti_panel_progress(o->panel, "denoising", step, STEPS, elapsed, o->seconds - elapsed);
    ti_panel_text(o->panel, text);
    ti_panel_preview(o->panel, picture);
    g_free(text);
    g_object_unref(picture);
}

static gboolean on_tick(gpointer data)
{
    owner *o = data;
    if (++o->step < STEPS) {
        show_progress(o, o->step);
        return G_SOURCE_CONTINUE;
    }
    o->timer = 0;
    finish(o);
    return G_SOURCE_REMOVE;
}

static void on_generate(void *user, const ti_panel_request *request)
{
    owner *o = user;
    g_print("generate \"%s\" %s seed=%" G_GINT64_FORMAT " selection=%d output=%d variations=%d\n",
            request->instruction, request->options, request->seed, request->use_selection,
            request->output, request->variations);
    if (o->timer) g_source_remove(o->timer);
    o->step = 0;
    ti_panel_submitted(o->panel, 1, request->variations);
    if (strstr(request->instruction, "fail")) {
        ti_panel_failed(o->panel, _("The server stopped while it worked: try again."), true);
        return;
    }
    o->timer = g_timeout_add((guint)(1000 * o->seconds / STEPS), on_tick, o);
}

static void on_cancel(void *user, bool all)
{
    owner *o = user;
    if (o->timer) g_source_remove(o->timer);
    o->timer = 0;
    g_print(all ? "cancel all\n" : "cancel\n");
    ti_panel_cancelled(o->panel);
}

static void on_draw_step(void *user, int step)
{
    owner *o = user;
    GdkPixbuf *picture = drawing(step + 1);
    ti_panel_step_picture(o->panel, step, picture);
    g_object_unref(picture);
}

static void on_entry(void *user, const char *entry)
{
    (void)user;
    g_print("entry %s\n", entry);
}

static void on_text_layer(void *user, const char *text)
{
    (void)user;
    g_print("text layer \"%s\"\n", text);
}

static void on_poll(void *user)
{
    (void)user;
}

static void on_closed(void *user)
{
    (void)user;
    gtk_main_quit();
}

static const char info[] =
    "{\"model\":{\"name\":\"thinkedit-small\",\"device\":\"cpu (2 threads)\"},\"problem\":null,"
    "\"options\":[{\"name\":\"text-steps\",\"type\":\"int\",\"min\":1,\"max\":4096,\"choices\":"
    "null,"
    "\"summary\":\"denoising steps of the reasoning\",\"advanced\":true,\"default\":24},"
    "{\"name\":\"image-cfg\",\"type\":\"real\",\"min\":0,\"max\":20,\"choices\":null,"
    "\"summary\":\"how strictly the picture follows what is "
    "asked\",\"advanced\":true,\"default\":3.5},"
    "{\"name\":\"strategy\",\"type\":\"choice\",\"min\":0,\"max\":2,\"choices\":[\"parallel\","
    "\"semi-parallel\",\"sequential\"],\"summary\":\"in which order reasoning and picture appear\","
    "\"advanced\":true,\"default\":\"parallel\"}],\"presets\":[{\"name\":\"fast\",\"options\":"
    "{\"text-steps\":8}}]}";

static void show(owner *o)
{
    ti_target target = {.image = (char *)"street.xcf",
                        .layer = (char *)"Street",
                        .width = 6000,
                        .height = 4000,
                        .has_selection = true,
                        .select_x = 10,
                        .select_y = 10,
                        .select_width = 1800,
                        .select_height = 1200,
                        .source = (char *)(g_strcmp0(o->show, "done") ? NULL : "Photograph")};
    GdkPixbuf *large = drawing(0);
    GdkPixbuf *small = gdk_pixbuf_scale_simple(large, 72, 72, GDK_INTERP_BILINEAR);
    ti_panel_set_info(o->panel, info, -1);
    ti_panel_set_target(o->panel, &target, small);
    ti_panel_preview(o->panel, large);
    g_object_unref(small);
    g_object_unref(large);
    if (!g_strcmp0(o->show, "working")) {
        ti_panel_submitted(o->panel, 1, 1);
        show_progress(o, STEPS / 2);
    } else if (!g_strcmp0(o->show, "done") || !g_strcmp0(o->show, "history")) {
        ti_panel_submitted(o->panel, 1, 1);
        show_progress(o, STEPS - 1);
        finish(o);
    } else if (!g_strcmp0(o->show, "failed")) {
        ti_panel_submitted(o->panel, 1, 1);
        ti_panel_failed(o->panel, _("The server stopped while it worked: try again."), true);
    }
}

int main(int argc, char **argv)
{
    owner o = {.seconds = 4};
    char *locale = NULL;
    const GOptionEntry entries[] = {
        {"settings", 0, 0, G_OPTION_ARG_FILENAME, &o.settings, "the panel's file", "FILE"},
        {"show", 0, 0, G_OPTION_ARG_STRING, &o.show, "idle, working, done, failed or history",
         "STATE"},
        {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &o.seconds, "how long an edit takes", "N"},
        {"locale", 0, 0, G_OPTION_ARG_FILENAME, &locale, "folder with the catalogues", "FOLDER"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    GError *error = NULL;
    if (!gtk_init_with_args(&argc, &argv, NULL, entries, NULL, &error)) {
        g_printerr("%s\n", error->message);
        return 2;
    }
    ti_i18n_init(locale);
    const ti_panel_host host = {&o,       on_generate, on_cancel,     on_draw_step, on_entry,
                                on_entry, on_entry,    on_text_layer, on_poll,      on_closed};
    o.panel = ti_panel_new(&host, o.settings);
    show(&o);
    ti_panel_present(o.panel);
    gtk_main();
    ti_panel_free(o.panel);
    return 0;
}
