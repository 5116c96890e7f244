/* vocab.c - see vocab.h */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

te_status ti_vocab_init(ti_vocab *vocab, int size, te_error *err)
{
    size_t slots = 16;
    while (slots < 2 * (size_t)size) slots *= 2;
    *vocab = (ti_vocab){.size = size, .mask = slots - 1};
    vocab->tokens = ti_calloc((size_t)size, sizeof *vocab->tokens);
    vocab->slots = ti_malloc_array(slots, sizeof *vocab->slots);
    if (!vocab->tokens || !vocab->slots || !ti_text_append(&vocab->bytes, "", 0))
        return ti_fail_memory(err, "the vocabulary", slots * sizeof *vocab->slots);
    memset(vocab->slots, 0xFF, slots * sizeof *vocab->slots);
    return TE_OK;
}

void ti_vocab_clear(ti_vocab *vocab)
{
    free(vocab->tokens);
    free(vocab->slots);
    ti_text_clear(&vocab->bytes);
    *vocab = (ti_vocab){0};
}

/* The slot that holds these bytes, or the free one where they belong. */
static size_t find_slot(const ti_vocab *vocab, const char *bytes, size_t n, bool unmapped)
{
    uint64_t hash = 0xCBF29CE484222325u + unmapped; /* FNV-1a, then a mix of the high bits */
    for (size_t i = 0; i < n; i++) hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001B3u;
    size_t slot = (size_t)(hash ^ hash >> 29) & vocab->mask;
    for (;; slot = (slot + 1) & vocab->mask) {
        int32_t id = vocab->slots[slot];
        if (id < 0) return slot;
        const ti_token *t = &vocab->tokens[id];
        if (t->length == n && !(t->flags & TI_TOKEN_UNMAPPED) == !unmapped &&
            !memcmp(vocab->bytes.bytes + t->offset, bytes, n))
            return slot;
    }
}

te_status ti_vocab_add(ti_vocab *vocab, const char *name, int32_t id, const char *token, size_t n,
                       int flags, te_error *err)
{
    if (n > TI_TOKEN_MAX_BYTES)
        return ti_fail(err, TE_FORMAT, "%s: token %d is %zu bytes long; at most %d are allowed",
                       name, id, n, TI_TOKEN_MAX_BYTES);
    size_t offset = vocab->bytes.n;
    bool mapped;
    if (offset > UINT32_MAX - TI_TOKEN_MAX_BYTES ||
        !ti_byte_level_append(&vocab->bytes, token, n, &mapped))
        return ti_fail_memory(err, "the vocabulary", offset);
    size_t length = vocab->bytes.n - offset;
    size_t slot = find_slot(vocab, vocab->bytes.bytes + offset, length, !mapped);
    ti_token *t = &vocab->tokens[id];
    if (vocab->slots[slot] == id) {
        vocab->bytes.n = offset;
        t->flags |= (uint8_t)flags;
        return TE_OK;
    }
    if (vocab->slots[slot] >= 0)
        return ti_fail(err, TE_FORMAT, "%s: the token '%.60s' has two ids, %d and %d", name, token,
                       vocab->slots[slot], id);
    if (t->flags & TI_TOKEN_PRESENT)
        return ti_fail(err, TE_FORMAT, "%s: the id %d belongs to two tokens, one of them '%.60s'",
                       name, id, token);
    *t = (ti_token){.offset = (uint32_t)offset, .length = (uint16_t)length};
    t->flags = (uint8_t)(flags | TI_TOKEN_PRESENT | (mapped ? 0 : TI_TOKEN_UNMAPPED));
    vocab->slots[slot] = id;
    return TE_OK;
}

int32_t ti_vocab_find(const ti_vocab *vocab, const char *bytes, size_t n, bool unmapped)
{
    return vocab->slots[find_slot(vocab, bytes, n, unmapped)];
}
