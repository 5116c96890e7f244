/* split.c - see split.h */
#include "text/split.h"

#include <stdlib.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/memory.h"

struct ti_splitter {
    pcre2_code *code;
    char *name;
    ti_split_behavior behavior;
    bool invert;
};

/* The first construct in PATTERN that Oniguruma and PCRE2 read differently, or NULL. */
static const char *misread_construct(const char *pattern, size_t n)
{
    bool in_class = false;
    for (size_t i = 0; i < n; i++) {
        const char *p = pattern + i;
        size_t left = n - i;
        if (*p == '\\') {
            if (left > 1 && (p[1] == 'h' || p[1] == 'H')) return "\\h";
            i++;
        } else if (in_class) {
            if (*p == ']') in_class = false;
            if (*p == '[') {
                if (left < 2 || p[1] != ':') return "a character class inside another";
                i++;
            }
            if (left > 1 && p[0] == '&' && p[1] == '&') return "&& in a character class";
        } else if (*p == '[') {
            in_class = true;
            if (left > 1 && p[1] == '^') i++;
            if (i + 1 < n && pattern[i + 1] == ']') i++;
        } else if (*p == '(' && left > 1 && p[1] == '?') {
            for (size_t j = 2; j < left && (p[j] == '-' || p[j] == 'i' || p[j] == 'x'); j++)
                if (j + 1 < left && p[j + 1] == 'm') return "the option (?m)";
            if (left > 2 && p[2] == 'm') return "the option (?m)";
        }
    }
    return NULL;
}

te_status ti_splitter_create(ti_splitter **out, const char *name, const char *pattern, size_t n,
                             bool literal, ti_split_behavior behavior, bool invert, te_error *err)
{
    *out = NULL;
    const char *misread = literal ? NULL : misread_construct(pattern, n);
    if (misread)
        return ti_fail(err, TE_UNSUPPORTED,
                       "%s: the regular expression '%.100s' uses %s, which is not "
                       "supported",
                       name, pattern, misread);
    ti_splitter *s = ti_calloc(1, sizeof *s);
    if (!s) return ti_fail_memory(err, "a regular expression", sizeof *s);
    s->behavior = behavior;
    s->invert = invert;
    s->name = ti_strdup(name);

    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    options |= literal ? PCRE2_LITERAL : PCRE2_MULTILINE;
    if (literal) options &= ~(uint32_t)(PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
    int code = 0;
    PCRE2_SIZE at = 0;
    s->code = pcre2_compile((PCRE2_SPTR)pattern, n, options, &code, &at, NULL);
    if (!s->code || !s->name) {
        PCRE2_UCHAR why[160] = "not enough memory";
        if (!s->code) pcre2_get_error_message(code, why, sizeof why);
        ti_splitter_free(s);
        return ti_fail(err, code == PCRE2_ERROR_NOMEMORY || !code ? TE_NOMEM : TE_FORMAT,
                       "%s: the regular expression '%.100s' is wrong at character %zu: %s", name,
                       pattern, (size_t)at, (const char *)why);
    }
    /* Without a compiler for this processor the interpreter runs it; that is all a failure means.
     */
    (void)pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE);
    *out = s;
    return TE_OK;
}

void ti_splitter_free(ti_splitter *splitter)
{
    if (!splitter) return;
    pcre2_code_free(splitter->code);
    free(splitter->name);
    free(splitter);
}

void ti_pieces_clear(ti_pieces *pieces)
{
    free(pieces->list);
    *pieces = (ti_pieces){0};
}

static te_status add_piece(ti_pieces *pieces, size_t start, size_t end, bool match, te_error *err)
{
    if (pieces->n == pieces->capacity) {
        size_t capacity = pieces->capacity ? 2 * pieces->capacity : 32;
        ti_piece *grown = ti_realloc_array(pieces->list, capacity, sizeof *grown);
        if (!grown) return ti_fail_memory(err, "the pieces of a text", capacity * sizeof *grown);
        pieces->list = grown;
        pieces->capacity = capacity;
    }
    pieces->list[pieces->n++] = (ti_piece){start, end, match};
    return TE_OK;
}

