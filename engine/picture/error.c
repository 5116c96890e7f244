/* error.c - sentences of engine/picture, and the limits on the size of pictures. */
#include "picture/internal.h"

te_status ti_picture_fail(te_error *err, te_status status, const char *format, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    char *valid = g_utf8_make_valid(text, -1);
    err->status = status;
    size_t n = MIN(strlen(valid), sizeof err->message - 1);
    while (n && ((unsigned char)valid[n] & 0xC0) == 0x80) n--;
    memcpy(err->message, valid, n);
    err->message[n] = '\0';
    g_strdelimit(err->message, "\n\r", ' ');
    g_free(valid);
    g_free(text);
    return status;
}

te_status ti_picture_no_memory(te_error *err)
{
    return ti_picture_fail(err, TE_NOMEM, "not enough memory for the picture");
}

te_status ti_check_size(const char *path, int64_t width, int64_t height, te_error *err)
{
    if (width >= 1 && height >= 1 && width <= TI_MAX_SIDE && height <= TI_MAX_SIDE &&
        width * height <= TI_MAX_PIXELS)
        return TE_OK;
    return ti_picture_fail(
        err, TE_FORMAT,
        "%s: a picture of %lld x %lld pixels cannot be edited; sides may have 1 to %d "
        "pixels and the whole at most %d million",
        path, (long long)width, (long long)height, TI_MAX_SIDE, TI_MAX_PIXELS / 1000000);
}
