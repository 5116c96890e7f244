/* tokenizer.c - see tokenizer.h. A text goes through: added tokens found in it as it is; normal
 * form; added tokens found in that; the pre-tokenisers, each cutting the pieces of the one before;
 * and byte-pair encoding of every piece left. */
#include "text/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_TEXT                                                                                   \
    ((size_t)1 << 20) /* bytes; far more than any sequence holds, and it bounds all below */

te_status ti_tokenizer_create(ti_tokenizer **out, const char *name, const char *json, size_t length,
                              te_error *err)
{
    *out = NULL;
    ti_tokenizer *t = ti_calloc(1, sizeof *t);
    if (!t) return ti_fail_memory(err, "the text tokeniser", sizeof *t);
    t->name = ti_strdup(name);
    te_status st = t->name ? ti_tokenizer_load(t, json, length, err)
                           : ti_fail_memory(err, "the text tokeniser", strlen(name));
    if (st)
        ti_tokenizer_free(t);
    else
        *out = t;
    return st;
}

void ti_tokenizer_free(ti_tokenizer *tokenizer)
{
    if (!tokenizer) return;
    for (int i = 0; i < tokenizer->n_steps; i++) ti_splitter_free(tokenizer->steps[i].splitter);
    ti_added_set_clear(&tokenizer->added_raw);
    ti_added_set_clear(&tokenizer->added_normalized);
    ti_vocab_clear(&tokenizer->vocab);
    ti_merges_clear(&tokenizer->merges);
    free(tokenizer->name);
    free(tokenizer);
}

/* ---- encoding ---------------------------------------------------------------------------- */

typedef struct encoder {
    const ti_tokenizer *t;
    ti_bpe bpe;
    int32_t *ids;
    size_t n, capacity;
    te_error *err;
} encoder;

static te_status emit(encoder *e, int32_t id)
{
    if (e->n == e->capacity) {
        size_t capacity = e->capacity ? 2 * e->capacity : 64;
        int32_t *grown = ti_realloc_array(e->ids, capacity, sizeof *grown);
        if (!grown) return ti_fail_memory(e->err, "the tokens of a text", capacity * sizeof *grown);
        e->ids = grown;
        e->capacity = capacity;
    }
    e->ids[e->n++] = id;
    return TE_OK;
}

/* One word: bytes, no further cuts. */
static te_status encode_word(encoder *e, const char *word, size_t n)
{
    const ti_tokenizer *t = e->t;
    if (t->ignore_merges) {
        int32_t id = ti_vocab_find(&t->vocab, word, n, false);
        if (id >= 0) return emit(e, id);
    }
    te_status st = ti_bpe_reserve(&e->bpe, n, e->err);
    if (st) return st;
    size_t n_symbols = 0;
    bool unknown = false;
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_id[(uint8_t)word[i]];
        bool fused = id < 0 && unknown && t->fuse_unknown;
        unknown = id < 0;
        if (unknown) id = t->unknown_id;
        if (id >= 0 && !fused) e->bpe.symbols[n_symbols++].id = id;
    }
    ti_bpe_merge(&e->bpe, n_symbols, &t->merges);
    for (size_t i = 0; !st && i < n_symbols; i++)
        if (e->bpe.symbols[i].id >= 0) st = emit(e, e->bpe.symbols[i].id);
    return st;
}

/* What pre-tokeniser number STEP makes of TEXT, and so on to the words. */
static te_status encode_pieces(encoder *e, int step, const char *text, size_t n)
{
    if (!n) return TE_OK;
    if (step == e->t->n_steps) return encode_word(e, text, n);
    const ti_pre_step *pre = &e->t->steps[step];
    ti_text prefixed = {0};
    if (pre->add_prefix_space && text[0] != ' ') {
        if (!ti_text_append(&prefixed, " ", 1) || !ti_text_append(&prefixed, text, n)) {
            ti_text_clear(&prefixed);
            return ti_fail_memory(e->err, "a text", n);
        }
        text = prefixed.bytes;
        n = prefixed.n;
    }
    te_status st = TE_OK;
    ti_pieces pieces = {0};
    if (!pre->splitter) {
        st = encode_pieces(e, step + 1, text, n);
    } else {
        st = ti_splitter_run(pre->splitter, text, n, &pieces, e->err);
        for (size_t i = 0; !st && i < pieces.n; i++)
            st = encode_pieces(e, step + 1, text + pieces.list[i].start,
                               pieces.list[i].end - pieces.list[i].start);
    }
    ti_pieces_clear(&pieces);
    ti_text_clear(&prefixed);
    return st;
}

typedef te_status (*part_fn)(encoder *e, const char *text, size_t n);

