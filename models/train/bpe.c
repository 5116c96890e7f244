/* bpe.c - see bpe.h. Words are few (a procedural world says little), so every merge simply counts
 * all pairs again. Ties go to the pair of lower ids: the result depends on the words and their
 * numbers only. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "bpe.h"

#include "base/memory.h"
#include "commands.h"
#include "recipe.h"
#include "world/world.h"

#include <jansson.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 256

const char *const ti_special_names[TI_SPECIALS] = {
    "<|bos|>", "<|eos|>", "<|soi|>", "<|eoi|>", "<|thinkedit|>", "<|thinkgen|>", "<|mask|>"};

typedef struct word {
    int32_t *ids;
    int n;
    int64_t count;
    char *text;
    size_t length;
} word;

typedef struct merge {
    int32_t left, right;
} merge;

struct ti_bpe {
    pcre2_code *pattern;
    pcre2_match_data *match;
    word *words;
    int n, capacity;
    int32_t *slots; /* hash table of words, -1 empty */
    int n_slots;
    merge *merges;
    int n_merges;
};

/* What ByteLevel splits at. */
static const char pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

te_status ti_bpe_create(ti_bpe **out, te_error *err)
{
    int code;
    PCRE2_SIZE at;
    *out = NULL;
    ti_bpe *b = ti_calloc(1, sizeof *b);
    if (!b) return ti_fail_memory(err, "the text tokeniser", sizeof *b);
    b->n_slots = 1 << 16;
    b->slots = ti_malloc_array((size_t)b->n_slots, sizeof *b->slots);
    b->pattern = pcre2_compile((PCRE2_SPTR)pattern, sizeof pattern - 1, PCRE2_UTF | PCRE2_UCP,
                               &code, &at, NULL);
    if (b->pattern) b->match = pcre2_match_data_create_from_pattern(b->pattern, NULL);
    if (!b->slots || !b->match) {
        ti_bpe_free(b);
        return ti_fail_memory(err, "the text tokeniser", sizeof *b);
    }
    memset(b->slots, -1, (size_t)b->n_slots * sizeof *b->slots);
    *out = b;
    return TE_OK;
}

void ti_bpe_free(ti_bpe *b)
{
    if (!b) return;
    for (int i = 0; i < b->n; i++) {
        free(b->words[i].ids);
        free(b->words[i].text);
    }
    free(b->words);
    free(b->slots);
    free(b->merges);
    pcre2_match_data_free(b->match);
    pcre2_code_free(b->pattern);
    free(b);
}

static te_status new_word(ti_bpe *b, int32_t *slot, const char *text, size_t length, te_error *err)
{
    if (b->n >= b->n_slots / 2) return ti_fail(err, TE_UNSUPPORTED, "more than %d words", b->n);
    if (b->n == b->capacity) {
        int capacity = b->capacity ? 2 * b->capacity : 1024;
        word *words = ti_realloc_array(b->words, (size_t)capacity, sizeof *words);
        if (!words) return ti_fail_memory(err, "words", (size_t)capacity * sizeof *words);
        b->words = words;
        b->capacity = capacity;
    }
    word w = {.ids = ti_malloc_array(length, sizeof *w.ids),
              .n = (int)length,
              .count = 1,
              .text = ti_strndup(text, length),
              .length = length};
    if (!w.ids || !w.text) {
        free(w.ids);
        free(w.text);
        return ti_fail_memory(err, "a word", length);
    }
    for (size_t i = 0; i < length; i++) w.ids[i] = (unsigned char)text[i];
    *slot = b->n;
    b->words[b->n++] = w;
    return TE_OK;
}

static te_status count_word(ti_bpe *b, const char *text, size_t length, te_error *err)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    int at = (int)(hash & (uint32_t)(b->n_slots - 1));
    for (; b->slots[at] >= 0; at = (at + 1) & (b->n_slots - 1)) {
        word *w = &b->words[b->slots[at]];
        if (w->length == length && !memcmp(w->text, text, length)) {
            w->count++;
            return TE_OK;
        }
    }
    return new_word(b, &b->slots[at], text, length, err);
}

