/* world_test.c - samples are deterministic, complete, short enough, and the held-out split is held
 * out. */
#include "testing.h"

#include <ctype.h>

#include "world/facts.h"
#include "world/kinds.h"
#include "world/world.h"

enum { SIZE = 128, SMALL = 16 };

static void make(ti_world_sample *s, uint64_t seed, ti_world_split split, int category, int size)
{
    te_error err;
    assert_ok(ti_world_make_category(s, seed, split, (ti_world_category)category, size, &err), err);
}

static void test_deterministic(void **state)
{
    (void)state;
    for (int c = 0; c < TI_WORLD_CATEGORIES; c++) {
        ti_world_sample a, b, other;
        make(&a, 5, TI_WORLD_TRAIN, c, SIZE);
        make(&b, 5, TI_WORLD_TRAIN, c, SIZE);
        make(&other, 6, TI_WORLD_TRAIN, c, SIZE);
        assert_memory_equal(a.output, b.output, SIZE * SIZE * 3);
        assert_string_equal(a.instruction, b.instruction);
        assert_string_equal(a.reasoning, b.reasoning);
        assert_true(memcmp(a.output, other.output, SIZE * SIZE * 3) != 0);
        if (a.input) assert_memory_equal(a.input, b.input, SIZE * SIZE * 3);
        ti_world_clear(&a);
        ti_world_clear(&b);
        ti_world_clear(&other);
    }
    static uint8_t p[SIZE * SIZE * 3], q[SIZE * SIZE * 3];
    te_error err;
    for (uint64_t i = 0; i < 20; i++) {
        assert_ok(ti_world_picture(p, i, SIZE, &err), err);
        assert_ok(ti_world_picture(q, i, SIZE, &err), err);
        assert_memory_equal(p, q, sizeof p);
    }
}

/* Where the map of a scene names an object, the picture changes when the object goes; where it
 * names none and no light or shadow falls, it does not. */
static void test_map(void **state)
{
    (void)state;
    enum { SIDE = 16, CELL = SIZE / SIDE };
    static uint8_t with[SIZE * SIZE * 3], without[SIZE * SIZE * 3];
    uint8_t map[SIDE * SIDE];
    te_error err;
    ti_scene s = {.place = TI_MEADOW, .season = TI_SUMMER, .time = TI_NOON};
    assert_true(ti_scene_add(
        &s, (ti_object){.type = TI_HOUSE, .colour = TI_RED, .size = TI_NORMAL, .slot = TI_LEFT}));
    assert_true(ti_scene_add(
        &s, (ti_object){
                .type = TI_BALLOON, .colour = TI_BLUE, .size = TI_NORMAL, .slot = TI_SKY_RIGHT}));
    assert_ok(ti_scene_map(&s, map, SIDE, &err), err);
    assert_ok(ti_scene_render(&s, with, SIZE, &err), err);
    for (int object = 0; object < 2; object++) {
        ti_scene rest = s;
        int covered = 0;
        ti_scene_remove(&rest, object);
        assert_ok(ti_scene_render(&rest, without, SIZE, &err), err);
        for (int c = 0; c < SIDE * SIDE; c++) {
            int changed = 0;
            for (int i = 0; i < CELL * CELL; i++) {
                const int at =
                    ((c / SIDE * CELL + i / CELL) * SIZE + c % SIDE * CELL + i % CELL) * 3;
                changed += memcmp(with + at, without + at, 3) != 0;
            }
            const bool named = map[c] == object + 1;
            covered += named;
            if (named) assert_true(changed >= CELL * CELL / 4);
            if (changed == CELL * CELL) assert_true(named || object == 0); /* its shadow is wide */
        }
        assert_in_range(covered, 4, 60);
    }
}

static void test_kinds_and_phrasings(void **state)
{
    (void)state;
    for (int c = 0; c < TI_WORLD_CATEGORIES; c++) {
        int n;
        const ti_edit_kind *kinds = ti_kinds_of((ti_world_category)c, &n);
        assert_true(n >= 8);
        for (int k = 0; k < n; k++) {
            int trained = 0, held_out = 0;
            for (const char *const *p = kinds[k].phrasings; *p; p++) {
                if (**p == '*')
                    held_out++;
                else
                    trained++;
            }
            if (trained + held_out < 12 || trained < 9 || held_out < 2)
                fail_msg("%s: %d phrasings, %d held out", kinds[k].name, trained + held_out,
                         held_out);
            assert_non_null(kinds[k].causes[0]);
        }
    }
}

static int count_words(const char *text)
{
    int n = 0;
    for (const char *p = text; *p; p++) n += *p != ' ' && (p == text || p[-1] == ' ');
    return n;
}

/* An edit changes something, leaves the marked pixels alone, and says so in at most 64 plain words.
 */
