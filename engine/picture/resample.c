/* resample.c - antialiased bicubic (a = -0.5), the filter the model's training pictures went
 * through: as wide as the step between output pixels when it scales down. Rows stream through; only
 * the output is held. */
#include "picture/internal.h"

#include <math.h>

typedef struct taps {
    int *start, *count; /* per output position */
    float *weights;     /* [outputs][most] */
    int most;
} taps;

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static void taps_clear(taps *t)
{
    g_free(t->start);
    g_free(t->count);
    g_free(t->weights);
}

static gboolean taps_init(taps *t, int from, int to)
{
    double scale = (double)from / to, stretch = MAX(scale, 1.0), support = 2 * stretch;
    *t = (taps){.most = (int)ceil(support) * 2 + 1};
    t->start = g_try_new(int, (size_t)to);
    t->count = g_try_new(int, (size_t)to);
    t->weights = g_try_new0(float, (size_t)to *(size_t)t->most);
    if (!t->start || !t->count || !t->weights) {
        taps_clear(t);
        return FALSE;
    }
    for (int i = 0; i < to; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = MAX(0, (int)(centre - support + 0.5)),
            end = MIN(from, (int)(centre + support + 0.5));
        float *w = t->weights + (size_t)i * (size_t)t->most;
        for (int k = first; k < end; k++) sum += cubic((k - centre + 0.5) / stretch);
        for (int k = first; k < end; k++)
            w[k - first] = (float)(cubic((k - centre + 0.5) / stretch) / sum);
        t->start[i] = first;
        t->count[i] = end - first;
    }
    return TRUE;
}

static void shrink_row(const taps *t, const float *row, int channels, float *to, int to_width)
{
    for (int i = 0; i < to_width; i++) {
        const float *w = t->weights + (size_t)i * (size_t)t->most;
        const float *from = row + (size_t)t->start[i] * (size_t)channels;
        float sum[4] = {0};
        for (int k = 0; k < t->count[i]; k++)
            for (int c = 0; c < channels; c++) sum[c] += w[k] * from[k * channels + c];
        for (int c = 0; c < channels; c++) to[(size_t)i * (size_t)channels + (size_t)c] = sum[c];
    }
}

te_status ti_resample(ti_row_fn read, void *source, int width, int height, int channels, float *to,
                      int to_width, int to_height, te_error *err)
{
    taps across = {0}, down = {0};
    size_t stride = (size_t)to_width * (size_t)channels;
    float *row = g_try_new(float, (size_t)width *(size_t)channels),
          *small = g_try_new(float, stride);
    gboolean ready = row && small && taps_init(&across, width, to_width);
    if (ready && !taps_init(&down, height, to_height)) {
        taps_clear(&across);
        ready = FALSE;
    }
    if (ready) {
        memset(to, 0, stride * (size_t)to_height * sizeof *to);
        int first = 0; /* outputs before it are complete */
        for (int y = 0; y < height; y++) {
            read(source, y, row);
            shrink_row(&across, row, channels, small, to_width);
            while (first < to_height && down.start[first] + down.count[first] <= y) first++;
            for (int i = first; i < to_height && down.start[i] <= y; i++) {
                if (y >= down.start[i] + down.count[i]) continue;
                float w = down.weights[(size_t)i * (size_t)down.most + (size_t)(y - down.start[i])];
                float *target = to + (size_t)i * stride;
                for (size_t k = 0; k < stride; k++) target[k] += w * small[k];
            }
        }
        taps_clear(&across);
        taps_clear(&down);
    }
    g_free(row);
    g_free(small);
    return ready ? TE_OK : ti_picture_no_memory(err);
}
