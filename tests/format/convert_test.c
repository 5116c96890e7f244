/* convert_test.c - golden checkpoints into model files and back, tensor for tensor, bit for bit. */
#include "testing.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/checkpoint.h"
#include "format/convert.h"
#include "format/gguf.h"
#include "format/info.h"
#include "format/rope.h"

#define OUT       "convert_test.gguf"
#define M_PROFILE "mmada-parallel-m"
#define A_PROFILE "mmada-parallel-a"

static ti_gguf *convert(ti_convert_options opt)
{
    te_error err;
    ti_gguf *f;
    opt.output = OUT;
    assert_ok(ti_convert(&opt, &err), err);
    assert_ok(ti_gguf_open(&f, OUT, &err), err);
    unlink(OUT);
    return f;
}

static int64_t number(const ti_gguf *f, const char *key)
{
    te_error err;
    int64_t value;
    assert_ok(ti_gguf_need_int(f, key, INT32_MIN, INT32_MAX, &value, &err), err);
    return value;
}

static void expect_text(const ti_gguf *f, const char *key, const char *expected)
{
    te_error err;
    const char *text;
    size_t length;
    assert_ok(ti_gguf_string(f, key, &text, &length, &err), err);
    if (!text || length != strlen(expected) || memcmp(text, expected, length)) fail_msg("%s", key);
}

static void expect_real(const ti_gguf *f, const char *key, double expected)
{
    te_error err;
    double value;
    assert_true(ti_gguf_has(f, key));
    assert_ok(ti_gguf_real(f, key, 0, &value, &err), err);
    assert_true(value == (double)(float)expected);
}

/* The Hugging Face name of a backbone tensor of ours. */
static void original_name(const char *name, char to[128])
{
    static const char *const parts[][2] = {
        {"attn_norm", "attn_norm"}, {"attn_q", "q_proj"},        {"attn_k", "k_proj"},
        {"attn_v", "v_proj"},       {"attn_output", "attn_out"}, {"ffn_norm", "ff_norm"},
        {"ffn_gate", "ff_proj"},    {"ffn_up", "up_proj"},       {"ffn_down", "ff_out"},
    };
    int layer;
    char part[32];
    to[0] = '\0';
    if (!strcmp(name, "token_embd.weight")) snprintf(to, 128, "model.transformer.wte.weight");
    if (!strcmp(name, "output_norm.weight")) snprintf(to, 128, "model.transformer.ln_f.weight");
    if (!strcmp(name, "output.weight")) snprintf(to, 128, "model.transformer.ff_out.weight");
    if (sscanf(name, "blk.%d.%31[^.].weight", &layer, part) != 2) return;
    for (size_t i = 0; i < TEST_LENGTH(parts); i++)
        if (!strcmp(parts[i][0], part))
            snprintf(to, 128, "model.transformer.blocks.%d.%s.weight", layer, parts[i][1]);
}

/* Every tensor of F equals its source: the same bytes where the type is the source's, otherwise the
 * same numbers. */
static void compare(const ti_gguf *f, const char *folder, const char *prefix, int expected)
{
    te_error err;
    ti_checkpoint *c;
    int seen = 0;
    assert_ok(ti_checkpoint_open(&c, folder, &err), err);
    for (int i = 0; i < ti_gguf_tensor_count(f); i++) {
        const ti_tensor *t = ti_gguf_tensor(f, i);
        char name[128];
        if (strncmp(t->name, prefix, strlen(prefix))) continue;
        if (*prefix)
            snprintf(name, sizeof name, "%s", t->name + strlen(prefix));
        else
            original_name(t->name, name);
        const ti_tensor *source = ti_checkpoint_find(c, name);
        if (!source) continue;
        seen++;
        assert_int_equal(t->n_dims, source->n_dims);
        assert_memory_equal(t->shape, source->shape, sizeof t->shape);
        if (t->type == source->type) {
            assert_memory_equal(t->data, source->data, t->bytes);
            continue;
        }
        int64_t n = ti_tensor_elements(t);
        float *a = malloc((size_t)n * 4), *b = malloc((size_t)n * 4);
        ti_dequantize(t->type, t->data, a, n);
        ti_dequantize(source->type, source->data, b, n);
        assert_true(t->n_dims > 1 || t->type == TI_F32);
        assert_memory_equal(a, b, (size_t)n * 4);
        free(a);
        free(b);
    }
    assert_int_equal(seen, expected);
    ti_checkpoint_free(c);
}

