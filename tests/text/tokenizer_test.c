/* Encoding and decoding: every golden case, what the golden files do not exercise, and hostile
 * files. */
#include "testing.h"
#include "text/cases.h"

static void check_golden(const char *folder)
{
    ti_tokenizer *t = open_golden(folder);
    json_t *cases = read_cases(folder);
    te_error err;
    assert_true(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const json_t *text = json_object_get(c, "text"), *expected = json_object_get(c, "ids");
        int32_t *ids;
        int n;
        assert_ok(ti_tokenizer_encode(t, json_string_value(text), json_string_length(text), &ids,
                                      &n, &err),
                  err);
        if ((size_t)n != json_array_size(expected))
            fail_msg("%s, case %zu: %d ids, not %zu: %s", folder, i, n, json_array_size(expected),
                     json_string_value(text));
        for (int k = 0; k < n; k++)
            if (ids[k] != json_integer_value(json_array_get(expected, (size_t)k)))
                fail_msg("%s, case %zu, id %d is %d: %s", folder, i, k, ids[k],
                         json_string_value(text));
        char *decoded;
        assert_ok(ti_tokenizer_decode(t, ids, n, true, &decoded, &err), err);
        assert_string_equal(decoded, json_string_value(json_object_get(c, "decoded")));
        free(decoded);
        free(ids);
    }
    json_decref(cases);
    ti_tokenizer_free(t);
}

static void test_golden_gpt2(void **state)
{
    (void)state;
    check_golden("tokenizer-gpt2");
}

static void test_golden_llama3(void **state)
{
    (void)state;
    check_golden("tokenizer-llama3");
}

static void test_golden_bailing(void **state)
{
    (void)state;
    check_golden("tokenizer-bailing");
}

static void test_questions(void **state)
{
    (void)state;
    ti_tokenizer *t = open_golden("tokenizer-llama3");
    assert_int_equal(ti_tokenizer_id(t, "<|startoftext|>"), 0);
    assert_int_equal(ti_tokenizer_id(t, "<|eot_id|>"), 1980);
    assert_int_equal(ti_tokenizer_id(t, "no such token"), -1);
    assert_int_equal(ti_tokenizer_id(t, ""), -1);
    assert_int_equal(ti_tokenizer_size(t), 1981);
    assert_true(ti_tokenizer_is_special(t, 1980));
    assert_false(ti_tokenizer_is_special(t, 500));
    assert_false(ti_tokenizer_is_special(t, -1));
    assert_false(ti_tokenizer_is_special(t, 1 << 30));

    int32_t ids[] = {-5, 0, 1 << 30, 1980};
    char *text;
    te_error err;
    assert_ok(ti_tokenizer_decode(t, ids, 4, false, &text, &err), err);
    assert_string_equal(text, "<|startoftext|><|eot_id|>");
    free(text);
    assert_ok(ti_tokenizer_decode(t, ids, 0, false, &text, &err), err);
    assert_string_equal(text, "");
    free(text);
    ti_tokenizer_free(t);
}

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define SPLIT(pattern, behavior)                                                                   \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":" pattern           \
    ",\"behavior\":\"" behavior "\",\"invert\":false}," BYTE_LEVEL "]}"

static void expect(ti_tokenizer *t, const char *text, int n_expected, const int32_t *expected)
{
    int32_t *ids;
    int n;
    te_error err;
    assert_ok(ti_tokenizer_encode(t, text, strlen(text), &ids, &n, &err), err);
    if (n != n_expected) fail_msg("'%s': %d ids, not %d", text, n, n_expected);
    for (int i = 0; i < n; i++)
        if (ids[i] != expected[i])
            fail_msg("'%s': id %d is %d, not %d", text, i, ids[i], expected[i]);
    free(ids);
}

#define EXPECT(t, text, ...)                                                                       \
    do {                                                                                           \
        const int32_t expected_ids[] = {__VA_ARGS__};                                              \
        expect(t, text, (int)TEST_LENGTH(expected_ids), expected_ids);                             \
    } while (0)

static ti_tokenizer *small(const char *normalizer, const char *pre, const char *added,
                           const char *extra)
{
    ti_tokenizer *t;
    te_error err;
    assert_ok(open_small(&t, normalizer, pre, added, extra, &err), err);
    return t;
}

