/* first_logits.c - every logit of the first step, to compare with other implementations. */
#include "denoise/denoise.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static te_status all_logits(ti_session *s, const ti_backbone *b, const int32_t *tokens, int n,
                            const int32_t *rows, float **out, te_error *err)
{
    ti_backend *be = b->backend;
    size_t cells = (size_t)n * (size_t)b->config.vocab;
    const float *logits;
    *out = ti_malloc_array(cells, sizeof **out);
    if (!*out) return ti_fail_memory(err, "the logits", cells * sizeof **out);
    te_status st = ti_session_forward(
        s,
        &(ti_batch){
            .tokens = tokens, .n_sequences = 1, .length = n, .read = rows, .read_count = &n},
        NULL, err);
    if (st) return st;
    ti_session_head(s, 0, 0, n, 0, b->config.vocab, &logits);
    st = be->op->sync(be, err);
    if (!st) st = be->op->download(be, *out, logits, cells * sizeof **out, err);
    return st;
}

te_status ti_denoise_first_logits(ti_backbone *b, const ti_sequence *s, float **cond,
                                  float **uncond, te_error *err)
{
    *cond = *uncond = NULL;
    size_t cells = (size_t)s->n * (size_t)b->config.vocab;
    ti_session_shape shape = {.rows = s->n, .read_rows = s->n, .logit_cells = cells};
    ti_session *session = NULL;
    int32_t *rows = ti_malloc_array((size_t)s->n, 2 * sizeof *rows);
    if (!rows) return ti_fail_memory(err, "the rows", (size_t)s->n * 2 * sizeof *rows);
    int32_t *tokens = rows + s->n;
    for (int i = 0; i < s->n; i++) rows[i] = i;
    memcpy(tokens, s->tokens, (size_t)s->n * sizeof *tokens);
    te_status st = ti_session_create(&session, b, &shape, err);
    if (!st) st = all_logits(session, b, tokens, s->n, rows, cond, err);
    if (!st && s->layout.profile == TI_PROFILE_M && s->n_unconditional[0]) {
        memcpy(tokens, s->unconditional[0], (size_t)s->n_unconditional[0] * sizeof *tokens);
        st = all_logits(session, b, tokens, s->n, rows, uncond, err);
    }
    ti_session_free(session);
    free(rows);
    if (st) {
        free(*cond);
        free(*uncond);
        *cond = *uncond = NULL;
    }
    return st;
}
