/* elementwise.cu - zero, copy, mix, SwiGLU, and the optimiser with the sum of squares it clips by.
 */
#include "ops/cuda/index.cuh"

static __global__ void zero(float *x, int64_t n)
{
    int64_t i = ti_my_index();
    if (i < n) x[i] = 0;
}

void ti_train_cuda_zero(ti_train_device *d, float *x, size_t n)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    TI_LAUNCH(c, zero, ti_blocks(n), TI_BLOCK, 0, c->stream, x, (int64_t)n);
}

static __global__ void copy(float *y, const float *x, int64_t n)
{
    int64_t i = ti_my_index();
    if (i < n) y[i] = x[i];
}

void ti_train_cuda_copy(ti_train_device *d, float *y, const float *x, size_t n)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    TI_LAUNCH(c, copy, ti_blocks(n), TI_BLOCK, 0, c->stream, y, x, (int64_t)n);
}

static __global__ void mix(float *y, float a, const float *x, float b, int64_t n)
{
    int64_t i = ti_my_index();
    if (i < n) y[i] = a * y[i] + b * x[i];
}

void ti_train_cuda_mix(ti_train_device *d, float *y, float a, const float *x, float b, size_t n)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    TI_LAUNCH(c, mix, ti_blocks(n), TI_BLOCK, 0, c->stream, y, a, x, b, (int64_t)n);
}

/* ---- SwiGLU --------------------------------------------------------------------------------- */

static __global__ void swiglu(float *y, const float *x, int64_t n, int width)
{
    int64_t i = ti_my_index();
    int col;
    if (i >= n) return;
    const int64_t row = ti_divide(i, width, &col);
    const float *from = x + row * 2 * width + col;
    y[i] = from[0] / (1.0f + expf(-from[0])) * from[width];
}

void ti_train_cuda_swiglu(ti_train_device *d, float *y, const float *x, int rows, int width)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    size_t n = (size_t)rows * (size_t)width;
    TI_LAUNCH(c, swiglu, ti_blocks(n), TI_BLOCK, 0, c->stream, y, x, (int64_t)n, width);
}

static __global__ void swiglu_back(float *dx, const float *dy, const float *x, int64_t n, int width)
{
    int64_t i = ti_my_index();
    int col;
    if (i >= n) return;
    const int64_t row = ti_divide(i, width, &col), at = row * 2 * width + col;
    float gate = x[at], up = x[at + width], g = dy[i], sigmoid = 1.0f / (1.0f + expf(-gate));
    dx[at + width] = g * gate * sigmoid;
    dx[at] = g * up * sigmoid * (1.0f + gate * (1.0f - sigmoid));
}

void ti_train_cuda_swiglu_back(ti_train_device *d, float *dx, const float *dy, const float *x,
                               int rows, int width)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    size_t n = (size_t)rows * (size_t)width;
    TI_LAUNCH(c, swiglu_back, ti_blocks(n), TI_BLOCK, 0, c->stream, dx, dy, x, (int64_t)n, width);
}

/* ---- optimiser ------------------------------------------------------------------------------ */

enum { SQUARES = 512 }; /* blocks, whatever the length */

static __global__ void squares(double *sums, const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = ti_my_index(); i < n; i += (int64_t)SQUARES * TI_BLOCK)
        sum += (double)x[i] * (double)x[i];
    sum = ti_block_sum(sum);
    if (!threadIdx.x) sums[blockIdx.x] = sum;
}

double ti_train_cuda_sum_squares(ti_train_device *d, const float *x, size_t n)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    double *sums = (double *)ti_train_cuda_room(c, TI_ROOM_SUMS, SQUARES * sizeof(double));
    double host[SQUARES], total = 0;
    TI_LAUNCH(c, squares, SQUARES, TI_BLOCK, 0, c->stream, sums, x, (int64_t)n);
    if (ti_train_cuda_download(d, host, sums, sizeof host, NULL)) return (double)NAN;
    for (int i = 0; i < SQUARES; i++) total += host[i];
    return total;
}

static __global__ void adamw(float *param, float *m, float *v, float *ema, const float *grad,
                             int64_t n, ti_adamw o)
{
    int64_t i = ti_my_index();
    if (i >= n) return;
    const float rate1 = 1.0f / o.correction1, rate2 = 1.0f / o.correction2;
    float g = grad[i] * o.gradient_scale, p = param[i];
    float first = o.beta1 * m[i] + (1.0f - o.beta1) * g;
    float second = o.beta2 * v[i] + (1.0f - o.beta2) * g * g;
    p -= o.rate * (first * rate1 / (sqrtf(second * rate2) + o.eps) + o.decay * p);
    m[i] = first;
    v[i] = second;
    param[i] = p;
    ema[i] = o.ema * ema[i] + (1.0f - o.ema) * p;
}

void ti_train_cuda_adamw(ti_train_device *d, float *param, float *m, float *v, float *ema,
                         const float *grad, size_t n, const ti_adamw *o)
{
    ti_train_cuda *c = ti_train_cuda_of(d);
    TI_LAUNCH(c, adamw, ti_blocks(n), TI_BLOCK, 0, c->stream, param, m, v, ema, grad, (int64_t)n,
              *o);
}