static void backbones(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *profile;
        int layers, width, hidden, vocab;
    } cases[] = {
        {TE_GOLDEN "/m-tiny", M_PROFILE, 2, 64, 160, 448},
        {TE_GOLDEN "/a-tiny", A_PROFILE, 2, 64, 160, 448},
        {TE_GOLDEN "/m-small", M_PROFILE, 4, 128, 384, 640},
        {TE_GOLDEN "/a-small", A_PROFILE, 4, 128, 384, 640},
    };
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        char layout[256];
        snprintf(layout, sizeof layout, "%s/trajectory.json", cases[i].folder);
        ti_gguf *f = convert((ti_convert_options){
            .folder = cases[i].folder, .profile = cases[i].profile, .layout = layout});
        compare(f, cases[i].folder, "", 9 * cases[i].layers + 3);
        assert_int_equal(ti_gguf_tensor_count(f), 9 * cases[i].layers + 3);
        expect_text(f, "general.architecture", "llada");
        expect_text(f, "thinkedit.rope", "half");
        expect_text(f, "thinkedit.layout.profile", cases[i].profile);
        assert_int_equal(number(f, "llada.block_count"), cases[i].layers);
        assert_int_equal(number(f, "llada.embedding_length"), cases[i].width);
        assert_int_equal(number(f, "llada.feed_forward_length"), cases[i].hidden);
        assert_int_equal(number(f, "llada.vocab_size"), cases[i].vocab);
        assert_int_equal(number(f, "thinkedit.layout.mask"), 336);
        expect_real(f, "llada.rope.freq_base", 500000);
        expect_real(f, "llada.attention.layer_norm_rms_epsilon", 1e-5);
        assert_int_equal(ti_gguf_find(f, "blk.0.attn_q.weight")->type, TI_BF16);
        ti_gguf_free(f);
    }
}

static void layouts(void **state)
{
    (void)state;
    ti_gguf *f = convert((ti_convert_options){.folder = TE_GOLDEN "/a-small",
                                              .layout = TE_GOLDEN "/a-small/trajectory.json"});
    assert_int_equal(number(f, "thinkedit.layout.grid_height"), 6);
    assert_int_equal(number(f, "thinkedit.layout.grid_width"), 10);
    assert_int_equal(number(f, "thinkedit.layout.image_offset"), 356);
    assert_int_equal(number(f, "thinkedit.layout.codebook"), 256);
    assert_int_equal(number(f, "thinkedit.layout.id.answer_start"), 354);
    assert_int_equal(number(f, "thinkedit.layout.id.answer_end"), 355);
    assert_int_equal(number(f, "thinkedit.layout.id.newline"), 84);
    assert_int_equal(number(f, "thinkedit.defaults.text_steps"), 32);
    assert_int_equal(number(f, "thinkedit.defaults.image_steps"), 12);
    expect_real(f, "thinkedit.defaults.instruction_cfg", 2.5);
    expect_real(f, "thinkedit.defaults.image_cfg", 4);
    expect_text(f, "thinkedit.defaults.schedule", "cosine");
    ti_gguf_free(f);
}

static void image_tokenizers(void **state)
{
    (void)state;
    te_error err;
    int64_t levels[8];
    int n;
    ti_gguf *f =
        convert((ti_convert_options){.folder = TE_GOLDEN "/magvit-tiny", .profile = M_PROFILE});
    compare(f, TE_GOLDEN "/magvit-tiny", "image.", ti_gguf_tensor_count(f));
    assert_int_equal(ti_gguf_tensor_count(f), 128);
    expect_text(f, "image_tokenizer.type", "magvit-v2");
    assert_int_equal(number(f, "image_tokenizer.patch"), 4);
    assert_int_equal(number(f, "image_tokenizer.codebook"), 64);
    assert_int_equal(number(f, "image_tokenizer.latent_channels"), 6);
    assert_int_equal(number(f, "image_tokenizer.groups"), 32);
    assert_ok(ti_gguf_int_array(f, "image_tokenizer.encoder.channels", levels, 8, &n, &err), err);
    assert_true(n == 3 && levels[0] == 32 && levels[1] == 32 && levels[2] == 64);
    ti_gguf_free(f);

    f = convert((ti_convert_options){.folder = TE_GOLDEN "/amused-tiny"});
    compare(f, TE_GOLDEN "/amused-tiny", "image.", ti_gguf_tensor_count(f));
    expect_text(f, "image_tokenizer.type", "amused-vq");
    assert_int_equal(number(f, "image_tokenizer.codebook"), 64);
    assert_int_equal(number(f, "image_tokenizer.codebook_dim"), 16);
    assert_ok(ti_gguf_int_array(f, "image_tokenizer.decoder.channels", levels, 8, &n, &err), err);
    assert_true(n == 3 && levels[0] == 64 && levels[1] == 32 && levels[2] == 32);
    assert_ok(ti_gguf_int_array(f, "image_tokenizer.decoder.blocks", levels, 8, &n, &err), err);
    assert_true(n == 3 && levels[0] == 2);
    ti_gguf_free(f);
}

