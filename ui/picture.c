/* picture.c - see picture.h. Outlines are drawn dark under light, so that they show on any picture
 * and in any theme. */
#include "ui/picture.h"

typedef struct picture_data {
    GdkPixbuf *pixbuf;
    GHashTable *cells;
    int grid_width, grid_height;
} picture_data;

static void free_data(gpointer data)
{
    picture_data *p = data;
    g_clear_object(&p->pixbuf);
    g_hash_table_unref(p->cells);
    g_free(p);
}

static picture_data *data_of(GtkWidget *widget)
{
    return g_object_get_data(G_OBJECT(widget), "ti-picture");
}

/* The edges between a marked cell and its unmarked neighbours. */
static void trace(cairo_t *cr, const picture_data *p, double width, double height)
{
    double cw = width / p->grid_width, ch = height / p->grid_height;
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, p->cells);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        int cell = GPOINTER_TO_INT(key), x = cell % p->grid_width, y = cell / p->grid_width;
        double left = x * cw, top = y * ch;
        if (y == 0 || !g_hash_table_contains(p->cells, GINT_TO_POINTER(cell - p->grid_width))) {
            cairo_move_to(cr, left, top);
            cairo_line_to(cr, left + cw, top);
        }
        if (!g_hash_table_contains(p->cells, GINT_TO_POINTER(cell + p->grid_width))) {
            cairo_move_to(cr, left, top + ch);
            cairo_line_to(cr, left + cw, top + ch);
        }
        if (x == 0 || !g_hash_table_contains(p->cells, GINT_TO_POINTER(cell - 1))) {
            cairo_move_to(cr, left, top);
            cairo_line_to(cr, left, top + ch);
        }
        if (x == p->grid_width - 1 || !g_hash_table_contains(p->cells, GINT_TO_POINTER(cell + 1))) {
            cairo_move_to(cr, left + cw, top);
            cairo_line_to(cr, left + cw, top + ch);
        }
    }
}

static gboolean on_draw(GtkWidget *widget, cairo_t *cr, gpointer user)
{
    (void)user;
    picture_data *p = data_of(widget);
    int w = gtk_widget_get_allocated_width(widget), h = gtk_widget_get_allocated_height(widget);
    if (!p->pixbuf) return FALSE;
    int pw = gdk_pixbuf_get_width(p->pixbuf), ph = gdk_pixbuf_get_height(p->pixbuf);
    double scale = MIN((double)w / pw, (double)h / ph);
    double dw = pw * scale, dh = ph * scale;
    cairo_translate(cr, (w - dw) / 2, (h - dh) / 2);
    cairo_save(cr);
    cairo_scale(cr, scale, scale);
    gdk_cairo_set_source_pixbuf(cr, p->pixbuf, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
    cairo_rectangle(cr, 0, 0, pw, ph);
    cairo_fill(cr);
    cairo_restore(cr);
    if (!p->grid_width || !g_hash_table_size(p->cells)) return FALSE;
    trace(cr, p, dw, dh);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_SQUARE);
    cairo_set_source_rgba(cr, 0, 0, 0, 0.85);
    cairo_set_line_width(cr, 3.5);
    cairo_stroke_preserve(cr);
    cairo_set_source_rgb(cr, 1, 0.85, 0.2);
    cairo_set_line_width(cr, 1.5);
    cairo_stroke(cr);
    return FALSE;
}

GtkWidget *ti_picture_new(void)
{
    GtkWidget *area = gtk_drawing_area_new();
    picture_data *p = g_new0(picture_data, 1);
    p->cells = g_hash_table_new(g_direct_hash, g_direct_equal);
    g_object_set_data_full(G_OBJECT(area), "ti-picture", p, free_data);
    g_signal_connect(area, "draw", G_CALLBACK(on_draw), NULL);
    gtk_widget_set_size_request(area, 120, 80);
    return area;
}

void ti_picture_set(GtkWidget *picture, GdkPixbuf *pixbuf)
{
    picture_data *p = data_of(picture);
    if (pixbuf) g_object_ref(pixbuf);
    g_clear_object(&p->pixbuf);
    p->pixbuf = pixbuf;
    gtk_widget_queue_draw(picture);
}

void ti_picture_mark(GtkWidget *picture, const int *cells, int n, int grid_width, int grid_height)
{
    picture_data *p = data_of(picture);
    g_hash_table_remove_all(p->cells);
    p->grid_width = grid_width;
    p->grid_height = grid_height;
    for (int i = 0; i < n; i++)
        if (cells[i] >= 0 && cells[i] < grid_width * grid_height)
            g_hash_table_add(p->cells, GINT_TO_POINTER(cells[i]));
    gtk_widget_queue_draw(picture);
}
