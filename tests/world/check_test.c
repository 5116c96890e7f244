/* check_test.c - the checker itself: it lets a tokeniser's blur pass and does not let wrong edits
 * pass. */
#include "testing.h"

#include <math.h>

#include "base/memory.h"
#include "world/camera.h"
#include "world/check.h"
#include "world/world.h"

enum { SIZE = 128, PIXELS = SIZE * SIZE, SAMPLES = 210 };

/* What an image tokeniser of about 27 dB leaves of a picture: blur, noise, and steps between its
 * blocks. */
static void degrade(const uint8_t *in, uint8_t *out, uint64_t seed)
{
    ti_camera blurred = {.blur = 0.7, .noise = 8, .noise_seed = seed};
    te_error err;
    memcpy(out, in, PIXELS * 3);
    assert_ok(ti_camera_apply(&blurred, out, SIZE, &err), err);
    ti_draw draw = {{seed, 7}, 0};
    for (int y = 0; y < SIZE; y += 8)
        for (int x = 0; x < SIZE; x += 8)
            for (int c = 0; c < 3; c++) {
                int shift = (int)ti_draw_below(&draw, 19) - 9;
                for (int k = 0; k < 64; k++) {
                    uint8_t *p = &out[3 * ((y + k / 8) * SIZE + x + k % 8) + c];
                    int v = *p + shift;
                    *p = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
                }
            }
}

static double psnr(const uint8_t *a, const uint8_t *b)
{
    double sum = 0;
    for (int i = 0; i < PIXELS * 3; i++) sum += (a[i] - b[i]) * (double)(a[i] - b[i]);
    return 10 * log10(255.0 * 255.0 * PIXELS * 3 / sum);
}

static void make(ti_world_sample *s, uint64_t seed, int category)
{
    te_error err;
    assert_ok(
        ti_world_make_category(s, seed, TI_WORLD_HELD_OUT, (ti_world_category)category, SIZE, &err),
        err);
}

static void test_truth_passes(void **state)
{
    (void)state;
    static uint8_t picture[PIXELS * 3], reference[PIXELS * 3];
    int image = 0, output = 0, quiet = 0, unchanged = 0;
    double noise = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        ti_world_sample s;
        ti_verdict v;
        te_error err;
        make(&s, i, (int)(i % TI_WORLD_CATEGORIES));
        degrade(s.output, picture, i);
        if (s.input) degrade(s.input, reference, i + 1000);
        noise += psnr(s.output, picture) / SAMPLES;
        assert_ok(ti_check(&v, &s, picture, s.input, s.reasoning, &err), err);
        if (!v.text) fail_msg("%s: its own reasoning does not read back: %s", s.kind, s.reasoning);
        if (!v.image) print_message("image: %s %d\n", s.kind, (int)i);
        image += v.image;
        output += v.output;
        unchanged += v.has_unchanged;
        quiet += v.has_unchanged && v.psnr > 22 && v.changed < 0.1;
        ti_world_clear(&s);
    }
    print_message("passed: image %d, output %d of %d at %.1f dB\n", image, output, SAMPLES, noise);
    assert_true(noise > 25 && noise < 29);
    assert_true(image >= 0.97 * SAMPLES);
    assert_true(output >= 0.97 * SAMPLES);
    assert_true(quiet >= 0.97 * unchanged);
}

/* A swap may name its things in either order, in their own colours; nothing else may. */
static void test_either_order(void **state)
{
    (void)state;
    const ti_op swap = {.code = TI_OP_SWAP, .type = 1, .colour = 2, .other = 3, .other_colour = 4};
    ti_op turned = {.code = TI_OP_SWAP, .type = 3, .colour = 4, .other = 1, .other_colour = 2};
    assert_true(ti_op_same(swap, swap));
    assert_true(ti_op_same(swap, turned));
    turned.colour = 5;
    assert_false(ti_op_same(swap, turned));
    ti_op replace = swap, back = {.type = 3, .colour = 4, .other = 1, .other_colour = 2};
    replace.code = back.code = TI_OP_REPLACE;
    assert_true(ti_op_same(replace, replace));
    assert_false(ti_op_same(replace, back));
    assert_false(ti_op_same(replace, swap));
}

