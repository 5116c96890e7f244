/* int8.c - see int8.h: the choice of a kernel, and panels of signed 8-bit codes from the file's
 * blocks.
 */
#include "backend/cpu/int8.h"

const ti_int8_kernel *ti_int8_kernel_for(const ti_cpu_features *features, ti_type type)
{
#if defined(__x86_64__)
    if (features->amx_int8) return &ti_int8_amx;
    if (features->avx512_vnni) return type == TI_Q4_K ? &ti_int8_vnni_coarse : &ti_int8_vnni;
    if (features->avx2) return &ti_int8_avx2;
#elif defined(__aarch64__)
    if (features->neon_dot) return &ti_int8_neon;
#endif
    (void)features, (void)type;
    return &ti_int8_plain;
}

ti_int8_layout ti_int8_layout_of(const ti_int8_kernel *kernel, int width)
{
    ti_int8_layout l = {.n_blocks = width / TI_INT8_BLOCK};
    l.row_extra = l.n_blocks / 16 > 2 ? l.n_blocks / 16 : 2;
    l.most_extra =
        l.row_extra * kernel->rows < l.n_blocks ? l.row_extra * kernel->rows : l.n_blocks;
    l.extra_at = (size_t)l.n_blocks * kernel->x_bytes;
    l.list_at = l.extra_at + (size_t)l.most_extra * kernel->x_bytes;
    l.group_bytes = (l.list_at + (size_t)(l.most_extra + 1) * sizeof(int32_t) + 63) & ~(size_t)63;
    return l;
}

size_t ti_int8_operand_bytes(const ti_int8_kernel *kernel, int n_rows, int width)
{
    size_t groups = (size_t)(n_rows + kernel->rows - 1) / (size_t)kernel->rows;
    return groups * ti_int8_layout_of(kernel, width).group_bytes;
}

bool ti_int8_takes(ti_type type)
{
    return type == TI_Q8_0 || type == TI_Q4_K;
}
