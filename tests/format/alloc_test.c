/* alloc_test.c - every allocation of the readers, the writers and the converter fails once. */
#include "alloc.h"
#include "testing.h"

#include <unistd.h>

#include "format/checkpoint.h"
#include "format/convert.h"
#include "format/gguf.h"
#include "format/info.h"
#include "samples.h"

#define OUT "format_alloc.gguf"

static const ti_convert_options conversion = {
    .folder = TE_GOLDEN "/m-tiny",
    .output = OUT,
    .layout = TE_GOLDEN "/standin/layout.json",
    .tokenizer = TE_GOLDEN "/standin/tokenizer.json",
    .type = "q8_0",
};

static te_status do_convert(void *user, te_error *err)
{
    return ti_convert(user, err);
}

static void converting(void **state)
{
    (void)state;
    test_every_allocation(do_convert, (void *)(uintptr_t)&conversion);
    assert_int_equal(access(OUT, F_OK), 0);
    assert_int_equal(access(OUT ".part", F_OK), -1);
}

static void converting_images(void **state)
{
    (void)state;
    const ti_convert_options images = {.folder = TE_GOLDEN "/amused-tiny", .output = OUT};
    test_every_allocation(do_convert, (void *)(uintptr_t)&images);
    unlink(OUT);
}

static te_status do_read(void *user, te_error *err)
{
    ti_gguf *f;
    char *shown = NULL;
    te_status st = ti_gguf_open(&f, OUT, err);
    if (!st) st = ti_info(f, user != NULL, &shown, err);
    free(shown);
    ti_gguf_free(f);
    return st;
}

static void reading(void **state)
{
    (void)state;
    te_error err;
    assert_ok(ti_convert(&conversion, &err), err);
    test_every_allocation(do_read, NULL);
    unlink(OUT);
}

static te_status do_open(void *user, te_error *err)
{
    const sample *s = user;
    ti_checkpoint *c;
    te_status st = ti_checkpoint_open_memory(&c, "sample", s->bytes, s->n, err);
    ti_checkpoint_free(c);
    return st;
}

static void checkpoints(void **state)
{
    (void)state;
    sample s, pickle;
    sample_safetensors(&s);
    test_every_allocation(do_open, &s);
    sample_pickle(&pickle);
    sample_torch(&s, &pickle);
    test_every_allocation(do_open, &s);
}

static te_status do_write(void *user, te_error *err)
{
    static const float x[2];
    const ti_tensor t = {"x", TI_F32, 1, {2, 1, 1, 1}, x, sizeof x};
    return ti_safetensors_write(user, &t, 1, err);
}

static void writing(void **state)
{
    (void)state;
    char path[] = "format_alloc.safetensors";
    test_every_allocation(do_write, path);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converting), cmocka_unit_test(converting_images),
        cmocka_unit_test(reading),    cmocka_unit_test(checkpoints),
        cmocka_unit_test(writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
