/* quality_test.c - results survive a cut line, and the report's figures are those of the answers.
 */
#include "testing.h"

#include <unistd.h>

#include "bench/quality.h"
#include "world/world.h"

static quality_answer answer(int strategy, int category, long index, bool good)
{
    quality_answer a = {.strategy = strategy,
                        .category = category,
                        .index = index,
                        .text = true,
                        .image = good,
                        .output = good,
                        .delivered_image = !good,
                        .delivered_output = good,
                        .has_unchanged = category < 5,
                        .psnr = 28,
                        .psnr_tokens = 40,
                        .changed = 0.01,
                        .seconds = 2};
    snprintf(a.kind, sizeof a.kind, "kind%d", category);
    return a;
}

static void test_lines(void **state)
{
    (void)state;
    char path[] = "/tmp/quality-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    for (long i = 0; i < 100; i++) {
        quality_answer a = answer((int)(i % 3), (int)(i % 7), i, i % 2);
        assert_true(quality_write_line(file, &a));
    }
    fputs("{\"strategy\":\"parallel\",\"index\":7,\"cate", file); /* cut by a kill */
    fclose(file);
    quality_answer *back = NULL;
    size_t n = 0;
    te_error err;
    assert_ok(quality_read_file(path, &back, &n, &err), err);
    assert_int_equal(n, 100);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(back[i].index, i);
        assert_int_equal(back[i].strategy, i % 3);
        assert_int_equal(back[i].category, i % 7);
        assert_int_equal(back[i].image, i % 2);
        assert_int_equal(back[i].delivered_image, (i + 1) % 2);
        assert_int_equal(back[i].delivered_output, i % 2);
        assert_true(back[i].psnr == 28 && back[i].text);
    }
    free(back);
    unlink(path);
}

static void test_report(void **state)
{
    (void)state;
    quality_answer answers[200];
    for (int i = 0; i < 200; i++) {
        answers[i] = answer(TE_PARALLEL, i % 2, i, i % 4 != 0);
        answers[i].delivered_image = i % 10 != 0;
    }
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    te_error err;
    assert_non_null(file);
    assert_ok(quality_report(file, answers, 200, &err), err);
    fclose(file);
    /* half of the spatial ones fail, none of the temporal ones */
    assert_non_null(strstr(text, "| spatial | 100 | 100.0 (100.0-100.0) | 50.0 ("));
    assert_non_null(strstr(text, "| temporal | 100 | 100.0 (100.0-100.0) | 100.0 (100.0-100.0) |"));
    assert_non_null(strstr(text, "| parallel | 200 | 100.0 (100.0-100.0) | 75.0 ("));
    assert_non_null(strstr(text, "| spatial / kind0 | 100 | 100 | 50 | 80 | 50 |"));
    assert_non_null(strstr(text, "as delivered, parallel decoding"));
    assert_null(strstr(text, "temporal / kind1"));
    assert_null(strstr(text, "sequential decoding"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_report)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
