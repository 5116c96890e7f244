/* words_test.c - what the world says can be read back, templates are well-formed, and tones do what
 * their names say. */
#include "testing.h"

#include "world/check.h"
#include "world/kinds.h"
#include "world/texture.h"
#include "world/world.h"

static ti_draw draws(uint64_t seed)
{
    return (ti_draw){{seed, 1}, 0};
}

/* How many values an operation may have. */
static uint32_t values(int code)
{
    switch (code) {
    case TI_OP_TIME:
        return TI_TIMES;
    case TI_OP_SEASON:
        return TI_SEASONS;
    case TI_OP_WEATHER:
        return TI_WEATHERS;
    case TI_OP_GROUND:
        return TI_GROUNDS;
    case TI_OP_STATE:
        return TI_STATES;
    case TI_OP_LIGHTS:
        return 2;
    case TI_OP_TONE:
        return TI_TONES;
    default:
        return 1;
    }
}

/* Every letter of a clause's pattern fills the field it stands for. */
static ti_op draw_op(ti_draw *draw, int code)
{
    ti_op op = {.code = (uint8_t)code};
    for (const char *p = strchr(ti_op_pattern((ti_op_code)code), '$'); p; p = strchr(p + 1, '$')) {
        uint8_t type = (uint8_t)(1 + ti_draw_below(draw, TI_THINGS - 1)),
                colour = (uint8_t)ti_draw_below(draw, TI_COLOURS);
        if (p[1] == 'o') op.type = type, op.colour = colour;
        if (p[1] == 'b' || p[1] == 'B') op.other = type, op.other_colour = colour;
        if (p[1] == 'p' || p[1] == 't') op.slot = (uint8_t)ti_draw_below(draw, TI_SLOTS);
        if (p[1] == 'v') op.value = (uint8_t)ti_draw_below(draw, values(code));
        if (p[1] == 'v' && (code == TI_OP_PAINT || code == TI_OP_FRAME))
            op.value = (uint8_t)(1 + ti_draw_below(draw, TI_COLOURS - 1));
        if (p[1] == 'v' && code == TI_OP_HOIST)
            op.value = (uint8_t)(1 + ti_draw_below(draw, TI_FLAGS - 1));
    }
    if (code == TI_OP_HOIST) op.type = TI_FLAG;
    return op;
}

static void test_clauses_round_trip(void **state)
{
    (void)state;
    ti_draw draw = draws(1);
    for (int code = TI_OP_REMOVE; code <= TI_OP_TONE; code++)
        for (int i = 0; i < 60; i++) {
            ti_op op = draw_op(&draw, code), back;
            ti_words text = {.n = 0};
            ti_words_add(&text, "i see a meadow at noon. it is wanted, so ");
            ti_say_op(&text, op);
            ti_words_add(&text, ". keep the meadow.");
            if (!ti_read_op(text.buf, &back) || memcmp(&op, &back, sizeof op) != 0)
                fail_msg("does not read back: %s", text.buf);
        }
}

static void test_damaged_clauses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "remove the car.",
                                      "it is wanted, so",
                                      "it is wanted, so ",
                                      "it is wanted, so remove the.",
                                      "it is wanted, so remove the red.",
                                      "it is wanted, so remove the carpet.",
                                      "it is wanted, so paint the car loud.",
                                      "it is wanted, so add a red ball.",
                                      "it is wanted, so remove the red car remove.",
                                      "it is wanted, so give the picture.",
                                      "it is wanted, so change the light to",
                                      "so so so , so , so "};
    for (size_t i = 0; i < TEST_LENGTH(bad); i++) {
        ti_op op;
        if (ti_read_op(bad[i], &op)) fail_msg("reads: %s", bad[i]);
    }
}

static void test_scenes_round_trip(void **state)
{
    (void)state;
    te_error err;
    for (uint64_t i = 0; i < 300; i++) {
        ti_world_sample s;
        ti_scene back;
        assert_ok(ti_world_make_category(
                      &s, i, TI_WORLD_TRAIN,
                      (ti_world_category)(i % 2 ? TI_WORLD_GENERATION : TI_WORLD_SPATIAL), 16,
                      &err),
                  err);
        const ti_scene *from = i % 2 ? &s.facts->after : &s.facts->before;
        assert_true(ti_read_scene(s.reasoning, &back));
        assert_int_equal(back.place, from->place);
        assert_int_equal(back.time, from->time);
        assert_int_equal(back.n_objects, from->n_objects);
        for (int k = 0; k < from->n_objects; k++) {
            const ti_object *a = &from->objects[k], *b = &back.objects[k];
            if (a->type != b->type || a->colour != b->colour || a->slot != b->slot ||
                a->size != b->size || a->state != b->state || a->flag != b->flag)
                fail_msg("object %d reads differently: %s", k, s.reasoning);
        }
        ti_world_clear(&s);
    }
}

static void check_template(const char *kind, const char *p)
{
    bool inside = false;
    for (const char *q = p; *q; q++) {
        if (*q == '(') {
            assert_false(inside);
            inside = true;
        }
        if (*q == '|') assert_true(inside);
        if (*q == ')') {
            assert_true(inside);
            inside = false;
        }
        if (*q == '$' && !strchr("onbmBAptvcwhli", q[1]))
            fail_msg("%s: unknown letter in \"%s\"", kind, p);
        if (*q == ' ' && (q[1] == ' ' || q[1] == '\0')) fail_msg("%s: blanks in \"%s\"", kind, p);
    }
    assert_false(inside);
}

