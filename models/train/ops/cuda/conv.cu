/* conv.cu - convolutions as products with a matrix of patches, built in pieces of whole images: one
 * row a pixel of the result, kernel x kernel x channels values. As on the CPU the gradient of the
 * input is the same walk over the gradient of the output, dilated by the stride, with the kernel
 * turned round. 1 x 1 kernels need no patches. */
#include "ops/cuda/column_sums.cuh"
#include "ops/cuda/index.cuh"

#define PATCH_BYTES ((size_t)1 << 30)
enum { WEIGHT_PARTS = 256, PART_PIXELS = 2048, MOST_PIXELS = 1 << 20 /* rows of one product */ };

/* A walk of KERNEL x KERNEL weights over a padded and dilated picture. */
typedef struct walk {
    int height, width, in;
    int dilate, stride, pad, kernel;
    int out_height, out_width, out;
} walk;

static walk forward_walk(const ti_conv_shape *s)
{
    walk k = {s->height, s->width,      s->in,        1,     s->stride, s->pad,
              s->kernel, s->out_height, s->out_width, s->out};
    return k;
}

static walk backward_walk(const ti_conv_shape *s)
{
    walk k = {s->out_height,          s->out_width, s->out,    s->stride, 1,
              s->kernel - 1 - s->pad, s->kernel,    s->height, s->width,  s->in};
    return k;
}

static int depth_of(const walk *k)
{
    return k->kernel * k->kernel * k->in;
}

static bool is_plain(const walk *k)
{
    return k->kernel == 1 && k->stride == 1 && k->dilate == 1 && !k->pad;
}

/* A block is a row of pixels of the result; T is float, or float4 where channels come in fours. */
template <typename T> static __global__ void fill_patches(T *patches, const T *x, walk k, int cells)
{
    const int image = (int)blockIdx.x / k.out_height, oy = (int)blockIdx.x % k.out_height;
    const int row = k.kernel * cells, depth = k.kernel * row;
    const T *from = x + (int64_t)image * k.height * k.width * cells;
    T *to = patches + (int64_t)blockIdx.x * k.out_width * depth;
    for (int i = (int)threadIdx.x; i < k.out_width * depth; i += TI_BLOCK) {
        int ox = i / depth, rest = i - ox * depth, ky = rest / row, in_row = rest - ky * row;
        int kx = in_row / cells, cell = in_row - kx * cells;
        int y = oy * k.stride + ky - k.pad, px = ox * k.stride + kx - k.pad;
        T value = {};
        if (y >= 0 && px >= 0 && y % k.dilate == 0 && px % k.dilate == 0 &&
            y / k.dilate < k.height && px / k.dilate < k.width)
            value = from[((int64_t)(y / k.dilate) * k.width + px / k.dilate) * cells + cell];
        to[i] = value;
    }
}

/* The patches of COUNT images from X on; X itself for 1 x 1 kernels. */
static const float *patches_of(ti_train_cuda *c, const float *x, const walk *k, int count)
{
    if (is_plain(k)) return x;
    const unsigned rows = (unsigned)(count * k->out_height);
    const size_t floats = (size_t)rows * (size_t)k->out_width * (size_t)depth_of(k);
    float *room = (float *)ti_train_cuda_room(c, TI_ROOM_PATCHES, floats * sizeof(float));
    if (k->in % 4 || (uintptr_t)x % 16)
        TI_LAUNCH(c, fill_patches<float>, rows, TI_BLOCK, 0, c->stream, room, x, *k, k->in);
    else
        TI_LAUNCH(c, fill_patches<float4>, rows, TI_BLOCK, 0, c->stream, (float4 *)room,
                  (const float4 *)x, *k, k->in / 4);
    return room;
}

static int images_at_once(const walk *k, int n)
{
    const size_t pixels = (size_t)k->out_height * (size_t)k->out_width;
    const size_t one = pixels * (size_t)depth_of(k) * sizeof(float);
    size_t most = MOST_PIXELS / pixels;
    if (!is_plain(k) && most > PATCH_BYTES / one) most = PATCH_BYTES / one;
    if (most >= (size_t)n) return n;
    return most ? (int)most : 1;
}

/* w [out][in][taps] to [out][taps][in], or turned: to [in][taps][out], taps from the last. */
static __global__ void turn_weights(float *to, const float *w, int out, int in, int taps,
                                    bool turned)
{
    const int i = (int)(blockIdx.x * TI_BLOCK + threadIdx.x);
    if (i >= out * in * taps) return;
    const int o = i / (in * taps), rest = i % (in * taps), channel = rest / taps, tap = rest % taps;
    const int at =
        turned ? (channel * taps + taps - 1 - tap) * out + o : (o * taps + tap) * in + channel;
    to[at] = w[i];
}

static const float *weights_of(ti_train_cuda *c, const float *w, const ti_conv_shape *s,
                               bool turned)
{
    const int taps = s->kernel * s->kernel, n = s->out * s->in * taps;
    float *room = (float *)ti_train_cuda_room(c, TI_ROOM_WEIGHTS, (size_t)n * sizeof(float));
    TI_LAUNCH(c, turn_weights, ti_blocks((size_t)n), TI_BLOCK, 0, c->stream, room, w, s->out, s->in,
              taps, turned);
    return room;
}

