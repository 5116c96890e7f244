/* main.c - int8_amx.c against int8_vnni.c on an emulated processor without an operating system: the
 * same codes of x and the same bits of every sum, from file bytes of both types to tiles of several
 * lengths. Writes what it finds to the first serial port, "amx: passed" at the end, and turns the
 * emulator off. int8_test.c judges the VNNI kernel on real processors. */
#include <string.h>

#include "backend/cpu/int8.h"

enum { BLOCK = TI_INT8_BLOCK, PANEL = TI_INT8_PANEL, BLOCKS = 40, ROWS = 24, K = BLOCKS * BLOCK };

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    while (n--) *t++ = *f++;
    return to;
}

void *memset(void *to, int value, size_t n)
{
    unsigned char *t = to;
    while (n--) *t++ = (unsigned char)value;
    return to;
}

float fabsf(float x)
{
    return __builtin_fabsf(x);
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void put(unsigned short port, char c)
{
    __asm__ volatile("outb %0, %1" : : "a"(c), "Nd"(port));
}

/* Until the serial port has sent all it was given. */
static void wait_sent(void)
{
    unsigned char state = 0;
    while (!(state & 0x40)) __asm__ volatile("inb %1, %0" : "=a"(state) : "Nd"((short)0x3fd));
}

static void say(const char *text)
{
    for (; *text; text++) {
        put(0x3f8, *text);
        wait_sent();
    }
}

static void say_number(unsigned n)
{
    char digits[12] = {0};
    int at = 11;
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    say(digits + at);
}

/* ---- the test -------------------------------------------------------------------------------- */

typedef struct made {
    float x[ROWS * K];        /* as its codes say */
    float y[2][ROWS * PANEL]; /* sums; the second added to */
} made;

static float x[ROWS][K];
static unsigned char file[PANEL][K / 256 * 144 + K / 32 * 34];
static unsigned char xs[ROWS][BLOCKS * 512] __attribute__((aligned(64)));
static unsigned char ws[BLOCKS * 2048] __attribute__((aligned(64)));
static ti_int8_block blocks[BLOCKS];
static made results[2];

static unsigned next(void)
{
    static unsigned state = 12345;
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

/* Halves between 2^-7 and 2^-3, of both signs. */
static void put_half(unsigned char *to)
{
    to[0] = (unsigned char)next();
    to[1] = (unsigned char)(0x20 | (next() & 0x8f));
}

static void make_file(ti_type type)
{
    const size_t block = type == TI_Q8_0 ? 34 : 144, n = type == TI_Q8_0 ? K / 32 : K / 256;
    for (int o = 0; o < PANEL; o++)
        for (size_t b = 0; b < n; b++) {
            unsigned char *to = file[o] + b * block;
            for (size_t i = 0; i < block; i++) to[i] = (unsigned char)next();
            put_half(to);
            if (type == TI_Q4_K) put_half(to + 2);
        }
}

static void run(made *to, const ti_int8_kernel *kernel, ti_type type)
{
    for (int b = 0; b < BLOCKS; b += TI_INT8_DECODED)
        kernel->decode(blocks + b, type, file, sizeof file[0], PANEL, b, TI_INT8_DECODED);
    for (int b = 0; b < BLOCKS; b++) kernel->pack_w(ws + (size_t)b * kernel->w_bytes, &blocks[b]);
    for (int row = 0; row < ROWS; row += kernel->rows) {
        unsigned char *group = xs[row];
        for (int i = 0; i < kernel->rows; i++)
            for (int b = 0; b < BLOCKS; b++) {
                unsigned char *block = group + (size_t)b * kernel->x_bytes;
                kernel->pack_x(block, i, (row + i) % 11 == 10 ? NULL : x[row + i] + b * BLOCK);
                kernel->unpack_x(to->x + (row + i) * K + b * BLOCK, i, block);
            }
        float *y = to->y[0] + row * PANEL, *again = to->y[1] + row * PANEL;
        kernel->tile(y, group, ws, BLOCKS, false, 0);
        memcpy(again, y, (size_t)kernel->rows * PANEL * sizeof *y);
        kernel->tile(again, group, ws, 1, true, 0);
        kernel->tile(again, group + kernel->x_bytes, ws + kernel->w_bytes, 2, true, 0);
    }
}

static unsigned differing(const float *a, const float *b, int n)
{
    unsigned count = 0;
    for (int i = 0; i < n; i++) {
        unsigned bits[2];
        memcpy(&bits[0], a + i, 4);
        memcpy(&bits[1], b + i, 4);
        count += bits[0] != bits[1] && !(a[i] == 0 && b[i] == 0);
    }
    return count;
}

/* Bochs 3.1's tdpbssd takes bytes for unsigned. */
static bool minds_signs(void)
{
    for (int i = 0; i < BLOCK; i++) x[0][i] = i ? 0.0f : 1.0f; /* the code -128, and zeros */
    for (int o = 0; o < PANEL; o++) {
        memset(blocks[0].code[o], 1, BLOCK);
        blocks[0].scale[o] = 1;
    }
    for (int i = 0; i < ti_int8_amx.rows; i++) ti_int8_amx.pack_x(xs[0], i, x[0]);
    ti_int8_amx.pack_w(ws, blocks);
    ti_int8_amx.tile(results[0].y[0], xs[0], ws, 1, false, 0);
    return results[0].y[0][0] == 1.0f;
}

static unsigned check(ti_type type)
{
    const made *a = &results[0], *b = &results[1];
    unsigned sums = 0;
    float largest = 0;
    make_file(type);
    run(&results[0], &ti_int8_vnni, type);
    run(&results[1], &ti_int8_amx, type);
    const unsigned codes = differing(a->x, b->x, ROWS * K);
    for (int i = 0; i < 2; i++) sums += differing(a->y[i], b->y[i], ROWS * PANEL);
    for (int i = 0; i < ROWS * PANEL; i++)
        largest = fabsf(b->y[1][i]) > largest ? fabsf(b->y[1][i]) : largest;
    say(type == TI_Q8_0 ? "q8_0: " : "q4_k: ");
    say_number(codes);
    say(" codes and ");
    say_number(sums);
    say(" sums differ; the largest sum is ");
    say_number((unsigned)largest);
    say("\n");
    return codes + sums + (largest < 1);
}

int main(void)
{
    put(0x3fb, 3); /* bytes of eight bits */
    if (!minds_signs()) {
        say("amx: not judged, the emulator's tdpbssd ignores signs\n");
    } else {
        for (int r = 0; r < ROWS; r++)
            for (int k = 0; k < K; k++)
                x[r][k] = ((float)next() - 8388608.0f) / 8388608.0f * (next() % 50 ? 1.0f : 30.0f);
        const unsigned wrong = check(TI_Q8_0) + check(TI_Q4_K);
        say(wrong ? "amx: FAILED\n" : "amx: passed\n");
    }
    for (const char *c = "Shutdown"; *c; c++) put(0x8900, *c);
    return 0;
}
