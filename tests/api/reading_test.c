/* reading_test.c - the reasoning while it appears: blocks for masks, cut at eos, what was revealed.
 */
#include "testing.h"

#include "api.h"

static ti_tokenizer *words;
static const ti_layout layout = {.mask = 336, .eos = 81};

static int open_words(void **state)
{
    (void)state;
    static char json[100000];
    te_error err;
    FILE *file = fopen(TE_SOURCE "/tests/stand-in/tokenizer.json", "rb");
    if (!file) return -1;
    size_t n = fread(json, 1, sizeof json, file);
    fclose(file);
    return ti_tokenizer_create(&words, "stand-in", json, n, &err);
}

static int close_words(void **state)
{
    (void)state;
    ti_tokenizer_free(words);
    return 0;
}

/* Tokens of TEXT; '_' stands for a mask and '$' for eos. */
static int tokens_of(const char *text, int32_t *ids)
{
    int32_t *encoded;
    int n;
    te_error err;
    assert_ok(ti_tokenizer_encode(words, text, strlen(text), &encoded, &n, &err), err);
    assert_int_equal(n, strlen(text));
    for (int i = 0; i < n; i++)
        ids[i] = text[i] == '_' ? layout.mask : text[i] == '$' ? layout.eos : encoded[i];
    free(encoded);
    return n;
}

static ti_reading render(const char *text, const char *before, bool finished)
{
    int32_t ids[64], old[64];
    te_error err;
    ti_reading r;
    int n = tokens_of(text, ids);
    if (before) assert_int_equal(tokens_of(before, old), n);
    assert_ok(ti_reading_render(&r, words, &layout, ids, before ? old : NULL, n, finished, &err),
              err);
    return r;
}

static void expect(const char *text, const char *before, bool finished, const char *reading,
                   int n_ranges, const int *ranges)
{
    ti_reading r = render(text, before, finished);
    assert_string_equal(r.text, reading);
    assert_int_equal(r.n_ranges, n_ranges);
    if (n_ranges) assert_memory_equal(r.ranges, ranges, (size_t)n_ranges * 2 * sizeof *ranges);
    ti_reading_clear(&r);
    assert_null(r.text);
}

#define B "\xE2\x96\x88"

static void test_readings(void **state)
{
    (void)state;
    expect("____", "____", false, B B B B, 0, NULL);
    expect("a__b", "____", false, "a" B B "b", 2, (int[]){0, 1, 3, 4});
    expect("ab_b", "a__b", false, "ab" B "b", 1, (int[]){1, 2});
    expect("abcd", "a__d", false, "abcd", 1, (int[]){1, 3});
    expect("abcd", "abcd", true, "abcd", 0, NULL);
    expect("ab", NULL, false, "ab", 1, (int[]){0, 2});
    expect("a$_b", "a___", false, "a", 0, NULL); /* what follows an eos is not read */
    expect("$abc", "____", false, "", 0, NULL);
    expect("a_b", "a__", true, "ab", 1, (int[]){1, 2}); /* a mask that stays is no text */
    expect("", "", true, "", 0, NULL);
}

/* Two tokens that make one character only together. */
static void test_split_character(void **state)
{
    (void)state;
    int32_t whole[8], half[8], none[8];
    te_error err;
    ti_reading r;
    assert_int_equal(tokens_of("x\xC3\xA4", whole), 3);
    memcpy(half, whole, sizeof half);
    half[2] = layout.mask;
    memcpy(none, half, sizeof none);
    none[1] = layout.mask;
    assert_ok(ti_reading_render(&r, words, &layout, half, none, 3, false, &err), err);
    assert_string_equal(r.text, "x\xEF\xBF\xBD" B);
    assert_int_equal(r.n_ranges, 1);
    ti_reading_clear(&r);
    assert_ok(ti_reading_render(&r, words, &layout, whole, half, 3, false, &err), err);
    assert_string_equal(r.text, "x\xC3\xA4");
    assert_int_equal(r.n_ranges, 0); /* it was counted with its first byte */
    ti_reading_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readings),
                                       cmocka_unit_test(test_split_character)};
    return cmocka_run_group_tests(tests, open_words, close_words);
}
