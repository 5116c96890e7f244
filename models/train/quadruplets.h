/* quadruplets.h - training samples from disk: one JSON object per line with "input" (a PNG file;
 * absent for a generation), "instruction", "reasoning" and "output". Pictures must have the size
 * asked for. */
#ifndef TI_TRAIN_QUADRUPLETS_H
#define TI_TRAIN_QUADRUPLETS_H

#include "world/world.h"

typedef struct ti_quadruplets ti_quadruplets;

te_status ti_quadruplets_open(ti_quadruplets **out, const char *path, int size, te_error *err);
void ti_quadruplets_free(ti_quadruplets *q);
int64_t ti_quadruplets_count(const ti_quadruplets *q);
/* Line INDEX as a sample without facts: what is unchanged are the pixels that do not differ.
 * Release it with ti_world_clear(). */
te_status ti_quadruplets_read(const ti_quadruplets *q, int64_t index, ti_world_sample *out,
                              te_error *err);

#endif
