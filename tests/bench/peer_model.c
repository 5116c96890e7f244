/* peer_model.c - GGUF files of LLaDA-8B's shape with random weights.
 *
 *     peer-model LAYERS OUT.gguf                   no vocabulary, bf16, for llama.cpp's benchmark
 *                                                  (llama-quantize makes the other types)
 *     peer-model TYPE TOKENIZER.json OUT.gguf      a whole model of 32 layers, with MAGVIT-v2 as
 *                                                  released and the layout of MMaDA-Parallel-M, to
 *                                                  measure the memory of an edit */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "format/gguf.h"
#include "random_network.h"

enum { WIDTH = 4096, FF = 12288, FEW = 256, ALL = 134656, CHUNK = 1 << 20 };

/* What kind of file: the type of its matrices, the rows of embedding and head, and the layers. */
typedef struct kind {
    ti_type type;
    int vocab, layers;
    const char *tokenizer; /* text of a tokenizer.json; NULL: a backbone alone */
} kind;

typedef struct matrix {
    char name[64];
    int64_t rows, cols; /* cols 0: a vector of ones */
} matrix;

static te_status put_text(ti_gguf_writer *w, const char *key, const char *text, te_error *err)
{
    return ti_gguf_put_string(w, key, text, strlen(text), err);
}

static te_status put_backbone(ti_gguf_writer *w, const kind *k, te_error *err)
{
    static const struct {
        const char *key;
        int value;
    } ints[] = {{"llada.context_length", 4096},        {"llada.embedding_length", WIDTH},
                {"llada.feed_forward_length", FF},     {"llada.attention.head_count", 32},
                {"llada.attention.head_count_kv", 32}, {"llada.rope.dimension_count", 128}};
    te_status st = put_text(w, "general.architecture", "llada", err);
    if (!st) st = ti_gguf_put_int(w, "llada.block_count", (uint32_t)k->layers, err);
    if (!st) st = ti_gguf_put_int(w, "llada.vocab_size", (uint32_t)k->vocab, err);
    for (size_t i = 0; i < sizeof ints / sizeof *ints && !st; i++)
        st = ti_gguf_put_int(w, ints[i].key, (uint32_t)ints[i].value, err);
    if (!st) st = ti_gguf_put_bool(w, "llada.attention.causal", false, err);
    if (!st) st = ti_gguf_put_real(w, "llada.attention.layer_norm_rms_epsilon", 1e-5f, err);
    if (!st) st = ti_gguf_put_real(w, "llada.rope.freq_base", 500000, err);
    if (!st && !k->tokenizer) st = put_text(w, "tokenizer.ggml.model", "none", err);
    return st;
}

/* The layout of the released model, a short denoising, and the words. */
static te_status put_rest(ti_gguf_writer *w, const kind *k, te_error *err)
{
    static const struct {
        const char *key;
        int value;
    } ints[] = {
        {"layout.text_vocab", 126349},   {"layout.llm_vocab", 126464}, {"layout.codebook", 8192},
        {"layout.image_offset", 126349}, {"layout.mask", 126336},      {"layout.grid_height", 32},
        {"layout.grid_width", 32},       {"layout.id.task", 126095},   {"layout.id.soi", 126084},
        {"layout.id.eoi", 126085},       {"layout.id.bos", 126080},    {"layout.id.eos", 126081}};
    char key[64];
    te_status st = put_text(w, "thinkedit.layout.profile", "mmada-parallel-m", err);
    for (size_t i = 0; i < sizeof ints / sizeof *ints && !st; i++) {
        snprintf(key, sizeof key, "thinkedit.%s", ints[i].key);
        st = ti_gguf_put_int(w, key, (uint32_t)ints[i].value, err);
    }
    if (!st) st = put_text(w, "thinkedit.rope", "half", err);
    if (!st) st = put_text(w, "tokenizer.huggingface.json", k->tokenizer, err);
    if (!st) st = random_network_declare(w, &random_network_full, err);
    return st;
}

