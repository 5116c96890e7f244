/* magvit.h - the image tokeniser being trained: a MAGVIT-v2 network with the names and the
 * arithmetic of engine/vision's, at any size.
 *
 * Two liberties, both within the released architecture, so that the engine runs the result
 * unchanged: `local` trains the convolutions of the encoder's lowest level and its output as 1 x 1
 * and leaves its middle out (written to the file as 3 x 3 kernels of which only the centre is not
 * zero, and as blocks that add nothing), so that a code depends on its neighbourhood and the same
 * thing gives the same codes wherever it stands; and attention may be left out of the decoder's
 * middle.
 */
#ifndef TI_TRAIN_MAGVIT_H
#define TI_TRAIN_MAGVIT_H

#include "format/gguf.h"
#include "net.h"

#define TI_MAGVIT_LEVELS 6

typedef struct ti_magvit_config {
    int channels, bits, groups, levels;
    int encoder_mult[TI_MAGVIT_LEVELS], encoder_blocks[TI_MAGVIT_LEVELS];
    int decoder_mult[TI_MAGVIT_LEVELS], decoder_blocks[TI_MAGVIT_LEVELS];
    bool local, attention;
} ti_magvit_config;

typedef struct ti_magvit {
    ti_magvit_config config;
    ti_params params;
    ti_net net;
    int size, batch;
    int picture, latent, output; /* values of the network */
    int encoder_nodes;           /* nodes up to and with the latent's */
} ti_magvit;

te_status ti_magvit_config_read(ti_magvit_config *c, const json_t *network, te_error *err);
int ti_magvit_patch(const ti_magvit_config *c);

/* Pictures are SIZE x SIZE, BATCH at a time. Free a half-built one too. */
te_status ti_magvit_create(ti_magvit **out, ti_train_device *device, const ti_magvit_config *config,
                           int size, int batch, te_error *err);
void ti_magvit_free(ti_magvit *m);
/* From now on the encoder stays as it is: codes keep their meaning while the decoder learns. */
void ti_magvit_freeze_encoder(ti_magvit *m);
void ti_magvit_init(ti_magvit *m, uint64_t seed, float *room); /* room for the largest parameter */
/* Every block adds nothing: blocks of a grown network begin as identities. */
void ti_magvit_still(ti_magvit *m, float *room);

/* Host pictures [n][size][size][3] of bytes to host codes [n][tokens]; n at most BATCH. */
te_status ti_magvit_encode(ti_magvit *m, const uint8_t *rgb, int n, uint16_t *codes, te_error *err);

/* Declares the keys and tensors of models/FORMAT.md, and writes the tensors' data afterwards,
 * averages in TYPE (f32 or f16). */
te_status ti_magvit_declare(const ti_magvit *m, ti_gguf_writer *w, ti_type type, te_error *err);
te_status ti_magvit_write(const ti_magvit *m, ti_gguf_writer *w, ti_type type, te_error *err);
/* Values and averages from such a file. */
te_status ti_magvit_read(ti_magvit *m, const ti_gguf *file, te_error *err);

#endif
