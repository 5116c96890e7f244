/* The parts by themselves: splitting with every behaviour, merging against a plain reference,
 * UTF-8. */
#include "testing.h"
#include "base/random.h"
#include "text/bpe.h"
#include "text/split.h"
#include "text/unicode.h"

static void expect_pieces(const char *pattern, ti_split_behavior behavior, bool invert,
                          const char *text, const char *joined)
{
    ti_splitter *s;
    te_error err;
    ti_pieces pieces = {0};
    assert_ok(
        ti_splitter_create(&s, "test", pattern, strlen(pattern), false, behavior, invert, &err),
        err);
    assert_ok(ti_splitter_run(s, text, strlen(text), &pieces, &err), err);
    char got[256] = "";
    for (size_t i = 0; i < pieces.n; i++) {
        size_t at = strlen(got), length = pieces.list[i].end - pieces.list[i].start;
        if (!length) continue;
        snprintf(got + at, sizeof got - at, "%.*s|", (int)length, text + pieces.list[i].start);
    }
    assert_string_equal(got, joined);
    ti_pieces_clear(&pieces);
    ti_splitter_free(s);
}

static void test_behaviors(void **state)
{
    (void)state;
    const char *text = "the-final--countdown";
    expect_pieces("-", TI_SPLIT_REMOVED, false, text, "the|final|countdown|");
    expect_pieces("-", TI_SPLIT_ISOLATED, false, text, "the|-|final|-|-|countdown|");
    expect_pieces("-", TI_SPLIT_MERGED_WITH_PREVIOUS, false, text, "the-|final-|-|countdown|");
    expect_pieces("-", TI_SPLIT_MERGED_WITH_NEXT, false, text, "the|-final|-|-countdown|");
    expect_pieces("-", TI_SPLIT_CONTIGUOUS, false, text, "the|-|final|--|countdown|");
    expect_pieces("\\w+", TI_SPLIT_REMOVED, true, text, "the|final|countdown|");
    expect_pieces("\\w", TI_SPLIT_CONTIGUOUS, true, text, "the|-|final|--|countdown|");
    expect_pieces("-", TI_SPLIT_MERGED_WITH_PREVIOUS, false, "--a", "-|-|a|");
    expect_pieces("-", TI_SPLIT_MERGED_WITH_NEXT, false, "a--", "a|-|-|");
    expect_pieces("q", TI_SPLIT_REMOVED, false, text, "the-final--countdown|");
    expect_pieces("q", TI_SPLIT_REMOVED, false, "", "");
}

static void test_empty_matches(void **state)
{
    (void)state;
    expect_pieces("x*", TI_SPLIT_ISOLATED, false, "axxb", "a|xx|b|");
    expect_pieces("(?=b)", TI_SPLIT_ISOLATED, false, "abab", "a|ba|b|");
    expect_pieces("$", TI_SPLIT_ISOLATED, false, "a\nb", "a|\nb|"); /* $ ends a line, as in Ruby */
}

static void test_white_space(void **state)
{
    (void)state;
    expect_pieces("\\s", TI_SPLIT_REMOVED, false, "a\xC2\xA0z\xE2\x80\xA8q", "a|z|q|");
    expect_pieces("\\s", TI_SPLIT_REMOVED, false, "a\xE1\xA0\x8Ez", "a\xE1\xA0\x8Ez|");
}

/* Deep recursion in the compiled form falls back to the interpreter. */
static void test_long_match(void **state)
{
    (void)state;
    size_t n = 300000;
    char *text = malloc(n);
    for (size_t i = 0; i < n; i++) text[i] = "ab"[i % 2];
    ti_splitter *s;
    te_error err;
    ti_pieces pieces = {0};
    assert_ok(ti_splitter_create(&s, "test", "(a|b)+c?", 8, false, TI_SPLIT_ISOLATED, false, &err),
              err);
    assert_ok(ti_splitter_run(s, text, n, &pieces, &err), err);
    assert_int_equal(pieces.n, 1);
    assert_int_equal(pieces.list[0].end, n);
    ti_pieces_clear(&pieces);
    ti_splitter_free(s);
    free(text);
}

#define N_SYMBOLS 6
#define WORD      40

/* The definition: as long as some pair merges, the one of lowest rank, leftmost, does. */
static size_t merge_plainly(int32_t *ids, size_t n, int rank[][N_SYMBOLS * 4],
                            int result[][N_SYMBOLS * 4])
{
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i + 1 < n; i++) {
            int r = rank[ids[i]][ids[i + 1]];
            if (r >= 0 && (best == n || r < rank[ids[best]][ids[best + 1]])) best = i;
        }
        if (best == n) return n;
        ids[best] = result[ids[best]][ids[best + 1]];
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        n--;
    }
}

static void test_merging_random_words(void **state)
{
    (void)state;
    static int rank[N_SYMBOLS * 4][N_SYMBOLS * 4], result[N_SYMBOLS * 4][N_SYMBOLS * 4];
    ti_random random = {.seed = 7};
    te_error err;
    uint64_t draw = 0;
    for (int round = 0; round < 200; round++) {
        ti_merges merges;
        ti_bpe bpe = {0};
        memset(rank, 0xFF, sizeof rank);
        assert_ok(ti_merges_init(&merges, 3 * N_SYMBOLS, &err), err);
        for (int k = 0; k < 3 * N_SYMBOLS; k++) {
            int left = (int)ti_random_below(random, draw++, (uint32_t)(N_SYMBOLS + k));
            int right = (int)ti_random_below(random, draw++, (uint32_t)(N_SYMBOLS + k));
            if (rank[left][right] >= 0) continue;
            rank[left][right] = k;
            result[left][right] = N_SYMBOLS + k;
            ti_merges_put(&merges, (ti_merge){left, right, k, N_SYMBOLS + k});
        }
        int32_t word[WORD];
        size_t n = 1 + ti_random_below(random, draw++, WORD);
        assert_ok(ti_bpe_reserve(&bpe, n, &err), err);
        for (size_t i = 0; i < n; i++)
            bpe.symbols[i].id = word[i] = (int32_t)ti_random_below(random, draw++, N_SYMBOLS);
        ti_bpe_merge(&bpe, n, &merges);
        size_t left = merge_plainly(word, n, rank, result), at = 0;
        for (size_t i = 0; i < n; i++) {
            if (bpe.symbols[i].id < 0) continue;
            assert_true(at < left);
            assert_int_equal(bpe.symbols[i].id, word[at++]);
        }
        assert_int_equal(at, left);
        ti_bpe_clear(&bpe);
        ti_merges_clear(&merges);
    }
}

static void test_byte_alphabet(void **state)
{
    (void)state;
    ti_text out = {0};
    bool mapped;
    /* G with a dot is the space, C with a dot the newline; n is itself, L with stroke the soft
     * hyphen. */
    assert_true(ti_byte_level_append(&out, "\xC4\xA0n\xC4\x8A\xC5\x83", 7, &mapped));
    assert_true(mapped);
    assert_int_equal(out.n, 4);
    assert_memory_equal(out.bytes, " n\n\xAD", 4);
    out.n = 0;
    assert_true(ti_byte_level_append(&out, "a b", 3, &mapped)); /* a space is not of the alphabet */
    assert_false(mapped);
    assert_memory_equal(out.bytes, "a b", 3);
    ti_text_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behaviors),
        cmocka_unit_test(test_empty_matches),
        cmocka_unit_test(test_white_space),
        cmocka_unit_test(test_long_match),
        cmocka_unit_test(test_merging_random_words),
        cmocka_unit_test(test_byte_alphabet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