static void test_merge_order(void **state)
{
    (void)state;
    ti_tokenizer *t = small("null", BYTE_LEVEL, "[]", "");
    EXPECT(t, "abc", 7); /* b c has the lowest rank, then a bc */
    EXPECT(t, "ab", 5);
    EXPECT(t, "abab", 5, 5);
    EXPECT(t, "abca bc", 7, 0, 3, 6);
    EXPECT(t, "xyx", 13, 14, 13); /* in the vocabulary, but no merges lead there */
    EXPECT(t, "azb", 5);          /* a byte without a token is left out */
    expect(t, "", 0, NULL);
    ti_tokenizer_free(t);

    t = small("null", BYTE_LEVEL, "[]", ",\"ignore_merges\":true");
    EXPECT(t, "xyx", 15);
    EXPECT(t, "xyxa", 13, 14, 13, 0);
    ti_tokenizer_free(t);

    t = small("null", BYTE_LEVEL, "[]", ",\"unk_token\":\"<unk>\"");
    EXPECT(t, "azzb", 0, 12, 12, 1);
    ti_tokenizer_free(t);
    t = small("null", BYTE_LEVEL, "[]", ",\"unk_token\":\"<unk>\",\"fuse_unk\":true");
    EXPECT(t, "azzbz", 0, 12, 1, 12);
    ti_tokenizer_free(t);
}

