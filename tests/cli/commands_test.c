/* What every command says: help, bad usage, and files that are not what they should be. */
#include "cli/spawn.h"

static void test_help(void **state)
{
    (void)state;
    static const char *const names[] = {"edit",  "generate", "batch",        "convert",
                                        "info",  "tokenize", "image-tokens", "denoise",
                                        "serve", "bench",    "pull"};
    assert_int_equal(run("--help", NULL), 0);
    char *all = g_strdup(run_output);
    for (size_t i = 0; i < TEST_LENGTH(names); i++) {
        if (!strstr(all, names[i])) fail_msg("%s is not listed", names[i]);
        assert_int_equal(run(names[i], "--help", NULL), 0);
        char *begin = g_strdup_printf("thinkedit %s ", names[i]);
        assert_true(g_str_has_prefix(run_output, begin));
        assert_string_equal(run_errors, "");
        g_free(begin);
    }
    g_free(all);
    assert_int_equal(run("edit", "--help", NULL), 0);
    assert_non_null(strstr(run_output, "--image-steps")); /* from the engine's table */
    assert_int_equal(run("--version", NULL), 0);
    assert_true(g_str_has_prefix(run_output, "thinkedit "));
}

/* OpenMP's threads sleep soon when they wait, unless the person says otherwise; asked to, the
 * library prints what it was told. */
static void test_waiting(void **state)
{
    (void)state;
    g_setenv("OMP_DISPLAY_ENV", "verbose", TRUE);
    g_unsetenv("OMP_WAIT_POLICY");
    g_unsetenv("GOMP_SPINCOUNT");
    assert_int_equal(run("--version", NULL), 0);
    assert_non_null(strstr(run_errors, "GOMP_SPINCOUNT = '10000'"));
    g_setenv("GOMP_SPINCOUNT", "77", TRUE);
    assert_int_equal(run("--version", NULL), 0);
    assert_non_null(strstr(run_errors, "GOMP_SPINCOUNT = '77'"));
    assert_null(strstr(run_errors, "GOMP_SPINCOUNT = '10000'"));
    g_unsetenv("GOMP_SPINCOUNT");
    g_unsetenv("OMP_DISPLAY_ENV");
}

static void test_bad_usage(void **state)
{
    (void)state;
    failed_with(run(NULL, NULL), 2, "command");
    failed_with(run("paint", NULL), 2, "paint");
    failed_with(run("edit", NULL), 2, "IMAGE");
    failed_with(run("edit", "a.png", "x", NULL), 2, "-o OUT");
    failed_with(run("edit", "a.png", "x", "y", "-o", "b.png", NULL), 2, "too many");
    failed_with(run("edit", "a.png", "x", "-o", NULL), 2, "-o needs a value");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--sede", "3", NULL), 2, "--sede");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--seed", "three", NULL), 2, "seed");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--seed", NULL), 2, "seed");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--schedule=slow", NULL), 2, "cosine");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--region", "1,2,3", NULL), 2, "x,y,w,h");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--region", "1,2,3,0", NULL), 2,
                "x,y,w,h");
    failed_with(
        run("edit", "a.png", "x", "-o", "b.png", "--region", "1,2,3,4", "--mask", "m.png", NULL), 2,
        "exclude");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--size", "huge", NULL), 2,
                "full or model");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--json=1", NULL), 2, "no value");
    failed_with(run("edit", "a.png", "x", "-o", "b.png", "--threads", "-1", NULL), 2,
                "whole number");
    failed_with(run("generate", "x", "-o", "b.png", "--width", "64", NULL), 2, "together");
    failed_with(run("batch", "m.jsonl", NULL), 2, "-o DIR");
    failed_with(run("batch", "m.jsonl", "-o", "d", "--format", "gif", NULL), 2, "png");
    failed_with(run("convert", "d", NULL), 2, "-o OUT.gguf");
    failed_with(run("info", NULL), 2, "MODEL.gguf");
    failed_with(run("tokenize", "--text", "x", NULL), 2, "--tokenizer");
    failed_with(run("tokenize", "--tokenizer", "t", NULL), 2, "--text or --decode");
    failed_with(run("tokenize", "--tokenizer", "t", "--decode", "1 two", NULL), 2, "whole numbers");
    failed_with(run("image-tokens", "paint", "m", "x", NULL), 2, "encode or decode");
    failed_with(run("image-tokens", "decode", "m", "1 2", "-o", "x.png", NULL), 2, "--grid");
    failed_with(run("image-tokens", "decode", "m", "1 2", "--grid", "2x2", "-o", "x.png", NULL), 2,
                "4 codes");
    failed_with(run("denoise", "m", NULL), 2, "--sequence");
    failed_with(run("pull", "everything", NULL), 2, "mmada-parallel-m");
}

static void test_missing_files(void **state)
{
    (void)state;
    failed_with(run("info", "no.gguf", NULL), 1, "no.gguf");
    failed_with(run("edit", "no.png", "x", "-o", "b.png", "-m", "no.gguf", NULL), 1, "no.gguf");
    failed_with(run("edit", "no.png", "x", "-o", "b.png", "-m", stand_in(), NULL), 1, "no.png");
    failed_with(run("convert", "no-folder", "-o", "x.gguf", "--profile", "mmada-parallel-m", NULL),
                1, "no-folder");
    failed_with(run("tokenize", "--tokenizer", "no.json", "--text", "x", NULL), 1, "no.json");
    failed_with(run("image-tokens", "encode", stand_in(), "no.png", NULL), 1, "no.png");
    failed_with(run("denoise", stand_in(), "--sequence", "no.json", "--trace", "t", NULL), 1,
                "no.json");
    failed_with(run("batch", "no.jsonl", "-o", "d", "-m", stand_in(), NULL), 1, "no.jsonl");
}

static void test_wrong_files(void **state)
{
    (void)state;
    write_file("text.gguf", "this is no model");
    write_file("cut.gguf", "GGUF\3");
    write_file("text.json", "{\"model\": 7}");
    failed_with(run("info", "text.gguf", NULL), 1, "text.gguf");
    failed_with(run("info", "cut.gguf", NULL), 1, "cut.gguf");
    failed_with(run("edit", "no.png", "x", "-o", "b.png", "-m", "cut.gguf", NULL), 1, "cut.gguf");
    failed_with(run("tokenize", "--tokenizer", "text.json", "--text", "x", NULL), 1, "text.json");
    failed_with(run("tokenize", "--tokenizer", "cut.gguf", "--text", "x", NULL), 1, "cut.gguf");
    failed_with(run("image-tokens", "encode", stand_in(), "text.json", NULL), 1, "text.json");
    failed_with(run("denoise", stand_in(), "--sequence", "text.json", "--trace", "t", NULL), 1,
                "text.json");
}

static void test_info(void **state)
{
    (void)state;
    assert_int_equal(run("info", stand_in(), NULL), 0);
    assert_non_null(strstr(run_output, "stand-in.gguf"));
    assert_int_equal(run("info", stand_in(), "--json", NULL), 0);
    JsonNode *node = parse_json(run_output);
    assert_true(JSON_NODE_HOLDS_OBJECT(node));
    json_node_unref(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_bad_usage),   cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_info),
    };
    return cmocka_run_group_tests(tests, spawn_set_up, spawn_tear_down);
}
