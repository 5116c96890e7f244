/* int8_avx512.h - what the int8 kernels with 512-bit registers share. Include it where immintrin.h
 * may be. */
#ifndef TI_BACKEND_CPU_INT8_AVX512_H
#define TI_BACKEND_CPU_INT8_AVX512_H

#include "backend/cpu/int8.h"
#include "backend/cpu/transpose_avx512.h"

#define TI_AVX512_INLINE                                                                           \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"),                          \
                   always_inline)) static inline

/* The value of 32 that is largest in magnitude. */
TI_AVX512_INLINE float ti_avx512_extreme(__m512 a, __m512 b)
{
    const __m512 sign = _mm512_set1_ps(-0.0f);
    const float most =
        _mm512_reduce_max_ps(_mm512_max_ps(_mm512_andnot_ps(sign, a), _mm512_andnot_ps(sign, b)));
    const __m512 least = _mm512_set1_ps(-most);
    const bool below = _mm512_cmpeq_ps_mask(a, least) | _mm512_cmpeq_ps_mask(b, least);
    return below ? -most : most;
}

/* 32 values times FACTOR, to the nearest whole number that a byte holds. */
TI_AVX512_INLINE void ti_avx512_codes(__m128i codes[2], __m512 a, __m512 b, float factor)
{
    const __m512 f = _mm512_set1_ps(factor);
    codes[0] = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, f)));
    codes[1] = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, f)));
}

/* Rows i and i + 16 of codes, eight words each, make register i: turned, register q holds quad q of
 * the first sixteen outputs and register q + 8 of the others. */
TI_AVX512_INLINE void ti_avx512_quads(__m512i r[16],
                                      const int8_t code[TI_INT8_PANEL][TI_INT8_BLOCK])
{
    for (int i = 0; i < 16; i++) {
        __m256i lower = _mm256_loadu_si256((const __m256i *)code[i]);
        __m256i upper = _mm256_loadu_si256((const __m256i *)code[i + 16]);
        r[i] = _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1);
    }
    ti_transpose_avx512(r);
}

#endif
