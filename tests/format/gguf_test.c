/* gguf_test.c - reader and writer against each other, and the reader against hostile files. */
#include "testing.h"

#include <sys/stat.h>
#include <unistd.h>

#include "format/gguf.h"

#define FILE_NAME "gguf_test.gguf"

static void check(te_status st, const te_error *err)
{
    if (st) fail_msg("%s", err->message);
}

/* A small file with one of everything; two tensors of 3 x 32. */
static void write_sample(const char *path)
{
    te_error err;
    ti_gguf_writer *w;
    float rows[96];
    uint8_t blocks[3 * 34];
    const int32_t numbers[] = {-1, 5};
    for (int i = 0; i < 96; i++) rows[i] = (float)i - 40;
    ti_quantize(TI_Q8_0, rows, blocks, 96);
    check(ti_gguf_writer_create(&w, path, &err), &err);
    check(ti_gguf_put_string(w, "general.architecture", "llada", 5, &err), &err);
    check(ti_gguf_put_int(w, "a.int", 4096, &err), &err);
    check(ti_gguf_put_real(w, "a.real", 0.5f, &err), &err);
    check(ti_gguf_put_bool(w, "a.bool", true, &err), &err);
    check(ti_gguf_put_int_array(w, "a.ints", numbers, 2, &err), &err);
    check(ti_gguf_put_string(w, "a.empty", "", 0, &err), &err);
    check(ti_gguf_declare(w, "one", TI_F32, 2, (int64_t[]){3, 32}, &err), &err);
    check(ti_gguf_declare(w, "two", TI_Q8_0, 2, (int64_t[]){3, 32}, &err), &err);
    check(ti_gguf_write(w, rows, 100, &err), &err); /* in pieces */
    check(ti_gguf_write(w, (uint8_t *)rows + 100, sizeof rows - 100, &err), &err);
    check(ti_gguf_write(w, blocks, sizeof blocks, &err), &err);
    check(ti_gguf_finish(w, &err), &err);
    ti_gguf_writer_free(w);
}

static uint8_t *read_sample(size_t *size)
{
    write_sample(FILE_NAME);
    FILE *f = fopen(FILE_NAME, "rb");
    assert_non_null(f);
    uint8_t *bytes = malloc(1 << 16);
    *size = fread(bytes, 1, 1 << 16, f);
    fclose(f);
    unlink(FILE_NAME);
    return bytes;
}

static void round_trip(void **state)
{
    (void)state;
    te_error err;
    ti_gguf *f;
    write_sample(FILE_NAME);
    check(ti_gguf_open(&f, FILE_NAME, &err), &err);
    int64_t integer, ints[4];
    double real;
    bool flag;
    const char *text;
    size_t length;
    int n;
    check(ti_gguf_need_int(f, "a.int", 1, 5000, &integer, &err), &err);
    assert_int_equal(integer, 4096);
    check(ti_gguf_real(f, "a.real", 0, &real, &err), &err);
    assert_true(real == 0.5);
    check(ti_gguf_bool(f, "a.bool", false, &flag, &err), &err);
    assert_true(flag);
    check(ti_gguf_string(f, "general.architecture", &text, &length, &err), &err);
    assert_true(length == 5 && !memcmp(text, "llada", 5));
    check(ti_gguf_int_array(f, "a.ints", ints, 4, &n, &err), &err);
    assert_true(n == 2 && ints[0] == -1 && ints[1] == 5);
    check(ti_gguf_string(f, "a.empty", &text, &length, &err), &err);
    assert_true(text && length == 0);

    const ti_tensor *t;
    check(ti_gguf_need(f, "two", 2, (int64_t[]){3, 32}, &t, &err), &err);
    assert_true(t->type == TI_Q8_0 && t->bytes == 3 * 34 && (uintptr_t)t->data % 32 == 0);
    float rows[96];
    ti_dequantize(t->type, t->data, rows, 96);
    for (int i = 0; i < 96; i++)
        assert_true(rows[i] > (float)i - 40.25f && rows[i] < (float)i - 39.75f);
    assert_null(ti_gguf_find(f, "three"));
    assert_int_equal(ti_gguf_tensor_count(f), 2);
    assert_string_equal(ti_gguf_tensor(f, 0)->name, "one");
    assert_null(ti_gguf_tensor(f, 2));
    ti_gguf_free(f);
    unlink(FILE_NAME);
}