static void test_samples_are_sound(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 350; i++) {
        ti_world_sample s;
        int c = (int)(i % TI_WORLD_CATEGORIES);
        make(&s, i, i % 2 ? TI_WORLD_TRAIN : TI_WORLD_HELD_OUT, c, SIZE);
        assert_int_equal(s.category, c);
        assert_non_null(s.kind);
        assert_true(strlen(s.instruction) >= 3);
        if (count_words(s.reasoning) > 64)
            fail_msg("%s: %d words: %s", s.kind, count_words(s.reasoning), s.reasoning);
        for (const char *p = s.reasoning; *p; p++)
            assert_true(islower((unsigned char)*p) || strchr(" ,.'-0123456789", *p));
        assert_true((s.input == NULL) == (c == TI_WORLD_GENERATION));
        long changed = 0;
        for (int k = 0; s.input && k < SIZE * SIZE; k++) {
            int d = abs(s.input[3 * k] - s.output[3 * k]) +
                    abs(s.input[3 * k + 1] - s.output[3 * k + 1]) +
                    abs(s.input[3 * k + 2] - s.output[3 * k + 2]);
            if (s.unchanged[k])
                assert_true(d <= 9);
            else
                changed++;
        }
        if (s.input && changed < 30)
            fail_msg("%s: \"%s\" changes %ld pixels", s.kind, s.instruction, changed);
        ti_world_clear(&s);
    }
}

/* Lower case, without polite words around it and punctuation: the phrasing as a person thinks of
 * it. */
static void normalise(const char *text, char *out, size_t room)
{
    static const char *const polite[] = {"please ", "can you ", "could you ", "i want you to ",
                                         "now "};
    char lower[512];
    size_t n = 0;
    for (const char *p = text; *p && n < sizeof lower - 1; p++)
        if (!strchr(".?", *p)) lower[n++] = (char)tolower((unsigned char)*p);
    lower[n] = '\0';
    if (n > 7 && !strcmp(lower + n - 7, " please")) lower[n - 7] = '\0';
    const char *start = lower;
    for (size_t i = 0; i < TEST_LENGTH(polite); i++)
        if (!strncmp(start, polite[i], strlen(polite[i]))) start += strlen(polite[i]);
    snprintf(out, room, "%s", start);
}

enum { TRAINED = 7000, WORDS = 6000 };

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool knows(char **sorted, size_t n, const char *text)
{
    return bsearch(&text, sorted, n, sizeof *sorted, compare) != NULL;
}

/* Nothing held out is ever trained on: no pair of thing and colour, no pair of things, no phrasing.
 */
static void test_split(void **state)
{
    (void)state;
    char **trained = calloc(TRAINED, sizeof *trained), text[512];
    assert_non_null(trained);
    for (uint64_t i = 0; i < TRAINED; i++) {
        ti_world_sample s;
        make(&s, i, TI_WORLD_TRAIN, (int)(i % TI_WORLD_CATEGORIES), SMALL);
        if (s.facts->is_scene) {
            assert_false(ti_held_out_scene(&s.facts->before));
            assert_false(ti_held_out_scene(&s.facts->after));
        }
        normalise(s.instruction, text, sizeof text);
        trained[i] = strdup(text);
        assert_non_null(trained[i]);
        ti_world_clear(&s);
    }
    qsort(trained, TRAINED, sizeof *trained, compare);
    int phrasings = 0, contents = 0, known = 0;
    for (uint64_t i = 0; i < 2100; i++) {
        ti_world_sample s;
        make(&s, i, TI_WORLD_HELD_OUT, (int)(i % TI_WORLD_CATEGORIES), SMALL);
        bool content = s.facts->is_scene &&
                       (ti_held_out_scene(&s.facts->before) || ti_held_out_scene(&s.facts->after));
        assert_true(content || s.facts->held_out_phrasing);
        normalise(s.instruction, text, sizeof text);
        if (s.facts->held_out_phrasing && knows(trained, TRAINED, text)) {
            print_message("%s: \"%s\" is trained on\n", s.kind, text);
            known++;
        }
        phrasings += s.facts->held_out_phrasing;
        contents += content;
        ti_world_clear(&s);
    }
    assert_int_equal(known, 0);
    assert_true(phrasings > 700);
    assert_true(contents > 500);
    for (int i = 0; i < TRAINED; i++) free(trained[i]);
    free(trained);
}

static void test_share_held_out(void **state)
{
    (void)state;
    int colours = 0, out = 0, pairs = 0, pairs_out = 0;
    for (ti_thing t = TI_HOUSE; t < TI_THINGS; t++) {
        for (int c = 1; c < TI_COLOURS; c++)
            if (ti_thing_get(t)->colours >> c & 1) {
                colours++;
                out += ti_held_out_colour(t, (ti_colour)c);
            }
        for (ti_thing u = TI_HOUSE; u < t; u++) {
            pairs++;
            pairs_out += ti_held_out_pair(t, u);
            assert_int_equal(ti_held_out_pair(t, u), ti_held_out_pair(u, t));
        }
    }
    assert_true(out * 20 > colours && out * 6 < colours);
    assert_true(pairs_out * 20 > pairs && pairs_out * 6 < pairs);
}

