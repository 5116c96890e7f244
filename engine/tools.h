/* tools.h - the parts of a model by themselves, for the command line: tokenising, image tokens and
 * the denoiser on a file of tokens. Not part of the public interface, and not installed. */
#ifndef TE_TOOLS_H
#define TE_TOOLS_H

#include "thinkedit.h"

/* Text to ids and back with the tokenizer of PATH, a tokenizer.json or a model file with one in it.
 * No bos or eos is added; decoding leaves special tokens out. *ids and *text are the caller's:
 * te_free(). */
TE_API te_status te_tool_encode_text(const char *path, const char *text, int32_t **ids, int *n,
                                     te_error *err);
TE_API te_status te_tool_decode_text(const char *path, const int32_t *ids, int n, char **text,
                                     te_error *err);

/* The codes of PICTURE at its own size, which must be whole tokens; *codes
 * [grid_height][grid_width] is the caller's: te_free(). */
TE_API te_status te_tool_encode_picture(te_model *model, const te_image *picture, int32_t **codes,
                                        int *grid_width, int *grid_height, te_error *err);
/* The picture of codes [grid_height][grid_width]; *out is the caller's: te_image_free(). */
TE_API te_status te_tool_decode_picture(te_model *model, const int32_t *codes, int grid_width,
                                        int grid_height, te_image **out, te_error *err);

/* Denoises the token sequence in the JSON file SEQUENCE (as tests/golden has them) and writes the
 * steps to TRACE and the logits of the first step to LOGITS; either, and WORK, may be NULL. */
TE_API te_status te_tool_denoise(te_model *model, const char *sequence, const char *trace,
                                 const char *logits, te_work *work, te_error *err);

/* How fast whole forward passes are. */
typedef struct te_bench {
    const char *model; /* a model file; NULL: random weights of SHAPE */
    const char *shape; /* "llada-8b" */
    const char *type;  /* of random weights: "q8_0" (NULL), "q4_k", "bf16", "f16", "f32" */
    int layers;        /* 0: all of the model, 4 of a shape */
    int tokens;        /* 0: 2340, or the model's context if that is less */
    int rounds;        /* 0: 3; the median counts, after one pass that does not */
    te_model_options with;
} te_bench;

/* *text is a report for a person or one JSON object ("tokens_per_second", "linear_gops",
 * "peak_rss_mb", one entry per op); the caller's: te_free(). Every row of the sequence goes through
 * every layer; no head. */
TE_API te_status te_tool_bench(const te_bench *bench, bool json, char **text, te_error *err);

#endif
