/* expand.cu - weights as they lie in the file to the form products multiply: float32 or bf16. A
 * thread makes eight neighbours, so that reads and writes are wide and a block's scale is unpacked
 * once. */
#include "backend/cuda/cell.cuh"

enum { THREADS = 256, EACH = 8 };

static __device__ void q8_eight(const void *data, int64_t e, float to[EACH])
{
    const unsigned char *block = (const unsigned char *)data + e / 32 * 34;
    const unsigned short *pairs = (const unsigned short *)(block + 2 + e % 32); /* 2-byte aligned */
    float d = ti_half_value(*(const unsigned short *)block);
    for (int i = 0; i < EACH / 2; i++) {
        unsigned short pair = pairs[i];
        to[2 * i] = (float)(signed char)(pair & 255) * d;
        to[2 * i + 1] = (float)(signed char)(pair >> 8) * d;
    }
}

static __device__ void q4_eight(const void *data, int64_t e, float to[EACH])
{
    const unsigned char *block = (const unsigned char *)data + e / 256 * 144;
    int in = (int)(e % 256), group = in / 32, scale, minimum;
    ti_q4_group(block + 4, group, &scale, &minimum);
    float d = ti_half_value(*(const unsigned short *)block) * (float)scale;
    float low = ti_half_value(*(const unsigned short *)(block + 2)) * (float)minimum;
    const unsigned *words = (const unsigned *)(block + 16 + group / 2 * 32 + in % 32);
    for (int w = 0; w < EACH / 4; w++) {
        unsigned four = words[w] >> (group % 2 * 4);
        for (int i = 0; i < 4; i++)
            to[4 * w + i] = __fadd_rn(__fmul_rn(d, (float)(four >> (8 * i) & 15)), -low);
    }
}

static __device__ void store(float *to, const float from[EACH])
{
    for (int i = 0; i < EACH; i += 4)
        *(float4 *)(to + i) = make_float4(from[i], from[i + 1], from[i + 2], from[i + 3]);
}

static __device__ void store(ti_bf16 *to, const float from[EACH])
{
    *(uint4 *)to = make_uint4(ti_bf16_pair(from[0], from[1]), ti_bf16_pair(from[2], from[3]),
                              ti_bf16_pair(from[4], from[5]), ti_bf16_pair(from[6], from[7]));
}

template <typename T>
static __global__ void expand(T *to, ti_type type, const void *from, int64_t n)
{
    int64_t e = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * EACH;
    float values[EACH];
    if (e >= n) return;
    if (type == TI_Q8_0 || type == TI_Q4_K) {
        if (type == TI_Q8_0)
            q8_eight(from, e, values);
        else
            q4_eight(from, e, values);
        store(to + e, values);
    } else {
        for (int i = 0; i < EACH && e + i < n; i++)
            ti_put(to, e + i, ti_element(type, from, e + i));
    }
}

void ti_cuda_expand(ti_cuda *cuda, void *to, bool wide, ti_type type, const void *from, int64_t n,
                    cudaStream_t stream)
{
    unsigned blocks = (unsigned)((n + THREADS * EACH - 1) / (THREADS * EACH));
    if (wide)
        TI_LAUNCH(cuda, expand, blocks, THREADS, 0, stream, (float *)to, type, from, n);
    else
        TI_LAUNCH(cuda, expand, blocks, THREADS, 0, stream, (ti_bf16 *)to, type, from, n);
}