/* Emits the added tokens of SET in TEXT and hands what lies between them to REST. */
static te_status encode_added(encoder *e, const ti_added_set *set, const char *text, size_t n,
                              part_fn rest)
{
    te_status st = TE_OK;
    size_t at = 0, done = 0, start, end;
    const ti_added *token;
    while (!st && (token = ti_added_set_next(set, text, n, &at, done, &start, &end))) {
        if (start > done) st = rest(e, text + done, start - done);
        if (!st) st = emit(e, token->id);
        done = end;
    }
    if (!st && done < n) st = rest(e, text + done, n - done);
    return st;
}

static te_status encode_plain(encoder *e, const char *text, size_t n)
{
    return encode_pieces(e, 0, text, n);
}

static te_status encode_normalized(encoder *e, const char *text, size_t n)
{
    if (!e->t->n_forms) return encode_added(e, &e->t->added_normalized, text, n, encode_plain);
    ti_text normal = {0};
    te_status st = ti_text_append(&normal, text, n) ? TE_OK : ti_fail_memory(e->err, "a text", n);
    for (int i = 0; !st && i < e->t->n_forms; i++)
        st = ti_normalize(&normal, e->t->forms[i], e->err);
    if (!st) st = encode_added(e, &e->t->added_normalized, normal.bytes, normal.n, encode_plain);
    ti_text_clear(&normal);
    return st;
}

te_status ti_tokenizer_encode(const ti_tokenizer *tokenizer, const char *text, size_t length,
                              int32_t **ids, int *n, te_error *err)
{
    *ids = NULL;
    *n = 0;
    if (length > MAX_TEXT)
        return ti_fail(err, TE_INVALID,
                       "the text is %zu bytes long; at most %zu can be encoded at once", length,
                       MAX_TEXT);
    encoder e = {.t = tokenizer, .err = err};
    ti_text clean = {0};
    te_status st =
        ti_utf8_append_lossy(&clean, text, length) ? TE_OK : ti_fail_memory(err, "a text", length);
    if (!st) st = encode_added(&e, &tokenizer->added_raw, clean.bytes, clean.n, encode_normalized);
    ti_text_clear(&clean);
    ti_bpe_clear(&e.bpe);
    if (!st && !e.ids) { /* callers free() the ids of an empty text too */
        e.ids = ti_calloc(1, sizeof *e.ids);
        if (!e.ids) st = ti_fail_memory(err, "the tokens of a text", sizeof *e.ids);
    }
    if (st) {
        free(e.ids);
        return st;
    }
    *ids = e.ids;
    *n = (int)e.n;
    return TE_OK;
}

/* ---- decoding and questions -------------------------------------------------------------- */

static const ti_token *token_of(const ti_tokenizer *t, int32_t id)
{
    bool known = id >= 0 && id < t->vocab.size && (t->vocab.tokens[id].flags & TI_TOKEN_PRESENT);
    return known ? &t->vocab.tokens[id] : NULL;
}

te_status ti_tokenizer_decode(const ti_tokenizer *tokenizer, const int32_t *ids, int n,
                              bool skip_special, char **text, te_error *err)
{
    *text = NULL;
    ti_text bytes = {0}, out = {0};
    bool fits = true;
    for (int i = 0; fits && i < n; i++) {
        const ti_token *t = token_of(tokenizer, ids[i]);
        if (!t || (skip_special && (t->flags & TI_TOKEN_SPECIAL))) continue;
        fits = ti_text_append(&bytes, tokenizer->vocab.bytes.bytes + t->offset, t->length);
    }
    fits = fits && ti_utf8_append_lossy(&out, bytes.bytes, bytes.n) && ti_text_append(&out, "", 1);
    size_t needed = bytes.n;
    ti_text_clear(&bytes);
    if (!fits) {
        ti_text_clear(&out);
        return ti_fail_memory(err, "the text of the tokens", needed);
    }
    *text = out.bytes;
    return TE_OK;
}

int ti_tokenizer_size(const ti_tokenizer *tokenizer)
{
    return tokenizer->vocab.size;
}

int32_t ti_tokenizer_id(const ti_tokenizer *tokenizer, const char *token)
{
    ti_text bytes = {0};
    bool mapped;
    int32_t id = -1;
    if (ti_byte_level_append(&bytes, token, strlen(token), &mapped))
        id = ti_vocab_find(&tokenizer->vocab, bytes.bytes, bytes.n, !mapped);
    ti_text_clear(&bytes);
    return id;
}

bool ti_tokenizer_is_special(const ti_tokenizer *tokenizer, int32_t id)
{
    const ti_token *t = token_of(tokenizer, id);
    return t && (t->flags & TI_TOKEN_SPECIAL);
}
