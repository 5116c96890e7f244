/* sequence.c - see sequence.h */
#include "sequence.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static te_status read_weight(const json_t *o, const char *key, const char *fallback, bool *by_time,
                             te_error *err)
{
    const char *text = NULL;
    te_status st = ti_config_text(o, key, fallback, &text, err);
    if (st) return st;
    *by_time = !strcmp(text, "1/t");
    if (!*by_time && strcmp(text, "1"))
        return ti_fail(err, TE_INVALID, "configuration: \"%s\" must be \"1/t\" or \"1\"", key);
    return TE_OK;
}

te_status ti_objective_read(ti_objective *p, const json_t *config, te_error *err)
{
    const json_t *o = json_object_get(config, "objective");
    int64_t text_len = 0, instruction_len = 0;
    te_status st = read_weight(o, "text_weight", "1/t", &p->text_by_time, err);
    if (!st) st = read_weight(o, "image_weight", "1", &p->image_by_time, err);
    if (!st) st = ti_config_real(o, "kept_weight", 0, 100, 1, &p->kept_weight, err);
    if (!st) st = ti_config_real(o, "balance", 0, 1, 0, &p->balance, err);
    if (!st) st = ti_config_real(o, "independent", 0, 1, 0, &p->independent, err);
    if (!st) st = ti_config_real(o, "words_alone", 0, 1, 0, &p->words_alone, err);
    if (!st) st = ti_config_real(o, "names", 0, 100, 0, &p->names, err);
    if (!st) st = ti_config_real(o, "min_ratio", 0.001, 1, 0.05, &p->min_ratio, err);
    if (!st) st = ti_config_real(o, "drop", 0, 1, 0.1, &p->drop, err);
    if (!st) st = ti_config_int(o, "text_len", 2, 1024, 64, &text_len, err);
    if (!st)
        st = ti_config_int(o, "instruction_len", 0, TI_MAX_INSTRUCTION, 64, &instruction_len, err);
    p->text_len = (int)text_len;
    p->instruction_len = (int)instruction_len;
    return st;
}

te_status ti_packer_init(ti_packer *p, const ti_objective *objective, const ti_layout *layout,
                         int vocab, int sequences, te_error *err)
{
    const int image = layout->grid_h * layout->grid_w;
    *p = (ti_packer){.objective = *objective, .layout = *layout, .max_spans = sequences};
    p->max_rows = sequences * (2 * image + 8 + TI_MAX_INSTRUCTION + objective->text_len);
    const size_t n = (size_t)p->max_rows;
    bool ok = (p->tokens = ti_malloc_array(n, sizeof *p->tokens)) &&
              (p->positions = ti_malloc_array(n, sizeof *p->positions)) &&
              (p->spans = ti_malloc_array((size_t)sequences, sizeof *p->spans));
    for (int i = 0; ok && i < TI_READINGS; i++) {
        ok = (p->rows[i] = ti_malloc_array(n, sizeof(int32_t))) &&
             (p->targets[i] = ti_malloc_array(n, sizeof(int32_t))) &&
             (p->weights[i] = ti_malloc_array(n, sizeof(float)));
        const bool code = i == TI_READ_IMAGE || i == TI_READ_KEPT;
        const int columns = i == TI_READ_NAMES ? layout->image_offset : vocab;
        p->packed.readings[i] = (ti_reading){.rows = p->rows[i],
                                             .targets = p->targets[i],
                                             .weights = p->weights[i],
                                             .first_column = code ? layout->image_offset : 0,
                                             .columns = code ? layout->codebook : columns};
    }
    p->packed.tokens = p->tokens;
    p->packed.positions = p->positions;
    p->packed.spans = p->spans;
    if (ok) return TE_OK;
    ti_packer_clear(p);
    return ti_fail_memory(err, "a batch", n);
}

void ti_packer_clear(ti_packer *p)
{
    free(p->tokens);
    free(p->positions);
    free(p->spans);
    for (int i = 0; i < TI_READINGS; i++) {
        free(p->rows[i]);
        free(p->targets[i]);
        free(p->weights[i]);
    }
    *p = (ti_packer){0};
}

void ti_packer_reset(ti_packer *p)
{
    p->packed.rows = p->packed.n_spans = 0;
    for (int i = 0; i < TI_READINGS; i++) p->packed.readings[i].n = 0;
}

static void put(ti_packer *p, int32_t token)
{
    const int first = p->spans[p->packed.n_spans].first;
    p->positions[p->packed.rows] = p->packed.rows - first + p->skipped;
    p->tokens[p->packed.rows++] = token;
}

/* The next token to be put is asked for TOKEN. */
static void ask(ti_packer *p, int reading, int32_t token, double weight)
{
    ti_reading *r = &p->packed.readings[reading];
    p->rows[reading][r->n] = p->packed.rows;
    p->targets[reading][r->n] = token - r->first_column;
    p->weights[reading][r->n++] = (float)weight;
}

/* TOKEN hidden behind a mask and asked for. */
static void put_masked(ti_packer *p, int reading, int32_t token, double weight)
{
    ask(p, reading, token, weight);
    put(p, p->layout.mask);
}

/* Words are NULL where they are not asked for; 64 said ones of a picture weigh as much as all codes
 * of another. */
