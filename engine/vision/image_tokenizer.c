/* image_tokenizer.c - see image_tokenizer.h: host pixels and codes on one side, the networks on the
 * device on the other. Device memory is taken for one call and given back: room for three times the
 * largest feature map there is on the way. */
#include "vision/image_tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "vision/autoencoder.h"

enum { MAX_PIXELS = 1 << 24, MAX_SIDE = 1 << 15 }; /* beyond them sizes would leave int and sense */

typedef enum kind { MAGVIT, AMUSED } kind;

struct ti_image_tokenizer {
    ti_codec codec;
    kind kind;
    int patch;
    const char *path; /* the file's */
};

/* ---- binding --------------------------------------------------------------------------------- */

/* Which network it is, and what its tensors' shapes do not tell. */
static te_status read_keys(ti_image_tokenizer *t, const ti_gguf *file, te_error *err)
{
    const char *type = NULL;
    size_t length = 0;
    int64_t groups = 0;
    double eps = 0;
    te_status st = ti_gguf_string(file, "image_tokenizer.type", &type, &length, err);
    if (!st && !type)
        st = ti_fail(err, TE_UNSUPPORTED,
                     "%s has no image tokeniser; convert it with --image-tokenizer", t->path);
    if (!st) st = ti_gguf_int(file, "image_tokenizer.groups", 32, &groups, err);
    if (!st) st = ti_gguf_real(file, "image_tokenizer.epsilon", 1e-6, &eps, err);
    if (st) return st;
    t->kind = length == 9 && !memcmp(type, "magvit-v2", 9) ? MAGVIT : AMUSED;
    if (t->kind == AMUSED && (length != 9 || memcmp(type, "amused-vq", 9)))
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: unknown image tokeniser \"%.*s\"; magvit-v2 and amused-vq "
                       "are supported",
                       t->path, (int)(length < 60 ? length : 60), type);
    if (groups < 1 || groups > TI_IMAGE_MAX_CHANNELS || !(eps >= 0 && eps <= 1))
        return ti_fail(err, TE_FORMAT,
                       "%s: group norms of %lld groups with epsilon %g make no sense", t->path,
                       (long long)groups, eps);
    t->codec.binder.groups = (int)groups;
    t->codec.binder.eps = (float)eps;
    return TE_OK;
}

/* The file's own figures must be those of its tensors, and the backbone's image tokens must all be
 * codes that can be decoded. */
static te_status check_figures(ti_image_tokenizer *t, const ti_gguf *file, te_error *err)
{
    int encoder = ti_autoencoder_patch(&t->codec.encoder);
    int decoder = ti_autoencoder_patch(&t->codec.decoder);
    int64_t patch = 0, codes = 0, tokens = 0;
    t->patch = encoder;
    if (encoder != decoder)
        return ti_fail(err, TE_FORMAT,
                       "%s: the image encoder makes pictures %d times smaller, the decoder "
                       "%d times larger",
                       t->path, encoder, decoder);
    te_status st = ti_gguf_int(file, "image_tokenizer.patch", t->patch, &patch, err);
    if (!st) st = ti_gguf_int(file, "image_tokenizer.codebook", t->codec.codebook, &codes, err);
    if (!st) st = ti_gguf_int(file, "thinkedit.layout.codebook", t->codec.codebook, &tokens, err);
    if (st) return st;
    if (patch != t->patch || codes != t->codec.codebook)
        return ti_fail(err, TE_FORMAT,
                       "%s says it has %lld image codes for %lld pixels each way; its "
                       "tensors make that %d and %d",
                       t->path, (long long)codes, (long long)patch, t->codec.codebook, t->patch);
    if (tokens > t->codec.codebook)
        return ti_fail(err, TE_FORMAT,
                       "%s: the model has %lld image tokens, its image tokeniser %d codes; "
                       "convert it with the tokeniser it was trained with",
                       t->path, (long long)tokens, t->codec.codebook);
    return TE_OK;
}

te_status ti_image_tokenizer_create(ti_image_tokenizer **out, const ti_gguf *file,
                                    ti_backend *backend, te_error *err)
{
    *out = NULL;
    ti_image_tokenizer *t = ti_calloc(1, sizeof *t);
    if (!t) return ti_fail_memory(err, "the image tokeniser", sizeof *t);
    t->path = ti_gguf_path(file);
    t->codec.binder = (ti_binder){.file = file, .backend = backend, .err = err};
    te_status st = read_keys(t, file, err);
    if (!st) {
        (t->kind == MAGVIT ? ti_magvit_bind : ti_amused_bind)(&t->codec);
        st = t->codec.binder.status;
    }
    t->codec.binder.err = NULL; /* the caller's; not to be kept */
    if (!st) st = check_figures(t, file, err);
    if (st) {
        ti_image_tokenizer_free(t);
        t = NULL;
    }
    *out = t;
    return st;
}