static int list_matrices(matrix *to, const kind *k)
{
    static const struct {
        const char *part;
        int64_t rows, cols;
    } parts[] = {{"attn_norm", WIDTH, 0},  {"attn_q", WIDTH, WIDTH},      {"attn_k", WIDTH, WIDTH},
                 {"attn_v", WIDTH, WIDTH}, {"attn_output", WIDTH, WIDTH}, {"ffn_norm", WIDTH, 0},
                 {"ffn_gate", FF, WIDTH},  {"ffn_up", FF, WIDTH},         {"ffn_down", WIDTH, FF}};
    int n = 0;
    to[n++] = (matrix){"token_embd.weight", k->vocab, WIDTH};
    for (int i = 0; i < k->layers; i++)
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++, n++) {
            to[n] = (matrix){.rows = parts[p].rows, .cols = parts[p].cols};
            snprintf(to[n].name, sizeof to[n].name, "blk.%d.%s.weight", i, parts[p].part);
        }
    to[n++] = (matrix){"output_norm.weight", WIDTH, 0};
    to[n++] = (matrix){"output.weight", k->vocab, WIDTH};
    return n;
}

/* CHUNK normal numbers, over and over. */
static te_status write_matrix(ti_gguf_writer *w, const matrix *m, ti_type type,
                              const unsigned char *values, te_error *err)
{
    te_status st = TE_OK;
    if (!m->cols) {
        float ones[WIDTH];
        for (int i = 0; i < WIDTH; i++) ones[i] = 1.0f;
        return ti_gguf_write(w, ones, (size_t)m->rows * sizeof *ones, err);
    }
    for (int64_t left = m->rows * m->cols; left > 0 && !st; left -= CHUNK)
        st = ti_gguf_write(w, values, ti_type_row_bytes(type, left < CHUNK ? left : CHUNK), err);
    return st;
}

static te_status write_model(const char *path, const kind *k, te_error *err)
{
    ti_gguf_writer *w = NULL;
    matrix *all = ti_calloc((size_t)k->layers * 9 + 3, sizeof *all);
    float *normal = ti_malloc_array(CHUNK, sizeof *normal);
    unsigned char *values = ti_malloc_array(ti_type_row_bytes(k->type, CHUNK), 1);
    te_status st = all && normal && values ? ti_gguf_writer_create(&w, path, err)
                                           : ti_fail_memory(err, "the values", CHUNK);
    const int n = st ? 0 : list_matrices(all, k);
    if (!st) st = put_backbone(w, k, err);
    if (!st && k->tokenizer) st = put_rest(w, k, err);
    for (int i = 0; i < CHUNK && !st; i++)
        normal[i] = 0.02f * (float)ti_random_normal((ti_random){1, 1}, (uint64_t)i);
    if (!st) ti_quantize(k->type, normal, values, CHUNK);
    for (int i = 0; i < n && !st; i++) {
        const int64_t shape[] = {all[i].rows, all[i].cols};
        st = ti_gguf_declare(w, all[i].name, all[i].cols ? k->type : TI_F32, all[i].cols ? 2 : 1,
                             shape, err);
    }
    if (!st && k->tokenizer) st = random_network_write(w, &random_network_full, err);
    for (int i = 0; i < n && !st; i++) st = write_matrix(w, &all[i], k->type, values, err);
    if (!st) st = ti_gguf_finish(w, err);
    if (w) ti_gguf_writer_free(w);
    free(all);
    free(normal);
    free(values);
    return st;
}

/* Up to SIZE bytes of the text file PATH. */
static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    const size_t n = fread(text, 1, size - 1, file);
    text[n] = 0;
    return !fclose(file) && n > 0 && n < size - 1;
}

int main(int argc, char **argv)
{
    static char tokenizer[8 << 20];
    kind k = {.type = TI_BF16, .vocab = FEW};
    if (argc == 3)
        k.layers = (int)strtol(argv[1], NULL, 10);
    else if (argc == 4 && ti_type_parse(argv[1], &k.type) &&
             read_text(argv[2], tokenizer, sizeof tokenizer))
        k = (kind){.type = k.type, .vocab = ALL, .layers = 32, .tokenizer = tokenizer};
    if (k.layers < 1 || k.layers > 64) {
        fputs("usage: peer-model LAYERS OUT.gguf (1 to 64 layers), or\n"
              "       peer-model TYPE TOKENIZER.json OUT.gguf\n",
              stderr);
        return 2;
    }
    te_error err;
    if (!write_model(argv[argc - 1], &k, &err)) return 0;
    fprintf(stderr, "peer-model: %s\n", err.message);
    return 1;
}
