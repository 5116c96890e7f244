/* memory_test.c - every allocation from opening a model to a decoded picture fails once in turn: a
 * sentence comes back, and nothing leaks. */
#include "testing.h"

#include "backend/cpu/cpu.h"
#include "vision/geometry.h"
#include "vision/golden.h"
#include "vision/image_tokenizer.h"

static long countdown = -1; /* calls until one fails; negative: none does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

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

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static te_status run(const ti_gguf *file, ti_backend *backend, te_error *err)
{
    unsigned char pixels[5 * 3 * 3] = {9};
    te_image picture = {pixels, 5, 3, 3, TE_U8, 15};
    ti_frame frame = ti_frame_whole(5, 3, 8, 4);
    float rgb[8 * 4 * 3];
    int32_t codes[2];
    ti_image_tokenizer *t = NULL;
    te_status st = ti_image_tokenizer_create(&t, file, backend, err);
    if (!st) st = ti_picture_read(&picture, &frame, rgb, err);
    if (!st) st = ti_image_tokenizer_encode(t, rgb, 4, 8, codes, NULL, err);
    if (!st) st = ti_image_tokenizer_decode(t, codes, 1, 2, rgb, false, NULL, err);
    ti_image_tokenizer_free(t);
    return st;
}

static void check_model(int model)
{
    te_error err = {0};
    ti_gguf *file = NULL;
    ti_backend *backend = NULL;
    assert_ok(ti_gguf_open(&file, convert_golden(model, &(damage){0}), &err), err);
    assert_ok(ti_cpu_create(&backend, 1, &err), err);
    int failures = 0;
    for (long at = 0;; at++) {
        countdown = at;
        te_status st = run(file, backend, &err);
        bool reached = countdown < 0;
        countdown = -1;
        if (!reached) {
            assert_ok(st, err);
            break;
        }
        assert_int_equal(st, TE_NOMEM);
        assert_true(strlen(err.message) > 10);
        failures++;
    }
    assert_true(failures > 100);
    ti_backend_free(backend);
    ti_gguf_free(file);
}

static void test_every_allocation(void **state)
{
    (void)state;
    for (int model = 0; model < MODELS; model++) check_model(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
