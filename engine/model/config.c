/* config.c - the backbone's shape, read from the model file and checked before anything relies on
 * it. */
#include "model/backbone.h"

#include <math.h>
#include <string.h>

#define PREFIX "llada."

static te_status need(const ti_gguf *file, const char *key, int64_t min, int64_t max, int *out,
                      te_error *err)
{
    int64_t value = 0;
    te_status st = ti_gguf_need_int(file, key, min, max, &value, err);
    *out = (int)value;
    return st;
}

static te_status read_heads(ti_backbone_config *c, const ti_gguf *file, te_error *err)
{
    ti_heads *h = &c->heads;
    te_status st = need(file, PREFIX "attention.head_count", 1, 1024, &h->n_heads, err);
    int64_t kv = h->n_heads;
    if (!st) st = ti_gguf_int(file, PREFIX "attention.head_count_kv", kv, &kv, err);
    if (st) return st;
    if (kv < 1 || h->n_heads % kv)
        return ti_fail(err, TE_FORMAT, "%s: %d heads cannot share %lld key heads; convert it again",
                       ti_gguf_path(file), h->n_heads, (long long)kv);
    h->n_kv_heads = (int)kv;
    h->head_size = c->width / h->n_heads;
    if (c->width % h->n_heads || h->head_size % 2 || h->head_size > 2048)
        return ti_fail(err, TE_FORMAT,
                       "%s: width %d does not divide into %d heads of even size up to 2048",
                       ti_gguf_path(file), c->width, h->n_heads);
    return TE_OK;
}

static te_status check_reals(const ti_gguf *file, double eps, double theta, te_error *err)
{
    if (!(eps > 0 && eps < 1))
        return ti_fail(err, TE_FORMAT, "%s: norm epsilon %g is not between 0 and 1",
                       ti_gguf_path(file), eps);
    if (!(theta >= 1 && theta < 1e12))
        return ti_fail(err, TE_FORMAT, "%s: rotary base %g is not between 1 and 1e12",
                       ti_gguf_path(file), theta);
    return TE_OK;
}

/* A file without the key is llama.cpp's own. */
static te_status read_row_order(bool *interleaved, const ti_gguf *file, te_error *err)
{
    const char *text = NULL;
    size_t n = 0;
    te_status st = ti_gguf_string(file, "thinkedit.rope", &text, &n, err);
    if (st) return st;
    bool half = text && n == 4 && !memcmp(text, "half", 4);
    *interleaved = !half;
    if (text && !half && (n != 11 || memcmp(text, "interleaved", 11) != 0))
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: unknown row order \"%.*s\"; known are half and interleaved",
                       ti_gguf_path(file), (int)(n < 40 ? n : 40), text);
    return TE_OK;
}

/* Neither is LLaDA: a causal model or one that predicts the next token would run and make no sense.
 */
static te_status check_kind(const ti_gguf *file, te_error *err)
{
    bool causal = false, shifted = false;
    te_status st = ti_gguf_bool(file, PREFIX "attention.causal", false, &causal, err);
    if (!st) st = ti_gguf_bool(file, "diffusion.shift_logits", false, &shifted, err);
    if (st || (!causal && !shifted)) return st;
    return ti_fail(err, TE_UNSUPPORTED, "%s is %s; only bidirectional mask predictors can edit",
                   ti_gguf_path(file), causal ? "a causal model" : "a model with shifted logits");
}

te_status ti_backbone_read_config(ti_backbone_config *out, const ti_gguf *file, te_error *err)
{
    ti_backbone_config c = {0};
    double eps = 0, theta = 0;
    bool scaled = false;
    te_status st = need(file, PREFIX "embedding_length", 2, 32768, &c.width, err);
    if (!st) st = need(file, PREFIX "block_count", 1, 1024, &c.n_layers, err);
    if (!st) st = need(file, PREFIX "feed_forward_length", 1, 49152, &c.ff_width, err);
    if (!st) st = need(file, PREFIX "vocab_size", 2, 1000000, &c.vocab, err);
    if (!st) st = need(file, PREFIX "context_length", 1, 1 << 20, &c.context, err);
    if (!st) st = read_heads(&c, file, err);
    if (!st) st = ti_gguf_real(file, PREFIX "attention.layer_norm_rms_epsilon", 1e-5, &eps, err);
    if (!st) st = ti_gguf_real(file, PREFIX "rope.freq_base", 500000, &theta, err);
    if (!st) st = ti_gguf_bool(file, PREFIX "scale_logits", false, &scaled, err);
    if (!st) st = check_reals(file, eps, theta, err);
    if (!st) st = check_kind(file, err);
    if (!st) st = read_row_order(&c.interleaved, file, err);
    c.norm_eps = (float)eps;
    c.rope_theta = (float)theta;
    c.logit_scale = scaled ? 1.0f / sqrtf((float)c.width) : 1.0f;
    if (!st) *out = c;
    return st;
}
