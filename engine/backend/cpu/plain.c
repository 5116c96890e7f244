/* plain.c - see plain.h. Read this to know what an op means; read the op's own file to know how it
 * is made fast. */
#include "backend/cpu/plain.h"

#include <math.h>

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

void ti_plain_embed(float *x, const ti_weight *table, const int32_t *tokens, int n_rows)
{
    for (int r = 0; r < n_rows; r++) ti_weight_row(table, tokens[r], x + r * table->cols);
}

void ti_plain_embed_kept(float *x, const ti_weight *table, const ti_keep *keep, const int32_t *rows,
                         int first_row)
{
    for (int r = 0; r < keep->pick->n_rows; r++)
        if (keep->kept[r])
            ti_weight_row(table, keep->pick->ids[r], x + (first_row + rows[r]) * table->cols);
}

void ti_plain_norm(float *y, const float *x, const int32_t *rows, int n_rows, const float *gain,
                   int width, float eps)
{
    for (int r = 0; r < n_rows; r++) {
        const float *from = x + (size_t)(rows ? rows[r] : r) * (size_t)width;
        double scale = 1 / sqrt(dot(from, from, width) / width + (double)eps);
        for (int i = 0; i < width; i++)
            y[(size_t)r * (size_t)width + i] = (float)((double)from[i] * scale * (double)gain[i]);
    }
}

void ti_plain_linear(float *y, const float *x, const ti_weight *w, int n_rows, float *room)
{
    for (int64_t o = 0; o < w->rows; o++) {
        ti_weight_row(w, o, room);
        for (int r = 0; r < n_rows; r++)
            y[r * w->rows + o] = (float)dot(x + r * w->cols, room, (int)w->cols);
    }
}

void ti_plain_linear_rope(float *y, const float *x, const ti_weight *w, int n_rows,
                          const ti_rope *rope, float *room)
{
    int size = rope->head_size, half = size / 2;
    ti_plain_linear(y, x, w, n_rows, room);
    for (int r = 0; r < n_rows; r++)
        for (int64_t head = 0; head < w->rows; head += size)
            for (int i = 0; i < half; i++) {
                float *a = y + r * w->rows + head + i;
                float *b = a + half, was = *a;
                float angle =
                    (float)rope->positions[r] / powf(rope->theta, (float)(2 * i) / (float)size);
                *a = (float)(was * cos((double)angle) - *b * sin((double)angle));
                *b = (float)(*b * cos((double)angle) + was * sin((double)angle));
            }
}

static void attend(float *y, const float *q, const float *k, const float *v, int n_keys,
                   size_t kv_stride, int size, float *score)
{
    double top = -INFINITY, total = 0;
    for (int c = 0; c < n_keys; c++) {
        score[c] = (float)(dot(q, k + (size_t)c * kv_stride, size) / sqrt(size));
        top = fmax(top, (double)score[c]);
    }
    for (int c = 0; c < n_keys; c++) total += exp((double)score[c] - top);
    for (int d = 0; d < size; d++) {
        double sum = 0;
        for (int c = 0; c < n_keys; c++)
            sum += exp((double)score[c] - top) * (double)v[(size_t)c * kv_stride + (size_t)d];
        y[d] = (float)(sum / total);
    }
}

void ti_plain_attention(float *y, const float *q, const float *k, const float *v,
                        const ti_heads *heads, const ti_segment *segments, int n_segments,
                        float *room)
{
    size_t size = (size_t)heads->head_size;
    size_t q_stride = (size_t)heads->n_heads * size, kv_stride = (size_t)heads->n_kv_heads * size;
    for (int s = 0; s < n_segments; s++)
        for (int i = 0; i < segments[s].q_count; i++)
            for (int h = 0; h < heads->n_heads; h++) {
                size_t at = (size_t)(segments[s].q_first + i) * q_stride + (size_t)h * size;
                size_t kv_head = (size_t)(h * heads->n_kv_heads / heads->n_heads);
                size_t kv = (size_t)segments[s].kv_first * kv_stride + kv_head * size;
                attend(y + at, q + at, k + kv, v + kv, segments[s].kv_count, kv_stride,
                       heads->head_size, room);
            }
}

void ti_plain_linear_add(float *x, const float *h, const ti_weight *w, int n_rows, float *room)
{
    for (int64_t o = 0; o < w->rows; o++) {
        ti_weight_row(w, o, room);
        for (int r = 0; r < n_rows; r++)
            x[r * w->rows + o] += (float)dot(h + r * w->cols, room, (int)w->cols);
    }
}

