/* seeds.c - writes the seed corpora: FOLDER/gguf, FOLDER/checkpoint, FOLDER/pickle,
 * FOLDER/tokenizer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format/gguf.h"
#include "format/samples.h"

static char path[4096];

static const char *in_folder(const char *root, const char *name)
{
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static int write_sample(const char *root, const char *name, const sample *s)
{
    FILE *f = fopen(in_folder(root, name), "wb");
    if (!f) return 1;
    size_t n = fwrite(s->bytes, 1, s->n, f);
    return fclose(f) || n != s->n;
}

/* One of each type, with the metadata kinds a model has. */
static te_status small_model(const char *file, te_error *err)
{
    static const ti_type types[] = {TI_F32, TI_F16, TI_BF16, TI_Q8_0, TI_Q4_K};
    static const uint8_t zeros[1024];
    const int32_t levels[] = {1, 2, 4};
    ti_gguf_writer *w;
    te_status st = ti_gguf_writer_create(&w, file, err);
    if (!st) st = ti_gguf_put_string(w, "general.architecture", "llada", 5, err);
    if (!st) st = ti_gguf_put_int(w, "llada.block_count", 2, err);
    if (!st) st = ti_gguf_put_real(w, "llada.rope.freq_base", 5e5f, err);
    if (!st) st = ti_gguf_put_bool(w, "llada.attention.causal", false, err);
    if (!st) st = ti_gguf_put_int_array(w, "image_tokenizer.encoder.blocks", levels, 3, err);
    for (int i = 0; i < 5 && !st; i++)
        st = ti_gguf_declare(w, ti_type_name(types[i]), types[i], 2, (int64_t[]){1, 256}, err);
    for (int i = 0; i < 5 && !st; i++)
        st = ti_gguf_write(w, zeros, ti_type_row_bytes(types[i], 256), err);
    if (!st) st = ti_gguf_finish(w, err);
    ti_gguf_writer_free(w);
    return st;
}

static te_status copy_tokenizer(const char *root, te_error *err)
{
    char *text = calloc(1, 1 << 16);
    FILE *from = fopen(TE_GOLDEN "/standin/tokenizer.json", "rb");
    FILE *to = fopen(in_folder(root, "tokenizer/standin.json"), "wb");
    size_t n = text && from ? fread(text, 1, 1 << 16, from) : 0;
    bool ok = n && to && fwrite(text, 1, n, to) == n;
    if (from) fclose(from);
    if (to) ok = fclose(to) == 0 && ok;
    free(text);
    if (!ok && err)
        snprintf(err->message, sizeof err->message, "the tokenizer's seed cannot be written");
    return ok ? TE_OK : TE_IO;
}

int main(int argc, char **argv)
{
    static const char *const folders[] = {"", "gguf", "checkpoint", "pickle", "tokenizer"};
    sample pickle, archive, tensors;
    te_error err = {0};
    if (argc != 2) return 2;
    for (int i = 0; i < 5; i++) mkdir(in_folder(argv[1], folders[i]), 0777);
    sample_pickle(&pickle);
    sample_torch(&archive, &pickle);
    sample_safetensors(&tensors);
    if (write_sample(argv[1], "pickle/state_dict", &pickle) ||
        write_sample(argv[1], "checkpoint/torch", &archive) ||
        write_sample(argv[1], "checkpoint/safetensors", &tensors))
        return 1;
    te_status st = small_model(in_folder(argv[1], "gguf/small"), &err);
    if (!st) st = copy_tokenizer(argv[1], &err);
    if (st) fprintf(stderr, "%s\n", err.message);
    return st ? 1 : 0;
}
