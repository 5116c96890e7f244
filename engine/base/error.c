/* error.c - see error.h */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

te_status ti_fail(te_error *err, te_status status, const char *format, ...)
{
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= (int)sizeof err->message) {
        size_t end = sizeof err->message - 1;
        while (end && ((unsigned char)err->message[end - 1] & 0xC0) == 0x80) end--;
        if (end && ((unsigned char)err->message[end - 1] & 0x80)) end--;
        err->message[end] = '\0';
    }
    for (char *p = err->message; *p; p++)
        if (*p == '\n') *p = ' ';
    return status;
}

te_status ti_fail_memory(te_error *err, const char *what, size_t bytes)
{
    return ti_fail(err, TE_NOMEM, "not enough memory for %s (%.1f MB)", what, (double)bytes / 1e6);
}
