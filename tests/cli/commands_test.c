/* What every command says: help, bad usage, and files that are not what they should be. */
#include "cli/spawn.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* The value of GOMP_SPINCOUNT that a command runs with, or NULL; g_free(). The command waits for a
 * tokenizer at the other end of a pipe, so that its environment can be read. */
static char *spin_count(void)
{
    const char *pipe = in_folder("pipe.json");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    GPid pid = start("tokenize", "--tokenizer", pipe, "--text", "x", NULL);
    int end = -1;
    for (int i = 0; i < 1000 && end < 0; i++) { /* nobody reads it yet */
        end = open(pipe, O_WRONLY | O_NONBLOCK);
        if (end < 0) g_usleep(10000);
    }
    assert_true(end >= 0);
    char *path = g_strdup_printf("/proc/%d/environ", (int)pid), *all, *value = NULL;
    gsize size;
    assert_true(g_file_get_contents(path, &all, &size, NULL));
    for (const char *at = all; at < all + size; at += strlen(at) + 1)
        if (g_str_has_prefix(at, "GOMP_SPINCOUNT=")) value = g_strdup(strchr(at, '=') + 1);
    close(end);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    g_unlink(pipe);
    g_free(path);
    g_free(all);
    return value;
}

/* OpenMP's threads sleep soon when they wait, unless the person says otherwise. */
static void test_waiting(void **state)
{
    (void)state;
    g_unsetenv("OMP_WAIT_POLICY");
    g_unsetenv("GOMP_SPINCOUNT");
    char *value = spin_count();
    assert_non_null(value);
    assert_string_equal(value, "10000");
    g_free(value);
    g_setenv("GOMP_SPINCOUNT", "77", TRUE);
    value = spin_count();
    assert_string_equal(value, "77");
    g_free(value);
    g_unsetenv("GOMP_SPINCOUNT");
    g_setenv("OMP_WAIT_POLICY", "active", TRUE);
    assert_null(spin_count());
    g_unsetenv("OMP_WAIT_POLICY");
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
