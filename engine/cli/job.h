/* job.h - one edit or generation from file to file, as edit, generate and batch do it: here or on a
 * server. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "cli/cli.h"
#include "picture/picture.h"

/* Where jobs run: a model in this process, or a server that has one. */
typedef struct ti_engine {
    const char *model_path, *preset;
    te_model_options with;
    const char *server, *token_file;
    bool quiet;
    GMutex *pictures;         /* held while GEGL works, where engines run side by side; or NULL */
    te_model *model;          /* opened by ti_engine_open() unless there is a server */
    struct ti_client *client; /* or this */
} ti_engine;

/* The rows of these options, for the tables of commands. */
/* clang-format off */
#define ENGINE_ARGS(e)                                                                             \
    {"model", 'm', TI_ARG_TEXT, &(e).model_path, "MODEL.gguf", "left out: the embedded model"},    \
    {"device", 0, TI_ARG_TEXT, &(e).with.device, "DEVICE",                                         \
     "auto, cpu, cuda or cuda:N; batch takes several, with commas"},                               \
    {"threads", 0, TI_ARG_INT, &(e).with.threads, "N", "of the CPU (left out: one per core)"},     \
    {"preset", 0, TI_ARG_TEXT, &(e).preset, "NAME", "fast, balanced or paper"},                    \
    {"server", 0, TI_ARG_TEXT, &(e).server, "ADDRESS", "own, unix:PATH or http://HOST:PORT"},      \
    {"token-file", 0, TI_ARG_TEXT, &(e).token_file, "FILE", "with an http server's token"},        \
    {"quiet", 'q', TI_ARG_FLAG, &(e).quiet, NULL, "no progress bar, no reasoning printed"}
/* clang-format on */

te_status ti_engine_open(ti_engine *engine, te_error *err);
void ti_engine_close(ti_engine *engine);

typedef struct ti_job {
    const char *image; /* file; NULL: a generation */
    const char *instruction;
    const char *output;
    const char *region;    /* "x,y,w,h"; NULL: everything */
    const char *mask;      /* file, white where it may change */
    const char *reasoning; /* files to write; NULL: not */
    const char *trajectory;
    bool model_size;   /* the output is the model's picture, not the original's size */
    int width, height; /* of a generation; 0: the model's */
    te_options options;
} ti_job;

/* What came out; cleared by ti_outcome_clear(). */
typedef struct ti_outcome {
    char *reasoning;
    char *model, *hash; /* names of the model */
    gint64 seed;
    int width, height;   /* of the output */
    int tokens, changed; /* image tokens, and those that differ */
    double seconds;
    bool has_work;
    te_work work;
} ti_outcome;

void ti_outcome_clear(ti_outcome *outcome);
/* One JSON object on one line, without a newline; g_free() it. */
char *ti_outcome_json(const ti_outcome *outcome, const ti_job *job);

/* Runs JOB. Everything that can be refused is refused before the model works. */
te_status ti_job_run(const ti_job *job, const ti_engine *engine, ti_outcome *out, te_error *err);

/* x,y,w,h as whole numbers, w and h at least 1. */
bool ti_parse_region(const char *text, GeglRectangle *out);

/* remote.c: the part of a job that a server does. input and edited are ti_picture_image_free()'d.
 */
typedef struct ti_answer {
    te_image *input, *edited;
    uint8_t *change; /* g_free() */
    int grid_width, grid_height;
    char *reasoning, *model, *hash;
    gint64 seed;
} ti_answer;

te_status ti_remote_open(ti_engine *engine, te_error *err);
void ti_remote_close(ti_engine *engine);
te_status ti_remote_size(const ti_engine *engine, int width, int height, int *work_width,
                         int *work_height, te_error *err);
te_status ti_remote_run(const ti_engine *engine, const ti_job *job, const te_image *picture,
                        const uint8_t *mask, ti_bar *bar, ti_answer *out, te_error *err);
void ti_answer_clear(ti_answer *answer);

#endif