static void values_as_text(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = read_sample(&size);
    te_error err;
    ti_gguf *f;
    check(ti_gguf_open_memory(&f, "sample", bytes, size, &err), &err);
    static const char *const expected[][2] = {
        {"a.bool", "true"},    {"a.empty", ""},   {"a.int", "4096"},
        {"a.ints", "[-1, 5]"}, {"a.real", "0.5"}, {"general.architecture", "llada"}};
    assert_int_equal(ti_gguf_key_count(f), TEST_LENGTH(expected));
    for (int i = 0; i < ti_gguf_key_count(f); i++) {
        char *text = ti_gguf_value_text(f, i);
        assert_string_equal(ti_gguf_key(f, i), expected[i][0]);
        assert_string_equal(text, expected[i][1]);
        free(text);
    }
    ti_gguf_free(f);
    free(bytes);
}

/* Asking for the wrong thing is an error that names key and file. */
static void wrong_questions(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = read_sample(&size);
    te_error err;
    ti_gguf *f;
    int64_t integer, ints[1];
    double real;
    bool flag;
    const char *text;
    size_t length;
    int n;
    const ti_tensor *t;
    check(ti_gguf_open_memory(&f, "sample", bytes, size, &err), &err);
    assert_int_equal(ti_gguf_int(f, "a.real", 0, &integer, &err), TE_FORMAT);
    assert_non_null(strstr(err.message, "sample"));
    assert_non_null(strstr(err.message, "a.real"));
    assert_int_equal(ti_gguf_need_int(f, "absent", 0, 1, &integer, &err), TE_FORMAT);
    assert_int_equal(ti_gguf_need_int(f, "a.int", 0, 4095, &integer, &err), TE_FORMAT);
    assert_int_equal(ti_gguf_real(f, "a.bool", 0, &real, &err), TE_FORMAT);
    assert_int_equal(ti_gguf_bool(f, "a.int", false, &flag, &err), TE_FORMAT);
    assert_int_equal(ti_gguf_string(f, "a.ints", &text, &length, &err), TE_FORMAT);
    assert_int_equal(ti_gguf_int_array(f, "a.ints", ints, 1, &n, &err), TE_FORMAT);
    assert_int_equal(ti_gguf_int(f, "absent", 17, &integer, &err), TE_OK);
    assert_int_equal(integer, 17);
    assert_int_equal(ti_gguf_need(f, "one", 2, (int64_t[]){32, 3}, &t, &err), TE_FORMAT);
    assert_non_null(strstr(err.message, "3 x 32"));
    assert_int_equal(ti_gguf_need(f, "none", 2, (int64_t[]){3, 32}, &t, &err), TE_FORMAT);
    ti_gguf_free(f);
    free(bytes);
}

/* The bytes end exactly where the allocation does, so that a sanitizer sees every step too far. */
static te_status open_copy(const uint8_t *bytes, size_t size, te_error *err)
{
    uint8_t *copy = malloc(size ? size : 1);
    ti_gguf *f;
    memcpy(copy, bytes, size);
    te_status st = ti_gguf_open_memory(&f, "copy", copy, size, err);
    assert_true((st == TE_OK) == (f != NULL));
    for (int i = 0; f && i < ti_gguf_tensor_count(f); i++) {
        const ti_tensor *t = ti_gguf_tensor(f, i);
        volatile uint8_t last = ((const uint8_t *)t->data)[t->bytes - 1];
        (void)last;
    }
    for (int i = 0; f && i < ti_gguf_key_count(f); i++) free(ti_gguf_value_text(f, i));
    ti_gguf_free(f);
    free(copy);
    return st;
}

static void every_truncation(void **state)
{
    (void)state;
    te_error err;
    size_t size;
    uint8_t *bytes = read_sample(&size);
    /* the padding behind the last tensor is not needed */
    size_t needed = size - (-(3 * 34) & 31);
    for (size_t n = 0; n <= size; n++) {
        err.message[0] = '\0';
        te_status st = open_copy(bytes, n, &err);
        assert_int_equal(st == TE_OK, n >= needed);
        if (st) assert_true(st == TE_FORMAT && err.message[0]);
    }
    free(bytes);
}

static void every_byte_changed(void **state)
{
    (void)state;
    te_error err;
    size_t size;
    uint8_t *bytes = read_sample(&size);
    static const uint8_t flips[] = {0xFF, 0x01, 0x80, 0x7F};
    int refused = 0;
    for (size_t i = 0; i < size; i++)
        for (size_t k = 0; k < TEST_LENGTH(flips); k++) {
            bytes[i] ^= flips[k];
            refused += open_copy(bytes, size, &err) != TE_OK;
            bytes[i] ^= flips[k];
        }
    assert_true(refused > 400);
    free(bytes);
}

/* ---- files put together by hand -------------------------------------------------------------- */

typedef struct builder {
    uint8_t bytes[1024];
    size_t n;
} builder;

static void put(builder *b, const void *data, size_t n)
{
    memcpy(b->bytes + b->n, data, n);
    b->n += n;
}

