/* image_tokenizer.h - pictures to codes and back: MAGVIT-v2 (variant M) and aMUSEd-VQ (variant A).
 *
 * One interface over both networks. Pixels are RGB float32 in [0, 1], interleaved, any size that is
 * a multiple of the patch; the networks' own value ranges are dealt with inside. The shape of a
 * network is read off its tensors. Working memory is three times its largest feature map (512 x 512
 * pixels of 128 channels: 400 MB), given back after each call. */
#ifndef TI_VISION_IMAGE_TOKENIZER_H
#define TI_VISION_IMAGE_TOKENIZER_H

#include "backend/backend.h"
#include "format/gguf.h"

typedef struct ti_image_tokenizer ti_image_tokenizer;

/* Binds the image tokeniser in FILE (keys and names: models/FORMAT.md). FILE and BACKEND must
 * outlive it. TE_UNSUPPORTED when the file has none. */
te_status ti_image_tokenizer_create(ti_image_tokenizer **out, const ti_gguf *file,
                                    ti_backend *backend, te_error *err);
void ti_image_tokenizer_free(ti_image_tokenizer *t);

int ti_image_tokenizer_patch(const ti_image_tokenizer *t);    /* pixels per token, each way */
int ti_image_tokenizer_codebook(const ti_image_tokenizer *t); /* number of codes */
/* Bytes encode or decode need at this size beside the weights. */
size_t ti_image_tokenizer_memory(const ti_image_tokenizer *t, int height, int width);

/* rgb [height][width][3] -> codes [height / patch][width / patch]. CANCEL may be NULL; it is looked
 * at between two layers. Weights that make numbers that are not finite are TE_FORMAT, here and
 * below. */
te_status ti_image_tokenizer_encode(ti_image_tokenizer *t, const float *rgb, int height, int width,
                                    int32_t *codes, const volatile int *cancel, te_error *err);
/* codes [grid_h][grid_w] -> rgb [grid_h * patch][grid_w * patch][3], clamped to [0, 1] unless
 * RAW, which leaves the network's own output (for golden data). A code outside the codebook is
 * TE_INVALID. */
te_status ti_image_tokenizer_decode(ti_image_tokenizer *t, const int32_t *codes, int grid_h,
                                    int grid_w, float *rgb, bool raw, const volatile int *cancel,
                                    te_error *err);
/* The encoder's output before quantisation, [grid_h][grid_w][channels] (for golden data). */
te_status ti_image_tokenizer_latents(ti_image_tokenizer *t, const float *rgb, int height, int width,
                                     float **latents, int *channels, te_error *err);

#endif