/* The input handed back, or another edit's picture and words, must not pass. */
static void test_wrong_fails(void **state)
{
    (void)state;
    static uint8_t picture[PIXELS * 3];
    int same = 0, same_n = 0, other = 0, words = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        ti_world_sample s, t;
        ti_verdict v;
        te_error err;
        make(&s, i, (int)(i % TI_WORLD_CATEGORIES));
        make(&t, i + SAMPLES, (int)(i % TI_WORLD_CATEGORIES));
        if (s.input) {
            degrade(s.input, picture, i);
            assert_ok(ti_check(&v, &s, picture, s.input, s.reasoning, &err), err);
            if (v.image) print_message("input passes: %s %d\n", s.kind, (int)i);
            same += v.image;
            same_n++;
        }
        degrade(t.output, picture, i);
        assert_ok(ti_check(&v, &s, picture, s.input, t.reasoning, &err), err);
        other += v.image;
        words += v.text;
        ti_world_clear(&s);
        ti_world_clear(&t);
    }
    print_message("passed wrongly: input %d of %d, another %d, its words %d of %d\n", same, same_n,
                  other, words, SAMPLES);
    assert_true(same <= 0.1 * same_n);
    assert_true(other <= 0.1 * SAMPLES);
    assert_true(words <= 0.1 * SAMPLES);
}

/* Another operation on the same scene, right colours and right light, must not pass either. */
static void test_another_edit_fails(void **state)
{
    (void)state;
    static uint8_t picture[PIXELS * 3];
    int passed = 0, n = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        ti_world_sample s;
        te_error err;
        make(&s, i, (int)(i % TI_WORLD_PHOTO));
        ti_draw draw = {{i, 9}, 0};
        for (int tries = 0; tries < 30; tries++) {
            ti_op op = {.code = (uint8_t)(1 + ti_draw_below(&draw, TI_OP_FRAME)),
                        .slot = (uint8_t)ti_draw_below(&draw, TI_SLOTS),
                        .value = (uint8_t)(1 + ti_draw_below(&draw, 3)),
                        .other = TI_BALL,
                        .other_colour = TI_RED};
            if (s.facts->before.n_objects)
                op.type =
                    s.facts->before.objects[ti_draw_below(&draw, s.facts->before.n_objects)].type;
            ti_scene after = s.facts->before;
            bool different = op.code != s.facts->op.code ||
                             (op.value != s.facts->op.value && op.code >= TI_OP_TIME);
            if (!different || op.code == TI_OP_STATE || !ti_op_apply(&after, op)) continue;
            bool ok;
            static uint8_t clean[PIXELS * 3];
            assert_ok(ti_scene_render(&after, clean, SIZE, &err), err);
            degrade(clean, picture, i);
            assert_ok(ti_check_scene(&ok, &s.facts->before, &s.facts->after, s.facts->op, picture,
                                     SIZE, &err),
                      err);
            if (ok) print_message("%s passes with operation %d\n", s.kind, op.code);
            passed += ok;
            n++;
            break;
        }
        ti_world_clear(&s);
    }
    print_message("another operation passed wrongly: %d of %d\n", passed, n);
    assert_true(n > SAMPLES * 9 / 10);
    assert_true(passed <= 0.1 * n);
}

/* A tone handed in for another tone. */
static void test_another_tone_fails(void **state)
{
    (void)state;
    static uint8_t wrong[PIXELS * 3], picture[PIXELS * 3];
    int passed = 0, n = 0;
    for (uint64_t i = 0; i < 150; i++) {
        ti_world_sample s;
        make(&s, i, TI_WORLD_PHOTO);
        ti_draw draw = {{i, 11}, 0};
        ti_tone tone = (ti_tone)ti_draw_below(&draw, TI_TONES);
        if (tone != s.facts->op.value) {
            ti_tone_apply(tone, s.input, wrong, PIXELS);
            degrade(wrong, picture, i);
            passed += ti_check_tone((ti_tone)s.facts->op.value, s.input, picture, SIZE);
            n++;
        }
        ti_world_clear(&s);
    }
    print_message("another tone passed wrongly: %d of %d\n", passed, n);
    assert_true(passed <= 0.1 * n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth_passes),       cmocka_unit_test(test_either_order),
        cmocka_unit_test(test_wrong_fails),        cmocka_unit_test(test_another_edit_fails),
        cmocka_unit_test(test_another_tone_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