/* The stand-in model: everything in one file. */
static void whole_model(void **state)
{
    (void)state;
    te_error err;
    const char *text;
    char *shown;
    size_t length;
    ti_gguf *f = convert((ti_convert_options){.folder = TE_GOLDEN "/m-tiny/",
                                              .profile = M_PROFILE,
                                              .layout = TE_GOLDEN "/standin/layout.json",
                                              .image_tokenizer = TE_GOLDEN "/magvit-tiny",
                                              .tokenizer = TE_GOLDEN "/standin/tokenizer.json"});
    compare(f, TE_GOLDEN "/m-tiny", "", 21);
    compare(f, TE_GOLDEN "/magvit-tiny", "image.", 128);
    assert_int_equal(ti_gguf_tensor_count(f), 21 + 128);
    expect_text(f, "general.name", "m-tiny");
    assert_int_equal(number(f, "thinkedit.layout.id.task"), 95);
    assert_int_equal(number(f, "thinkedit.layout.id.task_generate"), 88);
    assert_int_equal(number(f, "thinkedit.layout.grid_width"), 4);
    assert_int_equal(number(f, "thinkedit.defaults.text_len"), 16);
    assert_ok(ti_gguf_string(f, "tokenizer.huggingface.json", &text, &length, &err), err);
    struct stat info;
    assert_int_equal(stat(TE_GOLDEN "/standin/tokenizer.json", &info), 0);
    assert_true(text && length == (size_t)info.st_size && text[0] == '{');

    assert_ok(ti_info(f, false, &shown, &err), err);
    assert_non_null(strstr(shown, "magvit-v2, 64 codes, 4 pixels per token"));
    assert_non_null(strstr(shown, "llada, 2 layers, width 64, vocabulary 448"));
    assert_non_null(strstr(shown, "blk.1.ffn_down.weight"));
    free(shown);
    assert_ok(ti_info(f, true, &shown, &err), err);
    json_t *json = json_loads(shown, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "tensors")), 149);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(json, "keys"), "llada.block_count")), 2);
    assert_true(json_is_true(json_object_get(json_object_get(json, "parts"), "image_tokenizer")));
    json_decref(json);
    free(shown);
    ti_gguf_free(f);
}

static int notes;

static void count_note(const char *sentence, void *user)
{
    (void)user;
    assert_true(strlen(sentence) > 20);
    notes++;
}

/* Each type: written blocks are those ti_quantize() makes of the source's rows. */
static void types(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        ti_type q, down; /* rows of 128 and of 384 */
        int notes;
    } cases[] = {
        {"f32", TI_F32, TI_F32, 0},    {"f16", TI_F16, TI_F16, 0},    {"bf16", TI_BF16, TI_BF16, 0},
        {"q8_0", TI_Q8_0, TI_Q8_0, 0}, {"q4_k", TI_Q8_0, TI_Q8_0, 1},
    };
    te_error err;
    ti_checkpoint *c;
    assert_ok(ti_checkpoint_open(&c, TE_GOLDEN "/m-small", &err), err);
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        notes = 0;
        ti_gguf *f = convert((ti_convert_options){.folder = TE_GOLDEN "/m-small",
                                                  .layout = TE_GOLDEN "/m-small/trajectory.json",
                                                  .type = cases[i].name,
                                                  .note = count_note});
        const ti_tensor *q = ti_gguf_find(f, "blk.3.attn_q.weight");
        const ti_tensor *source = ti_checkpoint_find(c, "model.transformer.blocks.3.q_proj.weight");
        int64_t n = ti_tensor_elements(source);
        float *x = malloc((size_t)n * 4);
        uint8_t *bytes = malloc((size_t)n * 4);
        assert_int_equal(q->type, cases[i].q);
        assert_int_equal(ti_gguf_find(f, "blk.3.ffn_down.weight")->type, cases[i].down);
        assert_int_equal(ti_gguf_find(f, "blk.3.ffn_norm.weight")->type, TI_F32);
        ti_dequantize(source->type, source->data, x, n);
        ti_quantize(q->type, x, bytes, n);
        assert_memory_equal(q->data, bytes, q->bytes);
        assert_int_equal(notes, cases[i].notes);
        free(x);
        free(bytes);
        ti_gguf_free(f);
    }
    ti_checkpoint_free(c);
}

