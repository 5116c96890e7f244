/* What a decoder learns on from: things count more than what they stand before, codes are copied
 * only where an edit changes nothing, and noise turns the codes that are nearly others. */
#include "check.h"

#include "lessons.h"
#include "world/world.h"

enum { SIZE = 128, SIDE = 16, PATCH = SIZE / SIDE, PIXELS = SIZE * SIZE, TOKENS = SIDE * SIDE };

static const float THINGS = 5;

typedef struct room {
    uint8_t before[PIXELS * 3], after[PIXELS * 3], copied[TOKENS];
    float weight[PIXELS];
} room;

static void make(room *r, uint64_t seed)
{
    te_error err;
    const ti_lesson lesson = {r->before, r->after, r->copied, r->weight};
    assert_ok(ti_lesson_make(&lesson, seed, SIZE, SIDE, THINGS, &err), err);
}

static bool same_pixel(const uint8_t *a, const uint8_t *b, int i, int tolerance)
{
    for (int c = 0; c < 3; c++)
        if (abs(a[3 * i + c] - b[3 * i + c]) > tolerance) return false;
    return true;
}

static void same_seed_same_lesson(void **state)
{
    (void)state;
    static room a, b;
    for (uint64_t seed = 1; seed < 9; seed++) {
        make(&a, seed);
        memset(&b, 0x55, sizeof b);
        make(&b, seed);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

/* Even lessons are generations: every thing of theirs counts, their backdrop once. */
static void things_count_more(void **state)
{
    (void)state;
    static room r;
    static uint8_t backdrop[PIXELS * 3];
    int with_things = 0, in_the_dark = 0;
    for (uint64_t seed = 0; seed < 60; seed += 2) {
        te_error err;
        ti_world_sample s;
        make(&r, seed);
        assert_ok(ti_world_make_category(&s, seed, TI_WORLD_TRAIN, TI_WORLD_GENERATION, SIZE, &err),
                  err);
        assert_memory_equal(r.after, s.output, sizeof r.after);
        assert_memory_equal(r.before, s.output, sizeof r.before);
        assert_ok(ti_world_backdrop(&s, backdrop, &err), err);
        float most = 1;
        for (int i = 0; i < PIXELS; i++) {
            most = fmaxf(most, r.weight[i]);
            if (same_pixel(backdrop, s.output, i, 3))
                assert_float_equal(r.weight[i], 1, 0);
            else
                assert_in_range((int)r.weight[i], 1 + (int)THINGS, 1 + 4 * (int)THINGS);
        }
        with_things += most > 1;
        in_the_dark += most > 1 + THINGS;
        ti_world_clear(&s);
    }
    assert_in_range(with_things, 25, 30);
    assert_in_range(in_the_dark, 3, 29);
}

static void only_what_stays_is_copied(void **state)
{
    (void)state;
    static room r;
    int mixed = 0, edits = 0;
    for (uint64_t seed = 1; seed < 200; seed += 2) {
        make(&r, seed);
        int copied = 0;
        for (int t = 0; t < TOKENS; t++)
            for (int i = 0; r.copied[t] && i < PATCH * PATCH; i++) {
                const int y = t / SIDE * PATCH + i / PATCH, x = t % SIDE * PATCH + i % PATCH;
                assert_true(same_pixel(r.before, r.after, y * SIZE + x, 3));
                copied++;
            }
        edits += memcmp(r.before, r.after, sizeof r.before) != 0;
        mixed += copied > 0;
        for (int i = 0; i < PIXELS; i++) assert_true(r.weight[i] >= 1);
    }
    assert_in_range(edits, 80, 100);
    assert_in_range(mixed, 20, 60); /* half of those that leave a token as it was */
}

/* With four bits a code, sizes 1 and 0.02. */
static void noise_turns_what_is_nearly_another(void **state)
{
    (void)state;
    enum { BITS = 4, VALUES = TOKENS * BITS };
    float before[VALUES], after[VALUES], sure[VALUES];
    uint8_t copied[TOKENS];
    int turned_surely = 0, turned = 0, still = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        for (int i = 0; i < VALUES; i++) {
            before[i] = 7;
            sure[i] = after[i] = (i % 3 ? 1 : -1) * (i % 2 ? 1.0f : 0.02f);
        }
        for (int t = 0; t < TOKENS; t++) copied[t] = t % 5 == 0;
        ti_lesson_mix(after, before, copied, TOKENS, BITS, 0.1f, seed);
        bool same = true;
        for (int i = 0; i < VALUES; i++) {
            if (copied[i / BITS]) {
                assert_float_equal(after[i], 7, 0);
                continue;
            }
            same &= after[i] == sure[i];
            if ((after[i] > 0) == (sure[i] > 0)) continue;
            turned++;
            turned_surely += i % 2;
        }
        still += same;
    }
    assert_in_range(still, 10, 30); /* every other lesson */
    assert_in_range(turned, 1000, 20 * VALUES);
    assert_in_range(turned_surely, 0, turned / 10);
    for (int i = 0; i < VALUES; i++) after[i] = sure[i];
    memset(copied, 0, sizeof copied);
    for (uint64_t seed = 0; seed < 5; seed++)
        ti_lesson_mix(after, before, copied, TOKENS, BITS, 0, seed);
    assert_memory_equal(after, sure, sizeof after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_lesson),
        cmocka_unit_test(things_count_more),
        cmocka_unit_test(only_what_stays_is_copied),
        cmocka_unit_test(noise_turns_what_is_nearly_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