static void test_templates(void **state)
{
    (void)state;
    for (int c = 0; c < TI_WORLD_CATEGORIES; c++) {
        int n;
        const ti_edit_kind *kinds = ti_kinds_of((ti_world_category)c, &n);
        for (int k = 0; k < n; k++) {
            for (const char *const *p = kinds[k].phrasings; *p; p++)
                check_template(kinds[k].name, *p);
            for (const char *const *p = kinds[k].causes; *p; p++) check_template(kinds[k].name, *p);
        }
    }
}

/* Whether PATTERN, a template, can say exactly TEXT. Those with a $ name things, and cannot. */
static bool can_say(const char *pattern, const char *text)
{
    for (; *pattern != '('; pattern++, text++) {
        if (*pattern != *text) return false;
        if (!*pattern) return true;
    }
    const char *close = strchr(pattern, ')');
    assert_non_null(close);
    for (const char *choice = pattern + 1; choice <= close; choice += strcspn(choice, "|)") + 1) {
        char rest[512];
        snprintf(rest, sizeof rest, "%.*s%s", (int)strcspn(choice, "|)"), choice, close + 1);
        if (can_say(rest, text)) return true;
    }
    return false;
}

/* The phrasing of training that can say INSTRUCTION; NULL: none. */
static const char *trained_phrasing(const char *instruction)
{
    for (int c = 0; c < TI_WORLD_CATEGORIES; c++) {
        int n;
        const ti_edit_kind *kinds = ti_kinds_of((ti_world_category)c, &n);
        for (int k = 0; k < n; k++)
            for (const char *const *p = kinds[k].phrasings; *p; p++)
                if (**p != '*' && can_say(*p, instruction)) return *p;
    }
    return NULL;
}

/* asked.tsv holds ways to ask that no training has, each for a tone there is. */
static void test_asked_is_not_trained(void **state)
{
    (void)state;
    char line[256];
    int n = 0;
    FILE *f = fopen(TE_SOURCE "/tests/bench/asked.tsv", "r");
    assert_non_null(f);
    assert_non_null(trained_phrasing("make this photo much warmer"));
    assert_non_null(trained_phrasing("warmer"));
    assert_null(trained_phrasing("make this photo much warmest"));
    assert_null(trained_phrasing("make this photo"));
    for (; fgets(line, sizeof line, f); n++) {
        char *instruction = strchr(line, '\t');
        bool known = false;
        assert_non_null(instruction);
        *instruction++ = 0;
        instruction[strcspn(instruction, "\n")] = 0;
        for (int t = 0; t < TI_TONES; t++)
            known = known || !strcmp(line, ti_tone_phrase((ti_tone)t));
        if (!known) fail_msg("\"%s\" is no tone", line);
        const char *same = trained_phrasing(instruction);
        if (same) fail_msg("\"%s\" is trained: \"%s\"", instruction, same);
    }
    fclose(f);
    assert_int_equal(n, 80);
}

/* The tones on photograph-like pictures: strong, and the right way. */
static void test_tones(void **state)
{
    enum { SIZE = 64, N = SIZE * SIZE, PICTURES = 24 };
    (void)state;
    static uint8_t in[3 * N], out[3 * N];
    double warm = 0, cool = 0, bright = 0, dark = 0, night_l = 0, night_b = 0;
    for (uint64_t i = 0; i < PICTURES; i++) {
        ti_draw draw = draws(i);
        te_error err;
        assert_ok(ti_texture_make(&draw, in, SIZE, &err), err);
        ti_lab_stats was = ti_lab_measure(in, N), now[TI_TONES];
        for (int t = 0; t < TI_TONES; t++) {
            ti_tone_apply((ti_tone)t, in, out, N);
            now[t] = ti_lab_measure(out, N);
        }
        assert_true(now[TI_BLACK_AND_WHITE].chroma < 0.5);
        assert_true(now[TI_WARMER].b > was.b && now[TI_COOLER].b < was.b);
        assert_true(now[TI_BRIGHTER].l > was.l && now[TI_DARKER].l < was.l);
        warm += (now[TI_WARMER].b - was.b) / PICTURES;
        cool += (now[TI_COOLER].b - was.b) / PICTURES;
        bright += (now[TI_BRIGHTER].l - was.l) / PICTURES;
        dark += (now[TI_DARKER].l - was.l) / PICTURES;
        night_l += (now[TI_NIGHT_LIGHT].l - was.l) / PICTURES;
        night_b += (now[TI_NIGHT_LIGHT].b - was.b) / PICTURES;
    }
    assert_true(warm >= 10 && cool <= -10);
    assert_true(bright >= 12 && dark <= -12);
    assert_true(night_l <= -12 && night_b <= -6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clauses_round_trip),   cmocka_unit_test(test_damaged_clauses),
        cmocka_unit_test(test_scenes_round_trip),    cmocka_unit_test(test_templates),
        cmocka_unit_test(test_asked_is_not_trained), cmocka_unit_test(test_tones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