void ti_plain_gate(float *y, const float *h, const ti_weight *w_gate, const ti_weight *w_up,
                   int n_rows, float *room)
{
    ti_plain_linear(y, h, w_gate, n_rows, room);
    for (int64_t o = 0; o < w_up->rows; o++) {
        ti_weight_row(w_up, o, room);
        for (int r = 0; r < n_rows; r++) {
            float *g = y + r * w_up->rows + o;
            double up = dot(h + r * w_up->cols, room, (int)w_up->cols);
            *g = (float)((double)*g / (1 + exp(-(double)*g)) * up);
        }
    }
}

void ti_plain_gather(float *y, const float *x, const int32_t *rows, int n_rows, int width)
{
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < width; i++)
            y[(size_t)r * (size_t)width + i] = x[(size_t)rows[r] * (size_t)width + i];
}

void ti_plain_head(float *logits, const float *h, int first_row, int n_rows, const ti_weight *w,
                   int first_out, int n_out, float scale, float *room)
{
    for (int o = 0; o < n_out; o++) {
        ti_weight_row(w, first_out + o, room);
        for (int r = 0; r < n_rows; r++)
            logits[(size_t)r * (size_t)n_out + o] =
                (float)((double)scale * dot(h + (first_row + r) * w->cols, room, (int)w->cols));
    }
}

static float guided(const ti_pick *p, int row, int c)
{
    float l = 0;
    for (int i = 0; i < p->n_terms; i++)
        l += p->scale[i] * p->logits[i][(size_t)row * (size_t)p->n_cols + c];
    return l;
}

static int choose(const ti_pick *p, int row, double top, double total, int besides)
{
    uint64_t draw = (uint64_t)p->keys[row] * (uint64_t)p->n_cols;
    double best = -INFINITY, left = ti_random_uniform(p->random, draw) * total;
    int id = p->n_cols - 1;
    for (int c = 0; c < p->n_cols; c++) {
        double l = (double)guided(p, row, c);
        if (c == besides) continue;
        if (p->method == TI_PICK_MULTINOMIAL) {
            left -= exp(l - top);
            if (left < 0) return c;
            continue;
        }
        if (p->method == TI_PICK_GUMBEL)
            l += p->temperature * ti_random_gumbel(p->random, draw + (uint64_t)c);
        if (l > best) {
            best = l;
            id = c;
        }
    }
    return id;
}

void ti_plain_pick(const ti_pick *p)
{
    for (int row = 0; row < p->n_rows; row++) {
        double top = -INFINITY, total = 0;
        for (int c = 0; c < p->n_cols; c++) top = fmax(top, (double)guided(p, row, c));
        for (int c = 0; c < p->n_cols; c++) total += exp((double)guided(p, row, c) - top);
        int id = choose(p, row, top, total, -1);
        double prob = exp((double)guided(p, row, id) - top) / total;
        if (p->method == TI_PICK_GREEDY && p->stay && id == p->stay[row] && prob < p->stay_least)
            id = choose(p, row, top, total, id);
        p->ids[row] = id;
        p->probs[row] = exp((double)guided(p, row, p->ids[row]) - top) / total;
    }
}

static double confidence(const ti_keep *k, int row)
{
    double ln = log(fmax(k->pick->probs[row], 1e-20)), noise = 0;
    uint64_t draw = (uint64_t)k->pick->keys[row];
    if (k->method == TI_KEEP_HIGHEST) return k->pick->probs[row];
    if (k->heat > 0 && k->method == TI_KEEP_NORMAL) noise = ti_random_normal(k->random, draw);
    if (k->heat > 0 && k->method == TI_KEEP_GUMBEL) noise = ti_random_gumbel(k->random, draw);
    return ln + k->heat * noise;
}

void ti_plain_keep(const ti_keep *k)
{
    for (int row = 0; row < k->pick->n_rows; row++) {
        double mine = confidence(k, row);
        int higher = 0, lower = 0, equal = 0, equal_before = 0; /* other rows */
        for (int other = 0; other < k->pick->n_rows; other++) {
            double theirs = confidence(k, other);
            higher += theirs > mine;
            lower += theirs < mine;
            equal += theirs == mine && other != row;
            equal_before += theirs == mine && other < row;
        }
        if (k->method == TI_KEEP_HIGHEST) k->kept[row] = higher + equal_before < k->n;
        if (k->method == TI_KEEP_NORMAL) k->kept[row] = lower + equal_before >= k->n;
        /* Of rank N or above is what no more than N of all rows, itself among them, do not pass. */
        if (k->method == TI_KEEP_GUMBEL) k->kept[row] = lower + equal + 1 > k->n;
    }
}
