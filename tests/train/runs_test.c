/* Whole runs of the commands on a tiny world: any number of threads and a stop in between give the
 * same checkpoint to the bit, and the exported model opens in the engine. */
#include "check.h"
#include "folder.h"

#include "commands.h"
#include "denoise/layout.h"
#include "format/checkpoint.h"
#include "model/backbone.h"
#include "project.h"
#include "vision/image_tokenizer.h"
#include "world/pngfile.h"

#include <unistd.h>

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The first FROM in a text file becomes TO. */
static void replace_text(const char *path, const char *from, const char *to)
{
    char text[2048], changed[2560];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    write_text(path, changed);
}

static unsigned char *read_bytes(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*n);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, file), *n);
    fclose(file);
    return bytes;
}

static void assert_same_file(const char *a, const char *b)
{
    size_t n, m;
    unsigned char *x = read_bytes(a, &n), *y = read_bytes(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* A configuration of `image-tokens` under NAME.json with outputs NAME.*. */
static void image_config_from(const char *name, int threads, int stop_at, const char *decoder_of,
                              int blocks)
{
    char text[1024], file[64];
    snprintf(
        text, sizeof text,
        "{\"out\": \"%s/%s\", \"decoder_of\": \"%s\", \"size\": 16,"
        " \"recipe\": {\"steps\": 4, \"stop_at\": %d, \"warmup\": 1, \"batch\": 4, "
        "\"micro_batch\": 2,"
        "  \"log_every\": 1, \"save_every\": 4, \"threads\": %d},"
        " \"network\": {\"channels\": 8, \"bits\": 5, \"groups\": 2, \"encoder_mult\": [1, 1, 2],"
        "  \"decoder_mult\": [1, 1, 2], \"decoder_blocks\": [1, 1, %d]}, \"loss\": {%s}}",
        folder, name, decoder_of, stop_at, threads, blocks,
        *decoder_of ? "\"things\": 5, \"jitter\": 0.5" : "");
    snprintf(file, sizeof file, "%s.json", name);
    write_text(path_of(file), text);
}

static void image_config(const char *name, int threads, int stop_at)
{
    image_config_from(name, threads, stop_at, "", 1);
}

/* START "": from random weights; else the file of the run it begins with, which it leaves as it is.
 */
static void sft_config_from(const char *name, int threads, int stop_at, const char *start)
{
    char text[2048], file[64];
    snprintf(text, sizeof text,
             "{\"out\": \"%s/%s\", %s%s%s \"image_tokens\": \"%s/image-a.json\","
             " \"tokenizer\": \"%s/tokenizer.json\", \"pool\": {\"path\": \"%s/%s.pool\", "
             "\"samples\": 6},"
             " \"recipe\": {\"steps\": 4, \"stop_at\": %d, \"warmup\": 1, \"batch\": 4, "
             "\"micro_batch\": 2, \"optimiser\": \"muon\", \"rate\": %g,"
             "  \"log_every\": 1, \"save_every\": 4, \"threads\": %d},"
             " \"network\": {\"width\": 32, \"layers\": 2, \"heads\": 2, \"ff\": 64},"
             " \"objective\": {\"text_len\": 8, \"independent\": 0.5, \"instruction_len\": 12,"
             "  \"names\": 0.5, \"words_alone\": 0.25},"
             " \"export\": {\"path\": \"%s/model.gguf\", \"defaults\": {\"text_steps\": 4, "
             "\"image_cfg\": 1.5, \"generation\": {\"image_cfg\": 2.5}}}}",
             folder, name, *start ? "\"start\": \"" : "", start, *start ? "\"," : "", folder,
             folder, folder, name, stop_at, *start ? 0.0 : 1e-3, threads, folder);
    snprintf(file, sizeof file, "%s.json", name);
    write_text(path_of(file), text);
}

static void sft_config(const char *name, int threads, int stop_at)
{
    sft_config_from(name, threads, stop_at, "");
}

static int make_models(void **state)
{
    te_error err;
    if (make_folder(state)) return -1;
    char text[512];
    snprintf(text, sizeof text, "{\"out\": \"%s/tokenizer.json\", \"vocab\": 320, \"samples\": 20}",
             folder);
    write_text(path_of("words.json"), text);
    image_config("image-a", 1, 4);
    return ti_command_tokenizer(path_of("words.json"), &err) ||
           ti_command_image_tokens(path_of("image-a.json"), false, &err);
}

static void image_tokens_resume(void **state)
{
    (void)state;
    te_error err;
    image_config("image-b", 2, 3);
    assert_ok(ti_command_image_tokens(path_of("image-b.json"), false, &err), err);
    image_config("image-b", 3, 4);
    assert_ok(ti_command_image_tokens(path_of("image-b.json"), true, &err), err);
    assert_same_file(path_of("image-a.safetensors"), path_of("image-b.safetensors"));
    assert_same_file(path_of("image-a.csv"), path_of("image-b.csv"));
}

/* Whether tensor NAME of two checkpoints is the same. */
static bool same_tensor(const char *a, const char *b, const char *name)
{
    te_error err;
    ti_checkpoint *x = NULL, *y = NULL;
    assert_ok(ti_checkpoint_open(&x, a, &err), err);
    assert_ok(ti_checkpoint_open(&y, b, &err), err);
    const ti_tensor *t = ti_checkpoint_find(x, name), *u = ti_checkpoint_find(y, name);
    assert_non_null(t);
    assert_non_null(u);
    assert_int_equal(t->bytes, u->bytes);
    bool same = !memcmp(t->data, u->data, t->bytes);
    ti_checkpoint_free(x);
    ti_checkpoint_free(y);
    return same;
}

static void decoder_learns_on(void **state)
{
    (void)state;
    te_error err;
    char a[512], b[512], stem[512];
    snprintf(stem, sizeof stem, "%s", path_of("image-a"));
    image_config_from("image-c", 2, 2, stem, 1);
    assert_ok(ti_command_image_tokens(path_of("image-c.json"), false, &err), err);
    snprintf(a, sizeof a, "%s", path_of("image-a.safetensors"));
    snprintf(b, sizeof b, "%s", path_of("image-c.safetensors"));
    assert_true(same_tensor(a, b, "encoder.conv_in.weight:average"));
    assert_false(same_tensor(a, b, "decoder.conv_in.weight:average"));
    image_config_from("image-c", 2, 4, stem, 1);
    assert_ok(ti_command_image_tokens(path_of("image-c.json"), true, &err), err);
    assert_true(same_tensor(a, b, "encoder.conv_in.weight:average"));
    image_config_from("image-e", 1, 4, stem, 1);
    assert_ok(ti_command_image_tokens(path_of("image-e.json"), false, &err), err);
    snprintf(a, sizeof a, "%s", path_of("image-e.safetensors"));
    assert_same_file(a, b);
}

/* Of a run's curves: the first step's, before any update. */
static double first_psnr(const char *name)
{
    double psnr = NAN;
    FILE *file = fopen(path_of(name), "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "step,%*s 1,%lf", &psnr), 1);
    fclose(file);
    return psnr;
}

/* Blocks that the other run did not have begin as identities: before its first update the larger
 * decoder draws what the smaller one did. */
static void decoder_grows(void **state)
{
    (void)state;
    te_error err;
    char stem[512], a[512];
    snprintf(stem, sizeof stem, "%s", path_of("image-a"));
    image_config_from("image-d", 2, 1, stem, 3);
    assert_ok(ti_command_image_tokens(path_of("image-d.json"), false, &err), err);
    const double first = first_psnr("image-c.csv"), grown = first_psnr("image-d.csv");
    if (fabs(first - grown) > 1e-3) fail_msg("%.4f dB, grown %.4f dB", first, grown);
    snprintf(a, sizeof a, "%s", path_of("image-d.safetensors"));
    ti_checkpoint *file;
    assert_ok(ti_checkpoint_open(&file, a, &err), err);
    assert_non_null(ti_checkpoint_find(file, "decoder.up.2.block.2.conv2.weight"));
    ti_checkpoint_free(file);
}

static void sft_resume(void **state)
{
    (void)state;
    te_error err;
    sft_config("sft-a", 1, 4);
    assert_ok(ti_command_sft(path_of("sft-a.json"), false, &err), err);
    sft_config("sft-b", 2, 1);
    assert_ok(ti_command_sft(path_of("sft-b.json"), false, &err), err);
    sft_config("sft-b", 3, 4);
    assert_ok(ti_command_sft(path_of("sft-b.json"), true, &err), err);
    assert_same_file(path_of("sft-a.safetensors"), path_of("sft-b.safetensors"));
    assert_same_file(path_of("sft-a.csv"), path_of("sft-b.csv"));
}

static void one_run_begins_with_another(void **state)
{
    (void)state;
    te_error err;
    char start[512], begun[512];
    ti_checkpoint *from = NULL, *to = NULL;
    sft_config("sft-a", 1, 4);
    assert_ok(ti_command_sft(path_of("sft-a.json"), false, &err), err);
    snprintf(start, sizeof start, "%s", path_of("sft-a.safetensors"));
    snprintf(begun, sizeof begun, "%s", path_of("sft-e.safetensors"));
    sft_config_from("sft-e", 2, 1, start);
    assert_ok(ti_command_sft(path_of("sft-e.json"), false, &err), err);
    assert_ok(ti_checkpoint_open(&from, start, &err), err);
    assert_ok(ti_checkpoint_open(&to, begun, &err), err);
    const char *names[] = {"model.transformer.wte.weight",
                           "model.transformer.blocks.1.up_proj.weight"};
    for (int i = 0; i < 2; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s:average", names[i]);
        const ti_tensor *a = ti_checkpoint_find(from, name), *b = ti_checkpoint_find(to, names[i]);
        assert_non_null(a);
        assert_non_null(b);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    ti_checkpoint_free(from);
    ti_checkpoint_free(to);
    sft_config_from("sft-e", 2, 1, path_of("absent.safetensors"));
    assert_int_equal(ti_command_sft(path_of("sft-e.json"), false, &err), TE_IO);
    replace_text(path_of("sft-e.json"), "\"start\": ", "\"start\": 3, \"was\": ");
    assert_int_equal(ti_command_sft(path_of("sft-e.json"), false, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "\"start\" must be a text"));
    sft_config("sft-e", 1, 1);
    replace_text(path_of("sft-e.json"), "\"muon\"", "\"moon\"");
    assert_int_equal(ti_command_sft(path_of("sft-e.json"), false, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "\"optimiser\""));
}

/* A checkpoint whose every weight, and average, is the shares' of the two runs' averages. */
static void several_runs_have_a_mean(void **state)
{
    (void)state;
    te_error err;
    char text[1200], path[3][512];
    ti_checkpoint *file[3] = {NULL};
    sft_config("sft-a", 1, 4);
    assert_ok(ti_command_sft(path_of("sft-a.json"), false, &err), err);
    sft_config("sft-f", 1, 1);
    replace_text(path_of("sft-f.json"), "\"steps\": 4", "\"steps\": 4, \"seed\": 9");
    assert_ok(ti_command_sft(path_of("sft-f.json"), false, &err), err);
    snprintf(path[0], sizeof path[0], "%s", path_of("sft-a.safetensors"));
    snprintf(path[1], sizeof path[1], "%s", path_of("sft-f.safetensors"));
    snprintf(path[2], sizeof path[2], "%s", path_of("mean.safetensors"));
    sft_config("mean", 1, 4);
    snprintf(text, sizeof text, "\"average\": {\"%s\": 0.25, \"%s\": 0.75}, \"export\"", path[0],
             path[1]);
    replace_text(path_of("mean.json"), "\"export\"", text);
    assert_ok(ti_command_average(path_of("mean.json"), &err), err);
    for (int i = 0; i < 3; i++) assert_ok(ti_checkpoint_open(&file[i], path[i], &err), err);
    static const char *const names[] = {"model.transformer.wte.weight",
                                        "model.transformer.blocks.1.up_proj.weight",
                                        "model.transformer.ln_f.weight"};
    for (int i = 0; i < 3; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s:average", names[i]);
        const ti_tensor *t[3], *value = ti_checkpoint_find(file[2], names[i]);
        for (int k = 0; k < 3; k++) assert_non_null(t[k] = ti_checkpoint_find(file[k], name));
        const float *a = t[0]->data, *b = t[1]->data, *mean = t[2]->data;
        assert_memory_not_equal(a, b, t[0]->bytes);
        assert_memory_equal(mean, value->data, t[0]->bytes);
        for (size_t k = 0; k < t[0]->bytes / sizeof *a; k++)
            assert_float_equal(mean[k], 0.25f * a[k] + 0.75f * b[k], 1e-7);
    }
    for (int i = 0; i < 3; i++) ti_checkpoint_free(file[i]);
    assert_ok(ti_command_export(path_of("mean.json"), &err), err);
    replace_text(path_of("mean.json"), "0.75", "0.7");
    assert_int_equal(ti_command_average(path_of("mean.json"), &err), TE_INVALID);
    assert_non_null(strstr(err.message, "sum to 0.95"));
    replace_text(path_of("mean.json"), "sft-f.safetensors\": 0.7", "image-a.safetensors\": 0.75");
    assert_int_equal(ti_command_average(path_of("mean.json"), &err), TE_FORMAT);
}

/* Layer 1 of three is new and adds nothing; the others are the two of the run before. */
static void a_deeper_backbone_begins_as_a_shallower_one(void **state)
{
    (void)state;
    te_error err;
    char text[1200], old[512], grown[512];
    ti_checkpoint *from = NULL, *to = NULL;
    sft_config("sft-a", 1, 4);
    assert_ok(ti_command_sft(path_of("sft-a.json"), false, &err), err);
    snprintf(old, sizeof old, "%s", path_of("sft-a.safetensors"));
    snprintf(grown, sizeof grown, "%s", path_of("grown.safetensors"));
    sft_config("grown", 1, 4);
    replace_text(path_of("grown.json"), "\"layers\": 2", "\"layers\": 3");
    assert_int_equal(ti_command_grow(path_of("grown.json"), &err), TE_INVALID);
    snprintf(text, sizeof text, "\"grow\": {\"checkpoint\": \"%s\", \"layers\": [1]}, \"export\"",
             old);
    replace_text(path_of("grown.json"), "\"export\"", text);
    assert_ok(ti_command_grow(path_of("grown.json"), &err), err);
    assert_ok(ti_checkpoint_open(&from, old, &err), err);
    assert_ok(ti_checkpoint_open(&to, grown, &err), err);
    static const char *const same[][2] = {{"wte.weight", "wte.weight"},
                                          {"blocks.0.up_proj.weight", "blocks.0.up_proj.weight"},
                                          {"blocks.1.up_proj.weight", "blocks.2.up_proj.weight"},
                                          {"blocks.1.ff_out.weight", "blocks.2.ff_out.weight"}};
    for (int i = 0; i < 4; i++) {
        char a[96], b[96];
        snprintf(a, sizeof a, "model.transformer.%s:average", same[i][0]);
        snprintf(b, sizeof b, "model.transformer.%s", same[i][1]);
        const ti_tensor *was = ti_checkpoint_find(from, a), *is = ti_checkpoint_find(to, b);
        assert_non_null(was);
        assert_non_null(is);
        assert_memory_equal(was->data, is->data, was->bytes);
    }
    static const char *const silent[] = {"attn_out", "ff_out"};
    for (int i = 0; i < 2; i++) {
        char name[96];
        snprintf(name, sizeof name, "model.transformer.blocks.1.%s.weight", silent[i]);
        const ti_tensor *t = ti_checkpoint_find(to, name);
        assert_non_null(t);
        const float *values = t->data;
        for (size_t k = 0; k < t->bytes / sizeof *values; k++) assert_true(values[k] == 0);
    }
    ti_checkpoint_free(from);
    ti_checkpoint_free(to);
    assert_ok(ti_command_export(path_of("grown.json"), &err), err);
    replace_text(path_of("grown.json"), "[1]", "[3]");
    assert_int_equal(ti_command_grow(path_of("grown.json"), &err), TE_INVALID);
    assert_non_null(strstr(err.message, "0 to 2"));
    replace_text(path_of("grown.json"), "[3]", "[0, 1]");
    assert_int_equal(ti_command_grow(path_of("grown.json"), &err), TE_INVALID);
    assert_non_null(strstr(err.message, "more than 1 layers"));
}

static void exported_model_opens(void **state)
{
    (void)state;
    te_error err;
    ti_gguf *file = NULL;
    ti_backend *backend = NULL;
    ti_backbone *backbone = NULL;
    ti_image_tokenizer *image = NULL;
    ti_layout layout;
    int64_t value;
    double guidance;
    sft_config("sft-a", 1, 4);
    assert_ok(ti_command_sft(path_of("sft-a.json"), false, &err), err);
    assert_ok(ti_command_export(path_of("sft-a.json"), &err), err);
    assert_ok(ti_gguf_open(&file, path_of("model.gguf"), &err), err);
    assert_ok(ti_backend_create(&backend, "cpu", 1, &err), err);
    assert_ok(ti_backbone_create(&backbone, file, backend, &err), err);
    assert_ok(ti_image_tokenizer_create(&image, file, backend, &err), err);
    assert_ok(ti_layout_read(&layout, file, &err), err);
    assert_int_equal(layout.instruction_len, 12);
    assert_int_equal(layout.codebook, 32);
    assert_int_equal(backbone->config.vocab, layout.image_offset + layout.codebook);
    assert_ok(ti_gguf_int(file, "thinkedit.defaults.text_steps", 0, &value, &err), err);
    assert_int_equal(value, 4);
    assert_ok(ti_gguf_int(file, "thinkedit.defaults.text_len", 0, &value, &err), err);
    assert_int_equal(value, 8);
    assert_ok(ti_gguf_real(file, "thinkedit.defaults.generation.image_cfg", 0, &guidance, &err),
              err);
    assert_true(guidance == 2.5);
    ti_image_tokenizer_free(image);
    ti_backbone_free(backbone);
    ti_backend_free(backend);
    ti_gguf_free(file);
}

/* Published weights come back as checkpoints, and export to the same file again. */
static void imported_model_exports_alike(void **state)
{
    (void)state;
    te_error err;
    char before[512], tokenizer[512];
    sft_config("sft-a", 1, 4);
    assert_ok(ti_command_sft(path_of("sft-a.json"), false, &err), err);
    assert_ok(ti_command_export(path_of("sft-a.json"), &err), err);
    snprintf(before, sizeof before, "%s", path_of("before.gguf"));
    snprintf(tokenizer, sizeof tokenizer, "%s", path_of("tokenizer.before"));
    assert_int_equal(rename(path_of("model.gguf"), before), 0);
    assert_int_equal(link(before, path_of("model.gguf")), 0);
    assert_int_equal(rename(path_of("tokenizer.json"), tokenizer), 0);
    assert_int_equal(unlink(path_of("sft-a.safetensors")), 0);
    assert_ok(ti_command_import(path_of("sft-a.json"), &err), err);
    assert_same_file(tokenizer, path_of("tokenizer.json"));
    assert_int_equal(unlink(path_of("model.gguf")), 0);
    assert_ok(ti_command_export(path_of("sft-a.json"), &err), err);
    assert_same_file(before, path_of("model.gguf"));
    assert_int_equal(unlink(path_of("sft-a.pool")), 0); /* the tokeniser is a rounded one now */
    assert_ok(ti_command_sft(path_of("sft-a.json"), true, &err), err); /* and training goes on */
}

static void refuses_bad_configurations(void **state)
{
    (void)state;
    te_error err;
    assert_int_equal(ti_command_sft(path_of("absent.json"), false, &err), TE_IO);
    write_text(path_of("bad.json"), "{\"out\": 3, \"recipe\": {}}");
    assert_int_equal(ti_command_image_tokens(path_of("bad.json"), false, &err), TE_INVALID);
    image_config("bad", 1, 1);
    replace_text(path_of("bad.json"), "\"loss\": {}", "\"loss\": {\"things\": 2}");
    assert_int_equal(ti_command_image_tokens(path_of("bad.json"), false, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "decoder_of"));
    sft_config("sft-c", 1, 4);
    assert_int_not_equal(ti_command_sft(path_of("sft-c.json"), true, &err),
                         TE_OK); /* nothing to resume */
    assert_non_null(strstr(err.message, "sft-c"));
}

/* A pool of another configuration is refused, not used. */
static void refuses_a_foreign_pool(void **state)
{
    (void)state;
    te_error err;
    sft_config("sft-d", 1, 1);
    write_text(path_of("sft-d.pool"), "something else that is no pool at all");
    assert_int_equal(ti_command_sft(path_of("sft-d.json"), false, &err), TE_FORMAT);
    assert_non_null(strstr(err.message, "delete it"));
}

/* Kinds drawn more often belong to the configuration: a pool drawn without them is another one. */
static void pools_know_their_mixture(void **state)
{
    (void)state;
    te_error err;
    sft_config("sft-mixed", 1, 1);
    assert_ok(ti_command_sft(path_of("sft-mixed.json"), false, &err), err);
    replace_text(path_of("sft-mixed.json"), "\"samples\": 6",
                 "\"samples\": 6, \"kinds\": {\"muted\": 3}");
    assert_int_equal(ti_command_sft(path_of("sft-mixed.json"), false, &err), TE_FORMAT);
    assert_non_null(strstr(err.message, "mixture"));
    replace_text(path_of("sft-mixed.json"), "muted", "no-such-kind");
    assert_int_equal(ti_command_sft(path_of("sft-mixed.json"), false, &err), TE_INVALID);
    assert_non_null(strstr(err.message, "no-such-kind"));
}

static bool is_among(uint16_t word, const uint16_t *words, int n)
{
    for (int i = 0; i < n; i++)
        if (words[i] == word) return true;
    return false;
}

/* What a token of the input shows is what the reasoning says it sees; so it is for the output of a
 * generation, which has no input. */
static void tokens_show_what_is_said(void **state)
{
    (void)state;
    enum { SAMPLES = 60, TEXT_LEN = 400 };
    te_error err;
    ti_project p;
    ti_pool *pool = NULL;
    sft_config("sft-e", 2, 4);
    assert_ok(ti_project_open(&p, path_of("sft-e.json"), 1, &err), err);
    const ti_pool_config c = {
        .path = path_of("said.pool"), .samples = SAMPLES, .text_len = TEXT_LEN};
    assert_ok(ti_pool_open(&pool, &c, p.magvit, p.tokenizer, &err), err);
    assert_ok(ti_pool_fill(pool, 0, SAMPLES, &err), err);
    const int tokens = p.layout.grid_h * p.layout.grid_w;
    int edits = 0, generations = 0;
    for (int k = 0; k < SAMPLES; k++) {
        const ti_pool_sample s = ti_pool_get(pool, k);
        assert_true(s.n_reasoning < TEXT_LEN - 1);
        for (int t = 0; t < tokens; t++) {
            const uint16_t word = s.generation ? s.output_words[t] : s.input_words[t];
            if (s.generation) assert_int_equal(s.input_words[t], TI_NO_WORD);
            if (word == TI_NO_WORD) continue;
            if (!is_among(word, s.reasoning, s.n_reasoning)) fail_msg("sample %d, token %d", k, t);
            *(s.generation ? &generations : &edits) += 1;
        }
    }
    assert_true(edits > SAMPLES);
    assert_true(generations > 0);
    ti_pool_free(pool);
    ti_project_close(&p);
}

/* Sample K of a pool that begins at the world's sample 4 is sample K + 4 of one that begins at 0.
 */
static void a_pool_can_begin_later(void **state)
{
    (void)state;
    enum { FIRST = 4, SAMPLES = 3, TEXT_LEN = 40 };
    te_error err;
    ti_project p;
    ti_pool *all = NULL, *later = NULL;
    sft_config("sft-e", 2, 4);
    assert_ok(ti_project_open(&p, path_of("sft-e.json"), 1, &err), err);
    ti_pool_config c = {
        .path = path_of("all.pool"), .samples = FIRST + SAMPLES, .text_len = TEXT_LEN};
    assert_ok(ti_pool_open(&all, &c, p.magvit, p.tokenizer, &err), err);
    assert_ok(ti_pool_fill(all, 0, FIRST + SAMPLES, &err), err);
    c.samples = SAMPLES;
    c.first = FIRST;
    assert_int_equal(ti_pool_open(&later, &c, p.magvit, p.tokenizer, &err), TE_FORMAT);
    c.path = path_of("later.pool");
    assert_ok(ti_pool_open(&later, &c, p.magvit, p.tokenizer, &err), err);
    assert_ok(ti_pool_fill(later, 0, SAMPLES, &err), err);
    const size_t tokens = (size_t)(p.layout.grid_h * p.layout.grid_w);
    for (int k = 0; k < SAMPLES; k++) {
        const ti_pool_sample a = ti_pool_get(all, FIRST + k), b = ti_pool_get(later, k);
        assert_int_equal(a.n_instruction, b.n_instruction);
        assert_memory_equal(a.instruction, b.instruction, (size_t)a.n_instruction * 2);
        assert_memory_equal(a.output, b.output, tokens * 2);
        assert_memory_equal(a.output_words, b.output_words, tokens * 2);
    }
    ti_pool_free(all);
    ti_pool_free(later);
    ti_project_close(&p);
}

/* A picture of 4 x 4 tokens in which token 7, at its right side, turns white: it and the three
 * beside it get the output picture's codes; the others, the next row's first too, the input's,
 * though the encoder, whose norms see all of a picture, has others for some of them. */
static void what_an_edit_leaves_alone_keeps_its_codes(void **state)
{
    (void)state;
    enum { SIZE = 16, SIDE = 4, TOKENS = SIDE * SIDE };
    te_error err;
    ti_project p;
    ti_pool *pool = NULL;
    uint8_t input[3 * SIZE * SIZE], output[sizeof input];
    for (size_t i = 0; i < sizeof input; i++) input[i] = (uint8_t)(i * i * 37 % 90);
    memcpy(output, input, sizeof input);
    for (int y = SIDE; y < 2 * SIDE; y++) memset(output + 3 * (y * SIZE + 3 * SIDE), 255, 3 * SIDE);
    assert_ok(ti_world_png_write(path_of("before.png"), input, SIZE, SIZE, &err), err);
    assert_ok(ti_world_png_write(path_of("after.png"), output, SIZE, SIZE, &err), err);
    write_text(path_of("one.jsonl"),
               "{\"input\": \"before.png\", \"instruction\": \"make it white\", "
               "\"reasoning\": \"so make it white.\", \"output\": \"after.png\"}\n");
    sft_config("sft-e", 2, 4);
    assert_ok(ti_project_open(&p, path_of("sft-e.json"), 1, &err), err);
    uint16_t in[TOKENS], out[TOKENS];
    assert_ok(ti_magvit_encode(p.magvit, input, 1, in, &err), err);
    assert_ok(ti_magvit_encode(p.magvit, output, 1, out, &err), err);
    char jsonl[256], cache[256];
    snprintf(jsonl, sizeof jsonl, "%s", path_of("one.jsonl"));
    snprintf(cache, sizeof cache, "%s", path_of("one.pool"));
    const ti_pool_config c = {.path = cache, .quadruplets = jsonl, .text_len = 40};
    assert_ok(ti_pool_open(&pool, &c, p.magvit, p.tokenizer, &err), err);
    assert_ok(ti_pool_fill(pool, 0, 1, &err), err);
    const ti_pool_sample s = ti_pool_get(pool, 0);
    int differ[2] = {0};
    for (int t = 0; t < TOKENS; t++) {
        const bool near = t == 7 || t == 3 || t == 6 || t == 11;
        assert_int_equal(s.input[t], in[t]);
        assert_int_equal(s.output[t], near ? out[t] : in[t]);
        if (t != 7) differ[near] += in[t] != out[t];
    }
    assert_true(differ[0] > 0 && differ[1] > 0); /* so that both halves of the rule were seen */
    ti_pool_free(pool);
    ti_project_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_tokens_resume),
        cmocka_unit_test(decoder_learns_on),
        cmocka_unit_test(decoder_grows),
        cmocka_unit_test(sft_resume),
        cmocka_unit_test(one_run_begins_with_another),
        cmocka_unit_test(several_runs_have_a_mean),
        cmocka_unit_test(a_deeper_backbone_begins_as_a_shallower_one),
        cmocka_unit_test(exported_model_opens),
        cmocka_unit_test(imported_model_exports_alike),
        cmocka_unit_test(refuses_bad_configurations),
        cmocka_unit_test(refuses_a_foreign_pool),
        cmocka_unit_test(pools_know_their_mixture),
        cmocka_unit_test(a_pool_can_begin_later),
        cmocka_unit_test(what_an_edit_leaves_alone_keeps_its_codes),
        cmocka_unit_test(tokens_show_what_is_said),
    };
    return cmocka_run_group_tests(tests, make_models, remove_folder);
}
