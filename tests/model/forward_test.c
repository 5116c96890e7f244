/* forward_test.c - the backbone's logits against golden data; rows and columns asked for alone; row
 * orders; shared key heads and tied embeddings; what it refuses. */
#include "testing.h"

#include <math.h>

#include "format/checkpoint.h"
#include "model/backbone.h"
#include "stand-in/stand_in.h"

typedef struct setup {
    ti_gguf *file;
    ti_backend *backend;
    ti_backbone *backbone;
} setup;

static setup open_setup(const char *golden, ti_type type, int threads)
{
    setup s = {0};
    te_error err;
    const char *path = stand_in_path("model.gguf");
    stand_in_write(path, &(stand_in){.backbone = golden, .type = type});
    assert_ok(ti_gguf_open(&s.file, path, &err), err);
    assert_ok(ti_backend_create(&s.backend, "cpu", threads, &err), err);
    assert_ok(ti_backbone_create(&s.backbone, s.file, s.backend, &err), err);
    return s;
}

static void close_setup(setup *s)
{
    ti_backbone_free(s->backbone);
    ti_backend_free(s->backend);
    ti_gguf_free(s->file);
}

/* Tokens that use the whole vocabulary. */
static void fill_tokens(int32_t *tokens, int n, int vocab)
{
    for (int i = 0; i < n; i++) tokens[i] = (int32_t)((i * 37 + 5) % vocab);
}

/* Logits of ROWS of one or two equal sequences, columns FIRST .. + N. */
static float *logits_of(const setup *s, int n_sequences, int length, const int32_t *rows,
                        int n_rows, int first, int n)
{
    te_error err;
    ti_session *session;
    int32_t *tokens = calloc((size_t)(n_sequences * length), sizeof *tokens);
    int32_t *read = calloc((size_t)(n_sequences * n_rows), sizeof *read);
    int counts[2] = {n_rows, n_rows};
    size_t cells = (size_t)(n_sequences * n_rows) * (size_t)n;
    float *out = malloc(cells * sizeof *out);
    assert_true(tokens && read && out);
    for (int q = 0; q < n_sequences; q++) {
        fill_tokens(tokens + q * length, length, s->backbone->config.vocab);
        for (int r = 0; r < n_rows; r++) read[q * n_rows + r] = q * length + rows[r];
    }
    ti_session_shape shape = {n_sequences * length, n_sequences * n_rows, cells};
    assert_ok(ti_session_create(&session, s->backbone, &shape, &err), err);
    ti_batch batch = {tokens, n_sequences, length, read, counts, {0}};
    assert_ok(ti_session_forward(session, &batch, NULL, &err), err);
    const float *logits;
    ti_session_head(session, 0, 0, n_sequences * n_rows, first, n, &logits);
    assert_ok(s->backend->op->download(s->backend, out, logits, cells * sizeof *out, &err), err);
    ti_session_free(session);
    free(tokens);
    free(read);
    return out;
}

/* Any subset of rows, columns and sequences gives the same bits as the whole. */
static void test_parts_equal_the_whole(void **state)
{
    (void)state;
    enum { LENGTH = 61, VOCAB = 448 };
    int32_t all[LENGTH], some[] = {60, 3, 17};
    for (int i = 0; i < LENGTH; i++) all[i] = i;
    setup s = open_setup("m-tiny", TI_F32, 2);
    float *whole = logits_of(&s, 1, LENGTH, all, LENGTH, 0, VOCAB);
    float *part = logits_of(&s, 2, LENGTH, some, 3, 349, 64);
    for (int q = 0; q < 2; q++)
        for (int r = 0; r < 3; r++)
            assert_memory_equal(part + (q * 3 + r) * 64, whole + some[r] * VOCAB + 349,
                                64 * sizeof *part);
    free(whole);
    free(part);
    close_setup(&s);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    static const ti_type types[] = {TI_F32, TI_BF16, TI_Q8_0};
    int32_t rows[] = {0, 1, 50, 99};
    for (size_t t = 0; t < TEST_LENGTH(types); t++) {
        float *first = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            setup s = open_setup("m-tiny", types[t], threads);
            float *got = logits_of(&s, 1, 100, rows, 4, 0, 448);
            if (first) assert_memory_equal(got, first, 4 * 448 * sizeof *got);
            if (first)
                free(got);
            else
                first = got;
            close_setup(&s);
        }
        free(first);
    }
}

