/* quality_lines.c - results as JSON lines, so that a run can be cut, resumed and split; see
 * quality.h */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "quality.h"
#include "world/world.h"

static const char *const strategies[QUALITY_STRATEGIES] = {"parallel", "semi-parallel",
                                                           "sequential"};

const char *quality_strategy_name(int strategy)
{
    return strategies[strategy];
}

int quality_strategy_of(const char *name)
{
    for (int i = 0; i < QUALITY_STRATEGIES; i++)
        if (!strcmp(name, strategies[i])) return i;
    return -1;
}

static int category_of(const char *name)
{
    for (int i = 0; i < TI_WORLD_CATEGORIES; i++)
        if (!strcmp(name, ti_world_category_name((ti_world_category)i))) return i;
    return -1;
}

bool quality_read_line(const char *line, quality_answer *a)
{
    const char *strategy, *category, *kind;
    json_int_t index;
    int phrasing, text, image, output, unchanged, delivered_image, delivered_output;
    memset(a, 0, sizeof *a);
    json_t *json = json_loads(line, 0, NULL);
    bool ok =
        json &&
        !json_unpack(
            json, "{s:s, s:I, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:F, s:F, s:F, s:F}",
            "strategy", &strategy, "index", &index, "category", &category, "kind", &kind,
            "held_out_phrasing", &phrasing, "text", &text, "image", &image, "output", &output,
            "delivered_image", &delivered_image, "delivered_output", &delivered_output,
            "has_unchanged", &unchanged, "psnr", &a->psnr, "psnr_tokens", &a->psnr_tokens,
            "changed", &a->changed, "seconds", &a->seconds);
    if (ok) {
        a->strategy = quality_strategy_of(strategy);
        a->category = category_of(category);
        a->index = (long)index;
        snprintf(a->kind, sizeof a->kind, "%s", kind);
        a->held_out_phrasing = phrasing;
        a->text = text;
        a->image = image;
        a->output = output;
        a->delivered_image = delivered_image;
        a->delivered_output = delivered_output;
        a->has_unchanged = unchanged;
        ok = a->strategy >= 0 && a->category >= 0;
    }
    json_decref(json);
    return ok;
}

bool quality_write_line(FILE *file, const quality_answer *a)
{
    json_t *json =
        json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:f, s:f, s:f, s:f}",
                  "strategy", strategies[a->strategy], "index", (json_int_t)a->index, "category",
                  ti_world_category_name((ti_world_category)a->category), "kind", a->kind,
                  "held_out_phrasing", a->held_out_phrasing, "text", a->text, "image", a->image,
                  "output", a->output, "delivered_image", a->delivered_image, "delivered_output",
                  a->delivered_output, "has_unchanged", a->has_unchanged, "psnr", a->psnr,
                  "psnr_tokens", a->psnr_tokens, "changed", a->changed, "seconds", a->seconds);
    bool ok = json && !json_dumpf(json, file, JSON_COMPACT | JSON_REAL_PRECISION(6)) &&
              fputc('\n', file) != EOF && !fflush(file);
    json_decref(json);
    return ok;
}

te_status quality_read_file(const char *path, quality_answer **out, size_t *n, te_error *err)
{
    FILE *file = fopen(path, "r");
    size_t room = 0;
    char line[1024];
    te_status st = TE_OK;
    while (!st && file && fgets(line, sizeof line, file)) {
        quality_answer a;
        if (!quality_read_line(line, &a)) continue;
        if (*n >= room) {
            room = *n * 2 + 64;
            quality_answer *more = ti_realloc_array(*out, room, sizeof *more);
            if (more)
                *out = more;
            else
                st = ti_fail_memory(err, "the results", room * sizeof *more);
        }
        if (!st) (*out)[(*n)++] = a;
    }
    if (file) fclose(file);
    return st;
}
