/* peer_model.c - a GGUF file of LLaDA-8B's shape with random weights and no vocabulary, for
 * llama.cpp's benchmark: peer-model LAYERS OUT.gguf. Matrices are bf16; llama-quantize makes the
 * other types. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "format/gguf.h"

enum { WIDTH = 4096, FF = 12288, VOCAB = 256, CHUNK = 1 << 20 };

typedef struct matrix {
    char name[64];
    int64_t rows, cols; /* cols 0: a vector of ones */
} matrix;

static te_status put_text(ti_gguf_writer *w, const char *key, const char *text, te_error *err)
{
    return ti_gguf_put_string(w, key, text, strlen(text), err);
}

static te_status put_metadata(ti_gguf_writer *w, int layers, te_error *err)
{
    static const struct {
        const char *key;
        int value;
    } ints[] = {{"llada.context_length", 4096},
                {"llada.embedding_length", WIDTH},
                {"llada.feed_forward_length", FF},
                {"llada.attention.head_count", 32},
                {"llada.attention.head_count_kv", 32},
                {"llada.rope.dimension_count", 128},
                {"llada.vocab_size", VOCAB}};
    te_status st = put_text(w, "general.architecture", "llada", err);
    if (!st) st = ti_gguf_put_int(w, "llada.block_count", (uint32_t)layers, err);
    for (size_t i = 0; i < sizeof ints / sizeof *ints && !st; i++)
        st = ti_gguf_put_int(w, ints[i].key, (uint32_t)ints[i].value, err);
    if (!st) st = ti_gguf_put_bool(w, "llada.attention.causal", false, err);
    if (!st) st = ti_gguf_put_real(w, "llada.attention.layer_norm_rms_epsilon", 1e-5f, err);
    if (!st) st = ti_gguf_put_real(w, "llada.rope.freq_base", 500000, err);
    if (!st) st = put_text(w, "tokenizer.ggml.model", "none", err);
    return st;
}

static int list_matrices(matrix *to, int layers)
{
    static const struct {
        const char *part;
        int64_t rows, cols;
    } parts[] = {{"attn_norm", WIDTH, 0},  {"attn_q", WIDTH, WIDTH},      {"attn_k", WIDTH, WIDTH},
                 {"attn_v", WIDTH, WIDTH}, {"attn_output", WIDTH, WIDTH}, {"ffn_norm", WIDTH, 0},
                 {"ffn_gate", FF, WIDTH},  {"ffn_up", FF, WIDTH},         {"ffn_down", WIDTH, FF}};
    int n = 0;
    to[n++] = (matrix){"token_embd.weight", VOCAB, WIDTH};
    for (int i = 0; i < layers; i++)
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++, n++) {
            to[n] = (matrix){.rows = parts[p].rows, .cols = parts[p].cols};
            snprintf(to[n].name, sizeof to[n].name, "blk.%d.%s.weight", i, parts[p].part);
        }
    to[n++] = (matrix){"output_norm.weight", WIDTH, 0};
    to[n++] = (matrix){"output.weight", VOCAB, WIDTH};
    return n;
}

/* CHUNK normal numbers, over and over. */
static te_status write_matrix(ti_gguf_writer *w, const matrix *m, const uint16_t *values,
                              te_error *err)
{
    te_status st = TE_OK;
    if (!m->cols) {
        float ones[WIDTH];
        for (int i = 0; i < WIDTH; i++) ones[i] = 1.0f;
        return ti_gguf_write(w, ones, (size_t)m->rows * sizeof *ones, err);
    }
    for (int64_t left = m->rows * m->cols; left > 0 && !st; left -= CHUNK)
        st = ti_gguf_write(w, values, sizeof *values * (size_t)(left < CHUNK ? left : CHUNK), err);
    return st;
}

static te_status write_model(const char *path, int layers, te_error *err)
{
    ti_gguf_writer *w = NULL;
    matrix *all = ti_calloc((size_t)layers * 9 + 3, sizeof *all);
    uint16_t *values = ti_malloc_array(CHUNK, sizeof *values);
    te_status st = all && values ? ti_gguf_writer_create(&w, path, err)
                                 : ti_fail_memory(err, "the values", CHUNK);
    const int n = st ? 0 : list_matrices(all, layers);
    if (!st) st = put_metadata(w, layers, err);
    for (int i = 0; i < CHUNK && !st; i++)
        values[i] =
            ti_float_to_bf16(0.02f * (float)ti_random_normal((ti_random){1, 1}, (uint64_t)i));
    for (int i = 0; i < n && !st; i++) {
        const int64_t shape[] = {all[i].rows, all[i].cols};
        st = ti_gguf_declare(w, all[i].name, all[i].cols ? TI_BF16 : TI_F32, all[i].cols ? 2 : 1,
                             shape, err);
    }
    for (int i = 0; i < n && !st; i++) st = write_matrix(w, &all[i], values, err);
    if (!st) st = ti_gguf_finish(w, err);
    if (w) ti_gguf_writer_free(w);
    free(all);
    free(values);
    return st;
}

int main(int argc, char **argv)
{
    const long layers = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    if (layers < 1 || layers > 64) {
        fputs("usage: peer-model LAYERS OUT.gguf (1 to 64 layers)\n", stderr);
        return 2;
    }
    te_error err;
    if (!write_model(argv[2], (int)layers, &err)) return 0;
    fprintf(stderr, "peer-model: %s\n", err.message);
    return 1;
}
