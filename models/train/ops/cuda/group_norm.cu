/* group_norm.cu - group normalisation followed by SiLU where asked, and its gradient. Sums per
 * image and channel first, in chunks; then a block an image and group makes of them what the pixels
 * need. */
#include "ops/cuda/column_sums.cuh"
#include "ops/cuda/index.cuh"

static __device__ __forceinline__ float silu(float z)
{
    return z / (1.0f + expf(-z));
}

/* ---- forward -------------------------------------------------------------------------------- */

struct square_element {
    const float *x;
    int channels;
    __device__ void operator()(int, int64_t row, int col, float *a, float *b) const
    {
        float value = x[row * channels + col];
        *a = value;
        *b = value * value;
    }
};

/* Sums of one image's channel over its chunks. */
static __device__ __forceinline__ double over_chunks(const double *sums, const ti_columns *k,
                                                     int image, int which, int col)
{
    double sum = 0;
    for (int i = 0; i < k->chunks; i++)
        sum += sums[((int64_t)(image * k->chunks + i) * 2 + which) * k->cols + col];
    return sum;
}

static __global__ void group_stats(float *stats, const double *sums, ti_columns k, int groups,
                                   float eps)
{
    const int image = (int)blockIdx.x / groups, group = (int)blockIdx.x % groups,
              width = k.cols / groups;
    double sum = 0, square = 0;
    for (int c = (int)threadIdx.x; c < width; c += TI_BLOCK) {
        sum += over_chunks(sums, &k, image, 0, group * width + c);
        square += over_chunks(sums, &k, image, 1, group * width + c);
    }
    sum = ti_block_sum(sum);
    square = ti_block_sum(square);
    if (threadIdx.x) return;
    const double count = (double)k.rows * width, mean = sum / count,
                 var = square / count - mean * mean;
    stats[2 * blockIdx.x] = (float)mean;
    stats[2 * blockIdx.x + 1] = (float)(1 / sqrt((var > 0 ? var : 0) + (double)eps));
}

/* Where element I stands, and y = a x + b there. */
typedef struct affine {
    const float *stats, *gain, *bias;
    int pixels, channels, groups;
} affine;

static __device__ __forceinline__ float normed(const affine *f, float x, int image, int channel)
{
    const float *own = f->stats + 2 * (image * f->groups + channel / (f->channels / f->groups));
    const float a = own[1] * f->gain[channel], b = f->bias[channel] - own[0] * a;
    return a * x + b;
}

static __device__ __forceinline__ int place_of(const affine *f, int64_t i, int *channel)
{
    int pixel;
    return (int)ti_divide(ti_divide(i, f->channels, channel), f->pixels, &pixel);
}

static __global__ void apply(float *y, const float *x, affine f, int64_t n, bool with_silu)
{
    const int64_t i = ti_my_index();
    int channel;
    if (i >= n) return;
    const int image = place_of(&f, i, &channel);
    const float z = normed(&f, x[i], image, channel);
    y[i] = with_silu ? silu(z) : z;
}

static affine affine_of(const ti_group_shape *s, const float *stats, const float *gain,
                        const float *bias)
{
    affine f = {stats, gain, bias, s->pixels, s->channels, s->groups};
    return f;
}

void ti_train_cuda_group_norm(ti_train_device *d, float *y, float *stats, const float *x,
                              const float *gain, const float *bias, const ti_group_shape *s)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const size_t n = (size_t)s->n * (size_t)s->pixels * (size_t)s->channels;
    if (!n) return;
    ti_columns k = ti_columns_of(s->n, s->pixels, s->channels);
    double *sums = (double *)ti_train_cuda_room(c, TI_ROOM_SUMS, ti_columns_bytes(&k));
    square_element element = {x, s->channels};
    TI_COLUMN_SUMS(c, sums, element, k);
    TI_LAUNCH(c, group_stats, (unsigned)(s->n * s->groups), TI_BLOCK, 0, c->stream, stats, sums, k,
              s->groups, s->eps);
    TI_LAUNCH(c, apply, ti_blocks(n), TI_BLOCK, 0, c->stream, y, x, affine_of(s, stats, gain, bias),
              (int64_t)n, s->silu);
}

/* ---- backward ------------------------------------------------------------------------------- */

/* dz, the gradient before SiLU */
static __device__ __forceinline__ float before_silu(const affine *f, float dy, float x, int image,
                                                    int channel, bool with_silu)
{
    if (!with_silu) return dy;
    const float z = normed(f, x, image, channel), sigmoid = 1.0f / (1.0f + expf(-z));
    return dy * sigmoid * (1.0f + z * (1.0f - sigmoid));
}

