/* model_file.c - the public side of making and describing model files. */
#include "api.h"
#include "format/convert.h"
#include "format/info.h"

te_status te_convert(const te_convert_options *opt, te_error *err)
{
    return ti_convert(opt, err);
}

te_status te_describe(const char *path, bool json, char **text, te_error *err)
{
    ti_gguf *file;
    *text = NULL;
    te_status st = ti_gguf_open(&file, path, err);
    if (st) return st;
    st = ti_info(file, json, text, err);
    ti_gguf_free(file);
    return st;
}
