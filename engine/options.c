/* options.c - everything a person may tune: one table row per option feeds parsing, printing,
 * checking, the command line, GIMP's options string and the panel. Numbers are read and written
 * with a decimal point whatever the process's locale is. */
#include "api.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SEED 9007199254740991.0 /* 2^53 - 1: survives JSON */

typedef enum field { FIELD_INT64, FIELD_INT, FIELD_STRATEGY, FIELD_SCHEDULE, FIELD_REAL } field;

typedef struct place {
    field type;
    size_t offset;
} place;

static const char *const strategies[] = {"parallel", "semi-parallel", "sequential", NULL};
static const char *const schedules[] = {"cosine", "linear", "pow", "sigmoid", NULL};

static const te_option_info table[] = {
    {"seed", TE_OPTION_INT, 0, MAX_SEED, NULL, "the same seed gives the same result", false},
    {"strategy", TE_OPTION_CHOICE, 0, 2, strategies, "in which order reasoning and picture appear",
     true},
    {"text-steps", TE_OPTION_INT, 1, 4096, NULL, "denoising steps of the reasoning", false},
    {"image-steps", TE_OPTION_INT, 1, 4096, NULL, "denoising steps of the picture", false},
    {"text-len", TE_OPTION_INT, 2, 4096, NULL, "length of the reasoning, tokens", true},
    {"text-block", TE_OPTION_INT, 0, 4096, NULL,
     "write the reasoning in blocks of so many tokens; 0: all at once", true},
    {"text-cfg", TE_OPTION_REAL, -20, 20, NULL, "guidance of the reasoning; 0: none", true},
    {"image-cfg", TE_OPTION_REAL, 0, 50, NULL, "how strictly the picture follows what is asked",
     false},
    {"instruction-cfg", TE_OPTION_REAL, 0, 50, NULL,
     "guidance towards the instruction alone (variant A)", true},
    {"text-temperature", TE_OPTION_REAL, 0, 10, NULL, "variety of the reasoning; 0: none", false},
    {"image-temperature", TE_OPTION_REAL, 0, 10, NULL, "variety of the picture; 0: none", false},
    {"image-shuffle", TE_OPTION_REAL, 0, 1000, NULL,
     "how far chance decides which parts of the picture appear first; 0: the surest do", true},
    {"image-stay", TE_OPTION_REAL, 0, 1, NULL,
     "how sure the model must be to leave a part of the picture as it was; 0: as of any other",
     true},
    {"schedule", TE_OPTION_CHOICE, 0, 3, schedules, "pace at which the picture appears", true},
    {"schedule-pow", TE_OPTION_REAL, 0.1, 16, NULL, "exponent of the schedule pow", true},
};

#define AT(type, name)                                                                             \
    {                                                                                              \
        type, offsetof(te_options, name)                                                           \
    }
static const place places[] = {
    AT(FIELD_INT64, seed),
    AT(FIELD_STRATEGY, strategy),
    AT(FIELD_INT, text_steps),
    AT(FIELD_INT, image_steps),
    AT(FIELD_INT, text_len),
    AT(FIELD_INT, text_block),
    AT(FIELD_REAL, text_cfg),
    AT(FIELD_REAL, image_cfg),
    AT(FIELD_REAL, instruction_cfg),
    AT(FIELD_REAL, text_temperature),
    AT(FIELD_REAL, image_temperature),
    AT(FIELD_REAL, image_shuffle),
    AT(FIELD_REAL, image_stay),
    AT(FIELD_SCHEDULE, schedule),
    AT(FIELD_REAL, schedule_pow),
};

enum { N_OPTIONS = sizeof table / sizeof *table };
_Static_assert(sizeof places / sizeof *places == N_OPTIONS, "a place for every option");

/* ---- reading and writing one option as a number; NAN: the model's default ---------------- */

static double get_number(const te_options *opt, int i)
{
    const char *at = (const char *)opt + places[i].offset;
    int64_t value = -1;
    switch (places[i].type) {
    case FIELD_REAL:
        return *(const double *)(const void *)at;
    case FIELD_INT64:
        value = *(const int64_t *)(const void *)at;
        break;
    case FIELD_INT:
        value = *(const int *)(const void *)at;
        break;
    case FIELD_STRATEGY:
        value = (int)*(const te_strategy *)(const void *)at;
        break;
    case FIELD_SCHEDULE:
        value = (int)*(const te_schedule *)(const void *)at;
        break;
    }
    return value < 0 ? (double)NAN : (double)value;
}

