/* checkpoint_test.c - safetensors, shards and PyTorch files, whole and hostile. */
#include "testing.h"

#include <sys/stat.h>
#include <unistd.h>

#include "format/checkpoint.h"
#include "samples.h"

static te_status open_copy(const uint8_t *bytes, size_t size, te_error *err)
{
    uint8_t *copy = malloc(size ? size : 1); /* ends where the bytes do, for sanitizers */
    ti_checkpoint *c;
    memcpy(copy, bytes, size);
    te_status st = ti_checkpoint_open_memory(&c, "copy", copy, size, err);
    assert_true((st == TE_OK) == (c != NULL));
    for (int i = 0; c && i < ti_checkpoint_count(c); i++) {
        const ti_tensor *t = ti_checkpoint_tensor(c, i);
        volatile uint8_t last = ((const uint8_t *)t->data)[t->bytes - 1];
        (void)last;
    }
    ti_checkpoint_free(c);
    free(copy);
    return st;
}

static void expect(const sample *s, te_status status, const char *words)
{
    te_error err = {0};
    te_status st = open_copy(s->bytes, s->n, &err);
    if (st != status || !strstr(err.message, words))
        fail_msg("status %d, \"%s\" instead of %d, \"%s\"", st, err.message, status, words);
}

/* Every truncation and every changed byte: an error with a sentence or a sound result. */
static void batter(sample *s, size_t may_be_cut)
{
    static const uint8_t flips[] = {0xFF, 0x01, 0x80, 0x20};
    te_error err;
    for (size_t n = 0; n < s->n; n++) {
        err.message[0] = '\0';
        te_status st = open_copy(s->bytes, n, &err);
        assert_int_equal(st == TE_OK, n + may_be_cut >= s->n);
        if (st) assert_true(err.message[0] != '\0');
    }
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < TEST_LENGTH(flips); k++) {
            s->bytes[i] ^= flips[k];
            open_copy(s->bytes, s->n, &err);
            s->bytes[i] ^= flips[k];
        }
    expect(s, TE_OK, "");
}

/* ---- safetensors ----------------------------------------------------------------------------- */

static void safetensors_values(void **state)
{
    (void)state;
    sample s;
    te_error err;
    ti_checkpoint *c;
    float values[4];
    sample_safetensors(&s);
    assert_ok(ti_checkpoint_open_memory(&c, "sample", s.bytes, s.n, &err), err);
    assert_int_equal(ti_checkpoint_count(c), 2);
    const ti_tensor *x = ti_checkpoint_find(c, "x"), *y = ti_checkpoint_find(c, "y");
    assert_true(x && x->type == TI_F32 && x->n_dims == 2 && x->shape[0] == 2 && x->shape[1] == 2);
    ti_dequantize(x->type, x->data, values, 4);
    assert_true(values[0] == 1 && values[3] == 4);
    assert_true(y && y->type == TI_U8 && y->bytes == 3);
    assert_null(ti_checkpoint_find(c, "z"));
    assert_int_equal(ti_checkpoint_need(c, "x", 1, (int64_t[]){4}, &x, &err), TE_FORMAT);
    assert_int_equal(ti_checkpoint_need(c, "z", 1, (int64_t[]){4}, &x, &err), TE_FORMAT);
    ti_checkpoint_free(c);
}

static void safetensors_battered(void **state)
{
    (void)state;
    sample s;
    sample_safetensors(&s);
    batter(&s, 0);
}