/* Interleaved rows are the same rows elsewhere, and ti_rope_rows_half() puts them back. */
static void row_order(void **state)
{
    (void)state;
    ti_convert_options opt = {.folder = TE_GOLDEN "/m-tiny",
                              .layout = TE_GOLDEN "/m-tiny/trajectory.json"};
    ti_gguf *half = convert(opt);
    opt.rope = "interleaved";
    ti_gguf *turned = convert(opt);
    expect_text(turned, "thinkedit.rope", "interleaved");
    expect_text(turned, "tokenizer.ggml.model", "no_vocab");
    assert_false(ti_gguf_has(half, "tokenizer.ggml.model"));
    for (int i = 0; i < ti_gguf_tensor_count(half); i++) {
        const ti_tensor *a = ti_gguf_tensor(half, i), *b = ti_gguf_tensor(turned, i);
        bool qk = strstr(a->name, "attn_q.") || strstr(a->name, "attn_k.");
        assert_int_equal(memcmp(a->data, b->data, a->bytes) == 0, !qk);
        if (!qk) continue;
        uint8_t *back = malloc(b->bytes);
        ti_rope_rows_half(b, 16, back);
        assert_memory_equal(a->data, back, a->bytes);
        assert_memory_equal((const uint8_t *)b->data + 128, (const uint8_t *)a->data + 8 * 128,
                            128);
        free(back);
    }
    ti_gguf_free(half);
    ti_gguf_free(turned);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refuse(ti_convert_options opt, te_status status, const char *words)
{
    te_error err = {0};
    opt.output = OUT;
    te_status st = ti_convert(&opt, &err);
    if (st != status || !strstr(err.message, words))
        fail_msg("status %d, \"%s\" instead of %d, \"%s\"", st, err.message, status, words);
    assert_int_equal(access(OUT, F_OK), -1);
    assert_int_equal(access(OUT ".part", F_OK), -1);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void refused_options(void **state)
{
    (void)state;
    const ti_convert_options good = {.folder = TE_GOLDEN "/m-tiny",
                                     .layout = TE_GOLDEN "/m-tiny/trajectory.json"};
    ti_convert_options opt = good;
    opt.type = "q5_k";
    refuse(opt, TE_INVALID, "q5_k");
    opt = good;
    opt.profile = "mmada-parallel-z";
    refuse(opt, TE_INVALID, "mmada-parallel-z");
    opt.profile = A_PROFILE;
    refuse(opt, TE_INVALID, "is for profile");
    opt = good;
    opt.layout = NULL;
    refuse(opt, TE_INVALID, "no profile");
    opt.profile = M_PROFILE; /* released ids, too large for the small vocabulary */
    refuse(opt, TE_INVALID, "--layout");
    opt = good;
    opt.folder = TE_GOLDEN "/tokenizer-gpt2";
    refuse(opt, TE_IO, "model.safetensors");
    opt = good;
    opt.folder = TE_GOLDEN "/m-tiny/logits_step0.safetensors";
    refuse(opt, TE_FORMAT, "wte.weight is missing");
    opt = good;
    opt.image_tokenizer = TE_GOLDEN "/m-tiny";
    refuse(opt, TE_FORMAT, "encoder.conv_in.weight is missing");
    opt.folder = TE_GOLDEN "/magvit-tiny";
    refuse(opt, TE_INVALID, "image tokeniser");
    opt = good;
    opt.tokenizer = TE_GOLDEN "/m-tiny/config.json";
    refuse(opt, TE_FORMAT, "tokenizer.json");
    opt.tokenizer = TE_GOLDEN "/none.json";
    refuse(opt, TE_IO, "none.json");
    opt = good;
    opt.rope = "sideways";
    refuse(opt, TE_INVALID, "sideways");
    opt = good;
    opt.layout = TE_GOLDEN "/none.json";
    refuse(opt, TE_IO, "none.json");
    opt.layout = TE_GOLDEN "/m-small/trajectory.json"; /* 256 codes do not fit */
    refuse(opt, TE_INVALID, "the last image code");
    const volatile int cancel = 1;
    opt = good;
    opt.cancel = &cancel;
    refuse(opt, TE_CANCELLED, "cancelled");
}

static void refused_layouts(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        te_status status;
        const char *words;
    } cases[] = {
        {"[]", TE_FORMAT, "no JSON object"},
        {"{\"layout\":", TE_FORMAT, "line 1"},
        {"{\"layout\":{\"profile\":\"mmada-parallel-m\",\"mask\":-3}}", TE_FORMAT, "\"mask\""},
        {"{\"layout\":{\"profile\":\"mmada-parallel-m\",\"maks\":3}}", TE_FORMAT, "\"maks\""},
        {"{\"layout\":{\"profile\":\"mmada-parallel-m\",\"ids\":{\"sio\":3}}}", TE_FORMAT,
         "\"sio\""},
        {"{\"layout\":{\"profile\":\"mmada-parallel-m\",\"ids\":3}}", TE_FORMAT, "objects"},
        {"{\"layout\":{\"profile\":\"mmada-parallel-m\",\"ids\":{\"task\":448}}}", TE_INVALID,
         "outside"},
        {"{\"layout\":{\"profile\":\"mmada-parallel-m\"},\"options\":{\"steps\":4}}", TE_INVALID,
         ""},
    };
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        write_text("convert_layout.json", cases[i].json);
        refuse((ti_convert_options){.folder = TE_GOLDEN "/m-tiny", .layout = "convert_layout.json"},
               cases[i].status, cases[i].words);
    }
    unlink("convert_layout.json");
}

