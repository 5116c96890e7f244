/* project.h - what the commands on the backbone share: the configuration of `sft`, with the
 * tokenisers it names, and the layout that follows from them. */
#ifndef TI_TRAIN_PROJECT_H
#define TI_TRAIN_PROJECT_H

#include "sequence.h"

typedef struct ti_project {
    json_t *config, *image_config;
    ti_recipe recipe;
    ti_objective objective;
    ti_llada_config network;
    ti_layout layout;
    int vocab; /* rows of embedding and head */
    const char *out, *tokenizer_path;
    char checkpoint[512], image_checkpoint[512]; /* OUT.safetensors, of this and the image_config */
    ti_train_device *device;
    ti_tokenizer *tokenizer;
    char *tokenizer_json;
    size_t tokenizer_length;
    ti_magvit *magvit; /* averaged weights */
    ti_llada *llada;
} ti_project;

/* What a configuration says alone: recipe, paths, and an image tokeniser without weights. */
te_status ti_project_begin(ti_project *p, const char *config, te_error *err);
/* All of it, from the checkpoints. MAX_ROWS: tokens the backbone has room for; 0: those of a
 * micro-batch. */
te_status ti_project_open(ti_project *p, const char *config, int max_rows, te_error *err);
void ti_project_close(ti_project *p);

#endif
