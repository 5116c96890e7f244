/* average.c - the mean of several runs' averaged weights as a checkpoint of its own, to export or
 * to begin another run with (Wortsman et al. 2022, "Model soups": runs that began with the same
 * weights). CONFIG is `sft`'s; its `average` object gives every checkpoint its share. */
#include "commands.h"
#include "project.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static te_status read_shares(const json_t *shares, te_error *err)
{
    const char *path;
    json_t *value;
    double sum = 0;
    json_object_foreach((json_t *)(uintptr_t)shares, path, value)
    {
        double share = 0;
        te_status st = ti_config_real(shares, path, 0, 1, 0, &share, err);
        if (st) return st;
        sum += share;
    }
    if (fabs(sum - 1) > 1e-6)
        return ti_fail(err, TE_INVALID, "configuration: the shares of \"average\" sum to %g, not 1",
                       sum);
    return TE_OK;
}

static te_status add(ti_params *params, const char *path, double share, float *sum, float *room,
                     te_error *err)
{
    te_status st = ti_params_start(params, path, NULL, err);
    if (!st) st = ti_params_get(params, true, room, err);
    for (size_t i = 0; !st && i < params->floats; i++) sum[i] += (float)share * room[i];
    return st;
}

te_status ti_command_average(const char *config, te_error *err)
{
    ti_project p;
    float *sum = NULL, *room = NULL;
    const char *path;
    json_t *value;
    te_status st = ti_project_open(&p, config, 1, err);
    json_t *shares = json_object_get(p.config, "average");
    if (!st) st = read_shares(shares, err);
    if (!st) {
        ti_params *params = ti_llada_params(p.llada);
        sum = ti_calloc(params->floats, sizeof *sum);
        room = ti_malloc_array(params->floats, sizeof *room);
        if (!sum || !room) st = ti_fail_memory(err, "the mean", 2 * params->floats * sizeof *sum);
        json_object_foreach(shares, path, value)
        {
            if (!st) st = add(params, path, json_number_value(value), sum, room, err);
        }
        if (!st) ti_params_set_all(params, sum);
        if (!st) st = ti_params_save(params, 0, p.checkpoint, err);
    }
    if (!st)
        fprintf(stderr, "%s: written, the mean of %zu\n", p.checkpoint, json_object_size(shares));
    free(sum);
    free(room);
    ti_project_close(&p);
    return st;
}