void ti_image_tokenizer_free(ti_image_tokenizer *t)
{
    if (!t) return;
    ti_binder_clear(&t->codec.binder);
    free(t->codec.vectors);
    free(t);
}

int ti_image_tokenizer_patch(const ti_image_tokenizer *t)
{
    return t->patch;
}

int ti_image_tokenizer_codebook(const ti_image_tokenizer *t)
{
    return t->codec.codebook;
}

/* ---- running --------------------------------------------------------------------------------- */

/* In whole lines of any device's memory. */
static size_t round_peak(size_t floats)
{
    return (floats + 63) & ~(size_t)63;
}

/* Floats one of a canvas's buffers holds at most. */
static size_t encoder_peak(const ti_image_tokenizer *t, int height, int width)
{
    ti_canvas c = {.height = height, .width = width, .channels = 3};
    ti_encoder_run(&t->codec.encoder, &c);
    return round_peak(c.peak);
}

static size_t decoder_peak(const ti_image_tokenizer *t, int grid_h, int grid_w)
{
    ti_canvas c = {.height = grid_h, .width = grid_w, .channels = t->codec.latent_channels};
    ti_decoder_run(&t->codec.decoder, &c);
    return round_peak(c.peak);
}

size_t ti_image_tokenizer_memory(const ti_image_tokenizer *t, int height, int width)
{
    size_t encode = encoder_peak(t, height, width);
    size_t decode = decoder_peak(t, height / t->patch, width / t->patch);
    size_t host = 3 * (size_t)height * (size_t)width;
    return (3 * (encode > decode ? encode : decode) + host) * sizeof(float);
}

static ti_canvas make_canvas(const ti_codec *codec, int height, int width, int channels,
                             const volatile int *cancel, te_error *err)
{
    return (ti_canvas){.backend = codec->binder.backend,
                       .height = height,
                       .width = width,
                       .channels = channels,
                       .groups = codec->binder.groups,
                       .eps = codec->binder.eps,
                       .cancel = cancel,
                       .err = err};
}

/* All in one allocation, given back by its address in *MEMORY. */
static te_status canvas_open(ti_canvas *c, size_t peak, void **memory)
{
    c->status = c->backend->op->alloc(c->backend, 3 * peak * sizeof(float), memory, c->err);
    c->x = *memory;
    if (c->x) c->h = c->x + peak, c->t = c->h + peak;
    return c->status;
}

/* FROM (N floats) through RUN to TO, which holds what the canvas has at the end. */
static te_status run_network(const ti_autoencoder *network,
                             void (*run)(const ti_autoencoder *, ti_canvas *), ti_canvas *c,
                             size_t peak, const float *from, size_t n, float *to)
{
    ti_backend *be = c->backend;
    void *memory = NULL;
    if (!canvas_open(c, peak, &memory))
        c->status = be->op->upload(be, c->x, from, n * sizeof *from, c->err);
    if (!c->status) {
        run(network, c);
        n = (size_t)c->height * (size_t)c->width * (size_t)c->channels;
        if (!c->status) c->status = be->op->download(be, to, c->x, n * sizeof *to, c->err);
        te_status synced = be->op->sync(be, c->status ? NULL : c->err);
        if (!c->status) c->status = synced;
    }
    if (memory) be->op->release(be, memory);
    return c->status;
}

static te_status check_finite(const ti_image_tokenizer *t, const float *x, size_t n, te_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return ti_fail(err, TE_FORMAT,
                           "%s: the image tokeniser computes numbers that are not finite; "
                           "its weights are damaged",
                           t->path);
    return TE_OK;
}

static te_status check_size(const ti_image_tokenizer *t, int height, int width, te_error *err)
{
    if (height < 1 || width < 1 || height % t->patch || width % t->patch)
        return ti_fail(err, TE_INVALID,
                       "a picture of %d x %d pixels cannot become tokens; its sides must be "
                       "multiples of %d",
                       width, height, t->patch);
    if (height > MAX_SIDE || width > MAX_SIDE || (int64_t)height * width > MAX_PIXELS)
        return ti_fail(err, TE_UNSUPPORTED,
                       "a picture of %d x %d pixels is too large for the image "
                       "tokeniser; scale it down first",
                       width, height);
    return TE_OK;
}

