/* Text tokeniser training, quadruplets from disk, sequences, recipes and the journal. */
#include "check.h"
#include "folder.h"

#include "bpe.h"
#include "journal.h"
#include "quadruplets.h"
#include "recipe.h"
#include "sequence.h"
#include "text/tokenizer.h"

#include <math.h>
#include <cairo.h>
#include <unistd.h>

static char *read_text(const char *path, size_t *length)
{
    static char text[1 << 18];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *length = fread(text, 1, sizeof text - 1, file);
    text[*length] = 0;
    fclose(file);
    return text;
}

static void learned_words(void **state)
{
    (void)state;
    te_error err;
    ti_bpe *bpe = NULL;
    ti_tokenizer *t = NULL;
    size_t length;
    int32_t *ids = NULL;
    int n = 0;
    assert_ok(ti_bpe_create(&bpe, &err), err);
    for (int i = 0; i < 10; i++)
        assert_ok(ti_bpe_add(bpe, "paint the house red, then the house blue", &err), err);
    assert_ok(ti_bpe_train(bpe, 400, &err), err);
    assert_ok(ti_bpe_write(bpe, path_of("tokenizer.json"), &err), err);
    ti_bpe_free(bpe);
    char *text = read_text(path_of("tokenizer.json"), &length);
    assert_ok(ti_tokenizer_create(&t, "t", text, length, &err), err);
    assert_ok(ti_tokenizer_encode(t, " the house red", 14, &ids, &n, &err), err);
    assert_int_equal(n, 3); /* every word became a token */
    free(ids);
    static const char strange[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8f\xa0 \x01\x7f~";
    char *back = NULL;
    assert_ok(ti_tokenizer_encode(t, strange, sizeof strange - 1, &ids, &n, &err), err);
    assert_ok(ti_tokenizer_decode(t, ids, n, true, &back, &err), err);
    assert_string_equal(back, strange);
    free(back);
    free(ids);
    for (int i = 0; i < TI_SPECIALS; i++) {
        int32_t id = ti_tokenizer_id(t, ti_special_names[i]);
        assert_int_equal(id, ti_tokenizer_size(t) - TI_SPECIALS + i);
        assert_true(ti_tokenizer_is_special(t, id));
    }
    ti_tokenizer_free(t);
}

static void refuses_bad_words(void **state)
{
    (void)state;
    te_error err;
    ti_bpe *bpe = NULL;
    assert_ok(ti_bpe_create(&bpe, &err), err);
    assert_int_equal(ti_bpe_add(bpe, "\xff\xfe", &err), TE_FORMAT);
    assert_int_equal(ti_bpe_train(bpe, 100, &err), TE_INVALID);
    ti_bpe_free(bpe);
}

/* ---- quadruplets ------------------------------------------------------------------------- */

static void write_png(const char *path, int size, uint32_t pixel, uint32_t corner)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, size, size);
    unsigned char *data = cairo_image_surface_get_data(s);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            memcpy(data + y * cairo_image_surface_get_stride(s) + 4 * x, y + x ? &pixel : &corner,
                   4);
    cairo_surface_mark_dirty(s);
    assert_int_equal(cairo_surface_write_to_png(s, path), CAIRO_STATUS_SUCCESS);
    cairo_surface_destroy(s);
}

static void quadruplets(void **state)
{
    (void)state;
    te_error err;
    ti_quadruplets *q = NULL;
    ti_world_sample s;
    write_png(path_of("a.png"), 8, 0x102030, 0x102030);
    write_png(path_of("b.png"), 8, 0x102030, 0xff0000);
    FILE *file = fopen(path_of("samples.jsonl"), "w");
    assert_non_null(file);
    fputs("{\"input\": \"a.png\", \"instruction\": \"i\", \"reasoning\": \"r\", \"output\": "
          "\"b.png\"}\n\n"
          "{\"instruction\": \"g\", \"reasoning\": \"r\", \"output\": \"a.png\"}\n"
          "{\"instruction\": \"g\", \"output\": \"a.png\"}\n",
          file);
    fclose(file);
    assert_ok(ti_quadruplets_open(&q, path_of("samples.jsonl"), 8, &err), err);
    assert_int_equal(ti_quadruplets_count(q), 3);
    assert_ok(ti_quadruplets_read(q, 0, &s, &err), err);
    assert_string_equal(s.instruction, "i");
    assert_int_equal(s.input[0], 0x10);
    assert_int_equal(s.output[0], 0xff);
    assert_int_equal(s.unchanged[0], 0);
    assert_int_equal(s.unchanged[1], 1);
    ti_world_clear(&s);
    assert_ok(ti_quadruplets_read(q, 1, &s, &err), err);
    assert_null(s.input);
    ti_world_clear(&s);
    assert_int_equal(ti_quadruplets_read(q, 2, &s, &err), TE_FORMAT);
    ti_quadruplets_free(q);
    assert_ok(ti_quadruplets_open(&q, path_of("samples.jsonl"), 16, &err), err);
    assert_int_equal(ti_quadruplets_read(q, 0, &s, &err), TE_FORMAT); /* wrong size */
    ti_quadruplets_free(q);
    assert_int_equal(ti_quadruplets_open(&q, path_of("absent"), 8, &err), TE_IO);
}

