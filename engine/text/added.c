/* added.c - see added.h */
#include "text/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

te_status ti_added_set_add(ti_added_set *set, ti_added token, te_error *err)
{
    if (set->n == set->capacity) {
        int capacity = set->capacity ? 2 * set->capacity : 16;
        ti_added *grown = ti_realloc_array(set->list, (size_t)capacity, sizeof *grown);
        if (!grown) {
            free(token.content);
            return ti_fail_memory(err, "the added tokens", (size_t)capacity * sizeof *grown);
        }
        set->list = grown;
        set->capacity = capacity;
    }
    set->list[set->n++] = token;
    return TE_OK;
}

void ti_added_set_clear(ti_added_set *set)
{
    for (int i = 0; i < set->n; i++) free(set->list[i].content);
    free(set->list);
    *set = (ti_added_set){0};
}

/* By first byte, then the longest first. */
static int compare(const void *a, const void *b)
{
    const ti_added *x = a, *y = b;
    uint8_t first_x = (uint8_t)x->content[0], first_y = (uint8_t)y->content[0];
    if (first_x != first_y) return first_x < first_y ? -1 : 1;
    return x->length > y->length ? -1 : x->length < y->length;
}

void ti_added_set_sort(ti_added_set *set)
{
    if (set->n) qsort(set->list, (size_t)set->n, sizeof *set->list, compare);
    int at = 0;
    for (int byte = 0; byte <= 256; byte++) {
        while (at < set->n && (uint8_t)set->list[at].content[0] < byte) at++;
        set->first[byte] = at;
    }
}

static bool word_before(const char *text, size_t at)
{
    if (!at) return false;
    size_t start = at - 1;
    while (start && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
    int32_t cp;
    ti_utf8_next(text + start, at - start, &cp);
    return ti_is_word(cp);
}

static bool word_behind(const char *text, size_t n, size_t at)
{
    if (at == n) return false;
    int32_t cp;
    ti_utf8_next(text + at, n - at, &cp);
    return ti_is_word(cp);
}

static size_t skip_space_back(const char *text, size_t at)
{
    while (at) {
        size_t start = at - 1;
        while (start && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
        int32_t cp;
        ti_utf8_next(text + start, at - start, &cp);
        if (!ti_is_space(cp)) break;
        at = start;
    }
    return at;
}

static size_t skip_space(const char *text, size_t n, size_t at)
{
    while (at < n) {
        int32_t cp;
        size_t length = ti_utf8_next(text + at, n - at, &cp);
        if (!ti_is_space(cp)) break;
        at += length;
    }
    return at;
}

const ti_added *ti_added_set_next(const ti_added_set *set, const char *text, size_t n, size_t *at,
                                  size_t done, size_t *start, size_t *end)
{
    for (size_t i = *at; i < n;) {
        uint8_t byte = (uint8_t)text[i];
        const ti_added *found = NULL;
        for (int k = set->first[byte]; !found && k < set->first[byte + 1]; k++)
            if (set->list[k].length <= n - i &&
                !memcmp(set->list[k].content, text + i, set->list[k].length))
                found = &set->list[k];
        if (!found) {
            i++;
            continue;
        }
        *start = i;
        i = *end = *at = i + found->length;
        if (found->single_word && (word_before(text, *start) || word_behind(text, n, *end)))
            continue;
        if (found->lstrip) *start = skip_space_back(text, *start);
        if (*start < done) *start = done;
        if (found->rstrip) *end = skip_space(text, n, *end);
        return found;
    }
    *at = n;
    return NULL;
}