static void set_number(te_options *opt, int i, double value)
{
    char *at = (char *)opt + places[i].offset;
    int64_t whole = isnan(value) ? -1 : (int64_t)value;
    switch (places[i].type) {
    case FIELD_REAL:
        *(double *)(void *)at = value;
        break;
    case FIELD_INT64:
        *(int64_t *)(void *)at = whole;
        break;
    case FIELD_INT:
        *(int *)(void *)at = (int)whole;
        break;
    case FIELD_STRATEGY:
        *(te_strategy *)(void *)at = (te_strategy)whole;
        break;
    case FIELD_SCHEDULE:
        *(te_schedule *)(void *)at = (te_schedule)whole;
        break;
    }
}

void te_options_init(te_options *opt)
{
    for (int i = 0; i < N_OPTIONS; i++) set_number(opt, i, (double)NAN);
}

const te_option_info *te_option_table(size_t *n_rows)
{
    *n_rows = N_OPTIONS;
    return table;
}

static int find(const char *name, te_error *err)
{
    for (int i = 0; i < N_OPTIONS; i++)
        if (!strcmp(table[i].name, name)) return i;
    ti_fail(err, TE_INVALID, "there is no option \"%s\"; see the list of options", name);
    return -1;
}

/* ---- text -------------------------------------------------------------------------------- */

static te_status fail_choice(const te_option_info *row, const char *value, te_error *err)
{
    char names[256] = "";
    for (int c = 0; row->choices[c]; c++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, c ? ", %s" : "%s", row->choices[c]);
    }
    return ti_fail(err, TE_INVALID, "%s cannot be \"%s\"; choose one of: %s", row->name, value,
                   names);
}

static te_status check_range(const te_option_info *row, double value, te_error *err)
{
    if (value >= row->min && value <= row->max) return TE_OK;
    return ti_fail(err, TE_INVALID, "%s cannot be %.15g; use %.15g to %.15g", row->name, value,
                   row->min, row->max);
}

static bool parse_number(const char *text, double *out)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return false;
    char *end;
    *out = strtod_l(text, &end, plain);
    freelocale(plain);
    return end != text && !*end && isfinite(*out);
}

te_status te_options_set(te_options *opt, const char *name, const char *value, te_error *err)
{
    int i = find(name, err);
    if (i < 0) return TE_INVALID;
    const te_option_info *row = &table[i];
    double number = 0;
    if (!strcmp(value, "default")) {
        set_number(opt, i, (double)NAN);
        return TE_OK;
    }
    if (row->type == TE_OPTION_CHOICE) {
        int c = 0;
        while (row->choices[c] && strcmp(row->choices[c], value) != 0) c++;
        if (!row->choices[c]) return fail_choice(row, value, err);
        number = c;
    } else if (!parse_number(value, &number) ||
               (row->type == TE_OPTION_INT && number != floor(number))) {
        return ti_fail(err, TE_INVALID, "%s cannot be \"%s\"; give %s from %.15g to %.15g",
                       row->name, value, row->type == TE_OPTION_INT ? "a whole number" : "a number",
                       row->min, row->max);
    } else if (i == 0 && number == -1) { /* a seed of -1 is the usual word for "any" */
        number = (double)NAN;
    } else if (check_range(row, number, err)) {
        return TE_INVALID;
    }
    set_number(opt, i, number);
    return TE_OK;
}

te_status te_options_get(const te_options *opt, const char *name, char *value, size_t size,
                         te_error *err)
{
    int i = find(name, err), n;
    if (i < 0) return TE_INVALID;
    double number = get_number(opt, i);
    if (isnan(number) || number > table[i].max)
        n = snprintf(value, size, "default");
    else if (table[i].type == TE_OPTION_CHOICE)
        n = snprintf(value, size, "%s", table[i].choices[(int)number]);
    else
        n = snprintf(value, size, table[i].type == TE_OPTION_INT ? "%.0f" : "%.9g", number);
    if (n < 0 || (size_t)n >= size)
        return ti_fail(err, TE_INVALID, "the value of %s needs %d bytes, %zu were given", name,
                       n + 1, size);
    if (table[i].type == TE_OPTION_REAL) { /* the locale's decimal sign is the only odd character */
        char *odd = value + strspn(value, "+-0123456789");
        if (*odd && *odd != 'e' && *odd != 'd') *odd = '.';
    }
    return TE_OK;
}

/* ---- presets and defaults ---------------------------------------------------------------- */

