/* golden.c - see golden.h */
#include "vision/golden.h"

#include <math.h>
#include <unistd.h>

#include "testing.h"

static const struct {
    const char *folder, *file, *type;
} golden[MODELS] = {
    {TE_GOLDEN "/magvit-tiny", "model.safetensors", "magvit-v2"},
    {TE_GOLDEN "/amused-tiny", "diffusion_pytorch_model.safetensors", "amused-vq"},
};

static char folder[] = "/tmp/thinkedit-vision-XXXXXX";
static char model_path[64];

int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(model_path, sizeof model_path, "%s/model.gguf", folder);
    return 0;
}

int remove_folder(void **state)
{
    (void)state;
    unlink(model_path);
    return rmdir(folder);
}

ti_checkpoint *open_golden(int model, const char *file)
{
    te_error err;
    char path[512];
    ti_checkpoint *st = NULL;
    snprintf(path, sizeof path, "%s/%s", golden[model].folder, file);
    assert_ok(ti_checkpoint_open(&st, path, &err), err);
    return st;
}

static void write_keys(ti_gguf_writer *w, int model, const damage *d)
{
    te_error err;
    const char *type = d->type ? d->type : golden[model].type;
    if (*type)
        assert_ok(ti_gguf_put_string(w, "image_tokenizer.type", type, strlen(type), &err), err);
    if (d->patch)
        assert_ok(ti_gguf_put_int(w, "image_tokenizer.patch", (uint32_t)d->patch, &err), err);
    if (d->layout_codebook)
        assert_ok(
            ti_gguf_put_int(w, "thinkedit.layout.codebook", (uint32_t)d->layout_codebook, &err),
            err);
    if (d->groups)
        assert_ok(ti_gguf_put_int(w, "image_tokenizer.groups", (uint32_t)d->groups, &err), err);
}

static bool kept(const ti_tensor *t, const damage *d)
{
    return t->type == TI_F32 && (!d->leave_out || strcmp(t->name, d->leave_out) != 0);
}

static ti_type type_of(const ti_tensor *t, const damage *d)
{
    return d->half && t->n_dims == 4 ? TI_F16 : t->type;
}

static void write_half(ti_gguf_writer *w, const ti_tensor *t)
{
    te_error err;
    const size_t bytes = t->bytes / 2;
    void *half = malloc(bytes);
    assert_non_null(half);
    ti_quantize(TI_F16, t->data, half, (int64_t)(t->bytes / sizeof(float)));
    assert_ok(ti_gguf_write(w, half, bytes, &err), err);
    free(half);
}

static void write_tensor(ti_gguf_writer *w, const ti_tensor *t, const damage *d)
{
    te_error err;
    if (type_of(t, d) == TI_F16) {
        write_half(w, t);
        return;
    }
    if (!d->poison || strcmp(t->name, d->poison) != 0) {
        assert_ok(ti_gguf_write(w, t->data, t->bytes, &err), err);
        return;
    }
    const float nan = NAN;
    assert_ok(ti_gguf_write(w, &nan, sizeof nan, &err), err);
    assert_ok(ti_gguf_write(w, (const char *)t->data + sizeof nan, t->bytes - sizeof nan, &err),
              err);
}

const char *convert_golden(int model, const damage *d)
{
    te_error err;
    char name[160];
    ti_gguf_writer *w = NULL;
    ti_checkpoint *from = open_golden(model, golden[model].file);
    int n = ti_checkpoint_count(from);
    assert_ok(ti_gguf_writer_create(&w, model_path, &err), err);
    write_keys(w, model, d);
    for (int i = 0; i < n; i++) {
        const ti_tensor *t = ti_checkpoint_tensor(from, i);
        snprintf(name, sizeof name, "image.%s", t->name);
        if (kept(t, d))
            assert_ok(ti_gguf_declare(w, name, type_of(t, d), t->n_dims, t->shape, &err), err);
    }
    for (int i = 0; i < n; i++)
        if (kept(ti_checkpoint_tensor(from, i), d))
            write_tensor(w, ti_checkpoint_tensor(from, i), d);
    assert_ok(ti_gguf_finish(w, &err), err);
    ti_gguf_writer_free(w);
    ti_checkpoint_free(from);
    return model_path;
}