/* ---- sequences --------------------------------------------------------------------------- */

static const ti_layout layout = {.profile = TI_PROFILE_M,
                                 .mask = 90,
                                 .image_offset = 100,
                                 .codebook = 64,
                                 .grid_h = 3,
                                 .grid_w = 3,
                                 .instruction_len = 6,
                                 .edit_task = 91,
                                 .generate_task = 92,
                                 .soi = 93,
                                 .eoi = 94,
                                 .bos = 95,
                                 .eos = 96};
static const uint16_t input[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9},
                      output[9] = {1, 2, 60, 4, 5, 6, 7, 61, 9};
static const uint16_t words[3] = {10, 11, 12}, reasoning[4] = {20, 21, 22, 23};

/* With everything masked, training's sequence is what the engine begins an edit with. */
static void sequences_are_the_engines(void **state)
{
    (void)state;
    te_error err;
    for (int generation = 0; generation < 2; generation++) {
        ti_packer p;
        ti_sequence *engine = NULL;
        ti_objective o = {.text_by_time = true,
                          .kept_weight = 0.5,
                          .min_ratio = 1,
                          .text_len = 8,
                          .instruction_len = 6};
        ti_pool_sample s = {.generation = generation != 0,
                            .n_instruction = 3,
                            .n_reasoning = 4,
                            .input = input,
                            .output = output,
                            .instruction = words,
                            .reasoning = reasoning};
        int32_t codes[9], instruction[3];
        for (int i = 0; i < 9; i++) codes[i] = input[i];
        for (int i = 0; i < 3; i++) instruction[i] = words[i];
        ti_sequence_input in = {.layout = &layout,
                                .instruction = instruction,
                                .n_instruction = 3,
                                .codes = generation ? NULL : codes,
                                .grid_h = 3,
                                .grid_w = 3,
                                .text_len = 8};
        assert_ok(ti_sequence_create(&engine, &in, &err), err);
        assert_ok(ti_packer_init(&p, &o, &layout, 164, 2, &err), err);
        for (int dropped = 0; dropped < 2; dropped++) {
            p.objective.drop = dropped;
            ti_packer_reset(&p);
            ti_packer_add(&p, &s, (ti_random){1, 2}, 1);
            assert_int_equal(p.packed.rows, engine->n);
            const int from = dropped ? engine->n_unconditional[0] : 0;
            assert_memory_equal(p.tokens + from, engine->tokens + from,
                                (size_t)(engine->n - from) * sizeof(int32_t));
            if (dropped)
                assert_memory_equal(p.tokens, engine->unconditional[0],
                                    (size_t)from * sizeof(int32_t));
            const bool shown = !dropped && !generation;
            assert_int_equal(p.packed.readings[TI_READ_TEXT].n, 7);
            assert_int_equal(p.packed.readings[TI_READ_IMAGE].n, shown ? 2 : 9);
            assert_int_equal(p.packed.readings[TI_READ_KEPT].n, shown ? 7 : 0);
        }
        ti_sequence_free(engine);
        ti_packer_clear(&p);
    }
}

