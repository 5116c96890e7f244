/* features.c - see features.h */
#include "backend/cpu/features.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ASK_FOR_STATE = 0x1023, TILE_DATA = 18, TILE_STATES = 3 << 17 };

/* The registers of tiles are large, so Linux gives them to processes that ask for them
 * (arch_prctl's ARCH_REQ_XCOMP_PERM), all threads at once. */
static bool may_use_tiles(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & TILE_STATES) != TILE_STATES) return false;
    return !syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA);
}

static bool has_amx_int8(void)
{
    const unsigned tile = 1u << 24, int8 = 1u << 25;
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d & tile && d & int8 && may_use_tiles();
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1u << 20)
#endif
#endif

ti_cpu_features ti_cpu_detect(void)
{
    ti_cpu_features f = {0};
#if defined(__x86_64__)
    /* These builtins also ask whether the operating system saves the wide registers. */
    __builtin_cpu_init();
    f.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    f.avx512 = f.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    f.avx512_bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
    f.avx512_vnni = f.avx512 && __builtin_cpu_supports("avx512vnni");
    f.amx_int8 = f.avx512_vnni && has_amx_int8();
#elif defined(__aarch64__)
    f.neon = true;
    f.neon_dot = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    return f;
}

bool ti_cpu_features_limit(ti_cpu_features *f, const char *name)
{
    const ti_cpu_features had = *f;
    *f = (ti_cpu_features){0};
    if (!strcmp(name, "portable")) return true;
    if (!strcmp(name, "amx")) {
        *f = had;
        return had.amx_int8;
    }
    f->avx2 = had.avx2 && (!strcmp(name, "avx2") || !strcmp(name, "avx512"));
    f->avx512 = had.avx512 && !strcmp(name, "avx512");
    f->neon = had.neon && !strcmp(name, "neon");
    return f->avx512 || f->neon || (f->avx2 && !strcmp(name, "avx2"));
}

const char *ti_cpu_features_name(const ti_cpu_features *f)
{
    if (f->amx_int8) return "AMX, AVX-512 VNNI BF16";
    if (f->avx512_vnni && f->avx512_bf16) return "AVX-512 VNNI BF16";
    if (f->avx512_vnni) return "AVX-512 VNNI";
    if (f->avx512) return "AVX-512";
    if (f->avx2) return "AVX2";
    if (f->neon_dot) return "NEON dot product";
    if (f->neon) return "NEON";
    return "portable";
}