/* A folder with m-tiny's tensors and another config.json. */
static void refused_configs(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        te_status status;
        const char *words;
    } cases[] = {
        {"n_layers", "3", TE_FORMAT, "blocks.2.attn_norm.weight is missing"},
        {"d_model", "128", TE_FORMAT, "448 x 64"},
        {"mlp_hidden_size", "96", TE_FORMAT, "160 x 64"},
        {"n_heads", "0", TE_FORMAT, "n_heads"},
        {"n_heads", "7", TE_FORMAT, "divide"},
        {"include_bias", "true", TE_UNSUPPORTED, "include_bias"},
        {"layer_norm_type", "\"default\"", TE_UNSUPPORTED, "layer_norm_type"},
        {"rope", "false", TE_UNSUPPORTED, "rope"},
    };
    mkdir("convert_folder", 0777);
    unlink("convert_folder/model.safetensors");
    assert_int_equal(
        symlink(TE_GOLDEN "/m-tiny/model.safetensors", "convert_folder/model.safetensors"), 0);
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        json_t *config = json_load_file(TE_GOLDEN "/m-tiny/config.json", 0, NULL);
        json_object_set_new(config, cases[i].key,
                            json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        json_dump_file(config, "convert_folder/config.json", 0);
        json_decref(config);
        refuse((ti_convert_options){.folder = "convert_folder",
                                    .layout = TE_GOLDEN "/m-tiny/trajectory.json"},
               cases[i].status, cases[i].words);
    }
    unlink("convert_folder/config.json");
    refuse((ti_convert_options){.folder = "convert_folder",
                                .layout = TE_GOLDEN "/m-tiny/trajectory.json"},
           TE_IO, "config.json");
    unlink("convert_folder/model.safetensors");
    rmdir("convert_folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backbones),
        cmocka_unit_test(layouts),
        cmocka_unit_test(image_tokenizers),
        cmocka_unit_test(whole_model),
        cmocka_unit_test(types),
        cmocka_unit_test(row_order),
        cmocka_unit_test(refused_options),
        cmocka_unit_test(refused_layouts),
        cmocka_unit_test(refused_configs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