static void test_prefix_space(void **state)
{
    (void)state;
    ti_tokenizer *t = small("null", "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "[]", "");
    EXPECT(t, "abc", 3, 7);
    EXPECT(t, " abc", 3, 7);
    ti_tokenizer_free(t);
}

static void test_normal_forms(void **state)
{
    (void)state;
    ti_tokenizer *t =
        small("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"NFC\"}]}",
              BYTE_LEVEL, "[]", "");
    EXPECT(t, "e\xCC\x81", 11); /* e and an acute accent make one character; e alone has no token */
    EXPECT(t, "\xC3\xA9", 11);
    ti_tokenizer_free(t);
    t = small("{\"type\":\"NFKC\"}", BYTE_LEVEL, "[]", "");
    EXPECT(t, "\xEF\xBD\x81", 0); /* full-width a */
    ti_tokenizer_free(t);
}

static void test_behaviors(void **state)
{
    (void)state;
    ti_tokenizer *t = small("null", SPLIT("{\"String\":\"-\"}", "Removed"), "[]", "");
    EXPECT(t, "a-bc--", 0, 6);
    ti_tokenizer_free(t);
    t = small("null", SPLIT("{\"Regex\":\"b\"}", "Isolated"), "[]", "");
    EXPECT(t, "abc", 0, 1, 2);
    ti_tokenizer_free(t);
    t = small("null", SPLIT("{\"Regex\":\"b\"}", "MergedWithPrevious"), "[]", "");
    EXPECT(t, "abc", 5, 2);
    ti_tokenizer_free(t);
    t = small("null", SPLIT("{\"Regex\":\"b\"}", "MergedWithNext"), "[]", "");
    EXPECT(t, "abc", 0, 6);
    ti_tokenizer_free(t);
    t = small("null", SPLIT("{\"Regex\":\"[bc]\"}", "Contiguous"), "[]", "");
    EXPECT(t, "abc", 0, 6);
    ti_tokenizer_free(t);
}

static void test_added_tokens(void **state)
{
    (void)state;
    ti_tokenizer *t = small("{\"type\":\"NFC\"}", BYTE_LEVEL,
                            "[{\"id\":20,\"content\":\"<s>\",\"special\":true},"
                            "{\"id\":21,\"content\":\"<s>>\",\"special\":false},"
                            "{\"id\":22,\"content\":\"cab\",\"single_word\":true},"
                            "{\"id\":23,\"content\":\"[L]\",\"lstrip\":true},"
                            "{\"id\":24,\"content\":\"[R]\",\"rstrip\":true},"
                            "{\"id\":25,\"content\":\"e\\u0301\",\"normalized\":true}]",
                            "");
    EXPECT(t, "ab<s>c", 5, 20, 2);
    EXPECT(t, "<s>><s>", 21, 20); /* the longest counts */
    EXPECT(t, "a cab c", 0, 3, 22, 3, 2);
    EXPECT(t, "cab", 22);
    EXPECT(t, "acab", 0, 2, 5); /* part of a word */
    EXPECT(t, "a  [L] b", 0, 23, 3, 1);
    EXPECT(t, "a [R]  b", 0, 3, 24, 1);
    EXPECT(t, "[R] [L] [L]", 24, 23, 23);
    EXPECT(t, "a\xC3\xA9", 0, 25); /* looked for in its normal form, in the text's */
    EXPECT(t, "ae\xCC\x81", 0, 25);

    int32_t ids[] = {20, 0, 21};
    char *text;
    te_error err;
    assert_ok(ti_tokenizer_decode(t, ids, 3, true, &text, &err), err);
    assert_string_equal(text, "a<s>>");
    free(text);
    ti_tokenizer_free(t);
}

static void test_invalid_utf8(void **state)
{
    (void)state;
    ti_tokenizer *t = open_golden("tokenizer-gpt2");
    int32_t *bad, *good;
    int n_bad, n_good;
    te_error err;
    const char broken
        [] = "a\xFF\xF0\x9F\x98z\xC0\xAF\xED\xA0\x80",
  mended[] =
        "a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD";
    assert_ok(ti_tokenizer_encode(t, broken, sizeof broken - 1, &bad, &n_bad, &err), err);
    assert_ok(ti_tokenizer_encode(t, mended, sizeof mended - 1, &good, &n_good, &err), err);
    assert_int_equal(n_bad, n_good);
    assert_memory_equal(bad, good, (size_t)n_bad * sizeof *bad);
    char *text;
    assert_ok(ti_tokenizer_decode(t, bad, n_bad, true, &text, &err), err);
    assert_string_equal(text, mended);
    free(text);
    /* Half a character: its first token alone. */
    int32_t first;
    free(bad);
    assert_ok(ti_tokenizer_encode(t, "\xF0\x9F\x98\x80", 4, &bad, &n_bad, &err), err);
    first = bad[0];
    assert_true(n_bad > 1);
    assert_ok(ti_tokenizer_decode(t, &first, 1, true, &text, &err), err);
    assert_string_equal(text, "\xEF\xBF\xBD");
    free(text);
    free(bad);
    free(good);
    ti_tokenizer_free(t);
}

static void test_long_texts(void **state)
{
    (void)state;
    ti_tokenizer *t = open_golden("tokenizer-bailing");
    size_t length = 1 << 20;
    char *text = malloc(length + 1);
    int32_t *ids;
    int n;
    te_error err;
    memset(text, 'e', length + 1);
    assert_ok(ti_tokenizer_encode(t, text, length, &ids, &n, &err), err);
    assert_true(n > 1000);
    free(ids);
    memset(text, ' ', length);
    assert_ok(ti_tokenizer_encode(t, text, length, &ids, &n, &err), err);
    free(ids);
    assert_int_equal(ti_tokenizer_encode(t, text, length + 1, &ids, &n, &err), TE_INVALID);
    assert_null(ids);
    free(text);
    ti_tokenizer_free(t);
}

static void refused(te_status status, const char *word, te_status got, ti_tokenizer *t,
                    const te_error *err)
{
    if (got != status) fail_msg("'%s': status %d, not %d (%s)", word, got, status, err->message);
    assert_null(t);
    if (!strstr(err->message, word)) fail_msg("no '%s' in '%s'", word, err->message);
    assert_int_equal(strncmp(err->message, "small.json: ", 12), 0);
}

static void test_hostile_files(void **state)
{
    (void)state;
    const struct {
        const char *normalizer, *pre, *added, *extra;
        te_status status;
        const char *word;
    } files[] = {
        {"{\"type\":\"Lowercase\"}", BYTE_LEVEL, "[]", "", TE_UNSUPPORTED, "Lowercase"},
        {"[]", BYTE_LEVEL, "[]", "", TE_UNSUPPORTED, "normaliser"},
        {"null", "null", "[]", "", TE_UNSUPPORTED, "pre-tokeniser"},
        {"null", "{\"type\":\"Metaspace\"}", "[]", "", TE_UNSUPPORTED, "Metaspace"},
        {"null", "{\"type\":\"Sequence\",\"pretokenizers\":7}", "[]", "", TE_FORMAT,
         "pre-tokenisers"},
        {"null", "{\"type\":\"Sequence\",\"pretokenizers\":[" BYTE_LEVEL "," BYTE_LEVEL "]}", "[]",
         "", TE_UNSUPPORTED, "behind ByteLevel"},
        {"null", SPLIT("{\"Regex\":\"(\"}", "Isolated"), "[]", "", TE_FORMAT, "regular expression"},
        {"null", SPLIT("{\"Regex\":\"[a[b]]\"}", "Isolated"), "[]", "", TE_UNSUPPORTED,
         "inside another"},
        {"null", SPLIT("{\"Regex\":\"[a&&b]\"}", "Isolated"), "[]", "", TE_UNSUPPORTED, "&&"},
        {"null", SPLIT("{\"Regex\":\"\\\\h\"}", "Isolated"), "[]", "", TE_UNSUPPORTED, "\\h"},
        {"null", SPLIT("{\"Regex\":\"(?im:a)\"}", "Isolated"), "[]", "", TE_UNSUPPORTED, "(?m)"},
        {"null", SPLIT("{\"Regex\":\"\\\\C\"}", "Isolated"), "[]", "", TE_FORMAT,
         "regular expression"},
        {"null", SPLIT("{\"Regex\":\"a\"}", "Sideways"), "[]", "", TE_UNSUPPORTED, "Sideways"},
        {"null", SPLIT("{}", "Isolated"), "[]", "", TE_FORMAT, "pattern"},
        {"null", BYTE_LEVEL, "[{\"id\":-1,\"content\":\"q\"}]", "", TE_FORMAT, "id"},
        {"null", BYTE_LEVEL, "[{\"id\":99999999,\"content\":\"q\"}]", "", TE_FORMAT, "id"},
        {"null", BYTE_LEVEL, "[{\"id\":20}]", "", TE_FORMAT, "added token"},
        {"null", BYTE_LEVEL, "[7]", "", TE_FORMAT, "id"},
        {"null", BYTE_LEVEL, "[{\"id\":3,\"content\":\"q\"}]", "", TE_FORMAT, "two tokens"},
        {"null", BYTE_LEVEL, "[{\"id\":30,\"content\":\"ab\"}]", "", TE_FORMAT, "two ids"},
        {"null", BYTE_LEVEL, "[]", ",\"byte_fallback\":true", TE_UNSUPPORTED, "byte_fallback"},
        {"null", BYTE_LEVEL, "[]", ",\"dropout\":0.1", TE_UNSUPPORTED, "dropout"},
        {"null", BYTE_LEVEL, "[]", ",\"unk_token\":\"q\"", TE_FORMAT, "unknown token"},
        {"null", BYTE_LEVEL, "[]", ",\"merges\":[\"a c\"]", TE_FORMAT, "merge 0"},
        {"null", BYTE_LEVEL, "[]", ",\"merges\":[\"abc\"]", TE_FORMAT, "merge 0"},
        {"null", BYTE_LEVEL, "[]", ",\"merges\":[[\"a\"]]", TE_FORMAT, "merge 0"},
        {"null", BYTE_LEVEL, "[]", ",\"merges\":{}", TE_FORMAT, "merges"},
        {"null", BYTE_LEVEL, "[]", ",\"vocab\":[]", TE_FORMAT, "vocabulary"},
        {"null", BYTE_LEVEL, "[]", ",\"vocab\":{\"a\":1.5}", TE_FORMAT, "id"},
        {"null", BYTE_LEVEL, "[]", ",\"type\":\"Unigram\"", TE_UNSUPPORTED, "Unigram"},
        {"null", BYTE_LEVEL, "[]", ",", TE_FORMAT, "JSON"},
    };
    for (size_t i = 0; i < TEST_LENGTH(files); i++) {
        ti_tokenizer *t = (ti_tokenizer *)1;
        te_error err = {0};
        te_status st =
            open_small(&t, files[i].normalizer, files[i].pre, files[i].added, files[i].extra, &err);
        refused(files[i].status, files[i].word, st, t, &err);
    }
    const char *const whole[] = {"",         "[]",      "{", "null", "{\"a\":\"\\ud800\"}",
                                 "\xFF\xFE", "[[[[[[[["};
    for (size_t i = 0; i < TEST_LENGTH(whole); i++) {
        ti_tokenizer *t = (ti_tokenizer *)1;
        te_error err = {0};
        te_status st = ti_tokenizer_create(&t, "small.json", whole[i], strlen(whole[i]), &err);
        assert_true(st == TE_FORMAT || st == TE_UNSUPPORTED);
        assert_null(t);
    }
}

/* An expression that backtracks exponentially ends with a sentence, not with a hang. */
static void test_runaway_expression(void **state)
{
    (void)state;
    ti_tokenizer *t = small("null", SPLIT("{\"Regex\":\"(a+)+$\"}", "Isolated"), "[]", "");
    int32_t *ids;
    int n;
    te_error err;
    const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    assert_int_equal(ti_tokenizer_encode(t, text, strlen(text), &ids, &n, &err), TE_FORMAT);
    assert_null(ids);
    assert_non_null(strstr(err.message, "regular expression"));
    ti_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_gpt2),        cmocka_unit_test(test_golden_llama3),
        cmocka_unit_test(test_golden_bailing),     cmocka_unit_test(test_questions),
        cmocka_unit_test(test_merge_order),        cmocka_unit_test(test_prefix_space),
        cmocka_unit_test(test_normal_forms),       cmocka_unit_test(test_behaviors),
        cmocka_unit_test(test_added_tokens),       cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_long_texts),         cmocka_unit_test(test_hostile_files),
        cmocka_unit_test(test_runaway_expression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
