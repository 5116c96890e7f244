/* unicode.c - see unicode.h. Character properties and normal forms are utf8proc's. */
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"

bool ti_text_append(ti_text *text, const char *bytes, size_t n)
{
    if (!text->bytes || n > text->capacity - text->n) {
        size_t wanted = text->n + n;
        if (wanted < n) return false;
        size_t capacity = wanted < 64 ? 64 : wanted + wanted / 2;
        char *grown = ti_realloc_array(text->bytes, capacity, 1);
        if (!grown) return false;
        text->bytes = grown;
        text->capacity = capacity;
    }
    if (n) memcpy(text->bytes + text->n, bytes, n);
    text->n += n;
    return true;
}

void ti_text_clear(ti_text *text)
{
    free(text->bytes);
    *text = (ti_text){0};
}

size_t ti_utf8_next(const char *p, size_t n, int32_t *cp)
{
    const uint8_t *b = (const uint8_t *)p;
    *cp = -1;
    if (b[0] < 0x80) {
        *cp = b[0];
        return 1;
    }
    /* The second byte's range rules out overlong forms, surrogates and what lies beyond U+10FFFF.
     */
    size_t length;
    uint8_t low = 0x80, high = 0xBF;
    int32_t value;
    if (b[0] >= 0xC2 && b[0] <= 0xDF) {
        length = 2, value = b[0] & 0x1F;
    } else if (b[0] >= 0xE0 && b[0] <= 0xEF) {
        length = 3, value = b[0] & 0x0F;
        if (b[0] == 0xE0) low = 0xA0;
        if (b[0] == 0xED) high = 0x9F;
    } else if (b[0] >= 0xF0 && b[0] <= 0xF4) {
        length = 4, value = b[0] & 0x07;
        if (b[0] == 0xF0) low = 0x90;
        if (b[0] == 0xF4) high = 0x8F;
    } else {
        return 1;
    }
    for (size_t i = 1; i < length; i++) {
        if (i >= n || b[i] < low || b[i] > high) return i;
        value = value << 6 | (b[i] & 0x3F);
        low = 0x80, high = 0xBF;
    }
    *cp = value;
    return length;
}

bool ti_utf8_append_lossy(ti_text *out, const char *bytes, size_t n)
{
    if (!n) return ti_text_append(out, "", 0);
    size_t good = 0; /* start of the valid run not yet copied */
    size_t at = 0;
    while (at < n) {
        int32_t cp;
        size_t length = ti_utf8_next(bytes + at, n - at, &cp);
        if (cp < 0) {
            if (!ti_text_append(out, bytes + good, at - good)) return false;
            if (!ti_text_append(out, "\xEF\xBF\xBD", 3)) return false;
            good = at + length;
        }
        at += length;
    }
    return ti_text_append(out, bytes + good, n - good);
}

/* The byte a character of the alphabet stands for, or -1. The moved bytes are 00..20, 7F..A0 and
 * AD. */
static int alphabet_byte(int32_t cp)
{
    if ((cp >= 0x21 && cp <= 0x7E) || (cp >= 0xA1 && cp <= 0xFF && cp != 0xAD)) return cp;
    int32_t moved = cp - 0x100;
    if (moved >= 0 && moved <= 0x20) return moved;
    if (moved >= 0x21 && moved <= 0x42) return moved - 0x21 + 0x7F;
    return moved == 0x43 ? 0xAD : -1;
}

bool ti_byte_level_append(ti_text *out, const char *token, size_t n, bool *mapped)
{
    size_t before = out->n;
    *mapped = true;
    if (!ti_text_append(out, "", 0)) return false;
    for (size_t at = 0; at < n;) {
        int32_t cp;
        at += ti_utf8_next(token + at, n - at, &cp);
        int byte = alphabet_byte(cp);
        if (byte < 0) {
            *mapped = false;
            out->n = before;
            return ti_text_append(out, token, n);
        }
        char c = (char)byte;
        if (!ti_text_append(out, &c, 1)) return false;
    }
    return true;
}

bool ti_is_space(int32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0D) || cp == 0x20 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F ||
           cp == 0x205F || cp == 0x3000;
}

bool ti_is_word(int32_t cp)
{
    if (cp == 0x200C || cp == 0x200D || (cp >= 0x24B6 && cp <= 0x24E9)) return true;
    switch (utf8proc_category(cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return false;
    }
}

te_status ti_normalize(ti_text *text, ti_normal_form form, te_error *err)
{
    size_t plain = 0; /* ASCII is every normal form of itself */
    while (plain < text->n && (unsigned char)text->bytes[plain] < 0x80) plain++;
    if (plain == text->n) return TE_OK;

    static const int options[] = {
        [TI_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [TI_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [TI_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [TI_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)text->bytes, (utf8proc_ssize_t)text->n, &normal,
                     (utf8proc_option_t)options[form]);
    if (n == UTF8PROC_ERROR_NOMEM)
        return ti_fail_memory(err, "the normal form of the text", text->n);
    if (n < 0)
        return ti_fail(err, TE_INVALID, "the text has no normal form: %s", utf8proc_errmsg(n));
    text->n = 0;
    bool fits = ti_text_append(text, (const char *)normal, (size_t)n);
    free(normal);
    return fits ? TE_OK : ti_fail_memory(err, "the normal form of the text", (size_t)n);
}