struct slope_element {
    const float *dy, *x;
    affine f;
    bool with_silu;
    __device__ void operator()(int image, int64_t row, int col, float *a, float *b) const
    {
        const int64_t at = row * f.channels + col;
        *a = before_silu(&f, dy[at], x[at], image, col, with_silu);
        *b = *a * x[at];
    }
};

/* dx = a dz + b x + e: a, b and e of every channel into coefs[image][3][channels]; the channel's
 * share of dgain and dbias into own[image][2][channels]. */
static __global__ void group_slopes(float *coefs, double *own, const double *sums, affine f,
                                    ti_columns k)
{
    const int image = (int)blockIdx.x / f.groups, group = (int)blockIdx.x % f.groups;
    const int width = f.channels / f.groups;
    const double count = (double)k.rows * width;
    const double mean = (double)f.stats[2 * blockIdx.x], rstd = (double)f.stats[2 * blockIdx.x + 1];
    double m1 = 0, m2 = 0;
    for (int i = (int)threadIdx.x; i < width; i += TI_BLOCK) {
        const int c = group * width + i;
        const double sum = over_chunks(sums, &k, image, 0, c);
        const double hat = (over_chunks(sums, &k, image, 1, c) - mean * sum) * rstd;
        own[(int64_t)image * 2 * f.channels + c] = hat;
        own[((int64_t)image * 2 + 1) * f.channels + c] = sum;
        m1 += (double)f.gain[c] * sum / count;
        m2 += (double)f.gain[c] * hat / count;
    }
    m1 = ti_block_sum(m1);
    m2 = ti_block_sum(m2);
    for (int i = (int)threadIdx.x; i < width; i += TI_BLOCK) {
        const int c = group * width + i;
        float *to = coefs + (int64_t)image * 3 * f.channels + c;
        to[0] = (float)(rstd * (double)f.gain[c]);
        to[f.channels] = (float)(-rstd * rstd * m2);
        to[2 * f.channels] = (float)(rstd * (mean * rstd * m2 - m1));
    }
}

static __global__ void apply_back(float *dx, slope_element g, const float *coefs, int64_t n,
                                  bool accumulate)
{
    const int64_t i = ti_my_index();
    int channel;
    if (i >= n) return;
    const int image = place_of(&g.f, i, &channel);
    const float *own = coefs + (int64_t)image * 3 * g.f.channels + channel, x = g.x[i];
    const float dz = before_silu(&g.f, g.dy[i], x, image, channel, g.with_silu);
    const float value = own[0] * dz + own[g.f.channels] * x + own[2 * g.f.channels];
    dx[i] = accumulate ? dx[i] + value : value;
}

void ti_train_cuda_group_norm_back(ti_train_device *d, float *dx, float *dgain, float *dbias,
                                   const float *dy, const float *x, const float *stats,
                                   const float *gain, const float *bias, const ti_group_shape *s,
                                   bool accumulate)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    const size_t n = (size_t)s->n * (size_t)s->pixels * (size_t)s->channels;
    const size_t channels = (size_t)s->n * (size_t)s->channels;
    if (!n) return;
    ti_columns k = ti_columns_of(s->n, s->pixels, s->channels);
    double *sums = (double *)ti_train_cuda_room(
        c, TI_ROOM_SUMS, ti_columns_bytes(&k) + channels * 2 * sizeof(double));
    float *coefs = (float *)ti_train_cuda_room(c, TI_ROOM_NUMBERS, channels * 3 * sizeof(float));
    if (c->failed) return;
    double *own = sums + ti_columns_bytes(&k) / sizeof(double);
    const slope_element element = {dy, x, affine_of(s, stats, gain, bias), s->silu};
    TI_COLUMN_SUMS(c, sums, element, k);
    TI_LAUNCH(c, group_slopes, (unsigned)(s->n * s->groups), TI_BLOCK, 0, c->stream, coefs, own,
              sums, element.f, k);
    TI_LAUNCH(c, apply_back, ti_blocks(n), TI_BLOCK, 0, c->stream, dx, element, coefs, (int64_t)n,
              accumulate);
    ti_train_cuda_add_sums(c, dgain, own, s->n, s->channels, 0);
    ti_train_cuda_add_sums(c, dbias, own, s->n, s->channels, 1);
}