static void ask_word(ti_packer *p, const uint16_t *words, int i, double share)
{
    enum { SAID = 64 };
    if (words && words[i] != TI_NO_WORD)
        ask(p, TI_READ_NAMES, words[i], share * p->objective.names / SAID);
}

/* Without PICTURES, their positions are left out. */
static void put_prefix(ti_packer *p, const ti_pool_sample *s, bool dropped, bool pictures,
                       double share)
{
    const ti_layout *l = &p->layout;
    const int image = l->grid_h * l->grid_w;
    put(p, s->generation ? l->generate_task : l->edit_task);
    if (!s->generation) {
        put(p, l->soi);
        for (int i = 0; pictures && i < image; i++) {
            ask_word(p, s->input_words, i, share);
            put(p, dropped ? 0 : l->image_offset + s->input[i]);
        }
        if (!pictures) p->skipped += image;
        put(p, l->eoi);
    }
    put(p, l->bos);
    const int room = s->n_instruction > l->instruction_len ? s->n_instruction : l->instruction_len;
    for (int i = 0; i < room; i++)
        put(p, dropped || i >= s->n_instruction ? l->eos : s->instruction[i]);
    put(p, l->eos);
}

enum { DRAW_DROP, DRAW_APART, DRAW_TIME, DRAW_TEXT_TIME, DRAW_TOKENS, DRAW_WORDS = 1 << 20 };

static double ratio_at(const ti_packer *p, double time)
{
    const double r = cos(1.57079632679489661923 * time);
    return r > p->objective.min_ratio ? r : p->objective.min_ratio;
}

/* Exactly round(RATIO * N) of N tokens, at least one: walking along, each with the share that is
 * left. */
static bool choose(ti_random random, uint64_t draw, int *needed, int left)
{
    bool chosen = ti_random_uniform(random, draw) * left < *needed;
    *needed -= chosen;
    return chosen;
}

/* Of N tokens, how many the output does not have from the input. */
static int count_changed(const ti_pool_sample *s, int n)
{
    int changed = 0;
    for (int i = 0; i < n; i++) changed += s->input[i] != s->output[i];
    return changed;
}

/* SHOWN: the sequence has the input picture. */
static void put_image(ti_packer *p, const ti_pool_sample *s, bool shown, ti_random random,
                      double ratio, double share)
{
    const int n = p->layout.grid_h * p->layout.grid_w;
    int needed = (int)lround(ratio * n);
    if (needed < 1) needed = 1;
    const double weight = share * (p->objective.image_by_time ? 1 / ratio : 1) / (n + 2);
    const int changed = shown ? count_changed(s, n) : n;
    const double raised = changed ? pow((double)n / changed, p->objective.balance) : 1;
    for (int i = 0; i < n; i++) {
        const int32_t token = p->layout.image_offset + s->output[i];
        const bool kept = shown && s->input[i] == s->output[i];
        ask_word(p, s->output_words, i, share);
        if (choose(random, DRAW_TOKENS + (uint64_t)i, &needed, n - i))
            put_masked(p, kept ? TI_READ_KEPT : TI_READ_IMAGE, token,
                       weight * (kept ? p->objective.kept_weight : raised));
        else
            put(p, token);
    }
}

static void put_text(ti_packer *p, const ti_pool_sample *s, ti_random random, double ratio,
                     double share)
{
    const int n = p->objective.text_len - 1, image = p->layout.grid_h * p->layout.grid_w;
    int needed = (int)lround(ratio * n);
    if (needed < 1) needed = 1;
    const double weight = share * (p->objective.text_by_time ? 1 / ratio : 1) / (n + 1);
    for (int i = 0; i < n; i++) {
        const int32_t token = i < s->n_reasoning ? s->reasoning[i] : p->layout.eos;
        if (choose(random, DRAW_TOKENS + (uint64_t)(image + i), &needed, n - i))
            put_masked(p, TI_READ_TEXT, token, weight);
        else
            put(p, token);
    }
}

void ti_packer_add(ti_packer *p, const ti_pool_sample *s, ti_random random, double share)
{
    const bool dropped = ti_random_uniform(random, DRAW_DROP) < p->objective.drop;
    const bool apart = ti_random_uniform(random, DRAW_APART) < p->objective.independent;
    const bool pictures = ti_random_uniform(random, DRAW_WORDS) >= p->objective.words_alone;
    const double time = ti_random_uniform(random, DRAW_TIME);
    const double image = ratio_at(p, time);
    const double text = apart ? ratio_at(p, ti_random_uniform(random, DRAW_TEXT_TIME)) : image;
    ti_span *span = &p->spans[p->packed.n_spans];
    span->first = p->packed.rows;
    p->skipped = 0;
    ti_pool_sample seen = *s;
    if (dropped) seen.input_words = seen.output_words = NULL;
    put_prefix(p, &seen, dropped, pictures, share);
    put(p, p->layout.soi);
    if (pictures)
        put_image(p, &seen, !s->generation && !dropped, random, image, share);
    else
        p->skipped += p->layout.grid_h * p->layout.grid_w;
    put(p, p->layout.eoi);
    put(p, p->layout.bos);
    put_text(p, s, random, text, share);
    span->count = p->packed.rows - span->first;
    p->packed.n_spans++;
}
