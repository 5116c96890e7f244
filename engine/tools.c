/* tools.c - see tools.h */
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "format/map.h"
#include "vision/geometry.h"

/* ---- text
 * -----------------------------------------------------------------------------------------------
 */

static te_status words_of_model(ti_tokenizer **out, const char *path, te_error *err)
{
    ti_gguf *file = NULL;
    const char *json = NULL;
    size_t length = 0;
    te_status st = ti_gguf_open(&file, path, err);
    if (!st) st = ti_gguf_string(file, "tokenizer.huggingface.json", &json, &length, err);
    if (!st && !json)
        st = ti_fail(err, TE_UNSUPPORTED, "%s has no text tokeniser; convert it with --tokenizer",
                     path);
    if (!st) st = ti_tokenizer_create(out, path, json, length, err);
    ti_gguf_free(file);
    return st;
}

static te_status open_words(ti_tokenizer **out, const char *path, te_error *err)
{
    ti_map map = {0};
    *out = NULL;
    te_status st = ti_map_file(&map, path, err);
    if (st) return st;
    bool model = map.size >= 4 && !memcmp(map.bytes, "GGUF", 4);
    if (!model) st = ti_tokenizer_create(out, path, (const char *)map.bytes, map.size, err);
    ti_map_clear(&map);
    return model ? words_of_model(out, path, err) : st;
}

te_status te_tool_encode_text(const char *path, const char *text, int32_t **ids, int *n,
                              te_error *err)
{
    ti_tokenizer *words;
    *ids = NULL;
    *n = 0;
    te_status st = open_words(&words, path, err);
    if (!st) st = ti_tokenizer_encode(words, text, strlen(text), ids, n, err);
    ti_tokenizer_free(words);
    return st;
}

te_status te_tool_decode_text(const char *path, const int32_t *ids, int n, char **text,
                              te_error *err)
{
    ti_tokenizer *words;
    *text = NULL;
    te_status st = open_words(&words, path, err);
    if (!st) st = ti_tokenizer_decode(words, ids, n, true, text, err);
    ti_tokenizer_free(words);
    return st;
}

/* ---- pictures ---------------------------------------------------------------------------- */

static te_status need_pictures(const te_model *model, te_error *err)
{
    if (model->pictures) return TE_OK;
    return ti_fail(err, TE_UNSUPPORTED,
                   "%s has no image tokeniser; convert it with --image-tokenizer",
                   ti_gguf_path(model->file));
}

te_status te_tool_encode_picture(te_model *model, const te_image *picture, int32_t **codes,
                                 int *grid_width, int *grid_height, te_error *err)
{
    *codes = NULL;
    te_status st = need_pictures(model, err);
    if (!st) st = ti_picture_check(picture, err);
    if (st) return st;
    int w = picture->width, h = picture->height, patch = ti_image_tokenizer_patch(model->pictures);
    if (w % patch || h % patch)
        return ti_fail(err, TE_INVALID,
                       "a picture of %d x %d pixels is no whole number of tokens; cut it to "
                       "%d x %d",
                       w, h, w < patch ? patch : w / patch * patch,
                       h < patch ? patch : h / patch * patch);
    ti_frame frame = ti_frame_whole(w, h, w, h);
    size_t pixels = (size_t)w * (size_t)h, n = pixels / (size_t)patch / (size_t)patch;
    float *rgb = ti_malloc_array(pixels, 3 * sizeof *rgb);
    *codes = ti_malloc_array(n, sizeof **codes);
    if (!rgb || !*codes) st = ti_fail_memory(err, "the picture", pixels * 3 * sizeof *rgb);
    if (!st) st = ti_picture_read(picture, &frame, rgb, err);
    pthread_mutex_lock(&model->lock);
    if (!st) st = ti_image_tokenizer_encode(model->pictures, rgb, h, w, *codes, NULL, err);
    pthread_mutex_unlock(&model->lock);
    free(rgb);
    if (st) {
        free(*codes);
        *codes = NULL;
        return st;
    }
    *grid_width = w / patch;
    *grid_height = h / patch;
    return TE_OK;
}

te_status te_tool_decode_picture(te_model *model, const int32_t *codes, int grid_width,
                                 int grid_height, te_image **out, te_error *err)
{
    *out = NULL;
    te_status st = need_pictures(model, err);
    if (st) return st;
    int codebook = ti_image_tokenizer_codebook(model->pictures);
    int most = 65535 / ti_image_tokenizer_patch(model->pictures);
    if (grid_width < 1 || grid_height < 1 || grid_width > most || grid_height > most)
        return ti_fail(err, TE_INVALID, "a grid of %d x %d tokens makes no picture", grid_height,
                       grid_width);
    for (int i = 0; i < grid_width * grid_height; i++)
        if (codes[i] < 0 || codes[i] >= codebook)
            return ti_fail(err, TE_INVALID, "code %d is outside the codebook of %d", (int)codes[i],
                           codebook);
    te_image *image = ti_calloc(1, sizeof *image);
    if (!image) return ti_fail_memory(err, "the picture", sizeof *image);
    pthread_mutex_lock(&model->lock);
    st = ti_draw_codes(image, model, codes, grid_height, grid_width, NULL, err);
    pthread_mutex_unlock(&model->lock);
    if (st)
        free(image);
    else
        *out = image;
    return st;
}

te_status te_tool_denoise(te_model *model, const char *sequence, const char *trace,
                          const char *logits, te_work *work, te_error *err)
{
    return ti_sequence_file_run(model, sequence, trace, logits, work, err);
}