/* The whole world speaks in few words, so that a small tokeniser has one for each. */
static void test_vocabulary(void **state)
{
    (void)state;
    static char words[WORDS][24];
    int n = 0;
    for (uint64_t i = 0; i < 3500; i++) {
        ti_world_sample s;
        make(&s, i, i % 3 ? TI_WORLD_TRAIN : TI_WORLD_HELD_OUT, (int)(i % TI_WORLD_CATEGORIES),
             SMALL);
        const char *texts[2] = {s.instruction, s.reasoning};
        for (int t = 0; t < 2; t++)
            for (const char *p = texts[t]; *p;) {
                size_t length =
                    strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'-0123456789");
                if (!length) {
                    p++;
                    continue;
                }
                char word[24] = "";
                for (size_t k = 0; k < length && k < sizeof word - 1; k++)
                    word[k] = (char)tolower((unsigned char)p[k]);
                int at = 0;
                while (at < n && strcmp(words[at], word) != 0) at++;
                if (at == n && n < WORDS) strcpy(words[n++], word);
                p += length;
            }
        ti_world_clear(&s);
    }
    print_message("%d words\n", n);
    assert_in_range(n, 500, 1500);
}

/* A kind named in a mixture comes as many times as often as its neighbours; the categories keep
 * their shares. */
static void test_mix(void **state)
{
    (void)state;
    enum { SAMPLES = 600 };
    const ti_world_mix plain = {.category = {[TI_WORLD_TEMPORAL] = 1, [TI_WORLD_PHOTO] = 2}};
    ti_world_mix often = plain;
    often.kinds[often.n_kinds++] = (ti_world_kind_weight){"black-and-white", 12};
    int grey[2] = {0}, photos[2] = {0};
    for (int k = 0; k < 2; k++)
        for (uint64_t seed = 0; seed < SAMPLES; seed++) {
            ti_world_sample s;
            te_error err = {0};
            assert_ok(ti_world_make_mixed(&s, seed, TI_WORLD_TRAIN, k ? &often : &plain, 16, &err),
                      err);
            assert_true(s.category == TI_WORLD_TEMPORAL || s.category == TI_WORLD_PHOTO);
            photos[k] += s.category == TI_WORLD_PHOTO;
            grey[k] += !strcmp(s.kind, "black-and-white");
            ti_world_clear(&s);
        }
    assert_int_equal(photos[0], photos[1]);
    assert_in_range(photos[0], SAMPLES / 2, SAMPLES * 5 / 6);
    assert_in_range(grey[0], 1, photos[0] / 10);            /* one of 25 kinds */
    assert_in_range(grey[1], photos[1] / 4, photos[1] / 2); /* 12 of 36 */
    assert_true(ti_world_has_kind("black-and-white"));
    assert_false(ti_world_has_kind("black"));
}

static void test_every_size(void **state)
{
    (void)state;
    static const int sizes[] = {16, 64, 96, 128, 256};
    for (size_t i = 0; i < TEST_LENGTH(sizes); i++)
        for (int c = 0; c < TI_WORLD_CATEGORIES; c++) {
            ti_world_sample s;
            make(&s, 3, TI_WORLD_TRAIN, c, sizes[i]);
            assert_int_equal(s.size, sizes[i]);
            ti_world_clear(&s);
        }
}

/* A thing taken away leaves the backdrop of what is left; photographs are their own. */
static void test_backdrop(void **state)
{
    (void)state;
    static uint8_t backdrop[SIZE * SIZE * 3], empty[SIZE * SIZE * 3];
    te_error err;
    int cleared = 0, photographs = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        ti_world_sample s;
        make(&s, seed, TI_WORLD_TRAIN, TI_WORLD_SPATIAL, SIZE);
        assert_ok(ti_world_backdrop(&s, backdrop, &err), err);
        ti_scene scene = s.facts->after;
        const bool bare = !scene.n_objects;
        while (scene.n_objects) ti_scene_remove(&scene, scene.n_objects - 1);
        assert_ok(ti_scene_render(&scene, empty, SIZE, &err), err);
        assert_memory_equal(backdrop, empty, sizeof empty);
        assert_true(bare == !memcmp(backdrop, s.output, sizeof backdrop));
        cleared += !bare;
        ti_world_clear(&s);
        make(&s, seed, TI_WORLD_TRAIN, TI_WORLD_PHOTO, SIZE);
        assert_ok(ti_world_backdrop(&s, backdrop, &err), err);
        assert_memory_equal(backdrop, s.output, sizeof backdrop);
        photographs += !s.facts->is_scene;
        ti_world_clear(&s);
    }
    assert_in_range(cleared, 50, 60);
    assert_in_range(photographs, 30, 59);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_backdrop),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_kinds_and_phrasings),
        cmocka_unit_test(test_samples_are_sound),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_share_held_out),
        cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
