/* draw.c - image tokens to 8-bit pixels. */
#include "api.h"
#include "vision/geometry.h"

#include <stdlib.h>

#define GREY 128

void ti_codes_of_ids(int32_t *codes, const int32_t *ids, const int32_t *input, int n,
                     const ti_layout *layout)
{
    for (int i = 0; i < n; i++) {
        int32_t code = ids[i] - layout->image_offset;
        if (ids[i] == layout->mask) code = input ? input[i] : -1;
        codes[i] = code;
    }
}

static void paint_grey(te_image *image, int x0, int y0, int patch)
{
    for (int y = y0; y < y0 + patch; y++) {
        uint8_t *row = (uint8_t *)image->pixels + (size_t)y * image->stride + (size_t)x0 * 3;
        for (int i = 0; i < 3 * patch; i++) row[i] = GREY;
    }
}

te_status ti_draw_codes(te_image *out, te_model *model, const int32_t *codes, int grid_h,
                        int grid_w, const volatile int *cancel, te_error *err)
{
    int patch = ti_image_tokenizer_patch(model->pictures), n = grid_h * grid_w;
    size_t values = (size_t)n * (size_t)patch * (size_t)patch * 3;
    *out = (te_image){.width = grid_w * patch,
                      .height = grid_h * patch,
                      .channels = 3,
                      .depth = TE_U8,
                      .stride = (size_t)grid_w * (size_t)patch * 3};
    float *rgb = ti_malloc_array(values, sizeof *rgb);
    int32_t *known = ti_malloc_array((size_t)n, sizeof *known);
    out->pixels = ti_malloc_array(values, 1);
    te_status st = TE_OK;
    if (!rgb || !known || !out->pixels)
        st = ti_fail_memory(err, "the picture", values * (1 + sizeof *rgb));
    for (int i = 0; i < n && !st; i++) known[i] = codes[i] < 0 ? 0 : codes[i];
    if (!st)
        st = ti_image_tokenizer_decode(model->pictures, known, grid_h, grid_w, rgb, false, cancel,
                                       err);
    if (!st) {
        ti_rgb_to_u8(out->pixels, rgb, values);
        for (int i = 0; i < n; i++)
            if (codes[i] < 0) paint_grey(out, i % grid_w * patch, i / grid_w * patch, patch);
    }
    free(rgb);
    free(known);
    if (st) {
        free(out->pixels);
        out->pixels = NULL;
    }
    return st;
}
