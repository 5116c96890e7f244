/* render.c - from a scene to pixels; see scene.h
 *
 * Sky, then land and objects on a layer of their own which the light of the day multiplies, then
 * what shines, then weather, then the camera. The light is one gain per channel and one share of
 * grey, so the same thing has one colour per time of day and the model can learn it. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "world/camera.h"
#include "world/draw.h"

typedef struct {
    double r, g, b, grey; /* gains, share of luma */
} light;

static light scene_light(const ti_scene *s)
{
    static const light day[TI_TIMES] = {{0.98, 0.93, 0.88, 0.08},
                                        {1, 1, 1, 0},
                                        {1.02, 0.74, 0.56, 0.05},
                                        {0.56, 0.50, 0.64, 0.12},
                                        {0.32, 0.38, 0.60, 0.20}};
    light l = day[s->time];
    if (ti_place_indoors(s->place) && s->lights) {
        light lamp = {1.0, 0.93, 0.80, 0}; /* the lamp decides, whatever the hour */
        return s->time == TI_NIGHT ? lamp : day[TI_NOON];
    }
    if (s->weather == TI_CLOUDY || s->weather == TI_RAIN || s->weather == TI_STORM ||
        s->weather == TI_SNOWFALL) {
        double dim = s->weather == TI_STORM ? 0.6 : s->weather == TI_RAIN ? 0.76 : 0.88;
        l.r *= dim;
        l.g *= dim;
        l.b *= dim * 1.05;
        l.grey = 1 - (1 - l.grey) * 0.68;
    }
    return l;
}

static void apply_light(cairo_surface_t *surface, light l)
{
    cairo_surface_flush(surface);
    int n = cairo_image_surface_get_height(surface) * cairo_image_surface_get_stride(surface) / 4;
    uint32_t *p = (uint32_t *)(void *)cairo_image_surface_get_data(surface);
    for (int i = 0; i < n; i++) {
        uint32_t v = p[i], a = v >> 24;
        if (!a) continue;
        double r = v >> 16 & 255, g = v >> 8 & 255, b = v & 255;
        double y = (0.3 * r + 0.59 * g + 0.11 * b) * l.grey, keep = 1 - l.grey;
        r = fmin((r * keep + y) * l.r, a); /* premultiplied: never above alpha */
        g = fmin((g * keep + y) * l.g, a);
        b = fmin((b * keep + y) * l.b, a);
        p[i] = a << 24 | (uint32_t)(r + 0.5) << 16 | (uint32_t)(g + 0.5) << 8 | (uint32_t)(b + 0.5);
    }
    cairo_surface_mark_dirty(surface);
}

static void draw_object(cairo_t *cr, const ti_scene *scene, const ti_object *object, ti_pass pass)
{
    ti_sprite_fn draw = ti_sprites[object->type];
    if (!draw) return;
    ti_sprite sprite = {cr, object, scene, ti_colour_rgb((ti_colour)object->colour), pass};
    double x, y, scale = ti_size_scale((ti_size)object->size);
    bool floats = ti_thing_get((ti_thing)object->type)->traits & TI_IN_SKY;
    ti_slot_spot(object, &x, &y);
    cairo_save(cr);
    cairo_translate(cr, x, y);
    if (!floats && pass == TI_BODY && object->slot < TI_SKY_LEFT) {
        cairo_set_source_rgba(cr, 0.05, 0.05, 0.1, 0.22);
        cairo_save(cr);
        cairo_scale(cr, 17 * scale, 3.2);
        cairo_arc(cr, 0, 0, 1, 0, 2 * M_PI);
        cairo_restore(cr);
        cairo_fill(cr);
    }
    if (object->state == TI_FALLEN) {
        cairo_translate(cr, 0, -8 * scale);
        cairo_rotate(cr, M_PI / 2);
        cairo_translate(cr, 0, 14 * scale);
    }
    cairo_scale(cr, scale, scale);
    draw(&sprite);
    cairo_restore(cr);
}