/* Without their pictures, tokens are the whole sequence's at the same positions. */
static void words_alone_keep_their_places(void **state)
{
    (void)state;
    te_error err;
    ti_packer p;
    ti_objective o = {.kept_weight = 1, .min_ratio = 1, .text_len = 8, .instruction_len = 6};
    ti_pool_sample s = {.n_instruction = 3,
                        .n_reasoning = 4,
                        .input = input,
                        .output = output,
                        .instruction = words,
                        .reasoning = reasoning};
    assert_ok(ti_packer_init(&p, &o, &layout, 164, 2, &err), err);
    ti_packer_add(&p, &s, (ti_random){1, 2}, 1);
    assert_int_equal(p.packed.readings[TI_READ_TEXT].n, 7);
    p.objective.words_alone = 1;
    ti_packer_add(&p, &s, (ti_random){1, 2}, 1);
    const ti_span *whole = &p.spans[0], *part = &p.spans[1];
    assert_int_equal(part->count, whole->count - 2 * 9);
    for (int i = 0; i < part->count; i++) {
        const int row = part->first + i, place = p.positions[row];
        assert_int_equal(p.tokens[row], p.tokens[whole->first + place]);
        assert_true(place < 2 || place >= 2 + 9); /* the input, behind task and soi */
    }
    assert_int_equal(p.packed.readings[TI_READ_TEXT].n, 2 * 7);
    assert_int_equal(p.packed.readings[TI_READ_IMAGE].n, 2);
    assert_int_equal(p.packed.readings[TI_READ_KEPT].n, 7);
    ti_packer_clear(&p);
}

static void targets_and_weights(void **state)
{
    (void)state;
    te_error err;
    ti_packer p;
    ti_objective o = {.text_by_time = true,
                      .kept_weight = 0.5,
                      .balance = 0.5,
                      .min_ratio = 0.05,
                      .text_len = 8,
                      .instruction_len = 6};
    ti_pool_sample s = {.n_instruction = 3,
                        .n_reasoning = 4,
                        .input = input,
                        .output = output,
                        .instruction = words,
                        .reasoning = reasoning};
    assert_ok(ti_packer_init(&p, &o, &layout, 164, 50, &err), err);
    for (uint64_t k = 0; k < 50; k++) ti_packer_add(&p, &s, (ti_random){1, k}, 0.1);
    assert_int_equal(p.packed.n_spans, 50);
    int asked = 0;
    for (int r = 0; r < TI_READINGS; r++) {
        const ti_reading *reading = &p.packed.readings[r];
        for (int i = 0; i < reading->n; i++, asked++) {
            const int row = reading->rows[i], place = p.positions[row];
            assert_int_equal(p.tokens[row], layout.mask);
            const int token = reading->targets[i] + reading->first_column;
            if (r == TI_READ_TEXT) {
                const int at = place - 31 - 1; /* bos at 31 */
                assert_int_equal(token, at < 4 ? reasoning[at] : layout.eos);
                assert_true(reading->weights[i] >= 0.1f / 8);
            } else {
                const int at = place - 20 - 1; /* a prefix of 20, then soi */
                assert_int_equal(token, layout.image_offset + output[at]);
                assert_int_equal(r == TI_READ_KEPT, input[at] == output[at]);
                assert_float_equal(reading->weights[i],
                                   r == TI_READ_KEPT ? 0.05 / 11 : 0.1 / 11 * sqrt(9.0 / 2), 1e-7);
            }
        }
    }
    int masks = 0;
    for (int i = 0; i < p.packed.rows; i++) masks += p.tokens[i] == layout.mask;
    assert_int_equal(masks, asked);
    assert_in_range(masks, 50 * 2, 50 * 16 - 1);
    ti_packer_clear(&p);
}

/* A word said of a token is asked of that token, hidden or not, and of no other; not where the
 * picture is dropped or left out. */
