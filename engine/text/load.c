/* load.c - tokenizer.json into a ti_tokenizer. Every key that could change an encoding is read or,
 * where its value asks for something not done here, refused by name. Truncation, padding and the
 * post-processor are left aside: sequences are laid out by the caller. */
#include "text/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static te_status damaged(const ti_tokenizer *t, const char *what, te_error *err)
{
    return ti_fail(err, TE_FORMAT, "%s: %s is missing or no such thing as it should be", t->name,
                   what);
}

static te_status unsupported(const ti_tokenizer *t, const char *what, const char *value,
                             te_error *err)
{
    return ti_fail(err, TE_UNSUPPORTED, "%s: the %s '%.60s' is not supported", t->name, what,
                   value);
}

static const char *type_of(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type ? type : "?";
}

/* ---- normaliser -------------------------------------------------------------------------- */

static te_status load_normalizer(ti_tokenizer *t, const json_t *node, int depth, te_error *err)
{
    if (!node || json_is_null(node)) return TE_OK;
    static const struct {
        const char *name;
        ti_normal_form form;
    } forms[] = {{"NFC", TI_NFC}, {"NFD", TI_NFD}, {"NFKC", TI_NFKC}, {"NFKD", TI_NFKD}};
    const char *type = type_of(node);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(type, forms[i].name)) continue;
        if (t->n_forms == TI_MAX_STEPS) return unsupported(t, "number of normalisers", "17", err);
        t->forms[t->n_forms++] = forms[i].form;
        return TE_OK;
    }
    if (strcmp(type, "Sequence") || depth > 4) return unsupported(t, "normaliser", type, err);
    const json_t *list = json_object_get(node, "normalizers");
    if (!json_is_array(list)) return damaged(t, "the list of normalisers", err);
    te_status st = TE_OK;
    for (size_t i = 0; !st && i < json_array_size(list); i++)
        st = load_normalizer(t, json_array_get(list, i), depth + 1, err);
    return st;
}

/* ---- pre-tokeniser ----------------------------------------------------------------------- */

static const char byte_level_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static te_status load_byte_level(ti_tokenizer *t, const json_t *node, te_error *err)
{
    ti_pre_step *step = &t->steps[t->n_steps++];
    const json_t *cut = json_object_get(node, "use_regex"); /* older files have no such key */
    step->byte_level = true;
    step->add_prefix_space = json_is_true(json_object_get(node, "add_prefix_space"));
    if (cut && !json_is_true(cut)) return TE_OK;
    return ti_splitter_create(&step->splitter, t->name, byte_level_pattern,
                              sizeof byte_level_pattern - 1, false, TI_SPLIT_ISOLATED, false, err);
}

static te_status load_split(ti_tokenizer *t, const json_t *node, te_error *err)
{
    static const char *const behaviors[] = {"Removed", "Isolated", "MergedWithPrevious",
                                            "MergedWithNext", "Contiguous"};
    const json_t *pattern = json_object_get(node, "pattern");
    const json_t *literal = json_object_get(pattern, "String");
    const json_t *text = literal ? literal : json_object_get(pattern, "Regex");
    const char *behavior = json_string_value(json_object_get(node, "behavior"));
    if (!json_is_string(text)) return damaged(t, "the pattern of a Split pre-tokeniser", err);
    if (!behavior) return damaged(t, "the behaviour of a Split pre-tokeniser", err);
    size_t k = 0;
    while (k < 5 && strcmp(behavior, behaviors[k])) k++;
    if (k == 5) return unsupported(t, "behaviour of a Split pre-tokeniser", behavior, err);
    ti_pre_step *step = &t->steps[t->n_steps++];
    return ti_splitter_create(&step->splitter, t->name, json_string_value(text),
                              json_string_length(text), literal != NULL, (ti_split_behavior)k,
                              json_is_true(json_object_get(node, "invert")), err);
}

static te_status load_pre_tokenizer(ti_tokenizer *t, const json_t *node, int depth, te_error *err)
{
    const char *type = type_of(node);
    if (!strcmp(type, "Sequence") && depth <= 4) {
        const json_t *list = json_object_get(node, "pretokenizers");
        if (!json_is_array(list)) return damaged(t, "the list of pre-tokenisers", err);
        te_status st = TE_OK;
        for (size_t i = 0; !st && i < json_array_size(list); i++)
            st = load_pre_tokenizer(t, json_array_get(list, i), depth + 1, err);
        return st;
    }
    if (t->n_steps == TI_MAX_STEPS) return unsupported(t, "number of pre-tokenisers", "17", err);
    if (t->n_steps && t->steps[t->n_steps - 1].byte_level)
        return unsupported(t, "pre-tokeniser behind ByteLevel", type, err);
    if (!strcmp(type, "ByteLevel")) return load_byte_level(t, node, err);
    if (!strcmp(type, "Split")) return load_split(t, node, err);
    return unsupported(t, "pre-tokeniser", type, err);
}