static void safetensors_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}", "outside"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-4,12]}}", "outside"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "outside"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", "more or less"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,16]}}", "impossible"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", "impossible"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,16]}}",
         "impossible"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,2,2],\"data_offsets\":[0,16]}}", "dimensions"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,16]}}", "dimensions"},
        {"{\"x\":{\"dtype\":\"C64\",\"shape\":[2],\"data_offsets\":[0,16]}}", "dtype"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4]}}", "offsets"},
        {"{\"x\":[]}", "dtype"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         "overlap"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
         "damaged"},
        {"{\"x\":", "damaged"},
    };
    sample s;
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        sample_header(&s, cases[i].json, 16);
        expect(&s, TE_FORMAT, cases[i].words);
    }
    sample_header(&s, "{}", 0);
    memset(s.bytes, 0xFF, 8);
    expect(&s, TE_FORMAT, "header of");
    s.n = 0;
    sample_text(&s, "\x80\x02}q\1.........");
    expect(&s, TE_UNSUPPORTED, "old kind");
    s.n = 0;
    sample_text(&s, "what is this file?");
    expect(&s, TE_FORMAT, "neither");
}

static void deep_json(void **state)
{
    (void)state;
    enum { DEPTH = 1 << 20 };
    uint8_t *bytes = malloc(8 + DEPTH);
    uint64_t length = DEPTH;
    te_error err;
    memcpy(bytes, &length, 8);
    memset(bytes + 8, '[', DEPTH);
    bytes[8] = '{';
    assert_int_equal(open_copy(bytes, 8 + DEPTH, &err), TE_FORMAT);
    free(bytes);
}

static void written_and_read(void **state)
{
    (void)state;
    static const float a[] = {1, 2, 3, 4, 5, 6};
    static const int64_t b[] = {7, 8};
    const ti_tensor tensors[] = {
        {"logits", TI_F32, 2, {2, 3, 1, 1}, a, sizeof a},
        {"ids \"quoted\"", TI_I64, 1, {2, 1, 1, 1}, b, sizeof b},
    };
    te_error err;
    ti_checkpoint *c;
    assert_ok(ti_safetensors_write("checkpoint_test.safetensors", tensors, 2, &err), err);
    assert_ok(ti_checkpoint_open(&c, "checkpoint_test.safetensors", &err), err);
    assert_int_equal(ti_checkpoint_count(c), 2);
    for (int i = 0; i < 2; i++) {
        const ti_tensor *t = ti_checkpoint_find(c, tensors[i].name);
        assert_true(t && t->type == tensors[i].type && t->bytes == tensors[i].bytes);
        assert_memory_equal(t->data, tensors[i].data, t->bytes);
        assert_memory_equal(t->shape, tensors[i].shape, sizeof t->shape);
    }
    ti_checkpoint_free(c);
    unlink("checkpoint_test.safetensors");
    assert_int_equal(ti_safetensors_write("no/such/folder/x", tensors, 2, &err), TE_IO);
}

