/* conv.cu - convolution as a product of matrices that are never written down: pixels of y down,
 * output channels across, and along the sum every tap's input channels. Float32 throughout, since
 * the image codes hang on signs.
 *
 * A block makes 128 pixels x 64 channels, a thread 8 x 4 of them; the next 16 terms are fetched
 * into registers while the present ones are multiplied. */
#include "backend/cuda/device.cuh"

enum { THREADS = 256, PIXELS = 128, OUTS = 64, DEPTH = 16, DOWN = 8, ACROSS = 4 };

int64_t ti_cuda_conv_columns(int64_t out)
{
    return (out + OUTS - 1) / OUTS * OUTS;
}

void ti_cuda_conv_pack(float *to, const float *from, const int64_t shape[4])
{
    int64_t in = shape[1], taps = shape[2] * shape[3], columns = ti_cuda_conv_columns(shape[0]);
    for (int64_t tap = 0; tap < taps; tap++)
        for (int64_t i = 0; i < in; i++, to += columns)
            for (int64_t o = 0; o < columns; o++)
                to[o] = o < shape[0] ? from[(o * in + i) * taps + tap] : 0;
}

/* Term K of the DOWN pixels whose windows begin at (top, left). */
static __device__ void fetch_pixels(float to[DOWN], const float *x, const ti_conv *s, int k,
                                    const int top[DOWN], const int left[DOWN])
{
    int tap = k / s->in_channels, channel = k - tap * s->in_channels;
    int down = tap / s->kernel, right = tap - down * s->kernel;
    bool there = tap < s->kernel * s->kernel;
#pragma unroll
    for (int i = 0; i < DOWN; i++) {
        int row = top[i] + down, column = left[i] + right;
        bool inside = there && row >= 0 && row < s->height && column >= 0 && column < s->width;
        to[i] = inside ? x[((int64_t)row * s->width + column) * s->in_channels + channel] : 0;
    }
}

static __device__ float4 fetch_weights(const float *w, int k, int terms, int columns, int column)
{
    if (k >= terms) return make_float4(0, 0, 0, 0);
    return *(const float4 *)(w + (int64_t)k * columns + column);
}

static __device__ void multiply(float sum[DOWN][ACROSS], const float (*xs)[PIXELS + 4],
                                const float (*ws)[OUTS], int down, int across)
{
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        float4 a = *(const float4 *)&xs[k][down], b = *(const float4 *)&xs[k][down + 4];
        float4 w = *(const float4 *)&ws[k][across];
        float pixel[DOWN] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w},
              out[ACROSS] = {w.x, w.y, w.z, w.w};
#pragma unroll
        for (int i = 0; i < DOWN; i++)
#pragma unroll
            for (int j = 0; j < ACROSS; j++) sum[i][j] += pixel[i] * out[j];
    }
}

static __global__ void __launch_bounds__(THREADS)
    conv(float *y, const float *x, const float *w, const float *bias, ti_conv s, int columns,
         bool accumulate)
{
    __shared__ __align__(16) float xs[DEPTH][PIXELS + 4], ws[DEPTH][OUTS];
    int tid = (int)threadIdx.x, n_pixels = s.out_height * s.out_width;
    int terms = s.kernel * s.kernel * s.in_channels;
    int pixel0 = (int)blockIdx.x * PIXELS, out0 = (int)blockIdx.y * OUTS;
    int term = tid % DEPTH, first = tid / DEPTH; /* of what this thread fetches */
    int w_term = tid / (OUTS / 4), w_column = tid % (OUTS / 4) * 4;
    int top[DOWN], left[DOWN];
    float sum[DOWN][ACROSS] = {{0}}, next[DOWN];
    for (int i = 0; i < DOWN; i++) {
        int pixel = pixel0 + first + i * (THREADS / DEPTH);
        bool there = pixel < n_pixels;
        top[i] = there ? pixel / s.out_width * s.stride - s.pad_top : -s.kernel - s.height;
        left[i] = pixel % s.out_width * s.stride - s.pad_left;
    }
    fetch_pixels(next, x, &s, term, top, left);
    float4 next_w = fetch_weights(w, w_term, terms, columns, out0 + w_column);
    int down = tid / (OUTS / ACROSS) * DOWN, across = tid % (OUTS / ACROSS) * ACROSS;
    for (int k = 0; k < terms; k += DEPTH) {
        for (int i = 0; i < DOWN; i++) xs[term][first + i * (THREADS / DEPTH)] = next[i];
        *(float4 *)&ws[w_term][w_column] = next_w;
        __syncthreads();
        fetch_pixels(next, x, &s, k + DEPTH + term, top, left);
        next_w = fetch_weights(w, k + DEPTH + w_term, terms, columns, out0 + w_column);
        multiply(sum, xs, ws, down, across);
        __syncthreads();
    }
    for (int i = 0; i < DOWN; i++)
        for (int j = 0; j < ACROSS; j++) {
            int pixel = pixel0 + down + i, out = out0 + across + j;
            if (pixel >= n_pixels || out >= s.out_channels) continue;
            float *to = y + (int64_t)pixel * s.out_channels + out;
            float value = sum[i][j] + (bias ? bias[out] : 0);
            *to = accumulate ? *to + value : value;
        }
}

void ti_cuda_conv(ti_backend *be, float *y, const float *x, const ti_weight *w,
                  const ti_weight *bias, const ti_conv *shape, bool accumulate)
{
    ti_cuda *cuda = ti_cuda_of(be);
    int columns = (int)ti_cuda_conv_columns(shape->out_channels);
    unsigned blocks = (unsigned)((shape->out_height * shape->out_width + PIXELS - 1) / PIXELS);
    if (!blocks) return;
    TI_LAUNCH(cuda, conv, dim3(blocks, (unsigned)(columns / OUTS)), THREADS, 0, cuda->stream, y, x,
              (const float *)w->data, bias ? (const float *)bias->data : NULL, *shape, columns,
              accumulate);
}
