/* tokenizer_fuzz.c - tokenizer.json from hostile bytes. What loads must encode and decode; bytes
 * behind a line of three dashes are the text to encode. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char prose[] = "It's  42 caf\xC3\xA9s\n\xF0\x9F\x98\x80 <s> \xFF";
    const char *json = (const char *)data, *text = prose;
    size_t json_length = size, length = sizeof prose - 1;
    const char *mark = size ? memmem(data, size, "\n---\n", 5) : NULL;
    if (mark) {
        json_length = (size_t)(mark - json);
        text = mark + 5;
        length = size - json_length - 5;
    }
    ti_tokenizer *t;
    te_error err;
    if (ti_tokenizer_create(&t, "fuzz", json, json_length, &err)) return 0;
    int32_t *ids;
    int n;
    if (!ti_tokenizer_encode(t, text, length, &ids, &n, &err)) {
        char *decoded;
        for (int i = 0; i < n; i++)
            if (ids[i] < 0 || ids[i] >= ti_tokenizer_size(t)) abort();
        if (!ti_tokenizer_decode(t, ids, n, true, &decoded, &err)) free(decoded);
        free(ids);
    }
    ti_tokenizer_free(t);
    return 0;
}
