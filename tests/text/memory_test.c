/* Every allocation of the tokenizer fails once in turn: a sentence comes back and nothing leaks. */
#include "testing.h"
#include "text/cases.h"

static long countdown = -1; /* calls until one fails; negative: none does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool fails(void)
{
    return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static te_status run(te_error *err)
{
    static const char text[] = "abc <s> e\xCC\x81 [L] \xE1\xA0\x8E a";
    ti_tokenizer *t;
    int32_t *ids = NULL;
    int n = 0;
    char *decoded = NULL;
    te_status st =
        open_small(&t, "{\"type\":\"NFC\"}", "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}",
                   "[{\"id\":20,\"content\":\"<s>\",\"special\":true},"
                   "{\"id\":21,\"content\":\"e\\u0301\",\"normalized\":true}]",
                   ",\"unk_token\":\"<unk>\"", err);
    if (!st) st = ti_tokenizer_encode(t, text, strlen(text), &ids, &n, err);
    if (!st) st = ti_tokenizer_decode(t, ids, n, true, &decoded, err);
    free(decoded);
    free(ids);
    ti_tokenizer_free(t);
    return st;
}

static void test_every_allocation(void **state)
{
    (void)state;
    te_error err = {0};
    assert_ok(run(&err), err);
    int failures = 0;
    for (long at = 0;; at++) {
        countdown = at;
        te_status st = run(&err);
        bool reached = countdown < 0;
        countdown = -1;
        if (!reached) break;
        failures++;
        /* ti_tokenizer_id() has no status: without memory it finds nothing, which is an error here.
         */
        if (st != TE_NOMEM && st != TE_FORMAT) fail_msg("allocation %ld: status %d", at, st);
        assert_true(err.message[0] != '\0');
    }
    assert_true(failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
