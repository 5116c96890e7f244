/* pool.c - see pool.h. The file: a header naming what made it, then records of one size, each
 * beginning with whether it is there. */
#include "pool.h"

#include "base/memory.h"
#include "base/random.h"
#include "quadruplets.h"
#include "world/facts.h"
#include "world/words.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORLD_SEEDS ((uint64_t)1 << 20) /* the world's seeds of training samples begin here */

typedef struct header {
    char magic[8];
    uint64_t key; /* of the encoder, the tokeniser and the sizes */
    uint64_t record_bytes;
} header;

typedef struct record {
    uint16_t ready, generation, n_instruction, n_reasoning;
    uint16_t cells[]; /* input, output, words of both, instruction, reasoning */
} record;

struct ti_pool {
    ti_pool_config config;
    ti_magvit *encoder;
    const ti_tokenizer *tokenizer;
    ti_quadruplets *quadruplets; /* NULL: the world */
    int tokens, side;
    size_t record_bytes, file_bytes;
    unsigned char *file;
    uint8_t *rgb;    /* [batch][size][size][3] */
    uint16_t *codes; /* [batch][tokens] */
};

static uint64_t hash(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static te_status make_key(const ti_pool *p, uint64_t *key, te_error *err)
{
    const ti_params *w = &p->encoder->params;
    float *values = ti_malloc_array(w->floats, sizeof *values);
    if (!values) return ti_fail_memory(err, "the encoder's weights", w->floats * sizeof *values);
    te_status st = ti_params_get(w, false, values, err);
    uint64_t h = 14695981039346656037u;
    for (int i = 0; !st && i < w->n; i++)
        if (!strncmp(w->items[i].name, "encoder.", 8))
            h = hash(h, values + w->items[i].first, w->items[i].count * sizeof *values);
    for (int id = 0; !st && id < ti_tokenizer_size(p->tokenizer); id++) {
        char *text = NULL;
        st = ti_tokenizer_decode(p->tokenizer, &id, 1, false, &text, err);
        if (!st) h = hash(h, text, strlen(text) + 1);
        free(text);
    }
    const int32_t sizes[] = {p->tokens, p->config.text_len, TI_MAX_INSTRUCTION,
                             p->quadruplets != NULL};
    h = hash(h, sizes, sizeof sizes);
    if (p->config.first) h = hash(h, &p->config.first, sizeof p->config.first);
    const ti_world_mix *mix = &p->config.mix;
    h = hash(h, mix->category, sizeof mix->category);
    for (int i = 0; i < mix->n_kinds; i++) {
        h = hash(h, mix->kinds[i].kind, strlen(mix->kinds[i].kind) + 1);
        h = hash(h, &mix->kinds[i].times, sizeof mix->kinds[i].times);
    }
    *key = h;
    free(values);
    return st;
}

static te_status map_file(ti_pool *p, te_error *err)
{
    const char *path = p->config.path;
    header head = {.magic = "TEPOOL3", .record_bytes = p->record_bytes}, old;
    te_status st = make_key(p, &head.key, err);
    if (st) return st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return ti_fail(err, TE_IO, "%s: cannot be opened", path);
    p->file_bytes = sizeof head + (size_t)p->config.samples * p->record_bytes;
    ssize_t got = pread(fd, &old, sizeof old, 0);
    struct stat info;
    if (got > 0 && (got != sizeof old || memcmp(&old, &head, sizeof head) != 0))
        st = ti_fail(err, TE_FORMAT,
                     "%s: made with another tokeniser, other sizes or another mixture; delete it",
                     path);
    if (!st && !got && pwrite(fd, &head, sizeof head, 0) != sizeof head)
        st = ti_fail(err, TE_IO, "%s: cannot be written", path);
    if (!st && fstat(fd, &info)) st = ti_fail(err, TE_IO, "%s: cannot be read", path);
    if (!st && (size_t)info.st_size < p->file_bytes && ftruncate(fd, (off_t)p->file_bytes))
        st = ti_fail(err, TE_IO, "%s: no room for %zu bytes", path, p->file_bytes);
    void *map =
        st ? MAP_FAILED : mmap(NULL, p->file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!st && map == MAP_FAILED) st = ti_fail(err, TE_IO, "%s: cannot be mapped", path);
    if (!st) p->file = map;
    close(fd);
    return st;
}

te_status ti_pool_open(ti_pool **out, const ti_pool_config *config, ti_magvit *encoder,
                       const ti_tokenizer *tokenizer, te_error *err)
{
    *out = NULL;
    ti_pool *p = ti_calloc(1, sizeof *p);
    if (!p) return ti_fail_memory(err, "the samples", sizeof *p);
    p->config = *config;
    p->encoder = encoder;
    p->tokenizer = tokenizer;
    bool weighted = false;
    for (int c = 0; c < TI_WORLD_CATEGORIES; c++) weighted |= config->mix.category[c] > 0;
    if (!weighted)
        memcpy(p->config.mix.category, ti_world_usual_mix.category, sizeof p->config.mix.category);
    p->side = encoder->size / ti_magvit_patch(&encoder->config);
    p->tokens = p->side * p->side;
    const size_t cells = (size_t)(4 * p->tokens + TI_MAX_INSTRUCTION + config->text_len);
    p->record_bytes = sizeof(record) + cells * sizeof(uint16_t);
    p->rgb =
        ti_malloc_array((size_t)encoder->batch, (size_t)encoder->size * (size_t)encoder->size * 3);
    p->codes = ti_malloc_array((size_t)encoder->batch, (size_t)p->tokens * sizeof *p->codes);
    te_status st = p->rgb && p->codes ? TE_OK : ti_fail_memory(err, "the samples", p->record_bytes);
    if (!st && config->quadruplets)
        st = ti_quadruplets_open(&p->quadruplets, config->quadruplets, encoder->size, err);
    if (!st && p->quadruplets) p->config.samples = ti_quadruplets_count(p->quadruplets);
    if (!st) st = map_file(p, err);
    if (st) {
        ti_pool_free(p);
        return st;
    }
    *out = p;
    return TE_OK;
}

void ti_pool_free(ti_pool *p)
{
    if (!p) return;
    if (p->file) munmap(p->file, p->file_bytes);
    ti_quadruplets_free(p->quadruplets);
    free(p->rgb);
    free(p->codes);
    free(p);
}

int64_t ti_pool_count(const ti_pool *p)
{
    return p->config.samples;
}

static record *record_of(const ti_pool *p, int64_t index)
{
    return (record *)(void *)(p->file + sizeof(header) + (size_t)index * p->record_bytes);
}

ti_pool_sample ti_pool_get(const ti_pool *p, int64_t index)
{
    const record *r = record_of(p, index);
    const uint16_t *at = r->cells;
    return (ti_pool_sample){.generation = r->generation != 0,
                            .n_instruction = r->n_instruction,
                            .n_reasoning = r->n_reasoning,
                            .input = at,
                            .output = at + p->tokens,
                            .input_words = at + 2 * p->tokens,
                            .output_words = at + 3 * p->tokens,
                            .instruction = at + 4 * p->tokens,
                            .reasoning = at + 4 * p->tokens + TI_MAX_INSTRUCTION};
}

/* ---- making ------------------------------------------------------------------------------ */

static te_status put_text(const ti_pool *p, const char *text, int most, uint16_t *to,
                          uint16_t *count, te_error *err)
{
    int32_t *ids = NULL;
    int n = 0;
    te_status st = ti_tokenizer_encode(p->tokenizer, text, strlen(text), &ids, &n, err);
    if (st) return st;
    *count = (uint16_t)(n < most ? n : most);
    for (int i = 0; i < *count; i++) to[i] = (uint16_t)ids[i];
    free(ids);
    return TE_OK;
}

/* What SCENE shows in CELLS, its map; OTHER is the other picture's. */
static te_status put_words(const ti_pool *p, const ti_scene *scene, const uint8_t *cells,
                           const uint8_t *other, ti_random random, uint16_t *to, te_error *err)
{
    enum { LONGEST = 16, PLACES_SAID = 8 /* one of so many */ };
    te_status st = TE_OK;
    for (int i = 0; !st && i <= scene->n_objects; i++) {
        uint16_t name[LONGEST], n = 0;
        ti_words said = {.n = 0};
        ti_words_add(&said, " ");
        if (i) {
            ti_say_look(&said, &scene->objects[i - 1]);
            ti_words_addf(&said, " %s", ti_slot_name((ti_slot)scene->objects[i - 1].slot));
        } else {
            ti_words_add(&said, ti_place_name((ti_place)scene->place));
        }
        st = put_text(p, said.buf, LONGEST, name, &n, err);
        for (int t = 0; !st && n && t < p->tokens; t++) {
            if (cells[t] != i) continue;
            const uint64_t draw = 2 * (uint64_t)t;
            if (!i && !other[t] && ti_random_below(random, draw, PLACES_SAID)) continue;
            to[t] = name[ti_random_below(random, draw + 1, n)];
        }
    }
    return st;
}

static te_status put_scenes(const ti_pool *p, int64_t index, const ti_world_facts *facts,
                            bool input, uint16_t *to, te_error *err)
{
    const size_t n = (size_t)p->tokens;
    uint8_t *before = ti_malloc_array(2 * n, 1);
    if (!before) return ti_fail_memory(err, "a map of the world", 2 * n);
    uint8_t *after = before + n;
    const ti_random random = {.seed = (uint64_t)(p->config.first + index), .stream = 0x776f726473};
    te_status st = ti_scene_map(&facts->after, after, p->side, err);
    if (input && !st) st = ti_scene_map(&facts->before, before, p->side, err);
    if (!input) memcpy(before, after, n);
    if (input && !st) st = put_words(p, &facts->before, before, after, random, to, err);
    if (!st) st = put_words(p, &facts->after, after, before, random, to + n, err);
    free(before);
    return st;
}

static te_status draw(const ti_pool *p, int64_t index, ti_world_sample *s, te_error *err)
{
    if (p->quadruplets) return ti_quadruplets_read(p->quadruplets, index, s, err);
    return ti_world_make_mixed(s, WORLD_SEEDS + (uint64_t)(p->config.first + index), TI_WORLD_TRAIN,
                               &p->config.mix, p->encoder->size, err);
}

/* The record of a drawn sample whose codes are at INPUT and OUTPUT. */
static te_status put_record(const ti_pool *p, int64_t index, const ti_world_sample *s,
                            const uint16_t *input, const uint16_t *output, te_error *err)
{
    record *r = record_of(p, index);
    uint16_t *at = r->cells;
    for (int t = 0; t < p->tokens; t++) {
        at[t] = s->input ? input[t] : 0;
        bool same = ti_world_token_stays(s, p->side, t);
        at[p->tokens + t] = same ? input[t] : output[t];
    }
    r->generation = s->input == NULL;
    at += 2 * p->tokens;
    for (int t = 0; t < 2 * p->tokens; t++) at[t] = TI_NO_WORD;
    te_status st = TE_OK;
    if (s->facts && s->facts->is_scene)
        st = put_scenes(p, index, s->facts, s->input != NULL, at, err);
    at += 2 * p->tokens;
    if (!st) st = put_text(p, s->instruction, TI_MAX_INSTRUCTION, at, &r->n_instruction, err);
    if (!st)
        st = put_text(p, s->reasoning, p->config.text_len - 1, at + TI_MAX_INSTRUCTION,
                      &r->n_reasoning, err);
    if (!st) r->ready = 1;
    return st;
}

/* Draws N samples, each by whichever thread is free. */
static te_status draw_all(const ti_pool *p, const int64_t *indices, int n, ti_world_sample *samples,
                          te_error *err)
{
    te_status st = TE_OK;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < n; i++) {
        te_error own;
        te_status own_st = draw(p, indices[i], &samples[i], &own);
        if (own_st) {
#pragma omp critical
            {
                st = own_st;
                if (err) *err = own;
            }
        }
    }
    return st;
}