static void u32(builder *b, uint32_t value)
{
    put(b, &value, 4);
}

static void u64(builder *b, uint64_t value)
{
    put(b, &value, 8);
}

static void string(builder *b, const char *text)
{
    u64(b, strlen(text));
    put(b, text, strlen(text));
}

static void header(builder *b, uint64_t tensors, uint64_t keys)
{
    put(b, "GGUF", 4);
    u32(b, 3);
    u64(b, tensors);
    u64(b, keys);
}

static void tensor(builder *b, const char *name, uint64_t cols, uint64_t rows, uint32_t type,
                   uint64_t offset)
{
    string(b, name);
    u32(b, 2);
    u64(b, cols);
    u64(b, rows);
    u32(b, type);
    u64(b, offset);
}

static void expect(const builder *b, te_status status, const char *words)
{
    te_error err = {0};
    assert_int_equal(open_copy(b->bytes, b->n, &err), status);
    if (!strstr(err.message, words)) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
}

#define WITH_TENSORS(words, status, count, ...)                                                    \
    do {                                                                                           \
        builder b = {.n = 0};                                                                      \
        header(&b, count, 0);                                                                      \
        __VA_ARGS__;                                                                               \
        b.n = (b.n + 31) / 32 * 32 + 256;                                                          \
        expect(&b, status, words);                                                                 \
    } while (0)

static void hostile_tensors(void **state)
{
    (void)state;
    WITH_TENSORS("", TE_OK, 2, tensor(&b, "a", 8, 4, 0, 0); tensor(&b, "b", 8, 4, 0, 128));
    WITH_TENSORS("overlap", TE_FORMAT, 2, tensor(&b, "a", 8, 4, 0, 0);
                 tensor(&b, "b", 8, 4, 0, 96));
    WITH_TENSORS("overlap", TE_FORMAT, 2, tensor(&b, "a", 8, 4, 0, 32);
                 tensor(&b, "b", 8, 4, 0, 32));
    WITH_TENSORS("twice", TE_FORMAT, 2, tensor(&b, "a", 8, 1, 0, 0); tensor(&b, "a", 8, 1, 0, 32));
    WITH_TENSORS("aligned", TE_FORMAT, 1, tensor(&b, "a", 8, 1, 0, 8));
    WITH_TENSORS("needs", TE_FORMAT, 1, tensor(&b, "a", 8, 1, 0, 256));
    WITH_TENSORS("needs", TE_FORMAT, 1, tensor(&b, "a", 8, 1, 0, (uint64_t)-32));
    WITH_TENSORS("needs", TE_FORMAT, 1, tensor(&b, "a", 8, 1 << 30, 0, 0));
    WITH_TENSORS("size", TE_FORMAT, 1, tensor(&b, "a", (uint64_t)1 << 33, (uint64_t)1 << 33, 0, 0));
    WITH_TENSORS("whole", TE_FORMAT, 1, tensor(&b, "a", (uint64_t)1 << 62, 1, 0, 0));
    WITH_TENSORS("size", TE_FORMAT, 1, tensor(&b, "a", (uint64_t)1 << 63, 1, 0, 0));
    WITH_TENSORS("size", TE_FORMAT, 1, tensor(&b, "a", 8, 0, 0, 0));
    WITH_TENSORS("whole", TE_FORMAT, 1, tensor(&b, "a", 31, 1, 8, 0));
    WITH_TENSORS("type 14", TE_UNSUPPORTED, 1, tensor(&b, "a", 256, 1, 14, 0));
    WITH_TENSORS("type 1000", TE_UNSUPPORTED, 1, tensor(&b, "a", 256, 1, 1000, 0));
    WITH_TENSORS("name", TE_FORMAT, 1, tensor(&b, "", 8, 1, 0, 0));
    WITH_TENSORS("fit", TE_FORMAT, (uint64_t)1 << 40, tensor(&b, "a", 8, 1, 0, 0));
    WITH_TENSORS("dimensions", TE_FORMAT, 1, string(&b, "a"); u32(&b, 5));
    WITH_TENSORS("dimensions", TE_FORMAT, 1, string(&b, "a"); u32(&b, 0));
}

#define WITH_KEYS(words, status, count, ...)                                                       \
    do {                                                                                           \
        builder b = {.n = 0};                                                                      \
        header(&b, 0, count);                                                                      \
        __VA_ARGS__;                                                                               \
        b.n += 64;                                                                                 \
        expect(&b, status, words);                                                                 \
    } while (0)

