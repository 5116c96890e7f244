/* stand_in.c - see stand_in.h. Written with the GGUF writer alone, so that it stays right when the
 * converter is wrong. */
#include "testing.h"
#include "stand-in/stand_in.h"

#include <dirent.h>
#include <jansson.h>
#include <unistd.h>

#include "format/checkpoint.h"
#include "format/gguf.h"

static char folder[64];

const char *stand_in_path(const char *name)
{
    static char path[512];
    if (!folder[0]) {
        strcpy(folder, "/tmp/thinkedit-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    snprintf(path, sizeof path, "%.63s/%.255s", folder, name);
    return path;
}

void stand_in_clean(void)
{
    if (!folder[0]) return;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') unlink(stand_in_path(e->d_name));
    closedir(dir);
    rmdir(folder);
    folder[0] = '\0';
}

static json_t *golden_json(const char *dir, const char *file)
{
    char path[512];
    json_error_t where;
    snprintf(path, sizeof path, TE_GOLDEN "/%s/%s", dir, file);
    json_t *root = json_load_file(path, 0, &where);
    if (!root) fail_msg("%s: %s", path, where.text);
    return root;
}

/* ---- keys -------------------------------------------------------------------------------- */

static void put_int(ti_gguf_writer *w, const char *key, const json_t *value)
{
    te_error err;
    if (!json_is_integer(value)) return;
    assert_ok(ti_gguf_put_int(w, key, (uint32_t)json_integer_value(value), &err), err);
}

static void put_backbone_keys(ti_gguf_writer *w, const json_t *c)
{
    static const char *const names[][2] = {
        {"llada.block_count", "n_layers"},
        {"llada.embedding_length", "d_model"},
        {"llada.feed_forward_length", "mlp_hidden_size"},
        {"llada.context_length", "max_sequence_length"},
        {"llada.vocab_size", "vocab_size"},
        {"llada.attention.head_count", "n_heads"},
        {"llada.attention.head_count_kv", "n_kv_heads"},
    };
    te_error err;
    for (size_t i = 0; i < TEST_LENGTH(names); i++)
        put_int(w, names[i][0], json_object_get(c, names[i][1]));
    assert_ok(ti_gguf_put_real(w, "llada.attention.layer_norm_rms_epsilon", 1e-5f, &err), err);
    assert_ok(ti_gguf_put_real(w, "llada.rope.freq_base", 500000, &err), err);
    assert_ok(ti_gguf_put_string(w, "thinkedit.rope", "half", 4, &err), err);
}

static void put_layout(ti_gguf_writer *w, json_t *layout)
{
    static const char *const names[][2] = {
        {"codebook", "codebook"},     {"image_offset", "image_offset"}, {"mask", "mask"},
        {"text_vocab", "text_vocab"}, {"grid_height", "grid"},          {"grid_width", "grid"},
        {"grid_height", "grid_h"},    {"grid_width", "grid_w"},
    };
    te_error err;
    char key[96];
    const char *profile = json_string_value(json_object_get(layout, "profile")), *golden_name;
    json_t *value;
    assert_ok(ti_gguf_put_string(w, "thinkedit.layout.profile", profile, strlen(profile), &err),
              err);
    for (size_t i = 0; i < TEST_LENGTH(names); i++) {
        snprintf(key, sizeof key, "thinkedit.layout.%s", names[i][0]);
        put_int(w, key, json_object_get(layout, names[i][1]));
    }
    json_object_foreach(json_object_get(layout, "ids"), golden_name, value)
    {
        const char *name = golden_name;
        if (!strcmp(name, "boa")) name = "answer_start";
        if (!strcmp(name, "eoa")) name = "answer_end";
        if (strcmp(name, "mask") == 0) continue;
        snprintf(key, sizeof key, "thinkedit.layout.id.%s", name);
        put_int(w, key, value);
    }
    if (!strcmp(profile, "mmada-parallel-m")) /* golden data has no generation; any id serves */
        assert_ok(ti_gguf_put_int(w, "thinkedit.layout.id.task_generate", 88, &err), err);
    assert_ok(ti_gguf_put_real(w, "thinkedit.defaults.generation.image_cfg", 2.25f, &err), err);
}

static void put_tokenizer(ti_gguf_writer *w, const char *path)
{
    te_error err;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t n = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(n);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, n, file), n);
    fclose(file);
    assert_ok(ti_gguf_put_string(w, "tokenizer.huggingface.json", text, n, &err), err);
    free(text);
}

/* ---- tensors ----------------------------------------------------------------------------- */

