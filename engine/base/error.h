/* error.h - how internal code reports a failure: fill the caller's te_error and return its status.
 * Who detects an error writes the message; who propagates adds nothing. */
#ifndef TI_BASE_ERROR_H
#define TI_BASE_ERROR_H

#include "thinkedit.h"

/* Writes one sentence (printf format) into *err, if there is one, and returns STATUS. A message too
 * long is cut at a UTF-8 boundary. */
te_status ti_fail(te_error *err, te_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The usual sentence for a failed allocation of BYTES for WHAT ("the token table"). */
te_status ti_fail_memory(te_error *err, const char *what, size_t bytes);

#endif