/* ---- shards ---------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static te_status open_index(const char *json, ti_checkpoint **c, te_error *err)
{
    write_file("checkpoint_shards/model.safetensors.index.json", json, strlen(json));
    return ti_checkpoint_open(c, "checkpoint_shards", err);
}

static void shards(void **state)
{
    (void)state;
    sample s;
    te_error err;
    ti_checkpoint *c;
    mkdir("checkpoint_shards", 0777);
    sample_safetensors(&s);
    write_file("checkpoint_shards/one.safetensors", s.bytes, s.n);
    sample_header(&s, "{\"z\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    write_file("checkpoint_shards/two.safetensors", s.bytes, s.n);
    assert_ok(open_index("{\"weight_map\":{\"x\":\"one.safetensors\",\"y\":\"one.safetensors\","
                         "\"z\":\"two.safetensors\"}}",
                         &c, &err),
              err);
    assert_int_equal(ti_checkpoint_count(c), 3);
    assert_string_equal(ti_checkpoint_tensor(c, 2)->name, "z");
    ti_checkpoint_free(c);

    static const struct {
        const char *json;
        te_status status;
        const char *words;
    } cases[] = {
        {"{\"weight_map\":{\"x\":\"../secret\"}}", TE_FORMAT, "beside"},
        {"{\"weight_map\":{\"x\":\"/etc/passwd\"}}", TE_FORMAT, "beside"},
        {"{\"weight_map\":{\"x\":\"\"}}", TE_FORMAT, "beside"},
        {"{\"weight_map\":{\"x\":3}}", TE_FORMAT, "names no file"},
        {"{\"weight_map\":{\"x\":\"three.safetensors\"}}", TE_IO, "three.safetensors"},
        {"{\"weight_map\":{\"x\":\"one.safetensors\",\"y\":\"copy.safetensors\"}}", TE_FORMAT,
         "twice"},
        {"{\"weight_map\":{\"w\":\"one.safetensors\"}}", TE_FORMAT, "have no tensor w"},
        {"{}", TE_FORMAT, "weight_map"},
        {"[", TE_FORMAT, "line 1"},
    };
    sample_safetensors(&s);
    write_file("checkpoint_shards/copy.safetensors", s.bytes, s.n);
    for (size_t i = 0; i < TEST_LENGTH(cases); i++) {
        assert_int_equal(open_index(cases[i].json, &c, &err), cases[i].status);
        assert_null(c);
        if (!strstr(err.message, cases[i].words)) fail_msg("%s", err.message);
    }
    unlink("checkpoint_shards/one.safetensors");
    unlink("checkpoint_shards/two.safetensors");
    unlink("checkpoint_shards/copy.safetensors");
    unlink("checkpoint_shards/model.safetensors.index.json");
    assert_int_equal(ti_checkpoint_open(&c, "checkpoint_shards", &err), TE_IO);
    rmdir("checkpoint_shards");
    assert_int_equal(ti_checkpoint_open(&c, "checkpoint_shards", &err), TE_IO);
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

static void torch_values(void **state)
{
    (void)state;
    sample pickle, zip;
    te_error err;
    ti_checkpoint *c;
    float values[6];
    sample_pickle(&pickle);
    sample_torch(&zip, &pickle);
    assert_ok(ti_checkpoint_open_memory(&c, "sample", zip.bytes, zip.n, &err), err);
    assert_int_equal(ti_checkpoint_count(c), 2);
    const ti_tensor *a = ti_checkpoint_find(c, "a.weight"), *b = ti_checkpoint_find(c, "b");
    assert_true(a && a->type == TI_F32 && a->n_dims == 2 && a->shape[0] == 2 && a->shape[1] == 3);
    ti_dequantize(a->type, a->data, values, 6);
    for (int i = 0; i < 6; i++) assert_true(values[i] == (float)(i + 1));
    assert_true(b && b->type == TI_BF16 && b->n_dims == 1 && b->shape[0] == 4);
    ti_dequantize(b->type, b->data, values, 4);
    for (int i = 0; i < 4; i++) assert_true(values[i] == (float)(i + 1));
    ti_checkpoint_free(c);
}

static void torch_battered(void **state)
{
    (void)state;
    sample pickle, zip;
    sample_pickle(&pickle);
    sample_torch(&zip, &pickle);
    batter(&zip, 0);
}

static void expect_pickle(const char *program, size_t n, te_status status, const char *words)
{
    sample pickle = {.n = 0}, zip;
    sample_put(&pickle, program, n);
    sample_torch(&zip, &pickle);
    expect(&zip, status, words);
}

#define PICKLE(program, status, words) expect_pickle(program, sizeof program - 1, status, words)

static void pickle_programs(void **state)
{
    (void)state;
    PICKLE("\x80\x02}.", TE_OK, "");
    PICKLE("cos\nsystem\n(X\x02\0\0\0lstR.", TE_UNSUPPORTED, "os.system");
    PICKLE("\x8c\x08"
           "builtins\x8c\x04"
           "eval\x93.",
           TE_UNSUPPORTED, "builtins.eval");
    PICKLE("cbuiltins\ngetattr\n.", TE_UNSUPPORTED, "nothing was run");
    PICKLE("(ios\nsystem\n.", TE_UNSUPPORTED, "instruction");
    PICKLE("}", TE_FORMAT, "damaged");             /* no STOP */
    PICKLE(".", TE_UNSUPPORTED, "no state dict");  /* nothing */
    PICKLE("].", TE_UNSUPPORTED, "no state dict"); /* a list */
    PICKLE("t.", TE_FORMAT, "damaged");            /* no mark */
    PICKLE("u.", TE_FORMAT, "damaged");
    PICKLE("(u.", TE_FORMAT, "damaged");   /* nothing below the mark */
    PICKLE("}(Nu.", TE_FORMAT, "damaged"); /* a key without a value */
    PICKLE("}}s.", TE_FORMAT, "damaged");
    PICKLE("h\x05.", TE_FORMAT, "damaged");              /* an empty memo */
    PICKLE("}r\xFF\xFF\xFF\x7F.", TE_FORMAT, "damaged"); /* a memo of gigabytes */
    PICKLE("0.", TE_FORMAT, "damaged");
    PICKLE("NQ.", TE_FORMAT, "damaged"); /* not a storage */
    PICKLE("NR.", TE_FORMAT, "damaged");
    PICKLE("NNR.", TE_FORMAT, "damaged");
    PICKLE("ctorch._utils\n_rebuild_tensor_v2\n)R.", TE_FORMAT, "damaged");
    PICKLE("ctorch._utils\n_rebuild_parameter\n)R.", TE_FORMAT, "damaged");
    PICKLE("NNb.", TE_FORMAT, "damaged");
    PICKLE("X\xFF\xFF\xFF\xFFwhat.", TE_FORMAT, "damaged");
    PICKLE("\x8a\x09"
           "123456789.",
           TE_FORMAT, "damaged");
    PICKLE("ccollections", TE_FORMAT, "damaged");
    PICKLE("}q\0h\0h\0s.", TE_OK, ""); /* a dictionary that holds itself: no name, no tensor */
}