te_status ti_bpe_add(ti_bpe *b, const char *text, te_error *err)
{
    const size_t length = strlen(text);
    te_status st = TE_OK;
    for (size_t at = 0; !st && at < length;) {
        int n = pcre2_match(b->pattern, (PCRE2_SPTR)text, length, at, 0, b->match, NULL);
        if (n < 0) return ti_fail(err, TE_FORMAT, "a text is not UTF-8: %.60s", text);
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(b->match);
        st = count_word(b, text + range[0], range[1] - range[0], err);
        at = range[1];
    }
    return st;
}

/* ---- merging ----------------------------------------------------------------------------- */

static void apply(word *w, merge m, int32_t id)
{
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        bool here = i + 1 < w->n && w->ids[i] == m.left && w->ids[i + 1] == m.right;
        w->ids[n++] = here ? id : w->ids[i];
        if (here) i++;
    }
    w->n = n;
}

/* The most frequent pair; COUNTS has room for [tokens][tokens]. */
static int64_t best_pair(const ti_bpe *b, int64_t *counts, int tokens, merge *best)
{
    int64_t most = 0;
    memset(counts, 0, (size_t)tokens * (size_t)tokens * sizeof *counts);
    for (int i = 0; i < b->n; i++)
        for (int j = 0; j + 1 < b->words[i].n; j++) {
            const int32_t *pair = b->words[i].ids + j;
            int64_t *count = &counts[(size_t)pair[0] * (size_t)tokens + (size_t)pair[1]];
            *count += b->words[i].count;
            bool lower = pair[0] < best->left || (pair[0] == best->left && pair[1] < best->right);
            if (*count > most || (*count == most && lower)) {
                most = *count;
                *best = (merge){pair[0], pair[1]};
            }
        }
    return most;
}

te_status ti_bpe_train(ti_bpe *b, int vocab, te_error *err)
{
    const int most = vocab - BYTES - TI_SPECIALS;
    if (most < 0 || vocab > 8192)
        return ti_fail(err, TE_INVALID, "a vocabulary has %d to 8192 tokens", BYTES + TI_SPECIALS);
    const size_t cells = (size_t)vocab * (size_t)vocab;
    int64_t *counts = ti_malloc_array(cells, sizeof *counts);
    b->merges = ti_malloc_array((size_t)most + 1, sizeof *b->merges);
    te_status st =
        counts && b->merges ? TE_OK : ti_fail_memory(err, "pairs", cells * sizeof *counts);
    while (!st && b->n_merges < most) {
        merge best = {0, 0};
        if (best_pair(b, counts, BYTES + b->n_merges, &best) < 2) break;
        for (int i = 0; i < b->n; i++) apply(&b->words[i], best, BYTES + b->n_merges);
        b->merges[b->n_merges++] = best;
    }
    free(counts);
    return st;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Byte-level files write byte B as a printable character: itself where it is one, else 256 + the
 * number of unprintable bytes before it. */
static int byte_character(int byte)
{
    int others = 0;
    for (int i = 0; i <= byte; i++) {
        bool printable = (i >= '!' && i <= '~') || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        if (i == byte) return printable ? byte : 256 + others;
        others += !printable;
    }
    return byte;
}

/* All tokens' texts; NULL when there is no memory. */
static char **token_texts(const ti_bpe *b)
{
    const int n = BYTES + b->n_merges;
    char **texts = ti_calloc((size_t)n + 1, sizeof *texts);
    bool bad = !texts;
    for (int i = 0; !bad && i < n; i++) {
        char two[3] = {0};
        if (i < BYTES) {
            int c = byte_character(i);
            two[0] = (char)(c < 0x80 ? c : 0xc0 | c >> 6);
            two[1] = (char)(c < 0x80 ? 0 : 0x80 | (c & 0x3f));
            texts[i] = ti_strdup(two);
        } else {
            const char *left = texts[b->merges[i - BYTES].left],
                       *right = texts[b->merges[i - BYTES].right];
            size_t room = strlen(left) + strlen(right) + 1;
            texts[i] = ti_malloc_array(room, 1);
            if (texts[i]) snprintf(texts[i], room, "%s%s", left, right);
        }
        bad = !texts[i];
    }
    if (bad && texts) {
        for (int i = 0; i < n; i++) free(texts[i]);
        free(texts);
        return NULL;
    }
    return texts;
}

static json_t *special_tokens(int first)
{
    json_t *list = json_array();
    for (int i = 0; i < TI_SPECIALS; i++)
        json_array_append_new(list,
                              json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", first + i,
                                        "content", ti_special_names[i], "single_word", 0, "lstrip",
                                        0, "rstrip", 0, "normalized", 0, "special", 1));
    return list;
}