static void draw_objects(cairo_t *cr, const ti_scene *scene, ti_pass pass)
{
    for (int i = 0; i < scene->n_objects; i++) draw_object(cr, scene, &scene->objects[i], pass);
}

static void draw_frame(cairo_t *cr, ti_colour colour)
{
    ti_rgb c = ti_colour_rgb(colour);
    ti_box(cr, 0, 0, TI_CANVAS, 8, c);
    ti_box(cr, 0, TI_CANVAS - 8, TI_CANVAS, 8, c);
    ti_box(cr, 0, 0, 8, TI_CANVAS, c);
    ti_box(cr, TI_CANVAS - 8, 0, 8, TI_CANVAS, c);
}

static void copy_pixels(cairo_surface_t *surface, uint8_t *rgb, int size)
{
    cairo_surface_flush(surface);
    const uint8_t *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++, rgb += 3) {
            uint32_t v;
            memcpy(&v, data + (size_t)y * (size_t)stride + (size_t)x * 4, sizeof v);
            rgb[0] = (uint8_t)(v >> 16);
            rgb[1] = (uint8_t)(v >> 8);
            rgb[2] = (uint8_t)v;
        }
}

te_status ti_scene_render(const ti_scene *scene, uint8_t *rgb, int size, te_error *err)
{
    cairo_surface_t *base = cairo_image_surface_create(CAIRO_FORMAT_RGB24, size, size);
    cairo_surface_t *land = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, size, size);
    cairo_t *sky = cairo_create(base), *cr = cairo_create(land);
    double scale = (double)size / TI_CANVAS;
    te_status st = TE_OK;
    if (cairo_status(sky) || cairo_status(cr)) {
        st = ti_fail_memory(err, "a picture of the world", (size_t)size * (size_t)size * 8);
    } else {
        cairo_scale(sky, scale, scale);
        cairo_scale(cr, scale, scale);
        ti_draw_sky(sky, scene);
        ti_draw_sky_lights(sky, scene);
        ti_draw_land(cr, scene);
        draw_objects(cr, scene, TI_BODY);
        apply_light(land, scene_light(scene));
        cairo_identity_matrix(sky);
        cairo_set_source_surface(sky, land, 0, 0);
        cairo_paint(sky);
        cairo_scale(sky, scale, scale);
        draw_objects(sky, scene, TI_GLOW);
        ti_draw_weather(sky, scene);
        if (scene->frame) draw_frame(sky, (ti_colour)scene->frame);
        copy_pixels(base, rgb, size);
        st = ti_camera_apply(&scene->camera, rgb, size, err);
    }
    cairo_destroy(cr);
    cairo_destroy(sky);
    cairo_surface_destroy(land);
    cairo_surface_destroy(base);
    return st;
}

te_status ti_scene_map(const ti_scene *scene, uint8_t *cells, int side, te_error *err)
{
    enum { THIRD = 85 }; /* of an opaque cell; shadows and light around lamps are thinner */
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, side, side);
    cairo_t *cr = cairo_create(surface);
    const te_status st = cairo_status(cr) ? ti_fail_memory(err, "a map of the world",
                                                           (size_t)side * (size_t)side * 4)
                                          : TE_OK;
    memset(cells, 0, (size_t)side * (size_t)side);
    cairo_scale(cr, (double)side / TI_CANVAS, (double)side / TI_CANVAS);
    for (int i = 0; !st && i < scene->n_objects; i++) {
        cairo_set_operator(cr, CAIRO_OPERATOR_CLEAR);
        cairo_paint(cr);
        cairo_set_operator(cr, CAIRO_OPERATOR_OVER);
        draw_object(cr, scene, &scene->objects[i], TI_BODY);
        cairo_surface_flush(surface);
        const unsigned char *data = cairo_image_surface_get_data(surface);
        const int stride = cairo_image_surface_get_stride(surface);
        for (int c = 0; c < side * side; c++) {
            uint32_t v;
            memcpy(&v, data + c / side * stride + c % side * 4, sizeof v);
            if (v >> 24 >= THIRD) cells[c] = (uint8_t)(i + 1);
        }
    }
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return st;
}