static void hostile_keys(void **state)
{
    (void)state;
    WITH_KEYS("", TE_OK, 1, string(&b, "k"); u32(&b, 4); u32(&b, 1));
    WITH_KEYS("twice", TE_FORMAT, 2, string(&b, "k"); u32(&b, 4); u32(&b, 1); string(&b, "k");
              u32(&b, 4); u32(&b, 1));
    WITH_KEYS("value type 13", TE_FORMAT, 1, string(&b, "k"); u32(&b, 13));
    WITH_KEYS("ends inside", TE_FORMAT, 1, string(&b, "k"); u32(&b, 8); u64(&b, UINT64_MAX));
    WITH_KEYS("ends inside", TE_FORMAT, 1, string(&b, "k"); u32(&b, 9); u32(&b, 10);
              u64(&b, UINT64_MAX / 8 + 1));
    WITH_KEYS("ends inside", TE_FORMAT, 1, string(&b, "k"); u32(&b, 9); u32(&b, 8); u64(&b, 1000));
    WITH_KEYS("arrays", TE_UNSUPPORTED, 1, string(&b, "k"); u32(&b, 9); u32(&b, 9); u64(&b, 1));
    WITH_KEYS("power of two", TE_FORMAT, 1, string(&b, "general.alignment"); u32(&b, 4);
              u32(&b, 24));
    WITH_KEYS("power of two", TE_FORMAT, 1, string(&b, "general.alignment"); u32(&b, 4);
              u32(&b, 0));
    WITH_KEYS("not an integer", TE_FORMAT, 1, string(&b, "general.alignment"); u32(&b, 6);
              u32(&b, 0));
    WITH_KEYS("fit", TE_FORMAT, (uint64_t)1 << 32, string(&b, "k"); u32(&b, 4); u32(&b, 1));
}

static void other_files(void **state)
{
    (void)state;
    te_error err;
    ti_gguf *f;
    builder b = {.n = 0};
    put(&b, "GGUF", 4);
    u32(&b, 0x03000000);
    u64(&b, 0);
    u64(&b, 0);
    expect(&b, TE_UNSUPPORTED, "big-endian");
    memcpy(b.bytes + 4, &(uint32_t){2}, 4);
    expect(&b, TE_UNSUPPORTED, "version 2");
    memcpy(b.bytes, "\x89PNG", 4);
    expect(&b, TE_FORMAT, "not a GGUF file");
    assert_int_equal(ti_gguf_open(&f, "no/such.gguf", &err), TE_IO);
    assert_null(f);
    assert_int_equal(ti_gguf_open(&f, "/", &err), TE_IO);
    assert_int_equal(ti_gguf_open(&f, "/dev/null", &err), TE_IO);
}

/* The writer refuses what the reader would. */
static void writer_order(void **state)
{
    (void)state;
    te_error err;
    ti_gguf_writer *w;
    float row[32] = {0};
    check(ti_gguf_writer_create(&w, FILE_NAME, &err), &err);
    assert_int_equal(ti_gguf_declare(w, "bad", TI_Q8_0, 1, (int64_t[]){31}, &err), TE_INVALID);
    assert_int_equal(ti_gguf_declare(w, "bad", TI_F32, 2, (int64_t[]){0, 32}, &err), TE_INVALID);
    check(ti_gguf_declare(w, "row", TI_F32, 1, (int64_t[]){32}, &err), &err);
    check(ti_gguf_write(w, row, 64, &err), &err);
    assert_int_equal(ti_gguf_put_int(w, "late", 1, &err), TE_INVALID);
    assert_int_equal(ti_gguf_finish(w, &err), TE_INVALID);
    assert_int_equal(ti_gguf_write(w, row, 65, &err), TE_INVALID);
    assert_int_equal(access(FILE_NAME ".part", F_OK), 0);
    ti_gguf_writer_free(w);
    assert_int_equal(access(FILE_NAME ".part", F_OK), -1);
    assert_int_equal(access(FILE_NAME, F_OK), -1);
    assert_int_equal(ti_gguf_writer_create(&w, "no/such/folder/x.gguf", &err), TE_IO);
    assert_null(w);
}

static void hash_tells_apart(void **state)
{
    (void)state;
    te_error err;
    size_t size;
    uint8_t *bytes = read_sample(&size);
    ti_gguf *f;
    check(ti_gguf_open_memory(&f, "a", bytes, size, &err), &err);
    uint64_t before = ti_gguf_hash(f);
    assert_true(before == ti_gguf_hash(f));
    bytes[size / 2] ^= 1;
    assert_true(before != ti_gguf_hash(f));
    ti_gguf_free(f);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),         cmocka_unit_test(values_as_text),
        cmocka_unit_test(wrong_questions),    cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_byte_changed), cmocka_unit_test(hostile_tensors),
        cmocka_unit_test(hostile_keys),       cmocka_unit_test(other_files),
        cmocka_unit_test(writer_order),       cmocka_unit_test(hash_tells_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
