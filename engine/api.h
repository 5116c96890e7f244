/* api.h - what the files behind thinkedit.h share: the model and the result. Private to them. */
#ifndef TI_API_H
#define TI_API_H

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "denoise/denoise.h"
#include "format/gguf.h"
#include "text/tokenizer.h"
#include "vision/image_tokenizer.h"

#include <pthread.h>

struct te_model {
    ti_gguf *file;
    ti_backend *backend;
    /* A file may hold some of these only; NULL where it lacks one. */
    ti_backbone *backbone;
    ti_image_tokenizer *pictures;
    ti_tokenizer *words;
    ti_layout layout;
    te_options defaults, generation; /* of an edit and of a generation */
    te_model_info info;
    char *name;
    char hash[17];
    /* device.c */
    int threads;
    bool automatic, running; /* the device was left to us; a job has pointers into its parts */
    char devices[2][256];    /* what runs it; the second after a retreat */
    char note[600];
    pthread_mutex_t lock; /* recursive: held by the running job, whose callbacks may come back */
    bool has_lock;
};

/* The reasoning after one step. */
typedef struct ti_reading {
    char *text;  /* U+2588 for every masked token, cut at the first eos */
    int *ranges; /* [2 * n_ranges] code points of TEXT revealed in this step */
    int n_ranges;
} ti_reading;

struct te_result {
    ti_trajectory *trajectory;
    te_options options; /* resolved */
    te_work work;
    ti_reading *readings;  /* [trajectory->n_steps] */
    te_image image, input; /* pixels owned; input.pixels NULL after a generation */
    int32_t *input_codes;  /* [n_image]; NULL after a generation */
    uint8_t *change;       /* the same */
    int patch;
};

/* device.c: binds the parts of the file to DEVICE, or to what "auto" finds. */
te_status ti_model_bind(te_model *m, const char *device, int threads, te_error *err);
/* After FAILURE of a card that "auto" chose: moves everything to the CPU. False: there is no way
 * back, or a job is in the way. The caller holds the lock. */
bool ti_model_retreat(te_model *m, te_status failure, const te_error *why);

/* options.c: the defaults of the model in FILE, seed left open. */
te_status ti_options_defaults(te_options *edit, te_options *generation, ti_profile profile,
                              const ti_gguf *file, te_error *err);

/* locate.c: where the embedded model lies; the caller frees it. */
te_status ti_locate_embedded(char **path, te_error *err);

/* reading.c: text of IDS, and which of it BEFORE (NULL: nothing) still masked. FINISHED: nothing
 * more will be revealed. */
te_status ti_reading_render(ti_reading *out, const ti_tokenizer *words, const ti_layout *layout,
                            const int32_t *ids, const int32_t *before, int n, bool finished,
                            te_error *err);
void ti_reading_clear(ti_reading *r);

/* draw.c: CODES (-1: drawn grey) as RGB u8 pixels into a picture of its own. */
te_status ti_draw_codes(te_image *out, te_model *model, const int32_t *codes, int grid_h,
                        int grid_w, const volatile int *cancel, te_error *err);
/* The codes of a record of image ids, those of INPUT (NULL: -1) where it is masked. */
void ti_codes_of_ids(int32_t *codes, const int32_t *ids, const int32_t *input, int n,
                     const ti_layout *layout);

/* sequence_file.c: a token sequence from a JSON file, and the whole of `thinkedit denoise`:
 * TRACE_PATH and LOGITS_PATH (either may be NULL) are written. WORK may be NULL. */
te_status ti_sequence_file_read(ti_sequence **out, te_options *opt, const te_model *model,
                                const char *path, te_error *err);
te_status ti_sequence_file_run(te_model *model, const char *path, const char *trace_path,
                               const char *logits_path, te_work *work, te_error *err);

#endif
