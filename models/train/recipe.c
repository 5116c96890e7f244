/* recipe.c - see recipe.h */
#include "recipe.h"

#include <math.h>
#include <string.h>

double ti_recipe_rate(const ti_recipe *r, int64_t step)
{
    if (step < r->warmup) return r->rate * (double)(step + 1) / (double)r->warmup;
    double span = (double)(r->steps - r->warmup),
           t = (double)(step - r->warmup) / (span > 1 ? span : 1);
    if (t > 1) t = 1;
    return r->final_rate + (r->rate - r->final_rate) * 0.5 * (1 + cos(3.14159265358979323846 * t));
}

te_status ti_config_load(json_t **out, const char *path, te_error *err)
{
    json_error_t e;
    *out = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (!*out && e.line < 0) return ti_fail(err, TE_IO, "%s: cannot be opened", path);
    if (!*out) return ti_fail(err, TE_FORMAT, "%s: line %d: %s", path, e.line, e.text);
    if (json_is_object(*out)) return TE_OK;
    json_decref(*out);
    *out = NULL;
    return ti_fail(err, TE_FORMAT, "%s: not a JSON object", path);
}

te_status ti_config_int(const json_t *object, const char *key, int64_t min, int64_t max,
                        int64_t fallback, int64_t *out, te_error *err)
{
    const json_t *value = json_object_get(object, key);
    *out = fallback;
    if (!value) return TE_OK;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return ti_fail(err, TE_INVALID,
                       "configuration: \"%s\" must be a whole number from %lld to %lld", key,
                       (long long)min, (long long)max);
    *out = json_integer_value(value);
    return TE_OK;
}

te_status ti_config_real(const json_t *object, const char *key, double min, double max,
                         double fallback, double *out, te_error *err)
{
    const json_t *value = json_object_get(object, key);
    *out = fallback;
    if (!value) return TE_OK;
    if (!json_is_number(value) ||
        !(json_number_value(value) >= min && json_number_value(value) <= max))
        return ti_fail(err, TE_INVALID, "configuration: \"%s\" must be a number from %g to %g", key,
                       min, max);
    *out = json_number_value(value);
    return TE_OK;
}

te_status ti_config_bool(const json_t *object, const char *key, bool fallback, bool *out,
                         te_error *err)
{
    const json_t *value = json_object_get(object, key);
    *out = fallback;
    if (!value) return TE_OK;
    if (!json_is_boolean(value))
        return ti_fail(err, TE_INVALID, "configuration: \"%s\" must be true or false", key);
    *out = json_is_true(value);
    return TE_OK;
}

te_status ti_config_text(const json_t *object, const char *key, const char *fallback,
                         const char **out, te_error *err)
{
    const json_t *value = json_object_get(object, key);
    *out = fallback;
    if (!value && fallback) return TE_OK;
    if (!json_is_string(value))
        return ti_fail(err, TE_INVALID, "configuration: \"%s\" must be a text", key);
    *out = json_string_value(value);
    return TE_OK;
}

static te_status read_sizes(ti_recipe *r, const json_t *o, te_error *err)
{
    int64_t batch = 0, micro = 0, seed = 0, threads = 0;
    te_status st = ti_config_int(o, "steps", 1, INT64_MAX / 2, 1000, &r->steps, err);
    if (!st)
        st = ti_config_int(o, "warmup", 0, r->steps, r->steps < 100 ? r->steps : 100, &r->warmup,
                           err);
    if (!st) st = ti_config_int(o, "stop_at", 1, r->steps, r->steps, &r->stop_at, err);
    if (!st) st = ti_config_int(o, "batch", 1, 65536, 16, &batch, err);
    if (!st) st = ti_config_int(o, "micro_batch", 1, batch, batch, &micro, err);
    if (!st) st = ti_config_int(o, "save_every", 1, INT64_MAX, 200, &r->save_every, err);
    if (!st) st = ti_config_int(o, "log_every", 1, INT64_MAX, 10, &r->log_every, err);
    if (!st) st = ti_config_int(o, "seed", 0, INT64_MAX, 1, &seed, err);
    if (!st) st = ti_config_int(o, "threads", 0, 1024, 0, &threads, err);
    if (!st) st = ti_config_text(o, "device", "cpu", &r->device, err);
    if (!st && batch % micro)
        st = ti_fail(err, TE_INVALID,
                     "configuration: \"batch\" must be a multiple of \"micro_batch\"");
    r->batch = (int)batch;
    r->micro_batch = (int)micro;
    r->seed = (uint64_t)seed;
    r->threads = (int)threads;
    return st;
}

static te_status read_optimiser(ti_recipe *r, const json_t *o, te_error *err)
{
    const char *name = NULL;
    te_status st = ti_config_text(o, "optimiser", "adamw", &name, err);
    if (st) return st;
    r->muon = !strcmp(name, "muon");
    if (r->muon || !strcmp(name, "adamw")) return TE_OK;
    return ti_fail(err, TE_INVALID, "configuration: \"optimiser\" must be \"adamw\" or \"muon\"");
}

te_status ti_recipe_read(ti_recipe *r, const json_t *config, te_error *err)
{
    const json_t *o = json_object_get(config, "recipe");
    if (!json_is_object(o)) return ti_fail(err, TE_INVALID, "configuration: \"recipe\" is missing");
    te_status st = read_sizes(r, o, err);
    if (!st) st = ti_config_real(o, "rate", 0, 1, 1e-3, &r->rate, err);
    if (!st) st = ti_config_real(o, "final_rate", 0, 1, r->rate / 20, &r->final_rate, err);
    if (!st) st = ti_config_real(o, "beta1", 0, 0.9999, 0.9, &r->beta1, err);
    if (!st) st = ti_config_real(o, "beta2", 0, 0.99999, 0.99, &r->beta2, err);
    if (!st) st = ti_config_real(o, "slow", 0, 1, 0.1, &r->slow, err);
    if (!st) st = ti_config_real(o, "eps", 1e-16, 1, 1e-8, &r->eps, err);
    if (!st) st = ti_config_real(o, "decay", 0, 1, 0.01, &r->decay, err);
    if (!st) st = ti_config_real(o, "clip", 1e-6, 1e9, 1, &r->clip, err);
    if (!st) st = ti_config_real(o, "momentum", 0, 0.9999, 0.95, &r->momentum, err);
    if (!st) st = ti_config_real(o, "matrix_rate", 0, 1000, 1, &r->matrix_rate, err);
    if (!st) st = read_optimiser(r, o, err);
    if (!st) st = ti_config_real(o, "ema", 0, 0.999999, 0.999, &r->ema, err);
    return st;
}
