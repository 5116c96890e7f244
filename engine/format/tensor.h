/* tensor.h - what a tensor in a file is: a name, a type, a shape and bytes that somebody else owns.
 *
 * Block layouts are ggml's (block_q8_0, block_q4_K, QK_K = 256), so GGUF tools of the ecosystem
 * read our files. Shapes are written outermost first, as PyTorch prints them: a linear layer is
 * [out, in]. */
#ifndef TI_FORMAT_TENSOR_H
#define TI_FORMAT_TENSOR_H

#include "base/error.h"

#define TI_MAX_DIMS 4

/* Values are GGUF's ggml_type numbers; what GGUF does not have is above them and stays in
 * checkpoints. */
typedef enum ti_type {
    TI_F32 = 0,
    TI_F16 = 1,
    TI_Q8_0 = 8,
    TI_Q4_K = 12,
    TI_I32 = 26,
    TI_I64 = 27,
    TI_F64 = 28,
    TI_BF16 = 30,
    TI_U8 = 1000
} ti_type;

typedef struct ti_tensor {
    const char *name; /* the file's */
    ti_type type;
    int n_dims;
    int64_t shape[TI_MAX_DIMS]; /* outermost first; unused entries are 1 */
    const void *data;           /* the file's mapping; may be unaligned in safetensors */
    size_t bytes;
} ti_tensor;

const char *ti_type_name(ti_type type); /* "q8_0"; "?" for a number not listed above */
bool ti_type_parse(const char *name, ti_type *out);
int ti_type_block(ti_type type);          /* elements per block: 1, 32 or 256; 0 if unknown */
size_t ti_type_block_bytes(ti_type type); /* bytes per block */
/* Bytes of N elements; 0 when N is no multiple of the block. */
size_t ti_type_row_bytes(ti_type type, int64_t n);
/* The type rows of N elements are written in: WANTED, or the next that can hold them (q4_k, q8_0,
 * f16). */
ti_type ti_type_for_rows(ti_type wanted, int64_t n);
int64_t ti_tensor_elements(const ti_tensor *tensor);
/* "4096 x 12288", for messages. */
void ti_shape_text(char *to, size_t size, int n_dims, const int64_t *shape);

/* N elements (a multiple of the block) to and from float32. The encoded side may be unaligned.
 * Quantising rounds like ggml's reference quantisers do; integer types are not written. */
void ti_dequantize(ti_type type, const void *from, float *to, int64_t n);
void ti_quantize(ti_type type, const float *from, void *to, int64_t n);

float ti_half_to_float(uint16_t bits);
uint16_t ti_float_to_half(float value);
static inline float ti_bf16_to_float(uint16_t bits)
{
    union {
        uint32_t u;
        float f;
    } v = {.u = (uint32_t)bits << 16};
    return v.f;
}
uint16_t ti_float_to_bf16(float value); /* round to nearest even; NaN stays NaN */

#endif