/* Quantised weights give nearly the logits of exact ones. */
static void test_types(void **state)
{
    (void)state;
    static const struct {
        ti_type type;
        double tolerance;
    } types[] = {{TI_F16, 2e-3}, {TI_BF16, 1e-6}, {TI_Q8_0, 6e-2}};
    int32_t rows[] = {0, 30, 59};
    setup s = open_setup("m-tiny", TI_F32, 1);
    float *exact = logits_of(&s, 1, 60, rows, 3, 0, 448);
    double scale = 0;
    for (int i = 0; i < 3 * 448; i++) scale = fmax(scale, fabs((double)exact[i]));
    close_setup(&s);
    for (size_t t = 0; t < TEST_LENGTH(types); t++) {
        s = open_setup("m-tiny", types[t].type, 1);
        float *got = logits_of(&s, 1, 60, rows, 3, 0, 448);
        for (int i = 0; i < 3 * 448; i++)
            assert_true(fabs((double)got[i] - (double)exact[i]) <= types[t].tolerance * scale);
        free(got);
        close_setup(&s);
    }
    free(exact);
}

/* ---- other shapes of the same model ------------------------------------------------------ */

enum { HEADS = 4, SIZE = 16, WIDTH = 64, KV = 2 };

typedef enum tweak {
    SHARED,      /* two key heads for four query heads */
    SPREAD,      /* the same with those heads written out four times */
    TIED,        /* no head: the embedding is it */
    UNTIED,      /* a head equal to the embedding */
    SCALED,      /* scale_logits */
    INTERLEAVED, /* rows of q and k in llama.cpp's order */
} tweak;

/* The half-order row at ROW of llama.cpp's order, written out here once more. */
static int half_row(int row)
{
    int in_head = row % SIZE;
    return row - in_head + in_head / 2 + (in_head % 2) * SIZE / 2;
}

/* The row of the stand-in that becomes ROW of the tweaked matrix NAME. */
static int source_row(tweak how, const char *name, int row)
{
    bool q = strstr(name, "attn_q") != NULL, k = strstr(name, "attn_k") != NULL;
    bool v = strstr(name, "attn_v") != NULL;
    if (how == SPREAD && (k || v)) return row / SIZE * KV / HEADS * SIZE + row % SIZE;
    if (how == INTERLEAVED && (q || k)) return half_row(row);
    return row;
}

static void put_keys(ti_gguf_writer *w, tweak how)
{
    static const struct {
        const char *key;
        uint32_t value;
    } ints[] = {{"llada.block_count", 2},           {"llada.embedding_length", WIDTH},
                {"llada.feed_forward_length", 160}, {"llada.context_length", 4096},
                {"llada.vocab_size", 448},          {"llada.attention.head_count", HEADS}};
    te_error err;
    for (size_t i = 0; i < TEST_LENGTH(ints); i++)
        assert_ok(ti_gguf_put_int(w, ints[i].key, ints[i].value, &err), err);
    if (how == SHARED)
        assert_ok(ti_gguf_put_int(w, "llada.attention.head_count_kv", KV, &err), err);
    if (how == SCALED) assert_ok(ti_gguf_put_bool(w, "llada.scale_logits", true, &err), err);
    if (how != INTERLEAVED)
        assert_ok(ti_gguf_put_string(w, "thinkedit.rope", "half", 4, &err), err);
}

static int64_t tweaked_rows(tweak how, const ti_tensor *t)
{
    bool kv = strstr(t->name, "attn_k") || strstr(t->name, "attn_v");
    return how == SHARED && kv ? KV * SIZE : t->shape[0];
}

static setup open_tweaked(tweak how)
{
    setup from = open_setup("m-tiny", TI_F32, 1), s = {0};
    te_error err;
    ti_gguf_writer *w;
    const char *path = stand_in_path("tweaked.gguf");
    assert_ok(ti_gguf_writer_create(&w, path, &err), err);
    put_keys(w, how);
    int n = ti_gguf_tensor_count(from.file);
    for (int write = 0; write < 2; write++)
        for (int i = 0; i < n; i++) {
            const ti_tensor *t = ti_gguf_tensor(from.file, i), *data = t;
            bool head = !strcmp(t->name, "output.weight");
            if (head && how == TIED) continue;
            if (head && how == UNTIED) data = ti_gguf_find(from.file, "token_embd.weight");
            int64_t shape[2] = {tweaked_rows(how, t), t->shape[1]};
            if (!write) {
                assert_ok(ti_gguf_declare(w, t->name, t->type, t->n_dims, shape, &err), err);
                continue;
            }
            size_t row = t->bytes / (size_t)t->shape[0];
            for (int r = 0; r < shape[0]; r++)
                assert_ok(ti_gguf_write(w,
                                        (const char *)data->data +
                                            row * (size_t)source_row(how, t->name, r),
                                        row, &err),
                          err);
        }
    assert_ok(ti_gguf_finish(w, &err), err);
    ti_gguf_writer_free(w);
    close_setup(&from);
    assert_ok(ti_gguf_open(&s.file, stand_in_path("tweaked.gguf"), &err), err);
    assert_ok(ti_backend_create(&s.backend, "cpu", 1, &err), err);
    assert_ok(ti_backbone_create(&s.backbone, s.file, s.backend, &err), err);
    return s;
}

