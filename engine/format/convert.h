/* convert.h - turns published checkpoints into one model file (models/FORMAT.md).
 *
 * Streams: whatever the size of the checkpoint, memory stays below a few hundred megabytes.
 * Everything is checked before tensor data is written, and the output is whole or absent. */
#ifndef TI_FORMAT_CONVERT_H
#define TI_FORMAT_CONVERT_H

#include "base/error.h"

typedef te_convert_options ti_convert_options;

te_status ti_convert(const ti_convert_options *opt, te_error *err);

#endif
