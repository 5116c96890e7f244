/* tensor_test.c - 16-bit floats against arithmetic in double, block types against known bytes. */
#include "testing.h"

#include <math.h>

#include "format/tensor.h"

static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits & 0x8000 ? -size : size;
}

static void every_half(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float value = ti_half_to_float((uint16_t)bits);
        if ((bits & 0x7C00) == 0x7C00) {
            assert_true(bits & 1023 ? isnan(value) : isinf(value));
            assert_int_equal(signbit(value) != 0, bits >> 15);
            assert_true(bits & 1023 ? isnan(ti_half_to_float(ti_float_to_half(value)))
                                    : ti_float_to_half(value) == bits);
            continue;
        }
        assert_true((double)value == half_value((uint16_t)bits));
        assert_int_equal(ti_float_to_half(value), bits);
    }
}

/* Between two neighbours: the nearer one, and the even one from exactly in the middle. */
static void half_rounding(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7BFF; bits++) {
        double low = half_value((uint16_t)bits), high = half_value((uint16_t)(bits + 1));
        float middle = (float)((low + high) / 2);
        assert_int_equal(ti_float_to_half(middle), bits & 1 ? bits + 1 : bits);
        assert_int_equal(ti_float_to_half(nextafterf(middle, 0)), bits);
        assert_int_equal(ti_float_to_half(nextafterf(middle, 1e9f)), bits + 1);
        assert_int_equal(ti_float_to_half(-nextafterf(middle, 1e9f)), (bits + 1) | 0x8000);
    }
    assert_int_equal(ti_float_to_half(65519.996f), 0x7BFF);
    assert_int_equal(ti_float_to_half(65520), 0x7C00);
    assert_int_equal(ti_float_to_half(1e-30f), 0);
}

static void bf16_rounding(void **state)
{
    (void)state;
    assert_int_equal(ti_float_to_bf16(1), 0x3F80);
    assert_int_equal(ti_float_to_bf16(1.00390625f), 0x3F80); /* a tie, to even */
    assert_int_equal(ti_float_to_bf16(1.01171875f), 0x3F82); /* a tie, to even */
    assert_int_equal(ti_float_to_bf16(1.004f), 0x3F81);
    assert_int_equal(ti_float_to_bf16(-3.4e38f), 0xFF80); /* rounds to infinity */
    assert_true(isnan(ti_bf16_to_float(ti_float_to_bf16(NAN))));
    for (uint32_t bits = 0; bits < 0x7F80; bits++)
        assert_int_equal(ti_float_to_bf16(ti_bf16_to_float((uint16_t)bits)), bits);
}

/* A fixed sequence in [-1, 1), the same on every machine. */
static void fill(float *x, int n, uint32_t seed)
{
    for (int i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)((int32_t)(seed >> 8) - (1 << 23)) / (float)(1 << 23);
    }
}

static uint64_t hash(const void *data, size_t n)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ ((const uint8_t *)data)[i]) * 0x100000001B3u;
    return h;
}

static void q8_known(void **state)
{
    (void)state;
    float x[32] = {127, -127, 63.5f, -0.5f, 0.49f, 1}, y[32];
    uint8_t block[34];
    ti_quantize(TI_Q8_0, x, block, 32);
    assert_int_equal(block[0] | block[1] << 8, 0x3C00);   /* d = 1 */
    const int8_t expected[6] = {127, -127, 64, -1, 0, 1}; /* halves away from zero */
    assert_memory_equal(block + 2, expected, 6);
    ti_dequantize(TI_Q8_0, block, y, 32);
    assert_true(y[0] == 127 && y[1] == -127 && y[2] == 64 && y[6] == 0);
    memset(x, 0, sizeof x);
    ti_quantize(TI_Q8_0, x, block, 32);
    for (int i = 0; i < 34; i++) assert_int_equal(block[i], 0);
}

static void q4_known(void **state)
{
    (void)state;
    /* d = 1, dmin = 0.5; group 0: scale 1, minimum 2; group 5: scale 63, minimum 33 */
    uint8_t block[144] = {0x00, 0x3C, 0x00, 0x38};
    uint8_t *scales = block + 4, *q = block + 16;
    scales[0] = 1;
    scales[4] = 2;
    scales[9] = 15 | 1 << 4; /* low halves of 63 and 33 */
    scales[1] |= 3 << 6;     /* 63 >> 4 */
    scales[5] |= 2 << 6;     /* 33 >> 4 */
    q[0] = 7;                /* group 0, element 0 */
    q[2 * 32 + 3] = 0x50;    /* group 5, element 3 */
    float y[256];
    ti_dequantize(TI_Q4_K, block, y, 256);
    assert_true(y[0] == 7 - 1 && y[1] == -1);
    assert_true(y[5 * 32 + 3] == 5 * 63 - 16.5f && y[5 * 32] == -16.5f);
    assert_true(y[32] == 0);
}

