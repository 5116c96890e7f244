/* image_tokens.c - thinkedit image-tokens: a picture to the codes of its tokens, and codes to a
 * picture. */
#include "cli/cli.h"
#include "picture/picture.h"
#include "tools.h"

#include <string.h>

static te_status print_codes(const int32_t *codes, int width, int height, te_error *err)
{
    GString *text = g_string_new(NULL);
    for (int i = 0; i < width * height; i++)
        g_string_append_printf(text, "%d%c", (int)codes[i], (i + 1) % width ? ' ' : '\n');
    te_status st = ti_print(text->str, err);
    g_string_free(text, TRUE);
    return st;
}

static te_status encode(te_model *model, const char *path, te_error *err)
{
    GeglBuffer *buffer = NULL;
    te_image *picture = NULL;
    int32_t *codes = NULL;
    int width, height;
    te_status st = ti_picture_load(&buffer, path, err);
    if (!st)
        st = ti_picture_sample(&picture, buffer, NULL, gegl_buffer_get_width(buffer),
                               gegl_buffer_get_height(buffer), err);
    if (!st) st = te_tool_encode_picture(model, picture, &codes, &width, &height, err);
    if (!st) st = print_codes(codes, width, height, err);
    te_free(codes);
    ti_picture_image_free(picture);
    g_clear_object(&buffer);
    return st;
}

static te_status decode(te_model *model, const GArray *codes, int width, int height,
                        const char *output, te_error *err)
{
    te_image *picture = NULL;
    te_status st = ti_picture_check_target(output, err);
    if (!st)
        st = te_tool_decode_picture(model, (const int32_t *)(void *)codes->data, width, height,
                                    &picture, err);
    if (st) return st;
    GeglBuffer *buffer = ti_picture_to_buffer(picture);
    te_image_free(picture);
    st = ti_picture_save(buffer, output, err);
    g_object_unref(buffer);
    return st;
}

/* "HxW" in tokens. */
static bool parse_grid(const char *text, int *height, int *width)
{
    char *end;
    gint64 h = g_ascii_strtoll(text, &end, 10);
    if (end == text || *end != 'x' || h < 1 || h > 65535) return false;
    const char *rest = end + 1;
    gint64 w = g_ascii_strtoll(rest, &end, 10);
    if (end == rest || *end || w < 1 || w > 65535) return false;
    *height = (int)h;
    *width = (int)w;
    return true;
}

static int run(const ti_command *self, int argc, char **argv)
{
    const char *grid = NULL, *output = NULL;
    te_model_options with = {0};
    const ti_arg list[] = {
        {"grid", 0, TI_ARG_TEXT, &grid, "HxW", "decode: rows and columns of tokens"},
        {"output", 'o', TI_ARG_TEXT, &output, "OUT.png", "decode: the picture to write"},
        {"device", 0, TI_ARG_TEXT, &with.device, "DEVICE", "auto, cpu, cuda or cuda:N"},
        {"threads", 0, TI_ARG_INT, &with.threads, "N", "of the CPU (left out: one per core)"},
        {0},
    };
    ti_args args = {.list = list, .least = 3, .most = 3};
    int status = ti_args_parse(&args, self, argc, argv), width = 0, height = 0;
    if (status >= 0) return status;
    bool drawing = !strcmp(args.positional[0], "decode");
    if (!drawing && strcmp(args.positional[0], "encode"))
        return ti_usage(self, "it is encode or decode, not '%s'", args.positional[0]);
    GArray *codes = NULL;
    if (drawing) {
        if (!grid || !parse_grid(grid, &height, &width))
            return ti_usage(self, "it needs --grid HxW");
        if (!output) return ti_usage(self, "it needs -o OUT.png");
        codes = ti_parse_ids(args.positional[2]);
        if (!codes) return ti_usage(self, "the codes are whole numbers separated by spaces");
        guint n = codes->len;
        if (n != (guint)width * (guint)height) {
            g_array_unref(codes);
            return ti_usage(self, "a grid of %s needs %d codes, not %u", grid, width * height, n);
        }
    }
    te_model *model = NULL;
    te_error err;
    gegl_init(NULL, NULL);
    te_status st = te_model_open(&model, args.positional[1], &with, &err);
    if (!st)
        st = drawing ? decode(model, codes, width, height, output, &err)
                     : encode(model, args.positional[2], &err);
    te_model_free(model);
    if (codes) g_array_unref(codes);
    gegl_exit();
    return ti_report(st, &err);
}

const ti_command ti_command_image_tokens = {
    "image-tokens",
    "encode MODEL.gguf IMAGE | decode MODEL.gguf --grid HxW \"CODE ...\" -o OUT.png",
    "turns a picture into image tokens, or tokens into a picture", run};
