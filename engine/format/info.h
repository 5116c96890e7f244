/* info.h - what is in a model file, for people and for scripts. */
#ifndef TI_FORMAT_INFO_H
#define TI_FORMAT_INFO_H

#include "format/gguf.h"

/* What `thinkedit info` prints: parts, keys and tensors, as text or as one JSON object. *out is the
 * caller's to free(). */
te_status ti_info(const ti_gguf *file, bool json, char **out, te_error *err);

#endif
