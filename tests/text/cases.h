/* cases.h - files the tests of the tokenizer read. */
#ifndef TESTS_TEXT_CASES_H
#define TESTS_TEXT_CASES_H

#include <jansson.h>

#include "text/tokenizer.h"

char *read_text(const char *path, size_t *length); /* NUL-terminated; the caller frees it */
ti_tokenizer *open_golden(const char *folder);     /* of tests/golden */
json_t *read_cases(const char *folder);            /* its cases.json */
/* A small byte-level tokenizer, with these JSON values for the parts. */
te_status open_small(ti_tokenizer **out, const char *normalizer, const char *pre_tokenizer,
                     const char *added, const char *model_extra, te_error *err);

#endif
