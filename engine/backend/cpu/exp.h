/* exp.h - e^x without a branch, so that loops over it become vector code. Cody and Waite's
 * reduction to |r| <= ln 2 / 2 and the Taylor polynomial, to r^7 in float32 and to r^13 in float64;
 * within 2 units in the last place. Below -87 the result is that of -87, about 1e-38; above 88 that
 * of 88. In float64 x is at most 0, and below -708 the result is that of -708, about 3e-308. */
#ifndef TI_BACKEND_CPU_EXP_H
#define TI_BACKEND_CPU_EXP_H

#include <stdbool.h>
#include <stdint.h>

/* Into the range ti_cpu_exp_inside() takes. So written that a NaN, which no integer holds, becomes
 * -87. */
static inline float ti_cpu_exp_clamp(float x)
{
    x = x > -87.0f ? x : -87.0f;
    return x > 88.0f ? 88.0f : x;
}

/* Loops that clamp first and then take this run faster: compilers otherwise compute all three
 * cases. */
static inline float ti_cpu_exp_inside(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float n = (x * 1.44269504f + magic) - magic;
    float r = x - n * 0.693145752f;
    r -= n * 1.42860677e-6f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    union {
        int32_t bits;
        float f;
    } power = {.bits = ((int32_t)n + 127) * (1 << 23)};
    return p * power.f;
}

static inline float ti_cpu_exp(float x)
{
    return ti_cpu_exp_inside(ti_cpu_exp_clamp(x));
}

static inline double ti_cpu_exp64_clamp(double x)
{
    return x > -708.0 ? x : -708.0;
}

/* a * b + c; FUSED, a constant, where the processor does that in one instruction. */
static inline __attribute__((always_inline)) double ti_cpu_multiply_add(double a, double b,
                                                                        double c, bool fused)
{
    return fused ? __builtin_fma(a, b, c) : a * b + c;
}

static inline __attribute__((always_inline)) double ti_cpu_exp64_inside(double x, bool fused)
{
    static const double terms[] = {1.0 / 479001600,
                                   1.0 / 39916800,
                                   1.0 / 3628800,
                                   1.0 / 362880,
                                   1.0 / 40320,
                                   1.0 / 5040,
                                   1.0 / 720,
                                   1.0 / 120,
                                   1.0 / 24,
                                   1.0 / 6,
                                   0.5,
                                   1.0,
                                   1.0};
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: the integer is then in the low bits */
    union {
        double f;
        uint64_t bits;
    } power = {.f = ti_cpu_multiply_add(x, 1.4426950408889634, magic, fused)};
    double n = power.f - magic, p = 1.0 / 6227020800;
    double r = ti_cpu_multiply_add(n, -6.93147180369123816490e-01, x, fused);
    r = ti_cpu_multiply_add(n, -1.90821492927058770002e-10, r, fused);
    for (int i = 0; i < 13; i++) p = ti_cpu_multiply_add(p, r, terms[i], fused);
    power.bits = (power.bits + 1023) << 52;
    return p * power.f;
}

static inline float ti_cpu_silu(float x)
{
    return x / (1.0f + ti_cpu_exp(-x));
}

/* y = silu(g) * u; y may be g */
static inline __attribute__((always_inline)) void ti_cpu_gate_values(float *y, const float *g,
                                                                     const float *u, int n)
{
    enum { RUN = 32 };
    float e[RUN];
    for (int first = 0; first < n; first += RUN) {
        const int end = n - first < RUN ? n - first : RUN;
        for (int i = 0; i < end; i++) e[i] = ti_cpu_exp_clamp(-g[first + i]);
        for (int i = 0; i < end; i++)
            y[first + i] = g[first + i] / (1.0f + ti_cpu_exp_inside(e[i])) * u[first + i];
    }
}

#endif