/* Their records, from the codes of all inputs and outputs in turn. */
static te_status put_all(ti_pool *p, const int64_t *indices, int n, const ti_world_sample *samples,
                         te_error *err)
{
    const size_t tokens = (size_t)p->tokens;
    te_status st = TE_OK;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < n; i++) {
        te_error own;
        const uint16_t *input = p->codes + (size_t)(2 * i) * tokens;
        te_status own_st = put_record(p, indices[i], &samples[i], input, input + tokens, &own);
        if (own_st) {
#pragma omp critical
            {
                st = own_st;
                if (err) *err = own;
            }
        }
    }
    return st;
}

/* Up to half a batch of the encoder: an input and an output picture each. */
static te_status make(ti_pool *p, const int64_t *indices, int n, te_error *err)
{
    const size_t picture = (size_t)p->encoder->size * (size_t)p->encoder->size * 3;
    ti_world_sample *samples = ti_calloc((size_t)n, sizeof *samples);
    if (!samples) return ti_fail_memory(err, "samples", (size_t)n * sizeof *samples);
    te_status st = draw_all(p, indices, n, samples, err);
    for (int i = 0; !st && i < n; i++) {
        const uint8_t *input = samples[i].input ? samples[i].input : samples[i].output;
        memcpy(p->rgb + (size_t)(2 * i) * picture, input, picture);
        memcpy(p->rgb + (size_t)(2 * i + 1) * picture, samples[i].output, picture);
    }
    if (!st) st = ti_magvit_encode(p->encoder, p->rgb, 2 * n, p->codes, err);
    if (!st) st = put_all(p, indices, n, samples, err);
    for (int i = 0; i < n; i++) ti_world_clear(&samples[i]);
    free(samples);
    return st;
}

te_status ti_pool_fill(ti_pool *p, int64_t first, int n, te_error *err)
{
    int64_t missing[256];
    int most = p->encoder->batch / 2 < 256 ? p->encoder->batch / 2 : 256, count = 0;
    te_status st = TE_OK;
    for (int i = 0; !st && i < n; i++) {
        int64_t index = (first + i) % p->config.samples;
        if (!record_of(p, index)->ready) missing[count++] = index;
        if (count == most || (i + 1 == n && count)) {
            st = make(p, missing, count, err);
            count = 0;
        }
    }
    return st;
}