/* ---- decoder ----------------------------------------------------------------------------- */

static te_status check_decoder(const ti_tokenizer *t, const json_t *node, te_error *err)
{
    const json_t *list = json_object_get(node, "decoders");
    if (!strcmp(type_of(node), "Sequence") && json_array_size(list) == 1)
        node = json_array_get(list, 0);
    return strcmp(type_of(node), "ByteLevel") ? unsupported(t, "decoder", type_of(node), err)
                                              : TE_OK;
}

/* ---- vocabulary -------------------------------------------------------------------------- */

/* ID of a JSON node, checked; -1 with *st set when it is no id. */
static int32_t id_of(const ti_tokenizer *t, const json_t *node, te_status *st, te_error *err)
{
    json_int_t id = json_integer_value(node);
    if (json_is_integer(node) && id >= 0 && id < TI_VOCAB_MAX) return (int32_t)id;
    *st = ti_fail(err, TE_FORMAT, "%s: a token id is no whole number from 0 to %d", t->name,
                  TI_VOCAB_MAX - 1);
    return -1;
}

static te_status load_vocab(ti_tokenizer *t, json_t *vocab, const json_t *added, te_error *err)
{
    te_status st = TE_OK;
    int32_t highest = -1;
    const char *token;
    json_t *node;
    json_object_foreach(vocab, token, node)
    {
        int32_t id = id_of(t, node, &st, err);
        if (st) return st;
        if (id > highest) highest = id;
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        int32_t id = id_of(t, json_object_get(json_array_get(added, i), "id"), &st, err);
        if (st) return st;
        if (id > highest) highest = id;
    }
    st = ti_vocab_init(&t->vocab, highest + 1, err);
    if (st) return st;
    json_object_foreach(vocab, token, node)
    {
        st = ti_vocab_add(&t->vocab, t->name, (int32_t)json_integer_value(node), token,
                          strlen(token), 0, err);
        if (st) return st;
    }
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        t->byte_id[byte] = ti_vocab_find(&t->vocab, &c, 1, false);
    }
    return TE_OK;
}

/* The content of a token that is looked for in normalised text is normalised as well. */
static te_status load_added_token(ti_tokenizer *t, const json_t *node, te_error *err)
{
    const json_t *content = json_object_get(node, "content");
    if (!json_is_string(content)) return damaged(t, "the content of an added token", err);
    const char *text = json_string_value(content);
    size_t n = json_string_length(content);
    bool normalized = json_is_true(json_object_get(node, "normalized"));
    int flags = json_is_true(json_object_get(node, "special")) ? TI_TOKEN_SPECIAL : 0;
    int32_t id = (int32_t)json_integer_value(json_object_get(node, "id"));
    te_status st = ti_vocab_add(&t->vocab, t->name, id, text, n, flags, err);
    if (st) return st;

    ti_text copy = {0};
    if (!ti_text_append(&copy, text, n)) return ti_fail_memory(err, "an added token", n);
    for (int i = 0; !st && normalized && i < t->n_forms; i++)
        st = ti_normalize(&copy, t->forms[i], err);
    if (st || !copy.n) { /* an empty one is never found */
        ti_text_clear(&copy);
        return st;
    }
    ti_added token = {.content = copy.bytes, .length = copy.n, .id = id};
    token.single_word = json_is_true(json_object_get(node, "single_word"));
    token.lstrip = json_is_true(json_object_get(node, "lstrip"));
    token.rstrip = json_is_true(json_object_get(node, "rstrip"));
    return ti_added_set_add(normalized ? &t->added_normalized : &t->added_raw, token, err);
}

/* ---- merges ------------------------------------------------------------------------------ */

/* "a b" or ["a", "b"] as two strings. */
static bool merge_parts(const json_t *node, const char **a, size_t *n_a, const char **b,
                        size_t *n_b)
{
    if (json_is_string(node)) {
        *a = json_string_value(node);
        const char *space = strchr(*a, ' ');
        if (!space || strchr(space + 1, ' ')) return false;
        *n_a = (size_t)(space - *a);
        *b = space + 1;
        *n_b = strlen(*b);
        return true;
    }
    const json_t *left = json_array_get(node, 0), *right = json_array_get(node, 1);
    if (json_array_size(node) != 2 || !json_is_string(left) || !json_is_string(right)) return false;
    *a = json_string_value(left), *n_a = json_string_length(left);
    *b = json_string_value(right), *n_b = json_string_length(right);
    return true;
}