static json_t *byte_level(void)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 1, "use_regex", 1);
}

te_status ti_bpe_write(const ti_bpe *b, const char *path, te_error *err)
{
    const int n = BYTES + b->n_merges;
    char **texts = token_texts(b), part[1024];
    if (!texts) return ti_fail_memory(err, "the vocabulary", (size_t)n);
    json_t *vocab = json_object(), *merges = json_array();
    for (int i = 0; i < n; i++) json_object_set_new(vocab, texts[i], json_integer(i));
    for (int i = 0; i < b->n_merges; i++)
        json_array_append_new(
            merges, json_sprintf("%s %s", texts[b->merges[i].left], texts[b->merges[i].right]));
    for (int i = 0; i < n; i++) free(texts[i]);
    free(texts);
    json_t *root = json_pack(
        "{s:s, s:n, s:n, s:o, s:n, s:o, s:n, s:o, s:{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:o, s:o}}",
        "version", "1.0", "truncation", "padding", "added_tokens", special_tokens(n), "normalizer",
        "pre_tokenizer", byte_level(), "post_processor", "decoder", byte_level(), "model", "type",
        "BPE", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
        "fuse_unk", 0, "byte_fallback", 0, "vocab", vocab, "merges", merges);
    if (!root) return ti_fail_memory(err, "the vocabulary", (size_t)n);
    snprintf(part, sizeof part, "%s.part", path);
    bool bad = json_dump_file(root, part, JSON_COMPACT) != 0 || rename(part, path) != 0;
    json_decref(root);
    return bad ? ti_fail(err, TE_IO, "%s: cannot be written", path) : TE_OK;
}

te_status ti_command_tokenizer(const char *path, te_error *err)
{
    json_t *config = NULL;
    ti_bpe *bpe = NULL;
    const char *out = NULL;
    int64_t vocab = 0, samples = 0;
    te_status st = ti_config_load(&config, path, err);
    if (!st) st = ti_config_text(config, "out", NULL, &out, err);
    if (!st) st = ti_config_int(config, "vocab", BYTES + TI_SPECIALS, 8192, 1024, &vocab, err);
    if (!st) st = ti_config_int(config, "samples", 1, 10000000, 20000, &samples, err);
    if (!st) st = ti_bpe_create(&bpe, err);
    for (int64_t i = 0; !st && i < samples; i++) {
        ti_world_sample s;
        st = ti_world_make(&s, (uint64_t)i, TI_WORLD_TRAIN, 16, err);
        if (st) break;
        st = ti_bpe_add(bpe, s.instruction, err);
        if (!st) st = ti_bpe_add(bpe, s.reasoning, err);
        ti_world_clear(&s);
    }
    if (!st) st = ti_bpe_train(bpe, (int)vocab, err);
    if (!st) st = ti_bpe_write(bpe, out, err);
    if (!st)
        fprintf(stderr, "%s: %d words, %d tokens\n", out, bpe->n,
                BYTES + bpe->n_merges + TI_SPECIALS);
    ti_bpe_free(bpe);
    json_decref(config);
    return st;
}
