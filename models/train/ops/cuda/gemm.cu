/* gemm.cu - products of the networks. Inputs that are to be rounded are packed as bf16 first, once
 * while neighbouring products share them (a gradient goes into the weights' product and the
 * input's). A gradient of weights sums over all rows of a batch into a small matrix: it is cut into
 * parts by rows, which fill the card and are added in order. */
#include "ops/cuda/index.cuh"

enum { PART_TILES = 264, PARTS = 64, PART_ROWS = 512 };

/* ---- packing -------------------------------------------------------------------------------- */

static __global__ void pack_eights(ti_bf16 *to, const float *from, int64_t rows, int eights,
                                   int64_t ld)
{
    int eight;
    const int64_t i = ti_my_index(), row = ti_divide(i, eights, &eight);
    if (row >= rows) return;
    const float4 *x = (const float4 *)(from + row * ld + eight * 8);
    float4 a = x[0], b = x[1];
    ((uint4 *)to)[i] = make_uint4(ti_bf16_pair(a.x, a.y), ti_bf16_pair(a.z, a.w),
                                  ti_bf16_pair(b.x, b.y), ti_bf16_pair(b.z, b.w));
}

static __global__ void pack_any(ti_bf16 *to, const float *from, int64_t rows, int cols, int64_t ld,
                                int64_t ld_to)
{
    int col;
    const int64_t row = ti_divide(ti_my_index(), cols, &col);
    if (row >= rows) return;
    to[row * ld_to + col] = ti_bf16_of(from[row * ld + col]);
}

/* FROM as bf16 in room SIDE, its rows *LD numbers apart. */
static const void *pack(ti_train_cuda *c, int side, const float *from, int64_t rows, int64_t cols,
                        int64_t *ld)
{
    ti_train_packed *p = &c->packed[side];
    const int64_t ld_from = *ld, ld_to = (cols + 7) / 8 * 8;
    *ld = ld_to;
    if (p->from == from && p->rows == rows && p->cols == cols && p->ld == ld_from &&
        p->epoch == c->epoch)
        return c->rooms[TI_ROOM_A + side];
    ti_bf16 *to = (ti_bf16 *)ti_train_cuda_room(c, (ti_train_room)(TI_ROOM_A + side),
                                                (size_t)(rows * ld_to) * sizeof(ti_bf16));
    if (!to) return NULL;
    if (cols % 8 || ld_from % 4 || (uintptr_t)from % 16)
        TI_LAUNCH(c, pack_any, ti_blocks((size_t)(rows * cols)), TI_BLOCK, 0, c->stream, to, from,
                  rows, (int)cols, ld_from, ld_to);
    else
        TI_LAUNCH(c, pack_eights, ti_blocks((size_t)(rows * cols / 8)), TI_BLOCK, 0, c->stream, to,
                  from, rows, (int)(cols / 8), ld_from);
    ti_train_packed now = {from, rows, cols, ld_from, c->epoch};
    *p = now;
    return to;
}

/* What is packed is old once its source is written to. */
static void forget(ti_train_cuda *c, const float *first, const float *end)
{
    for (int i = 0; i < 2; i++) {
        ti_train_packed *p = &c->packed[i];
        if (p->from && p->from < end && first < p->from + p->rows * p->ld) p->from = NULL;
    }
}

/* ---- products cut into parts ---------------------------------------------------------------- */

static __global__ void add_parts(float *c, int64_t ldc, const float *parts, int n_parts, int m,
                                 int n, float alpha, bool accumulate)
{
    const int64_t i = ti_my_index(), size = (int64_t)m * n;
    if (i >= size) return;
    float sum = 0, *to = c + i / n * ldc + i % n;
    for (int p = 0; p < n_parts; p++) sum += parts[p * size + i];
    *to = (accumulate ? *to : 0.0f) + alpha * sum;
}

static int parts_of(const ti_product *p)
{
    int64_t tiles = (int64_t)((p->m + 127) / 128) * ((p->n + 127) / 128);
    int64_t parts = PART_TILES / tiles, most = p->k / PART_ROWS;
    if (!p->turn_a || p->turn_b) return 1;
    if (parts > PARTS) parts = PARTS;
    return (int)(parts < most ? parts : most);
}

/* c = alpha a^T b (+ c), a [k][m], b [k][n], cut by rows of both. */
static void run_parts(ti_train_cuda *c, const ti_product *whole, int parts, const void *a,
                      const void *b, float *to)
{
    const int rows = whole->k / parts / 64 * 64, rest = whole->k - parts * rows;
    const size_t size = (size_t)whole->m * (size_t)whole->n, cell = whole->bf16 ? 2 : 4;
    float *room =
        (float *)ti_train_cuda_room(c, TI_ROOM_PARTS, (size_t)(parts + 1) * size * sizeof(float));
    ti_product p = *whole;
    p.alpha = 1;
    p.beta = 0;
    p.k = rows;
    p.ldc = p.n;
    p.batch = parts;
    p.step_a = rows * p.lda;
    p.step_b = rows * p.ldb;
    p.step_c = (int64_t)size;
    ti_train_cuda_product(c, &p, a, b, room);
    if (rest) {
        p.k = rest;
        p.batch = 1;
        ti_train_cuda_product(c, &p, (const char *)a + (size_t)(parts * p.step_a) * cell,
                              (const char *)b + (size_t)(parts * p.step_b) * cell,
                              room + (size_t)parts * size);
    }
    TI_LAUNCH(c, add_parts, ti_blocks(size), TI_BLOCK, 0, c->stream, to, whole->ldc, room,
              parts + (rest > 0), p.m, p.n, whole->alpha, whole->beta != 0);
}

void ti_train_cuda_gemm(ti_train_device *d, const ti_gemm_shape *s, const float *a, const float *b,
                        float *to)
{
    ti_train_cuda *c = (ti_train_cuda *)d;
    ti_product p = {};
    p.turn_a = s->form == TI_GEMM_TN;
    p.turn_b = s->form == TI_GEMM_NT;
    p.m = s->m;
    p.n = s->n;
    p.k = s->k;
    p.alpha = s->alpha;
    p.beta = s->accumulate ? 1.0f : 0.0f;
    p.lda = s->lda > 0 ? s->lda : 1; /* a sum of nothing; cuBLAS refuses rows 0 apart */
    p.ldb = s->ldb > 0 ? s->ldb : 1;
    p.ldc = s->ldc;
    p.batch = 1;
    if (!s->m || !s->n || c->failed) return;
    const void *left = a, *right = b;
    if (s->bf16 && s->k) {
        p.bf16 = true;
        left = pack(c, 0, a, p.turn_a ? s->k : s->m, p.turn_a ? s->m : s->k, &p.lda);
        right = pack(c, 1, b, p.turn_b ? s->n : s->k, p.turn_b ? s->k : s->n, &p.ldb);
    }
    int parts = parts_of(&p);
    if (parts > 1)
        run_parts(c, &p, parts, left, right, to);
    else
        ti_train_cuda_product(c, &p, left, right, to);
    forget(c, to, to + (int64_t)(s->m - 1) * s->ldc + s->n);
}