/* What ggml 0.27 (quantize_row_q8_0_ref, quantize_row_q4_K_ref) makes of the same numbers: FNV-1a
 * over its bytes. */
static void ggml_bytes(void **state)
{
    (void)state;
    enum { N = 256 * 64 };
    static float x[N], y[N];
    static uint8_t bytes[2 * N];
    fill(x, N, 1);
    for (int i = 0; i < N; i++) x[i] = x[i] * x[i] * x[i] * 0.05f; /* peaked like weights */
    ti_quantize(TI_Q8_0, x, bytes, N);
    assert_true(hash(bytes, ti_type_row_bytes(TI_Q8_0, N)) == 0x99FA1AFEF09EB782u);
    ti_quantize(TI_Q4_K, x, bytes, N);
    assert_true(hash(bytes, ti_type_row_bytes(TI_Q4_K, N)) == 0x1A480B367C1776BDu);
    ti_dequantize(TI_Q4_K, bytes, y, N);
    assert_true(hash(y, sizeof y) == 0x72B954142D7A70B9u);
}

static void error_bounds(void **state)
{
    (void)state;
    static const struct {
        ti_type type;
        double bound; /* root mean square error over that of the numbers */
    } cases[] = {{TI_F16, 3e-4}, {TI_BF16, 3e-3}, {TI_Q8_0, 6e-3}, {TI_Q4_K, 8e-2}};
    static float x[4096], y[4096];
    static uint8_t bytes[4 * 4096];
    fill(x, 4096, 7);
    for (size_t c = 0; c < TEST_LENGTH(cases); c++) {
        double error = 0, size = 0;
        ti_quantize(cases[c].type, x, bytes + 1, 4096); /* unaligned */
        ti_dequantize(cases[c].type, bytes + 1, y, 4096);
        for (int i = 0; i < 4096; i++) {
            error += (x[i] - y[i]) * (double)(x[i] - y[i]);
            size += x[i] * (double)x[i];
        }
        assert_true(sqrt(error / size) < cases[c].bound);
        assert_true(error > 0);
    }
}

/* Numbers nobody should have in a model must not make anything undefined. */
static void strange_numbers(void **state)
{
    (void)state;
    static const float strange[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, 0, 1};
    float x[256], y[256];
    uint8_t bytes[1024];
    for (size_t first = 0; first < TEST_LENGTH(strange); first++) {
        for (int i = 0; i < 256; i++) x[i] = strange[(first + (size_t)i * (first + 1)) % 8];
        for (int type = 0; type < 31; type++) {
            if (!ti_type_block((ti_type)type)) continue;
            memset(bytes, 0, sizeof bytes);
            if (type != TI_I64 && type != TI_F64) ti_quantize((ti_type)type, x, bytes, 256);
        }
        ti_quantize(TI_F16, x, bytes, 256);
        ti_dequantize(TI_F16, bytes, y, 256);
        for (int i = 0; i < 256; i++) assert_int_equal(isnan(x[i]) != 0, isnan(y[i]) != 0);
    }
}

static void sizes(void **state)
{
    (void)state;
    ti_type type;
    assert_int_equal(ti_type_row_bytes(TI_Q4_K, 512), 288);
    assert_int_equal(ti_type_row_bytes(TI_Q4_K, 300), 0);
    assert_int_equal(ti_type_row_bytes(TI_Q8_0, 64), 68);
    assert_int_equal(ti_type_row_bytes((ti_type)99, 64), 0);
    assert_int_equal(ti_type_row_bytes(TI_F64, INT64_MAX), 0);
    assert_true(ti_type_parse("q4_k", &type) && type == TI_Q4_K);
    assert_false(ti_type_parse("q5_k", &type));
    assert_string_equal(ti_type_name(TI_BF16), "bf16");
    assert_string_equal(ti_type_name((ti_type)14), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half),    cmocka_unit_test(half_rounding),
        cmocka_unit_test(bf16_rounding), cmocka_unit_test(q8_known),
        cmocka_unit_test(q4_known),      cmocka_unit_test(ggml_bytes),
        cmocka_unit_test(error_bounds),  cmocka_unit_test(strange_numbers),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