/* LATENTS holds the grid's: [grid_h * grid_w][latent_channels]. */
static te_status encode_latents(ti_image_tokenizer *t, const float *rgb, int height, int width,
                                float *latents, const volatile int *cancel, te_error *err)
{
    const ti_codec *codec = &t->codec;
    size_t n = 3 * (size_t)height * (size_t)width;
    size_t n_latents =
        (size_t)(height / t->patch) * (size_t)(width / t->patch) * (size_t)codec->latent_channels;
    float *seen = ti_malloc_array(n, sizeof *seen);
    if (!seen) return ti_fail_memory(err, "the picture's pixels", n * sizeof *seen);
    for (size_t i = 0; i < n; i++) seen[i] = rgb[i] * codec->pixel_scale + codec->pixel_shift;
    ti_canvas c = make_canvas(codec, height, width, 3, cancel, err);
    te_status st = run_network(&codec->encoder, ti_encoder_run, &c, encoder_peak(t, height, width),
                               seen, n, latents);
    free(seen);
    return st ? st : check_finite(t, latents, n_latents, err);
}

te_status ti_image_tokenizer_latents(ti_image_tokenizer *t, const float *rgb, int height, int width,
                                     float **latents, int *channels, te_error *err)
{
    *latents = NULL;
    *channels = t->codec.latent_channels;
    te_status st = check_size(t, height, width, err);
    if (st) return st;
    size_t n = (size_t)(height / t->patch) * (size_t)(width / t->patch) * (size_t)*channels;
    float *z = ti_malloc_array(n, sizeof *z);
    if (!z) return ti_fail_memory(err, "the picture's features", n * sizeof *z);
    st = encode_latents(t, rgb, height, width, z, NULL, err);
    if (st) {
        free(z);
        z = NULL;
    }
    *latents = z;
    return st;
}

te_status ti_image_tokenizer_encode(ti_image_tokenizer *t, const float *rgb, int height, int width,
                                    int32_t *codes, const volatile int *cancel, te_error *err)
{
    te_status st = check_size(t, height, width, err);
    if (st) return st;
    size_t n = (size_t)(height / t->patch) * (size_t)(width / t->patch);
    size_t n_latents = n * (size_t)t->codec.latent_channels;
    size_t n_room = t->kind == AMUSED ? (size_t)t->codec.codebook : 0;
    float *latents = ti_malloc_array(n_latents + n_room, sizeof *latents);
    if (!latents) return ti_fail_memory(err, "the picture's features", n_latents * sizeof *latents);
    st = encode_latents(t, rgb, height, width, latents, cancel, err);
    if (!st && t->kind == MAGVIT) ti_magvit_quantise(&t->codec, latents, n, codes);
    if (!st && t->kind == AMUSED)
        ti_amused_quantise(&t->codec, latents, n, codes, latents + n_latents);
    free(latents);
    return st;
}

static te_status check_codes(const ti_image_tokenizer *t, const int32_t *codes, size_t n,
                             te_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (codes[i] < 0 || codes[i] >= t->codec.codebook)
            return ti_fail(err, TE_INVALID,
                           "image code %d at place %zu is outside the codebook of %d", codes[i], i,
                           t->codec.codebook);
    return TE_OK;
}

static void to_pixels(const ti_codec *codec, float *rgb, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = (rgb[i] - codec->pixel_shift) / codec->pixel_scale;
        rgb[i] = v < 0 ? 0 : v > 1 ? 1 : v;
    }
}

te_status ti_image_tokenizer_decode(ti_image_tokenizer *t, const int32_t *codes, int grid_h,
                                    int grid_w, float *rgb, bool raw, const volatile int *cancel,
                                    te_error *err)
{
    const ti_codec *codec = &t->codec;
    if (grid_h < 1 || grid_w < 1 || grid_h > MAX_SIDE / t->patch || grid_w > MAX_SIDE / t->patch)
        return ti_fail(err, TE_INVALID, "a grid of %d x %d image tokens cannot be decoded", grid_h,
                       grid_w);
    te_status st = check_size(t, grid_h * t->patch, grid_w * t->patch, err);
    size_t n = (size_t)grid_h * (size_t)grid_w, z = (size_t)codec->latent_channels;
    size_t n_pixels = 3 * n * (size_t)t->patch * (size_t)t->patch;
    if (!st) st = check_codes(t, codes, n, err);
    if (st) return st;
    float *latents = ti_malloc_array(n * z, sizeof *latents);
    if (!latents) return ti_fail_memory(err, "the picture's features", n * z * sizeof *latents);
    (t->kind == MAGVIT ? ti_magvit_expand : ti_amused_expand)(codec, codes, n, latents);
    ti_canvas c = make_canvas(codec, grid_h, grid_w, codec->latent_channels, cancel, err);
    st = run_network(&codec->decoder, ti_decoder_run, &c, decoder_peak(t, grid_h, grid_w), latents,
                     n * z, rgb);
    free(latents);
    if (!st) st = check_finite(t, rgb, n_pixels, err);
    if (!st && !raw) to_pixels(codec, rgb, n_pixels);
    return st;
}