static te_status load_merge(ti_tokenizer *t, const json_t *node, size_t rank, ti_text *pair,
                            te_error *err)
{
    const char *a, *b;
    size_t n_a, n_b;
    if (!merge_parts(node, &a, &n_a, &b, &n_b))
        return ti_fail(err, TE_FORMAT, "%s: merge %zu is no pair of tokens", t->name, rank);
    bool mapped_a, mapped_b;
    pair->n = 0;
    if (!ti_byte_level_append(pair, a, n_a, &mapped_a)) return ti_fail_memory(err, "a merge", n_a);
    size_t cut = pair->n;
    if (!ti_byte_level_append(pair, b, n_b, &mapped_b)) return ti_fail_memory(err, "a merge", n_b);
    ti_merge merge = {.rank = (int32_t)rank, .left = -1, .right = -1, .id = -1};
    if (mapped_a && mapped_b) {
        merge.left = ti_vocab_find(&t->vocab, pair->bytes, cut, false);
        merge.right = ti_vocab_find(&t->vocab, pair->bytes + cut, pair->n - cut, false);
        merge.id = ti_vocab_find(&t->vocab, pair->bytes, pair->n, false);
    }
    if (merge.left < 0 || merge.right < 0 || merge.id < 0)
        return ti_fail(err, TE_FORMAT, "%s: merge %zu, '%.*s' and '%.*s', is not in the vocabulary",
                       t->name, rank, (int)(n_a < 60 ? n_a : 60), a, (int)(n_b < 60 ? n_b : 60), b);
    ti_merges_put(&t->merges, merge);
    return TE_OK;
}

static te_status load_merges(ti_tokenizer *t, const json_t *list, te_error *err)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n >= INT32_MAX) return damaged(t, "the list of merges", err);
    te_status st = ti_merges_init(&t->merges, n, err);
    ti_text pair = {0};
    for (size_t rank = 0; !st && rank < n; rank++)
        st = load_merge(t, json_array_get(list, rank), rank, &pair, err);
    ti_text_clear(&pair);
    return st;
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool absent(const json_t *node)
{
    return !node || json_is_null(node) || json_is_false(node) ||
           (json_is_string(node) && !json_string_length(node)) ||
           (json_is_number(node) && json_number_value(node) == 0);
}

static te_status load_model(ti_tokenizer *t, const json_t *model, const json_t *added,
                            te_error *err)
{
    static const char *const foreign[] = {"dropout", "continuing_subword_prefix",
                                          "end_of_word_suffix", "byte_fallback"};
    const json_t *type = json_object_get(model, "type"); /* older files leave it out for BPE */
    if (type && strcmp(type_of(model), "BPE")) return unsupported(t, "model", type_of(model), err);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (!absent(json_object_get(model, foreign[i])))
            return unsupported(t, "option", foreign[i], err);
    json_t *vocab = json_object_get(model, "vocab");
    if (!json_is_object(vocab) || !json_object_size(vocab))
        return damaged(t, "the vocabulary", err);
    te_status st = load_vocab(t, vocab, added, err);
    if (!st) st = load_merges(t, json_object_get(model, "merges"), err);
    if (st) return st;
    t->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    t->fuse_unknown = json_is_true(json_object_get(model, "fuse_unk"));
    t->unknown_id = -1;
    const json_t *unknown = json_object_get(model, "unk_token");
    if (absent(unknown)) return TE_OK;
    t->unknown_id = json_is_string(unknown) ? ti_tokenizer_id(t, json_string_value(unknown)) : -1;
    return t->unknown_id < 0 ? damaged(t, "the unknown token", err) : TE_OK;
}

static te_status load_root(ti_tokenizer *t, const json_t *root, te_error *err)
{
    const json_t *added = json_object_get(root, "added_tokens");
    te_status st = load_normalizer(t, json_object_get(root, "normalizer"), 0, err);
    if (!st) st = load_pre_tokenizer(t, json_object_get(root, "pre_tokenizer"), 0, err);
    if (!st && (!t->n_steps || !t->steps[t->n_steps - 1].byte_level))
        st = unsupported(t, "pre-tokeniser without", "ByteLevel", err);
    if (!st) st = check_decoder(t, json_object_get(root, "decoder"), err);
    if (!st) st = load_model(t, json_object_get(root, "model"), added, err);
    for (size_t i = 0; !st && i < json_array_size(added); i++)
        st = load_added_token(t, json_array_get(added, i), err);
    if (st) return st;
    ti_added_set_sort(&t->added_raw);
    ti_added_set_sort(&t->added_normalized);
    return TE_OK;
}

te_status ti_tokenizer_load(ti_tokenizer *t, const char *json, size_t length, te_error *err)
{
    json_error_t where;
    json_t *root = json_loadb(json, length, 0, &where);
    if (!root) {
        if (json_error_code(&where) == json_error_out_of_memory)
            return ti_fail_memory(err, "the text tokeniser", length);
        return ti_fail(err, TE_FORMAT, "%s: no JSON at line %d, column %d: %s", t->name, where.line,
                       where.column, where.text);
    }
    te_status st = load_root(t, root, err);
    json_decref(root);
    return st;
}