/* y (+)= the walk over N images of x */
static void run_walk(ti_train_cuda *c, float *y, const float *x, const walk *k, const float *w,
                     int n, bool accumulate)
{
    const int step = images_at_once(k, n), depth = depth_of(k),
              pixels = k->out_height * k->out_width;
    for (int first = 0; first < n; first += step) {
        const int count = n - first < step ? n - first : step;
        const size_t image = (size_t)k->height * (size_t)k->width * (size_t)k->in;
        const float *patches = patches_of(c, x + (size_t)first * image, k, count);
        ti_product p = {};
        p.turn_b = true;
        p.m = count * pixels;
        p.n = k->out;
        p.k = depth;
        p.alpha = 1;
        p.beta = accumulate ? 1.0f : 0.0f;
        p.lda = p.ldb = depth;
        p.ldc = k->out;
        p.batch = 1;
        ti_train_cuda_product(c, &p, patches, w,
                              y + (size_t)first * (size_t)pixels * (size_t)k->out);
    }
}

static __global__ void begin(float *y, const float *bias, const float *residual, int64_t n,
                             int channels)
{
    const int64_t i = ti_my_index();
    int channel;
    if (i >= n) return;
    ti_divide(i, channels, &channel);
    y[i] = bias[channel] + (residual ? residual[i] : 0.0f);
}

void ti_train_cuda_conv(ti_train_device *d, float *y, const float *x, const float *w,
                        const float *bias, const float *residual, const ti_conv_shape *s)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const walk k = forward_walk(s);
    const size_t n = (size_t)s->n * (size_t)s->out_height * (size_t)s->out_width * (size_t)s->out;
    const float *turned = weights_of(c, w, s, false);
    TI_LAUNCH(c, begin, ti_blocks(n), TI_BLOCK, 0, c->stream, y, bias, residual, (int64_t)n,
              s->out);
    run_walk(c, y, x, &k, turned, s->n, true);
}

void ti_train_cuda_conv_back_input(ti_train_device *d, float *dx, const float *dy, const float *w,
                                   const ti_conv_shape *s, bool accumulate)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const walk k = backward_walk(s);
    run_walk(c, dx, dy, &k, weights_of(c, w, s, true), s->n, accumulate);
}

/* ---- gradient of the weights ---------------------------------------------------------------- */

struct bias_element {
    const float *dy;
    int cols;
    __device__ void operator()(int, int64_t row, int col, float *a, float *b) const
    {
        *a = dy[row * cols + col];
        *b = 0;
    }
};

/* dw[out][in][taps] += sum over parts of parts[out][taps][in] */
static __global__ void add_weight_parts(float *dw, const float *parts, int n_parts, int out, int in,
                                        int taps)
{
    const int i = (int)(blockIdx.x * TI_BLOCK + threadIdx.x), n = out * in * taps;
    if (i >= n) return;
    float sum = 0;
    for (int p = 0; p < n_parts; p++) sum += parts[(int64_t)p * n + i];
    const int o = i / (in * taps), rest = i % (in * taps), tap = rest / in, channel = rest % in;
    dw[(o * in + channel) * taps + tap] += sum;
}

/* parts (of a number that depends on the shape alone) of dy^T patches over PIXELS rows; returns how
 * many */
static int weight_parts(ti_train_cuda *c, const float *dy, const float *patches, const walk *k,
                        int pixels)
{
    const int depth = depth_of(k), size = k->out * depth;
    int parts = pixels / PART_PIXELS < WEIGHT_PARTS ? pixels / PART_PIXELS : WEIGHT_PARTS;
    if (parts < 1) parts = 1;
    const int rows = pixels / parts, rest = pixels - parts * rows;
    float *room = (float *)ti_train_cuda_room(c, TI_ROOM_PARTS,
                                              (size_t)(parts + 1) * (size_t)size * sizeof(float));
    ti_product p = {};
    p.turn_a = true;
    p.m = k->out;
    p.n = depth;
    p.k = rows;
    p.alpha = 1;
    p.lda = k->out;
    p.ldb = p.ldc = depth;
    p.batch = parts;
    p.step_a = (int64_t)rows * k->out;
    p.step_b = (int64_t)rows * depth;
    p.step_c = size;
    ti_train_cuda_product(c, &p, dy, patches, room);
    if (!rest) return parts;
    p.k = rest;
    p.batch = 1;
    ti_train_cuda_product(c, &p, dy + parts * p.step_a, patches + parts * p.step_b,
                          room ? room + (size_t)parts * (size_t)size : NULL);
    return parts + 1;
}

void ti_train_cuda_conv_back_weight(ti_train_device *d, float *dw, float *dbias, const float *dy,
                                    const float *x, const ti_conv_shape *s)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const walk k = forward_walk(s);
    const int step = images_at_once(&k, s->n), pixels = s->out_height * s->out_width;
    const int taps = s->kernel * s->kernel, size = s->out * s->in * taps;
    for (int first = 0; first < s->n; first += step) {
        const int count = s->n - first < step ? s->n - first : step;
        const size_t image = (size_t)s->height * (size_t)s->width * (size_t)s->in;
        const float *patches = patches_of(c, x + (size_t)first * image, &k, count);
        const float *g = dy + (size_t)first * (size_t)pixels * (size_t)s->out;
        const int parts = weight_parts(c, g, patches, &k, count * pixels);
        TI_LAUNCH(c, add_weight_parts, ti_blocks((size_t)size), TI_BLOCK, 0, c->stream, dw,
                  (const float *)c->rooms[TI_ROOM_PARTS], parts, s->out, s->in, taps);
    }
    if (!dbias) return;
    ti_columns cols = ti_columns_of(1, s->n * pixels, s->out);
    double *sums = (double *)ti_train_cuda_room(c, TI_ROOM_SUMS, ti_columns_bytes(&cols));
    bias_element element = {dy, s->out};
    TI_COLUMN_SUMS(c, sums, element, cols);
    ti_train_cuda_add_sums(c, dbias, sums, cols.chunks, s->out, 0);
}
