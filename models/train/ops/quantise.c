/* quantise.c - look-up-free quantisation (MAGVIT-v2): the code is the signs of z, the gradient
 * passes straight through, and three terms shape z.
 *
 * With p_b = sigmoid(sharpness z_b) the probability of bit b, a code's probability is the product
 * over its bits. So the entropy of a code given its picture is the sum over bits, exactly; the
 * entropy of the mean code is taken exactly within groups of at most GROUP bits and added up over
 * groups.
 */
#include "ops/cpu.h"

#include "backend/cpu/exp.h"

#include <math.h>
#include <string.h>

#define GROUP    7
#define MAX_BITS 24
#define ROWS     512 /* of a chunk, whose sums are added in order */

void TI_OP(quantise)(ti_train_device *d, float *q, const float *z, const ti_lfq_shape *s)
{
    ti_train_cpu *cpu = ti_train_cpu_of(d);
    const size_t n = (size_t)s->n * (size_t)s->bits;
#pragma omp parallel for num_threads(cpu->threads)
    for (size_t i = 0; i < n; i++) q[i] = z[i] > 0 ? 1.0f : -1.0f;
}

static float clamped_sigmoid(float x)
{
    float p = 1 / (1 + ti_cpu_exp(-x));
    return p < 1e-6f ? 1e-6f : p > 1 - 1e-6f ? 1 - 1e-6f : p;
}

/* joint[g] of the bits p[0..bits), bit 0 the most significant */
static void joint_of(float *joint, const float *p, int bits)
{
    joint[0] = 1;
    for (int b = 0, n = 1; b < bits; b++, n *= 2)
        for (int g = n - 1; g >= 0; g--) {
            float all = joint[g];
            joint[2 * g + 1] = all * p[b];
            joint[2 * g] = all * (1 - p[b]);
        }
}

typedef struct group {
    int first, bits;
} group;

/* Mean joint probabilities over all rows, in chunks added in order. */
static void mean_joint(ti_train_cpu *cpu, double *mean, const float *z, const ti_lfq_shape *s,
                       group g)
{
    const int size = 1 << g.bits, chunks = (s->n + ROWS - 1) / ROWS;
#pragma omp parallel for num_threads(cpu->threads)
    for (int c = 0; c < chunks; c++) {
        float joint[1 << GROUP], p[GROUP], *own = cpu->shared + (size_t)c * (size_t)size;
        memset(own, 0, (size_t)size * sizeof *own);
        for (int r = c * ROWS; r < ti_min((c + 1) * ROWS, s->n); r++) {
            for (int b = 0; b < g.bits; b++)
                p[b] = clamped_sigmoid(s->sharpness *
                                       z[(size_t)r * (size_t)s->bits + (size_t)(g.first + b)]);
            joint_of(joint, p, g.bits);
            for (int i = 0; i < size; i++) own[i] += joint[i];
        }
    }
    for (int i = 0; i < size; i++) {
        mean[i] = 0;
        for (int c = 0; c < chunks; c++) mean[i] += (double)cpu->shared[c * size + i];
        mean[i] /= s->n;
    }
}

/* dz -= diversity * gradient of the entropy of the mean code; returns that entropy in bits. */
static double diversity_back(ti_train_cpu *cpu, float *dz, const float *z, const ti_lfq_shape *s,
                             group g)
{
    double mean[1 << GROUP], entropy = 0;
    float slope[1 << GROUP]; /* of the entropy, by each mean probability */
    const int size = 1 << g.bits;
    mean_joint(cpu, mean, z, s, g);
    for (int i = 0; i < size; i++) {
        double l = log2(mean[i] > 1e-12 ? mean[i] : 1e-12);
        entropy -= mean[i] * l;
        slope[i] = (float)(-(l + 1 / log(2)));
    }
    const float scale = s->diversity / (float)s->n;
#pragma omp parallel for num_threads(cpu->threads)
    for (int r = 0; r < s->n; r++) {
        float joint[1 << GROUP], p[GROUP];
        const size_t at = (size_t)r * (size_t)s->bits + (size_t)g.first;
        for (int b = 0; b < g.bits; b++) p[b] = clamped_sigmoid(s->sharpness * z[at + (size_t)b]);
        joint_of(joint, p, g.bits);
        for (int i = 0; i < size; i++) joint[i] *= slope[i];
        for (int b = 0; b < g.bits; b++) {
            float one = 0, zero = 0;
            for (int i = 0; i < size; i++) {
                if (i >> (g.bits - 1 - b) & 1)
                    one += joint[i];
                else
                    zero += joint[i];
            }
            /* d/dz = (E[slope | bit] - E[slope | not bit]) p (1 - p) sharpness */
            float by_logit = one * (1 - p[b]) - zero * p[b];
            dz[at + (size_t)b] -= scale * s->sharpness * by_logit;
        }
    }
    return entropy;
}

/* dz = dq + commitment and certainty; returns their sums over the rows of one chunk. */
static void own_terms(float *dz, const float *dq, const float *z, const ti_lfq_shape *s,
                      size_t first, size_t last, double sums[2])
{
    const float commit = 2 * s->commitment / ((float)s->n * (float)s->bits);
    const float certain = s->certainty / (float)s->n;
    sums[0] = sums[1] = 0;
    for (size_t i = first; i < last; i++) {
        float gap = z[i] - (z[i] > 0 ? 1.0f : -1.0f), l = s->sharpness * z[i];
        float p = clamped_sigmoid(l);
        /* entropy of one bit: dH/dl = -p (1 - p) l / ln 2 */
        dz[i] = dq[i] + commit * gap - certain * s->sharpness * p * (1 - p) * l * 1.44269504f;
        sums[0] += (double)(gap * gap);
        sums[1] -= (double)(p * log2f(p) + (1 - p) * log2f(1 - p));
    }
}

void TI_OP(quantise_back)(ti_train_device *d, float *dz, float *terms, const float *dq,
                          const float *z, const ti_lfq_shape *s)
{
    ti_train_cpu *cpu = ti_train_cpu_of(d);
    const size_t n = (size_t)s->n * (size_t)s->bits, chunk = ROWS * (size_t)s->bits;
    const int chunks = (s->n + ROWS - 1) / ROWS;
    double *sums = (double *)(void *)cpu->shared;
#pragma omp parallel for num_threads(cpu->threads)
    for (int c = 0; c < chunks; c++)
        own_terms(dz, dq, z, s, (size_t)c * chunk, ti_min_size((size_t)(c + 1) * chunk, n),
                  sums + 2 * c);
    double gap = 0, entropy = 0, spread = 0;
    for (int c = 0; c < chunks; c++) {
        gap += sums[2 * c];
        entropy += sums[2 * c + 1];
    }
    int groups = (s->bits + GROUP - 1) / GROUP;
    for (int g = 0, first = 0; g < groups; g++) {
        int bits = (s->bits - first + groups - g - 1) / (groups - g);
        spread += diversity_back(cpu, dz, z, s, (group){first, bits});
        first += bits;
    }
    terms[0] = (float)(gap / (double)n);
    terms[1] = (float)(entropy / s->n);
    terms[2] = (float)spread;
}