/* A dictionary of one tensor whose numbers are given: offset, shape, stride. */
static void one_tensor(const char *offset, size_t offset_n, const char *shape, size_t shape_n,
                       const char *stride, size_t stride_n, te_status status, const char *words)
{
    static const char start[] =
        "}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
        "X\1\0\0\0"
        "0X\3\0\0\0cpuK\6tQ";
    static const char end[] = "\x89)tRs.";
    sample pickle = {.n = 0}, zip;
    sample_put(&pickle, start, sizeof start - 1);
    sample_put(&pickle, offset, offset_n);
    sample_put(&pickle, shape, shape_n);
    sample_put(&pickle, stride, stride_n);
    sample_put(&pickle, end, sizeof end - 1);
    sample_torch(&zip, &pickle);
    expect(&zip, status, words);
}

#define TENSOR(offset, shape, stride, status, words)                                               \
    one_tensor(offset, sizeof offset - 1, shape, sizeof shape - 1, stride, sizeof stride - 1,      \
               status, words)

static void pickle_tensors(void **state)
{
    (void)state;
    TENSOR("K\0", "K\6\x85", "K\1\x85", TE_OK, "");
    TENSOR("K\0", ")", ")", TE_OK, ""); /* a scalar */
    TENSOR("K\0", "K\2K\3\x86", "K\3K\1\x86", TE_OK, "");
    TENSOR("K\0", "K\1K\6\x86", "K\xFFK\1\x86", TE_OK, ""); /* a stride nobody takes */
    TENSOR("K\1", "K\6\x85", "K\1\x85", TE_FORMAT, "outside");
    TENSOR("J\xFF\xFF\xFF\xFF", "K\6\x85", "K\1\x85", TE_FORMAT, "damaged");
    TENSOR("\x8a\x08\0\0\0\0\0\0\0\x40", "K\6\x85", "K\1\x85", TE_FORMAT, "outside");
    TENSOR("K\0", "K\2K\3\x86", "K\1K\2\x86", TE_UNSUPPORTED, "not contiguous");
    TENSOR("K\0", "K\2K\3\x86", "K\1\x85", TE_FORMAT, "damaged");
    TENSOR("K\0", "K\0\x85", "K\1\x85", TE_FORMAT, "damaged");
    TENSOR("K\0", "N\x85", "K\1\x85", TE_FORMAT, "damaged");
    TENSOR("K\0", "\x8a\x08\0\0\0\0\0\0\0\x40\x85", "K\1\x85", TE_FORMAT, "damaged");
    TENSOR("K\0", "(K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1t", TE_FORMAT, "damaged");
    TENSOR("N", "K\6\x85", "K\1\x85", TE_FORMAT, "damaged");
}

