/* backbone.h - LLaDA, the bidirectional transformer that predicts every masked token of a joint
 * text and image sequence, and the session that runs it.
 *
 * ti_backbone is the weights bound to a device; ti_session is the memory of one job on it: one
 * allocation on the device, one on the host, and nothing allocates afterwards. A forward pass takes
 * a batch of independent sequences and the list of rows whose predictions somebody will read; the
 * last layer and the head are computed for those alone. Heads are asked for separately, over the
 * columns that matter: the whole vocabulary for text, the codebook's for image tokens. */
#ifndef TI_MODEL_BACKBONE_H
#define TI_MODEL_BACKBONE_H

#include "backend/backend.h"
#include "format/gguf.h"

typedef struct ti_backbone_config {
    int width, n_layers, ff_width, vocab, context;
    ti_heads heads;
    float norm_eps, rope_theta;
    float logit_scale; /* 1, or 1 / sqrt(width) where the model says scale_logits */
    bool interleaved;  /* rows of q and k as llama.cpp has them; reordered when bound */
} ti_backbone_config;

/* One block: x += o(attention(q, k, v of norm(x))); x += down(silu(gate h) * up h), h = norm(x). */
typedef struct ti_layer {
    ti_weight *attention_norm, *q, *k, *v, *o;
    ti_weight *ff_norm, *gate, *up, *down;
    void *q_rows, *k_rows; /* reordered copies of an interleaved file's, else NULL */
} ti_layer;

typedef struct ti_backbone {
    ti_backbone_config config;
    ti_backend *backend;                /* borrowed */
    ti_weight *embedding, *norm, *head; /* head == embedding where the model ties them */
    ti_layer *layers;
    int64_t parameters;
} ti_backbone;

/* Reads and checks the configuration alone (keys: models/FORMAT.md). */
te_status ti_backbone_read_config(ti_backbone_config *out, const ti_gguf *file, te_error *err);
/* FILE and BACKEND must outlive the backbone. */
te_status ti_backbone_create(ti_backbone **out, const ti_gguf *file, ti_backend *backend,
                             te_error *err);
void ti_backbone_free(ti_backbone *b);

/* ---- sessions ---------------------------------------------------------------------------- */

/* The largest forward a session has room for. */
typedef struct ti_session_shape {
    int rows;           /* tokens, all sequences of the batch together */
    int read_rows;      /* rows whose logits are read */
    size_t logit_cells; /* float32 logits kept at once */
} ti_session_shape;

/* Tokens that the device has picked and the host does not know yet: where KEEP keeps row r, the
 * token FIRST + rows[r] of every sequence is what was picked there. */
typedef struct ti_revealed {
    const ti_keep *keep; /* the last one asked for; NULL: none */
    const int32_t *rows;
    int first;
} ti_revealed;

/* N_SEQUENCES sequences of LENGTH tokens each, one after another in TOKENS. READ lists rows of
 * TOKENS sorted by sequence (any order within one); read_count[s] of them belong to sequence s. */
typedef struct ti_batch {
    const int32_t *tokens;
    int n_sequences, length;
    const int32_t *read;
    const int *read_count;
    ti_revealed revealed; /* stand in place of what TOKENS says */
} ti_batch;

#define TI_MAX_SEQUENCES 4

typedef struct ti_session ti_session;

size_t ti_session_bytes(const ti_backbone *b, const ti_session_shape *shape);
te_status ti_session_create(ti_session **out, ti_backbone *b, const ti_session_shape *shape,
                            te_error *err);
void ti_session_free(ti_session *s);

/* Runs the blocks. Afterwards the normed states of the read rows wait for ti_session_head(). CANCEL
 * (may be NULL) is looked at before every layer. Errors: TE_CANCELLED, TE_INVALID (a token outside
 * the vocabulary, a batch larger than the session). */
te_status ti_session_forward(ti_session *s, const ti_batch *batch, const volatile int *cancel,
                             te_error *err);
/* logits[r][c] for read rows first_read .. + n_read (numbers in the read list) and vocabulary
 * columns first_column .. + n_columns, written from cell AT of the session's logits; *out points
 * there, on the device. */
void ti_session_head(ti_session *s, size_t at, int first_read, int n_read, int first_column,
                     int n_columns, const float **out);

#endif
