/* unicode.h - UTF-8, the byte-level alphabet and normal forms, as far as tokenisers need them. */
#ifndef TI_TEXT_UNICODE_H
#define TI_TEXT_UNICODE_H

#include "base/error.h"

/* A growing run of bytes. Zero-initialised is empty; after an append, of nothing even, bytes is
 * set. */
typedef struct ti_text {
    char *bytes;
    size_t n, capacity;
} ti_text;

bool ti_text_append(ti_text *text, const char *bytes, size_t n); /* false: no memory */
void ti_text_clear(ti_text *text);                               /* releases */

/* Reads one code point of the N > 0 bytes at P and returns how many bytes it took. Where they are
 * no UTF-8, *cp is -1 and the length is that of the maximal invalid part, which stands for one
 * U+FFFD. */
size_t ti_utf8_next(const char *p, size_t n, int32_t *cp);
/* Appends N bytes with every invalid part replaced by U+FFFD. */
bool ti_utf8_append_lossy(ti_text *out, const char *bytes, size_t n);

/* The byte-level alphabet writes each byte as one printable character: GPT-2's map, which keeps the
 * printable characters of Latin-1 and moves the other 68 bytes to U+0100 and up. Appends the bytes
 * that TOKEN stands for; where a character is outside the alphabet *mapped is false and the token's
 * own bytes are appended instead, as the decoder of the format does. */
bool ti_byte_level_append(ti_text *out, const char *token, size_t n, bool *mapped);

bool ti_is_space(int32_t cp); /* White_Space */
bool ti_is_word(int32_t cp);  /* letters, marks, digits, connectors, join controls */

typedef enum ti_normal_form { TI_NFC, TI_NFD, TI_NFKC, TI_NFKD } ti_normal_form;

/* Replaces the valid UTF-8 in TEXT by its normal form. */
te_status ti_normalize(ti_text *text, ti_normal_form form, te_error *err);

#endif
