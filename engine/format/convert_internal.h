/* convert_internal.h - what the parts of a conversion share: a plan of tensors, and the new file's
 * keys. */
#ifndef TI_FORMAT_CONVERT_INTERNAL_H
#define TI_FORMAT_CONVERT_INTERNAL_H

#include <jansson.h>

#include "format/checkpoint.h"
#include "format/convert.h"
#include "format/gguf.h"

#define TI_NEW_NAME 128

/* One tensor of the new file. */
typedef struct ti_planned {
    char name[TI_NEW_NAME];
    const ti_tensor *source;
    ti_type type;
    int64_t head_size; /* of heads whose rows are to be interleaved; 0: rows stay as they are */
} ti_planned;

typedef struct ti_conversion {
    const ti_convert_options *opt;
    ti_gguf_writer *writer;
    ti_checkpoint *backbone, *image; /* NULL where the part is absent */
    char *backbone_folder, *image_folder;
    ti_planned *plan;
    int n_plan, room;
    int q8_instead, f16_instead; /* matrices whose rows the wanted type cannot hold */
    int unused;                  /* tensors of the sources with no place in the new file */
    int64_t vocab;               /* rows of the embedding; 0 without a backbone */
    int64_t codebook;            /* of the image tokeniser; 0 without one */
} ti_conversion;

/* Adds a tensor under a printf name, checked for length. */
te_status ti_plan(ti_conversion *c, const ti_tensor *source, ti_type type, int64_t head_size,
                  te_error *err, const char *name, ...) __attribute__((format(printf, 6, 7)));

te_status ti_convert_backbone(ti_conversion *c, te_error *err);
te_status ti_convert_image(ti_conversion *c, te_error *err);
te_status ti_convert_layout(ti_conversion *c, te_error *err);

/* FOLDER/NAME as a JSON object; *out NULL when there is no such file. */
te_status ti_json_file(json_t **out, const char *path, te_error *err);
te_status ti_json_in_folder(json_t **out, const char *folder, const char *name, te_error *err);
char *ti_join_path(const char *folder, const char *name); /* NULL: no memory */

te_status ti_put_text(ti_gguf_writer *w, const char *key, const char *text, te_error *err);

#endif
