/* rope.c - rotary position embedding, rotate-half form: channels i and i + head_size / 2 of a head
 * are the two coordinates of a point, turned by position * theta^(-2 i / head_size). Angles are
 * float32 as in the released model; their sines and cosines are made in float64 without a branch,
 * so that the loop becomes vector code; all but one in a thousand are the float32 nearest to the
 * true ones, and that one is its neighbour. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <omp.h>

#define INLINE inline __attribute__((always_inline))

/* Taylor's polynomials on [-pi/4, pi/4] and the quadrants' symmetries. Angles up to some 10^9. */
static INLINE void turn(float *cosine, float *sine, const float *angle, int n)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: the integer is then in the low bits */
    for (int i = 0; i < n; i++) {
        union {
            double f;
            uint64_t bits;
        } quadrant = {.f = (double)angle[i] * 0.63661977236758134308 + magic};
        double whole = quadrant.f - magic;
        double r = (double)angle[i] - whole * 1.57079632679489655800;
        r -= whole * 6.12323399573676603587e-17;
        double q = r * r;
        double s = 1.0 / 362880, c = -1.0 / 3628800;
        s = s * q - 1.0 / 5040;
        s = s * q + 1.0 / 120;
        s = s * q - 1.0 / 6;
        s = s * q * r + r;
        c = c * q + 1.0 / 40320;
        c = c * q - 1.0 / 720;
        c = c * q + 1.0 / 24;
        c = c * q - 0.5;
        c = c * q + 1.0;
        double across = quadrant.bits & 1 ? s : c, up = quadrant.bits & 1 ? c : s;
        cosine[i] = (float)((quadrant.bits + 1) & 2 ? -across : across);
        sine[i] = (float)(quadrant.bits & 2 ? -up : up);
    }
}

/* One row's heads. ROOM holds 3 * HALF floats. */
static INLINE void rotate_row(float *x, float position, const float *speed, int n_heads, int half,
                              float *room)
{
    float *angle = room, *cosine = angle + half, *sine = cosine + half;
    for (int i = 0; i < half; i++) angle[i] = position * speed[i];
    turn(cosine, sine, angle, half);
    for (int h = 0; h < n_heads; h++, x += 2 * half)
        for (int i = 0; i < half; i++) {
            float a = x[i], b = x[i + half];
            x[i] = a * cosine[i] - b * sine[i];
            x[i + half] = b * cosine[i] + a * sine[i];
        }
}

typedef void rotate_fn(float *x, float position, const float *speed, int n_heads, int half,
                       float *room);

static void rotate_plain(float *x, float position, const float *speed, int n_heads, int half,
                         float *room)
{
    rotate_row(x, position, speed, n_heads, half, room);
}

/* The same C once more for wider registers; contraction is off, so the results are the same too. */
#if defined(__x86_64__)
__attribute__((target("avx2"))) static void
rotate_avx2(float *x, float position, const float *speed, int n_heads, int half, float *room)
{
    rotate_row(x, position, speed, n_heads, half, room);
}

__attribute__((target("avx512f,avx512dq"))) static void
rotate_avx512(float *x, float position, const float *speed, int n_heads, int half, float *room)
{
    rotate_row(x, position, speed, n_heads, half, room);
}
#endif

static rotate_fn *rotate_for(const ti_cpu_features *f)
{
#if defined(__x86_64__)
    if (f->avx512) return rotate_avx512;
    if (f->avx2) return rotate_avx2;
#endif
    (void)f;
    return rotate_plain;
}

static void rope_rows(ti_cpu *cpu, float *x, int n_rows, int n_heads, const ti_rope *rope)
{
    rotate_fn *rotate = rotate_for(&cpu->features);
    int size = rope->head_size, half = size / 2;
    size_t width = (size_t)n_heads * (size_t)size;
#pragma omp parallel num_threads(cpu->threads) if ((int64_t)n_rows * n_heads * size > TI_CPU_SMALL)
    {
        float *speed = ti_cpu_scratch(cpu, omp_get_thread_num());
        for (int i = 0; i < half; i++)
            speed[i] = 1.0f / powf(rope->theta, (float)(2 * i) / (float)size);
#pragma omp for schedule(static)
        for (int r = 0; r < n_rows; r++)
            rotate(x + (size_t)r * width, (float)rope->positions[r], speed, n_heads, half,
                   speed + half);
    }
}

void ti_cpu_linear_rope(ti_backend *be, void *values, const void *operand, const ti_weight *w,
                        int n_rows, const ti_rope *rope)
{
    ti_cpu_linear(be, values, operand, w, n_rows);
    rope_rows(ti_cpu_of(be), values, n_rows, (int)w->rows / rope->head_size, rope);
}
