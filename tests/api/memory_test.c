/* memory_test.c - every allocation of opening a model and editing with it fails once in turn. */
#include "testing.h"

#include "alloc.h"
#include "api.h"
#include "stand-in/stand_in.h"

typedef struct job {
    char path[512];
    bool generate;
} job;

static te_status work(void *user, te_error *err)
{
    const job *j = user;
    static uint8_t pixels[16 * 16 * 3], mask[16 * 16] = {255};
    te_image picture = {pixels, 16, 16, 3, TE_U8, 48}, *step = NULL;
    te_model *m = NULL;
    te_result *r = NULL;
    te_options opt;
    te_options_init(&opt);
    opt.seed = 1;
    opt.text_len = opt.text_steps = 4;
    opt.image_steps = 2;
    te_status st = te_model_open(&m, j->path, &(te_model_options){"cpu", 1}, err);
    if (!st && j->generate) st = te_generate(m, "ab", 0, 0, &opt, NULL, &r, err);
    if (!st && !j->generate)
        st = te_edit_region(m, &picture, &(te_region){mask}, "ab", &opt, NULL, &r, err);
    if (!st) st = te_result_step_image_pixels(m, r, 1, &step, err);
    te_image_free(step);
    te_result_free(r);
    te_model_free(m);
    return st;
}

static void test_memory(void **state)
{
    (void)state;
    job j = {.generate = false};
    snprintf(j.path, sizeof j.path, "%s", stand_in_path("model.gguf"));
    stand_in_write(j.path, &(stand_in){"m-tiny", "magvit-tiny",
                                       TE_SOURCE "/tests/stand-in/tokenizer.json", TI_F32});
    test_every_allocation(work, &j);
    j.generate = true;
    stand_in_write(j.path, &(stand_in){"a-tiny", "amused-tiny",
                                       TE_SOURCE "/tests/stand-in/tokenizer.json", TI_Q8_0});
    test_every_allocation(work, &j);
    stand_in_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