/* A million open tuples: nothing recurses, so this is only a damaged file. */
static void deep_pickle(void **state)
{
    (void)state;
    enum { DEPTH = 1 << 20 };
    sample empty = {.n = 0}, zip;
    te_error err;
    sample_torch(&zip, &empty);
    /* the entry's size is in its local and central header and before its data is the name */
    static const char name[] = "archive/data.pkl";
    uint8_t *grown = malloc(zip.n + DEPTH);
    size_t at = 30 + sizeof name - 1;
    memcpy(grown, zip.bytes, at);
    memset(grown + at, '(', DEPTH / 2);
    memset(grown + at + DEPTH / 2, 0x85, DEPTH / 2);
    memcpy(grown + at + DEPTH, zip.bytes + at, zip.n - at);
    uint32_t size = DEPTH, shift = DEPTH;
    for (size_t i = at + DEPTH; i + 46 < zip.n + DEPTH; i++) {
        if (memcmp(grown + i, "PK\1\2", 4)) continue;
        uint32_t local;
        memcpy(&local, grown + i + 42, 4);
        if (local == 0) {
            memcpy(grown + i + 20, &size, 4);
            memcpy(grown + i + 24, &size, 4);
        } else {
            local += shift;
            memcpy(grown + i + 42, &local, 4);
        }
    }
    uint32_t start;
    memcpy(&start, grown + zip.n + DEPTH - 6, 4);
    start += shift;
    memcpy(grown + zip.n + DEPTH - 6, &start, 4);
    assert_int_equal(open_copy(grown, zip.n + DEPTH, &err), TE_FORMAT);
    if (!strstr(err.message, "pickle")) fail_msg("%s", err.message);
    free(grown);
}

static void torch_archives(void **state)
{
    (void)state;
    sample pickle, zip;
    sample_pickle(&pickle);
    sample_torch(&zip, &pickle);
    for (size_t i = 0; i + 6 < zip.n; i++)
        if (!memcmp(zip.bytes + i, "little", 6)) memcpy(zip.bytes + i, "big!!!", 6);
    expect(&zip, TE_UNSUPPORTED, "big-endian");
    sample_torch(&zip, &pickle);
    for (size_t i = 0; i + 46 < zip.n; i++)
        if (!memcmp(zip.bytes + i, "PK\1\2", 4)) zip.bytes[i + 10] = 8;
    expect(&zip, TE_UNSUPPORTED, "compressed");
    sample_torch(&zip, &pickle);
    for (size_t i = 0; i + 8 < zip.n; i++)
        if (!memcmp(zip.bytes + i, "data.pkl", 8)) zip.bytes[i + 5] = 'q';
    expect(&zip, TE_FORMAT, "data.pkl");
    sample_torch(&zip, &pickle);
    for (size_t i = 0; i + 8 < zip.n; i++)
        if (!memcmp(zip.bytes + i, "e/data/1", 8)) zip.bytes[i + 7] = '7';
    expect(&zip, TE_FORMAT, "is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_values),  cmocka_unit_test(safetensors_battered),
        cmocka_unit_test(safetensors_hostile), cmocka_unit_test(deep_json),
        cmocka_unit_test(written_and_read),    cmocka_unit_test(shards),
        cmocka_unit_test(torch_values),        cmocka_unit_test(torch_battered),
        cmocka_unit_test(pickle_programs),     cmocka_unit_test(pickle_tensors),
        cmocka_unit_test(deep_pickle),         cmocka_unit_test(torch_archives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
