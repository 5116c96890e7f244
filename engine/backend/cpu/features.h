/* features.h - which instructions the kernels of this folder may use.
 *
 * ti_cpu_detect() asks the processor and the operating system once; every kernel is then chosen
 * from the struct it filled, so a test clears members to force each path. A member set by hand that
 * the machine does not have ends in an illegal instruction: only ever clear them. */
#ifndef TI_BACKEND_CPU_FEATURES_H
#define TI_BACKEND_CPU_FEATURES_H

#include <stdbool.h>

typedef struct ti_cpu_features {
    bool avx2;        /* with FMA */
    bool avx512;      /* F, BW, DQ, VL */
    bool avx512_bf16; /* vdpbf16ps; implies avx512, as the next two do */
    bool avx512_vnni; /* vpdpbusd on 512 bits */
    bool amx_int8;    /* tdpbssd, and the system lets this process use tiles; with avx512_vnni */
    bool neon;        /* every aarch64 has it */
    bool neon_dot;    /* sdot */
} ti_cpu_features;

ti_cpu_features ti_cpu_detect(void);
/* Clears what goes beyond NAME: "amx" (all there is), "avx2", "avx512" (without VNNI, BF16 and
 * AMX), "neon" (without dot product) or "portable". False where NAME is none of these or the
 * processor has not got it. */
bool ti_cpu_features_limit(ti_cpu_features *features, const char *name);
/* "AVX-512 VNNI BF16": for a person. */
const char *ti_cpu_features_name(const ti_cpu_features *features);

#endif
