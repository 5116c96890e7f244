/* memory_test.c - every allocation from binding a model to a decoded picture fails once in turn: a
 * sentence comes back, and nothing leaks. */
#include "testing.h"

#include "alloc.h"
#include "backend/cpu/cpu.h"
#include "vision/geometry.h"
#include "vision/golden.h"
#include "vision/image_tokenizer.h"

typedef struct rig {
    ti_gguf *file;
    ti_backend *backend;
} rig;

static te_status work(void *user, te_error *err)
{
    const rig *r = user;
    unsigned char pixels[5 * 3 * 3] = {9};
    te_image picture = {pixels, 5, 3, 3, TE_U8, 15};
    ti_frame frame = ti_frame_whole(5, 3, 8, 4);
    float rgb[8 * 4 * 3];
    int32_t codes[2];
    ti_image_tokenizer *t = NULL;
    te_status st = ti_image_tokenizer_create(&t, r->file, r->backend, err);
    if (!st) st = ti_picture_read(&picture, &frame, rgb, err);
    if (!st) st = ti_image_tokenizer_encode(t, rgb, 4, 8, codes, NULL, err);
    if (!st) st = ti_image_tokenizer_decode(t, codes, 1, 2, rgb, false, NULL, err);
    ti_image_tokenizer_free(t);
    return st;
}

static void test_memory(void **state)
{
    (void)state;
    te_error err;
    for (int model = 0; model < MODELS; model++) {
        rig r = {0};
        assert_ok(ti_gguf_open(&r.file, convert_golden(model, &(damage){0}), &err), err);
        assert_ok(ti_cpu_create(&r.backend, 1, &err), err);
        test_every_allocation(work, &r);
        ti_backend_free(r.backend);
        ti_gguf_free(r.file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