te_status te_options_preset(te_options *opt, const te_model *model, const char *preset,
                            te_error *err)
{
    const te_options *d = &model->defaults;
    int divide_text, divide_image; /* in quarters */
    if (!strcmp(preset, "paper"))
        divide_text = divide_image = 4;
    else if (!strcmp(preset, "balanced"))
        divide_text = 2, divide_image = 3;
    else if (!strcmp(preset, "fast"))
        divide_text = 1, divide_image = 2;
    else
        return ti_fail(err, TE_INVALID, "there is no preset \"%s\"; choose fast, balanced or paper",
                       preset);
    int64_t seed = opt->seed;
    te_options_init(opt);
    opt->seed = seed;
    opt->text_steps = (d->text_steps * divide_text + 3) / 4;
    opt->image_steps = (d->image_steps * divide_image + 3) / 4;
    return TE_OK;
}

static int64_t seed_from_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint32_t words[4];
    ti_random_words((ti_random){(uint64_t)t.tv_sec, (uint64_t)t.tv_nsec}, 0, words);
    return words[0] >> 1; /* fits the 32-bit integers of callers */
}

te_status te_options_resolve(te_options *opt, const te_model *model, bool generation, te_error *err)
{
    const te_options *defaults = generation ? &model->generation : &model->defaults;
    for (int i = 0; i < N_OPTIONS; i++) {
        double value = get_number(opt, i);
        if (isnan(value))
            set_number(opt, i, i ? get_number(defaults, i) : (double)seed_from_clock());
        else if (check_range(&table[i], value, err))
            return TE_INVALID;
    }
    return TE_OK;
}

/* ---- a model's own defaults -------------------------------------------------------------- */

/* M: the paper's settings. A: those of the released script, the paper gives none of its own. */
static const te_options profile_defaults[] = {
    [TI_PROFILE_M] = {.seed = -1,
                      .strategy = TE_PARALLEL,
                      .text_steps = 128,
                      .image_steps = 30,
                      .text_len = 256,
                      .text_block = 64,
                      .image_cfg = 3.5,
                      .image_temperature = 1,
                      .schedule = TE_COSINE,
                      .schedule_pow = 1},
    [TI_PROFILE_A] = {.seed = -1,
                      .strategy = TE_PARALLEL,
                      .text_steps = 128,
                      .image_steps = 64,
                      .text_len = 256,
                      .text_block = 0,
                      .image_cfg = 4,
                      .image_temperature = 1,
                      .schedule = TE_COSINE,
                      .schedule_pow = 1},
};

/* thinkedit.defaults.image_steps and so on: PREFIX and the option's name with underscores; choices
 * as strings. */
static te_status read_default(te_options *opt, int i, const char *prefix, const ti_gguf *file,
                              te_error *err)
{
    char key[96], value[64];
    size_t used = (size_t)snprintf(key, sizeof key, "%s", prefix);
    for (const char *c = table[i].name; *c && used + 1 < sizeof key; c++)
        key[used++] = *c == '-' ? '_' : *c;
    key[used] = '\0';
    if (!ti_gguf_has(file, key)) return TE_OK;
    if (table[i].type == TE_OPTION_CHOICE) {
        const char *text;
        size_t length;
        te_status st = ti_gguf_string(file, key, &text, &length, err);
        if (st) return st;
        snprintf(value, sizeof value, "%.*s", (int)(length < 60 ? length : 60), text);
        return te_options_set(opt, table[i].name, value, err);
    }
    int64_t whole = 0;
    double number = 0;
    te_status st = table[i].type == TE_OPTION_INT ? ti_gguf_int(file, key, 0, &whole, err)
                                                  : ti_gguf_real(file, key, 0, &number, err);
    if (table[i].type == TE_OPTION_INT) number = (double)whole;
    if (!st) st = check_range(&table[i], number, err);
    if (!st) set_number(opt, i, number);
    return st;
}

te_status ti_options_defaults(te_options *edit, te_options *generation, ti_profile profile,
                              const ti_gguf *file, te_error *err)
{
    *edit = profile_defaults[profile];
    te_status st = TE_OK;
    for (int i = 1; i < N_OPTIONS && !st; i++)
        st = read_default(edit, i, "thinkedit.defaults.", file, err);
    *generation = *edit;
    for (int i = 1; i < N_OPTIONS && !st; i++)
        st = read_default(generation, i, "thinkedit.defaults.generation.", file, err);
    return st;
}
