/* export.c - writes samples of the world as the trainer's data: JSONL quadruplets and PNG pictures.
 *
 *     world-export DIR [--count N] [--seed N] [--held-out] [--category NAME] [--size N]
 *
 * DIR/data.jsonl has one line per sample: {"input", "instruction", "reasoning", "output",
 * "category", "kind"}, pictures named relative to DIR; a generation's "input" is null.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "world/pngfile.h"
#include "world/world.h"

typedef struct {
    const char *dir;
    long count, seed, size;
    int category; /* -1: all */
    ti_world_split split;
} request;

static te_status write_picture(const request *r, const char *name, const uint8_t *rgb,
                               te_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", r->dir, name) >= (int)sizeof path)
        return ti_fail(err, TE_INVALID, "%s: the path is too long; choose a shorter folder",
                       r->dir);
    return ti_world_png_write(path, rgb, (int)r->size, (int)r->size, err);
}

static te_status write_sample(const request *r, FILE *out, long index, te_error *err)
{
    ti_world_sample s;
    uint64_t seed = (uint64_t)(r->seed + index);
    te_status st = r->category < 0
                       ? ti_world_make(&s, seed, r->split, (int)r->size, err)
                       : ti_world_make_category(&s, seed, r->split, (ti_world_category)r->category,
                                                (int)r->size, err);
    if (st) return st;
    char input[64], output[64];
    snprintf(input, sizeof input, "%06ld-input.png", index);
    snprintf(output, sizeof output, "%06ld-output.png", index);
    if (s.input) st = write_picture(r, input, s.input, err);
    if (!st) st = write_picture(r, output, s.output, err);
    json_t *line =
        json_pack("{s:s?, s:s, s:s, s:s, s:s, s:s}", "input", s.input ? input : NULL, "instruction",
                  s.instruction, "reasoning", s.reasoning, "output", output, "category",
                  ti_world_category_name(s.category), "kind", s.kind);
    if (!st && !line) st = ti_fail_memory(err, "a line of data", 1024);
    if (!st && (json_dumpf(line, out, JSON_COMPACT) || fputc('\n', out) == EOF))
        st = ti_fail(err, TE_IO, "%s/data.jsonl: cannot write; check disk space", r->dir);
    json_decref(line);
    ti_world_clear(&s);
    return st;
}

static te_status export_all(const request *r, te_error *err)
{
    char path[4096];
    if (mkdir(r->dir, 0777) && errno != EEXIST)
        return ti_fail(err, TE_IO, "%s: cannot make the folder; check its parent", r->dir);
    if (snprintf(path, sizeof path, "%s/data.jsonl", r->dir) >= (int)sizeof path)
        return ti_fail(err, TE_INVALID, "%s: the path is too long; choose a shorter folder",
                       r->dir);
    FILE *out = fopen(path, "w");
    if (!out) return ti_fail(err, TE_IO, "%s: cannot be written; check the folder", path);
    te_status st = TE_OK;
    for (long i = 0; !st && i < r->count; i++) st = write_sample(r, out, i, err);
    if (fclose(out) && !st) st = ti_fail(err, TE_IO, "%s: cannot write; check disk space", path);
    return st;
}

static int category_of(const char *name)
{
    for (int i = 0; i < TI_WORLD_CATEGORIES; i++)
        if (!strcmp(name, ti_world_category_name((ti_world_category)i))) return i;
    return -1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"count", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
        {"held-out", no_argument, NULL, 'o'},    {"category", required_argument, NULL, 'c'},
        {"size", required_argument, NULL, 'z'},  {0}};
    request r = {.count = 100, .size = 128, .category = -1, .split = TI_WORLD_TRAIN};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'n')
            r.count = strtol(optarg, NULL, 10);
        else if (o == 's')
            r.seed = strtol(optarg, NULL, 10);
        else if (o == 'o')
            r.split = TI_WORLD_HELD_OUT;
        else if (o == 'c')
            r.category = category_of(optarg);
        else if (o == 'z')
            r.size = strtol(optarg, NULL, 10);
        else
            return 2;
    }
    if (optind + 1 != argc || r.count < 1 || r.size < 16 || r.size > 1024) {
        fputs("usage: world-export DIR [--count N] [--seed N] [--held-out] [--category NAME] "
              "[--size N]\n",
              stderr);
        return 2;
    }
    te_error err;
    r.dir = argv[optind];
    if (export_all(&r, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