static float *tweaked_logits(tweak how)
{
    static const int32_t rows[] = {0, 20, 49};
    setup s = open_tweaked(how);
    float *logits = logits_of(&s, 1, 50, rows, 3, 0, 448);
    close_setup(&s);
    return logits;
}

static void test_shared_key_heads(void **state)
{
    (void)state;
    float *shared = tweaked_logits(SHARED), *spread = tweaked_logits(SPREAD);
    assert_memory_equal(shared, spread, 3 * 448 * sizeof *shared);
    free(shared), free(spread);
}

static void test_tied_embedding(void **state)
{
    (void)state;
    float *tied = tweaked_logits(TIED), *untied = tweaked_logits(UNTIED);
    assert_memory_equal(tied, untied, 3 * 448 * sizeof *tied);
    free(tied), free(untied);
}

static void test_scaled_logits_and_row_order(void **state)
{
    (void)state;
    static const int32_t rows[] = {0, 20, 49};
    setup s = open_setup("m-tiny", TI_F32, 1);
    float *plain = logits_of(&s, 1, 50, rows, 3, 0, 448);
    close_setup(&s);
    float *scaled = tweaked_logits(SCALED), *turned = tweaked_logits(INTERLEAVED);
    for (int i = 0; i < 3 * 448; i++) assert_true(scaled[i] == plain[i] / 8); /* sqrt(64), exact */
    assert_memory_equal(turned, plain, 3 * 448 * sizeof *plain);
    free(plain), free(scaled), free(turned);
}

/* Tokens picked on the device give what they would give in the batch; those not kept give nothing.
 */
static void test_revealed(void **state)
{
    (void)state;
    enum { N = 2, LENGTH = 8, VOCAB = 448 };
    setup s = open_setup("m-tiny", TI_F32, 1);
    int32_t tokens[N * LENGTH], read[] = {0, 5, LENGTH + 6}, ids[] = {17, 400, 3},
                                rows[] = {1, 3, 2};
    int counts[] = {2, 1};
    bool kept[] = {true, false, true};
    float logits[2][3 * VOCAB];
    ti_pick pick = {.n_rows = 3, .ids = ids};
    ti_keep keep = {.pick = &pick, .kept = kept};
    for (int known = 0; known < 2; known++) {
        te_error err;
        ti_session *session;
        const float *out;
        fill_tokens(tokens, N * LENGTH, VOCAB);
        for (int r = 0; known && r < 3; r++)
            for (int q = 0; kept[r] && q < N; q++) tokens[q * LENGTH + 4 + rows[r]] = ids[r];
        ti_batch batch = {tokens, N, LENGTH, read, counts, {known ? NULL : &keep, rows, 4}};
        ti_session_shape shape = {N * LENGTH, 3, 3 * VOCAB};
        assert_ok(ti_session_create(&session, s.backbone, &shape, &err), err);
        assert_ok(ti_session_forward(session, &batch, NULL, &err), err);
        ti_session_head(session, 0, 0, 3, 0, VOCAB, &out);
        memcpy(logits[known], out, sizeof logits[known]);
        ti_session_free(session);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    close_setup(&s);
}

static void expect_forward(const setup *s, ti_batch batch, te_status expected, const char *word)
{
    te_error err;
    ti_session *session;
    assert_ok(ti_session_create(&session, s->backbone, &(ti_session_shape){8, 4, 8}, &err), err);
    assert_int_equal(ti_session_forward(session, &batch, NULL, &err), expected);
    assert_non_null(strstr(err.message, word));
    ti_session_free(session);
}

static void test_refusals(void **state)
{
    (void)state;
    setup s = open_setup("m-tiny", TI_F32, 1);
    int32_t good[8] = {1}, high[8] = {0, 448}, low[8] = {-1}, read[] = {0};
    int one = 1;
    expect_forward(&s, (ti_batch){high, 1, 8, read, &one, {0}}, TE_INVALID, "448");
    expect_forward(&s, (ti_batch){low, 1, 8, read, &one, {0}}, TE_INVALID, "-1");
    expect_forward(&s, (ti_batch){good, 1, 9, read, &one, {0}}, TE_INVALID, "9 tokens");
    expect_forward(&s, (ti_batch){good, 1, 5000, read, &one, {0}}, TE_INVALID, "4096");
    volatile int cancel = 1;
    te_error err;
    ti_session *session;
    assert_ok(ti_session_create(&session, s.backbone, &(ti_session_shape){8, 4, 8}, &err), err);
    assert_int_equal(
        ti_session_forward(session, &(ti_batch){good, 1, 8, read, &one, {0}}, &cancel, &err),
        TE_CANCELLED);
    ti_session_free(session);
    close_setup(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_equal_the_whole),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_shared_key_heads),
        cmocka_unit_test(test_tied_embedding),
        cmocka_unit_test(test_scaled_logits_and_row_order),
        cmocka_unit_test(test_revealed),
        cmocka_unit_test(test_refusals),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    stand_in_clean();
    return failed;
}