/* Matches and what lies between them. An empty match right behind the last match does not count. */
static te_status find_matches(const ti_splitter *s, const char *text, size_t n,
                              pcre2_match_data *data, pcre2_match_context *limits, ti_pieces *out,
                              te_error *err)
{
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(data);
    size_t from = 0, done = 0;
    bool matched = false; /* one has ended at DONE */
    uint32_t options = PCRE2_NO_UTF_CHECK;
    while (from <= n) {
        int rc = pcre2_match(s->code, (PCRE2_SPTR)text, n, from, options, data, limits);
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT) { /* the interpreter's stack is the heap */
            options |= PCRE2_NO_JIT;
            continue;
        }
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc == PCRE2_ERROR_NOMEMORY) return ti_fail_memory(err, "a regular expression", n);
        if (rc < 0 || span[0] > span[1] || span[0] < done)
            return ti_fail(err, TE_FORMAT,
                           "%s: a regular expression of it does not come to an end on "
                           "this text (PCRE2 error %d)",
                           s->name, rc);
        if (span[0] == span[1] && matched && span[0] == done) {
            from++;
            while (from < n && ((unsigned char)text[from] & 0xC0) == 0x80) from++;
            continue;
        }
        te_status st = TE_OK;
        if (span[0] > done) st = add_piece(out, done, span[0], s->invert, err);
        if (!st) st = add_piece(out, span[0], span[1], !s->invert, err);
        if (st) return st;
        from = done = span[1];
        matched = true;
    }
    return done < n ? add_piece(out, done, n, s->invert, err) : TE_OK;
}

/* Joins and drops pieces in place, as the behaviour says. */
static void apply_behavior(ti_pieces *pieces, ti_split_behavior behavior)
{
    ti_piece *p = pieces->list;
    size_t n = 0;
    if (behavior == TI_SPLIT_MERGED_WITH_NEXT) {
        size_t at = pieces->n; /* from the back, so that the target fills up from there too */
        bool previous = false;
        for (size_t i = pieces->n; i-- > 0;) {
            ti_piece piece = p[i];
            if (piece.match && !previous && at < pieces->n)
                p[at].start = piece.start;
            else
                p[--at] = piece;
            previous = piece.match;
        }
        n = pieces->n - at;
        if (n) memmove(p, p + at, n * sizeof *p);
    } else {
        bool previous = false;
        for (size_t i = 0; i < pieces->n; i++) {
            ti_piece piece = p[i];
            bool join = behavior == TI_SPLIT_CONTIGUOUS             ? piece.match == previous
                        : behavior == TI_SPLIT_MERGED_WITH_PREVIOUS ? piece.match && !previous
                                                                    : false;
            if (join && n)
                p[n - 1].end = piece.end;
            else if (behavior != TI_SPLIT_REMOVED || !piece.match)
                p[n++] = piece;
            previous = piece.match;
        }
    }
    pieces->n = n;
}

/* U+180E was white space until Unicode 6.3 and still is to PCRE2's \s, not to Oniguruma's. Matching
 * sees U+200B in its place: as long in UTF-8, of the same category, white space to neither. */
static te_status without_180e(const char *text, size_t n, char **copy, te_error *err)
{
    *copy = NULL;
    if (!memmem(text, n, "\xE1\xA0\x8E", 3)) return TE_OK;
    *copy = ti_strndup(text, n);
    if (!*copy) return ti_fail_memory(err, "a text", n);
    for (char *p = *copy; (p = memmem(p, n - (size_t)(p - *copy), "\xE1\xA0\x8E", 3));)
        memcpy(p, "\xE2\x80\x8B", 3);
    return TE_OK;
}

te_status ti_splitter_run(const ti_splitter *splitter, const char *text, size_t n, ti_pieces *out,
                          te_error *err)
{
    out->n = 0;
    char *copy;
    te_status st = without_180e(text, n, &copy, err);
    if (st) return st;
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(splitter->code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (data && limits) {
        /* Room for one honest backtrack over the whole text, no room for an exponential one. */
        pcre2_set_match_limit(limits, 1000000u + 4 * (uint32_t)n);
        pcre2_set_heap_limit(limits, 256 * 1024); /* KiB */
        st = find_matches(splitter, copy ? copy : text, n, data, limits, out, err);
    } else {
        st = ti_fail_memory(err, "a regular expression", n);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    free(copy);
    if (!st) apply_behavior(out, splitter->behavior);
    return st;
}
