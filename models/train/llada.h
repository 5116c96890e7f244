/* llada.h - the backbone being trained: LLaDA, a bidirectional transformer over text and image
 * tokens (its facts: models/FORMAT.md), forward, loss and backward over a packed batch.
 *
 * Sequences of different lengths lie one after another without padding. Logits are computed for the
 * rows whose loss counts, alone, and over the columns their region is decided by: text rows over
 * the whole vocabulary, image rows over the codebook, as the engine picks them.
 */
#ifndef TI_TRAIN_LLADA_H
#define TI_TRAIN_LLADA_H

#include "format/gguf.h"
#include "params.h"

typedef struct ti_llada_config {
    int width, layers, heads, ff, vocab, context;
    float eps, theta, logit_scale;
    bool bf16; /* round the inputs of products; sums and weights stay float32 */
} ti_llada_config;

/* Rows that are read over the columns [first_column, first_column + columns). Host memory. */
typedef struct ti_reading {
    int n;
    const int32_t *rows, *targets; /* targets count from first_column */
    const float *weights;
    int first_column, columns;
} ti_reading;

/* Image tokens that stay as in the input picture, where the sequence has it, are counted apart:
 * they are most of them. NAMES: rows of image tokens, masked or not, asked in a word what is to be
 * seen there, half-way up, so that the layers above can use the answer; a row may be read for its
 * code and for its name. */
enum { TI_READ_TEXT, TI_READ_IMAGE, TI_READ_KEPT, TI_READ_NAMES, TI_READINGS };

typedef struct ti_packed {
    int rows;
    const int32_t *tokens, *positions; /* host, [rows] */
    const ti_span *spans;
    int n_spans;
    ti_reading readings[TI_READINGS];
} ti_packed;

/* Per reading: sum of weight * loss, sum of loss, rows predicted right. */
typedef struct ti_llada_loss {
    double weighted[TI_READINGS], plain[TI_READINGS], hits[TI_READINGS];
} ti_llada_loss;

typedef struct ti_llada ti_llada;

te_status ti_llada_config_read(ti_llada_config *c, const json_t *network, int vocab, te_error *err);
/* Room for batches of up to MAX_ROWS rows. */
te_status ti_llada_create(ti_llada **out, ti_train_device *device, const ti_llada_config *config,
                          int max_rows, te_error *err);
void ti_llada_free(ti_llada *l);
ti_params *ti_llada_params(ti_llada *l);
const ti_llada_config *ti_llada_get_config(const ti_llada *l);
/* Where image codes are, how far back the input's token of the same place lies, and how many ids,
 * the first, are words: what ti_llada_init() needs to begin with a backbone that copies and
 * listens. bits 0: begin with nothing. */
typedef struct ti_llada_start {
    int image_offset, bits, mask, distance, words;
} ti_llada_start;

te_status ti_llada_init(ti_llada *l, uint64_t seed, const ti_llada_start *start, te_error *err);
/* A backbone with the configuration and the weights of FILE, computing in f32 unless BF16. */
te_status ti_llada_open(ti_llada **out, ti_train_device *device, const ti_gguf *file, int max_rows,
                        bool bf16, te_error *err);
/* Values and averages from FILE, whose backbone must have this one's shapes. */
te_status ti_llada_read(ti_llada *l, const ti_gguf *file, te_error *err);
/* Enqueues forward and backward: adds the gradient of the weighted loss to the parameters'
 * gradients. BATCH may change afterwards, but for its readings. */
te_status ti_llada_step(ti_llada *l, const ti_packed *batch, te_error *err);
/* Waits, and adds the losses of the last step, with that step's BATCH, to *loss. */
te_status ti_llada_losses(ti_llada *l, const ti_packed *batch, ti_llada_loss *loss, te_error *err);

te_status ti_llada_declare(const ti_llada *l, ti_gguf_writer *w, ti_type type, te_error *err);
te_status ti_llada_write(const ti_llada *l, ti_gguf_writer *w, ti_type type, te_error *err);

#endif
