/* locate.c - finds the embedded model: beside the library, in the share folder of the prefix the
 * library was installed to, or where the build was told data goes. The first that exists counts. */
#include "api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "thinkedit-small.gguf"

/* A + B as a new string, if such a file can be read; else NULL. */
static char *readable(const char *a, size_t n_a, const char *b)
{
    size_t room = n_a + strlen(b) + 1;
    char *path = ti_malloc_array(room, 1);
    if (!path) return NULL;
    snprintf(path, room, "%.*s%s", (int)n_a, a, b);
    if (!access(path, R_OK)) return path;
    free(path);
    return NULL;
}

te_status ti_locate_embedded(char **path, te_error *err)
{
    static const char *const beside[] = {FILE_NAME, "../share/thinkedit/models/" FILE_NAME,
                                         "../../share/thinkedit/models/" FILE_NAME};
    Dl_info self;
    *path = NULL;
    if (dladdr((void *)(uintptr_t)&ti_locate_embedded, &self) && self.dli_fname) {
        const char *slash = strrchr(self.dli_fname, '/');
        size_t folder = slash ? (size_t)(slash - self.dli_fname) + 1 : 0;
        for (size_t i = 0; i < sizeof beside / sizeof *beside && !*path; i++)
            *path = readable(self.dli_fname, folder, beside[i]);
    }
    static const char data[] = TE_DATA_DIR "/models/" FILE_NAME;
    if (!*path) *path = readable(data, sizeof data - 1, "");
    if (*path) return TE_OK;
    return ti_fail(err, TE_IO,
                   "the embedded model is not installed (%s is missing); name a model file", data);
}
