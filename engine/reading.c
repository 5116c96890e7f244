/* reading.c - the reasoning as a person reads it while it appears: decoded where it is known,
 * U+2588 for every token that is not, cut at the first end-of-text token. A model may predict the
 * mask token itself: what is masked when all is finished is left out like any special token. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK "\xE2\x96\x88"

typedef struct page {
    char *text;
    size_t used, room;
    int points; /* code points so far */
} page;

static te_status append(page *p, const char *text, size_t n, te_error *err)
{
    if (p->used + n + 1 > p->room) {
        size_t room = 2 * (p->used + n + 1);
        char *grown = ti_realloc_array(p->text, room, 1);
        if (!grown) return ti_fail_memory(err, "the reasoning", room);
        p->text = grown;
        p->room = room;
    }
    memcpy(p->text + p->used, text, n);
    p->used += n;
    p->text[p->used] = '\0';
    for (size_t i = 0; i < n; i++) p->points += ((unsigned char)text[i] & 0xC0) != 0x80;
    return TE_OK;
}

/* Code points of the first N tokens of a known run, as they would read alone. */
static te_status points_of(const ti_tokenizer *words, const int32_t *ids, int n, int *points,
                           te_error *err)
{
    char *text;
    te_status st = ti_tokenizer_decode(words, ids, n, true, &text, err);
    if (st) return st;
    *points = 0;
    for (const char *c = text; *c; c++) *points += ((unsigned char)*c & 0xC0) != 0x80;
    free(text);
    return TE_OK;
}

/* Notes where the newly revealed tokens of a known run lie. A character whose bytes come from
 * several tokens counts as new with any of them. */
static te_status note_ranges(ti_reading *r, const ti_tokenizer *words, const int32_t *ids,
                             const int32_t *before, int n, int32_t mask, int at, int end,
                             te_error *err)
{
    for (int i = 0; i < n;) {
        int first = i, from, to;
        while (i < n && (!before || before[i] == mask)) i++;
        if (i == first) {
            i++;
            continue;
        }
        te_status st = points_of(words, ids, first, &from, err);
        if (!st) st = points_of(words, ids, i, &to, err);
        if (st) return st;
        from = at + from < end ? at + from : end;
        to = at + to < end ? at + to : end;
        if (to <= from) continue;
        r->ranges[2 * r->n_ranges] = from;
        r->ranges[2 * r->n_ranges + 1] = to;
        r->n_ranges++;
    }
    return TE_OK;
}

static te_status render_run(ti_reading *r, page *p, const ti_tokenizer *words, const int32_t *ids,
                            const int32_t *before, int n, int32_t mask, te_error *err)
{
    char *text;
    int at = p->points;
    te_status st = ti_tokenizer_decode(words, ids, n, true, &text, err);
    if (st) return st;
    st = append(p, text, strlen(text), err);
    free(text);
    if (!st) st = note_ranges(r, words, ids, before, n, mask, at, p->points, err);
    return st;
}

te_status ti_reading_render(ti_reading *out, const ti_tokenizer *words, const ti_layout *layout,
                            const int32_t *ids, const int32_t *before, int n, bool finished,
                            te_error *err)
{
    page p = {0};
    *out = (ti_reading){0};
    int end = 0;
    while (end < n && (ids[end] != layout->eos || layout->eos < 0)) end++;
    out->ranges = ti_malloc_array((size_t)end + 1, 2 * sizeof *out->ranges);
    if (!out->ranges) return ti_fail_memory(err, "the reasoning", (size_t)end * 2 * sizeof(int));
    te_status st = append(&p, "", 0, err);
    for (int i = 0; i < end && !st;) {
        int first = i;
        while (i < end && (finished || ids[i] != layout->mask)) i++;
        if (i > first)
            st = render_run(out, &p, words, ids + first, before ? before + first : NULL, i - first,
                            layout->mask, err);
        else if (i++ < end)
            st = append(&p, BLOCK, sizeof BLOCK - 1, err);
    }
    out->text = p.text;
    if (st) ti_reading_clear(out);
    return st;
}

void ti_reading_clear(ti_reading *r)
{
    free(r->text);
    free(r->ranges);
    *r = (ti_reading){0};
}
