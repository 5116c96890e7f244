/* trajectory.c - the record of a job, and its JSON lines. */
#include "denoise/denoise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ti_trajectory_free(ti_trajectory *t)
{
    if (!t) return;
    free(t->image);
    free(t->text);
    free(t->codes);
    free(t);
}

static void write_ids(FILE *file, const char *name, const int32_t *ids, int n)
{
    fprintf(file, "\"%s\": [", name);
    for (int i = 0; i < n; i++) fprintf(file, i ? ", %d" : "%d", (int)ids[i]);
    fputc(']', file);
}

te_status ti_trajectory_write(const ti_trajectory *t, const char *path, te_error *err)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return ti_fail(err, TE_IO, "%s: cannot be written: %s; choose another place", path,
                       strerror(errno));
    int last = t->n_steps - 1;
    for (int i = 0; i < last; i++) {
        fprintf(file, "{\"step\": %d, ", i);
        write_ids(file, "image", t->image + (size_t)i * (size_t)t->n_image, t->n_image);
        fputs(", ", file);
        write_ids(file, "text", t->text + (size_t)i * (size_t)t->n_text, t->n_text);
        fputs("}\n", file);
    }
    fputs("{\"final\": {", file);
    write_ids(file, "image", t->codes, t->n_image);
    fputs(", ", file);
    write_ids(file, "text", t->text + (size_t)last * (size_t)t->n_text, t->n_text);
    fputs("}}\n", file);
    bool bad = ferror(file);
    if (fclose(file) || bad)
        return ti_fail(err, TE_IO, "%s: writing failed: %s; is the disk full?", path,
                       strerror(errno));
    return TE_OK;
}