static void backbone_name(char *out, size_t size, const char *name)
{
    static const char *const parts[][2] = {
        {"attn_norm", "attn_norm"}, {"q_proj", "attn_q"},        {"k_proj", "attn_k"},
        {"v_proj", "attn_v"},       {"attn_out", "attn_output"}, {"ff_norm", "ffn_norm"},
        {"ff_proj", "ffn_gate"},    {"up_proj", "ffn_up"},       {"ff_out", "ffn_down"},
    };
    int layer, used = 0;
    if (sscanf(name, "model.transformer.blocks.%d.%n", &layer, &used) == 1 && used) {
        for (size_t i = 0; i < TEST_LENGTH(parts); i++)
            if (!strncmp(name + used, parts[i][0], strlen(parts[i][0])) &&
                name[used + (int)strlen(parts[i][0])] == '.')
                snprintf(out, size, "blk.%d.%s.weight", layer, parts[i][1]);
        return;
    }
    const char *last = strrchr(name, '.');
    size_t n = (size_t)(last - name) - strlen("model.transformer.");
    const char *part = name + strlen("model.transformer.");
    snprintf(out, size, "%s",
             !strncmp(part, "wte", n)    ? "token_embd.weight"
             : !strncmp(part, "ln_f", n) ? "output_norm.weight"
                                         : "output.weight");
}

static ti_type type_of(const ti_tensor *t, bool image, ti_type type)
{
    if (image) return t->type;
    return t->n_dims == 1 ? TI_F32 : type;
}

static void declare(ti_gguf_writer *w, const ti_tensor *t, bool image, ti_type type)
{
    char name[192];
    te_error err;
    if (image)
        snprintf(name, sizeof name, "image.%s", t->name);
    else
        backbone_name(name, sizeof name, t->name);
    assert_ok(ti_gguf_declare(w, name, type_of(t, image, type), t->n_dims, t->shape, &err), err);
}

static void write_data(ti_gguf_writer *w, const ti_tensor *t, bool image, ti_type type)
{
    te_error err;
    if (image) {
        assert_ok(ti_gguf_write(w, t->data, t->bytes, &err), err);
        return;
    }
    int64_t n = ti_tensor_elements(t), row = t->shape[t->n_dims - 1];
    ti_type to = type_of(t, image, type);
    float *values = malloc((size_t)n * sizeof *values);
    size_t row_bytes = ti_type_row_bytes(to, row);
    char *bytes = malloc(row_bytes * (size_t)(n / row));
    assert_true(values && bytes && row_bytes);
    ti_dequantize(t->type, t->data, values, n);
    for (int64_t r = 0; r < n / row; r++)
        ti_quantize(to, values + r * row, bytes + (size_t)r * row_bytes, row);
    assert_ok(ti_gguf_write(w, bytes, row_bytes * (size_t)(n / row), &err), err);
    free(values);
    free(bytes);
}

static ti_checkpoint *open_golden(const char *dir)
{
    char path[512];
    te_error err;
    ti_checkpoint *c;
    snprintf(path, sizeof path, TE_GOLDEN "/%s", dir);
    assert_ok(ti_checkpoint_open(&c, path, &err), err);
    return c;
}

void stand_in_write(const char *path, const stand_in *what)
{
    te_error err;
    ti_gguf_writer *w;
    json_t *config = golden_json(what->backbone, "config.json");
    json_t *golden = golden_json(what->backbone, "trajectory.json");
    ti_checkpoint *parts[2] = {open_golden(what->backbone),
                               what->image_tokenizer ? open_golden(what->image_tokenizer) : NULL};
    assert_ok(ti_gguf_writer_create(&w, path, &err), err);
    assert_ok(ti_gguf_put_string(w, "general.architecture", "llada", 5, &err), err);
    assert_ok(ti_gguf_put_string(w, "general.name", "stand-in", 8, &err), err);
    put_backbone_keys(w, config);
    put_layout(w, json_object_get(golden, "layout"));
    if (what->tokenizer) put_tokenizer(w, what->tokenizer);
    if (what->image_tokenizer) {
        bool magvit = strncmp(what->image_tokenizer, "magvit", 6) == 0;
        assert_ok(ti_gguf_put_string(w, "image_tokenizer.type", magvit ? "magvit-v2" : "amused-vq",
                                     9, &err),
                  err);
    }
    for (int p = 0; p < 2; p++)
        for (int i = 0; parts[p] && i < ti_checkpoint_count(parts[p]); i++)
            declare(w, ti_checkpoint_tensor(parts[p], i), p == 1, what->type);
    for (int p = 0; p < 2; p++)
        for (int i = 0; parts[p] && i < ti_checkpoint_count(parts[p]); i++)
            write_data(w, ti_checkpoint_tensor(parts[p], i), p == 1, what->type);
    assert_ok(ti_gguf_finish(w, &err), err);
    ti_gguf_writer_free(w);
    for (int p = 0; p < 2; p++) ti_checkpoint_free(parts[p]);
    json_decref(config);
    json_decref(golden);
}