static void names_are_asked_where_things_are(void **state)
{
    (void)state;
    te_error err;
    ti_packer p;
    ti_objective o = {
        .names = 2, .kept_weight = 1, .min_ratio = 0.5, .text_len = 8, .instruction_len = 6};
    uint16_t before[9], after[9];
    for (int i = 0; i < 9; i++) before[i] = after[i] = TI_NO_WORD;
    before[4] = 33;
    after[7] = 44;
    ti_pool_sample s = {.n_instruction = 3,
                        .n_reasoning = 4,
                        .input = input,
                        .output = output,
                        .input_words = before,
                        .output_words = after,
                        .instruction = words,
                        .reasoning = reasoning};
    assert_ok(ti_packer_init(&p, &o, &layout, 164, 20, &err), err);
    for (uint64_t k = 0; k < 20; k++) ti_packer_add(&p, &s, (ti_random){1, k}, 0.5);
    const ti_reading *names = &p.packed.readings[TI_READ_NAMES];
    assert_int_equal(names->n, 40);
    assert_int_equal(names->first_column, 0);
    assert_int_equal(names->columns, layout.image_offset);
    int hidden = 0;
    for (int i = 0; i < names->n; i++) {
        const int row = names->rows[i];
        assert_int_equal(p.positions[row], i % 2 ? 20 + 1 + 7 : 2 + 4);
        assert_int_equal(names->targets[i], i % 2 ? 44 : 33);
        assert_float_equal(names->weights[i], 0.5 * 2 / 64, 1e-7);
        hidden += p.tokens[row] == layout.mask;
    }
    assert_in_range(hidden, 1, 19);
    p.objective.drop = 1;
    ti_packer_reset(&p);
    ti_packer_add(&p, &s, (ti_random){1, 0}, 0.5);
    assert_int_equal(names->n, 0);
    p.objective.drop = 0;
    p.objective.words_alone = 1;
    ti_packer_add(&p, &s, (ti_random){1, 0}, 0.5);
    assert_int_equal(names->n, 0);
    ti_packer_clear(&p);
}

/* ---- recipes and journals ---------------------------------------------------------------- */

static te_status read_recipe(const char *text, ti_recipe *r, te_error *err)
{
    json_t *config = json_loads(text, 0, NULL);
    assert_non_null(config);
    te_status st = ti_recipe_read(r, config, err);
    json_decref(config);
    return st;
}

static void recipes(void **state)
{
    (void)state;
    te_error err;
    ti_recipe r;
    assert_ok(
        read_recipe(
            "{\"recipe\": {\"steps\": 100, \"warmup\": 10, \"rate\": 0.2, \"final_rate\": 0.1}}",
            &r, &err),
        err);
    assert_float_equal(ti_recipe_rate(&r, 0), 0.02, 1e-9);
    assert_float_equal(ti_recipe_rate(&r, 9), 0.2, 1e-9);
    assert_float_equal(ti_recipe_rate(&r, 55), 0.15, 1e-9);
    assert_float_equal(ti_recipe_rate(&r, 100), 0.1, 1e-9);
    static const char *const bad[] = {"{}", "{\"recipe\": {\"steps\": 0}}",
                                      "{\"recipe\": {\"batch\": 6, \"micro_batch\": 4}}",
                                      "{\"recipe\": {\"rate\": \"fast\"}}"};
    for (size_t i = 0; i < TEST_LENGTH(bad); i++)
        assert_int_equal(read_recipe(bad[i], &r, &err), TE_INVALID);
}

static void journal_cuts_back(void **state)
{
    (void)state;
    static const char *const columns[] = {"loss", "norm", NULL};
    te_error err;
    ti_journal j;
    size_t length;
    const double row[] = {1.5, 2};
    assert_ok(ti_journal_open(&j, path_of("run"), columns, 0, 100, &err), err);
    for (int step = 10; step <= 50; step += 10)
        assert_ok(ti_journal_write(&j, step, row, 1, &err), err);
    assert_ok(ti_journal_open(&j, path_of("run"), columns, 30, 100, &err), err);
    assert_ok(ti_journal_write(&j, 40, row, 1, &err), err);
    assert_ok(ti_journal_draw(&j, &err), err);
    assert_string_equal(read_text(path_of("run.csv"), &length),
                        "step,loss,norm\n10,1.5,2\n20,1.5,2\n30,1.5,2\n40,1.5,2\n");
    assert_int_equal(access(path_of("run.png"), R_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learned_words),
        cmocka_unit_test(refuses_bad_words),
        cmocka_unit_test(quadruplets),
        cmocka_unit_test(sequences_are_the_engines),
        cmocka_unit_test(words_alone_keep_their_places),
        cmocka_unit_test(targets_and_weights),
        cmocka_unit_test(names_are_asked_where_things_are),
        cmocka_unit_test(recipes),
        cmocka_unit_test(journal_cuts_back),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
