/* transpose_avx512.h - 16 x 16 words of 32 bits turned in registers, for kernels that lay panels
 * out. Include it where immintrin.h may be. */
#ifndef TI_BACKEND_CPU_TRANSPOSE_AVX512_H
#define TI_BACKEND_CPU_TRANSPOSE_AVX512_H

#include <immintrin.h>

/* 16 x 16 words: r[i] lane j becomes r[j] lane i. */
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"),
               always_inline)) static inline void
ti_transpose_avx512(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) { /* now 4 x 4 blocks of 128 bits remain to be transposed */
        __m512i ab = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x44),
                cd = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x44);
        __m512i ef = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xee),
                gh = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xee);
        t[i] = _mm512_shuffle_i32x4(ab, cd, 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(ab, cd, 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(ef, gh, 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(ef, gh, 0xdd);
    }
    for (int i = 0; i < 16; i++) r[i] = t[i];
}

#endif
