/* cases.c - see cases.h */
#include "testing.h"
#include "text/cases.h"

char *read_text(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    *length = (size_t)size;
    return text;
}

ti_tokenizer *open_golden(const char *folder)
{
    char path[512];
    size_t length;
    snprintf(path, sizeof path, TE_GOLDEN "/%s/tokenizer.json", folder);
    char *json = read_text(path, &length);
    ti_tokenizer *t;
    te_error err;
    assert_ok(ti_tokenizer_create(&t, path, json, length, &err), err);
    free(json);
    return t;
}

json_t *read_cases(const char *folder)
{
    char path[512];
    json_error_t where;
    snprintf(path, sizeof path, TE_GOLDEN "/%s/cases.json", folder);
    json_t *cases = json_load_file(path, JSON_ALLOW_NUL, &where);
    if (!cases) fail_msg("%s: %s", path, where.text);
    return cases;
}

te_status open_small(ti_tokenizer **out, const char *normalizer, const char *pre_tokenizer,
                     const char *added, const char *model_extra, te_error *err)
{
    static const char vocab[] =
        "{\"a\":0,\"b\":1,\"c\":2,\"\\u0120\":3,\"-\":4,\"ab\":5,\"bc\":6,\"abc\":7,\"\\u0120a\":8,"
        "\"\\u00c3\":9,\"\\u00a9\":10,\"\\u00c3\\u00a9\":11,\"<unk>\":12,\"x\":13,\"y\":14,\"xyx\":"
        "15}";
    char json[4096];
    int n = snprintf(
        json, sizeof json,
        "{\"added_tokens\":%s,\"normalizer\":%s,\"pre_tokenizer\":%s,"
        "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":%s,"
        "\"merges\":[\"b c\",\"a b\",\"a bc\",[\"\\u0120\",\"a\"],\"\\u00c3 \\u00a9\"]%s}}",
        added, normalizer, pre_tokenizer, vocab, model_extra);
    assert_in_range(n, 1, (int)sizeof json - 1);
    return ti_tokenizer_create(out, "small.json", json, (size_t)n, err);
}
