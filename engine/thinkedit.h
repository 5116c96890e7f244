/* thinkedit.h - the only public header of libthinkedit, the engine of Thinking-Aware Edit.
 *
 *     te_model *model = NULL;
 *     te_result *result = NULL;
 *     te_error err;
 *     te_options opt;
 *     te_options_init(&opt);
 *     if (!te_model_open(&model, "model.gguf", NULL, &err) &&
 *         !te_edit(model, &picture, "make it autumn", &opt, NULL, &result, &err))
 *         puts(te_result_reasoning(result));
 *     else
 *         fprintf(stderr, "%s\n", err.message);
 *     te_result_free(result);
 *     te_model_free(model);
 *
 * A model is an MMaDA-Parallel checkpoint in one GGUF file: a masked-diffusion backbone over a
 * joint vocabulary of text and image tokens, its image tokeniser and its text tokeniser. te_edit()
 * turns the caller's picture into tokens, denoises reasoning and edited picture together, and hands
 * both back.
 *
 * What callers need not know: token layouts, schedules, devices, quantisation.
 * Pictures come back at the model's own size; te_result_change() says which of its tokens differ
 * from the input's, so that a caller can carry the edit to the picture's full size.
 *
 * Errors: every fallible function returns a te_status (0 = ok) and fills *err (may be NULL) with
 * one sentence that names the file, the fact and what to do. On failure *out is NULL. Threads: a
 * te_model runs one job at a time (a second call waits); different models are independent. There is
 * no global state.
 */
#ifndef THINKEDIT_H
#define THINKEDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TE_API __attribute__((visibility("default")))
#else
#define TE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ------------------------------------------------------------------------------- */

typedef enum te_status {
    TE_OK = 0,
    TE_INVALID,     /* an argument or option is out of range */
    TE_NOMEM,       /* not enough memory; the message says how much and what to choose instead */
    TE_IO,          /* a file could not be read or written */
    TE_FORMAT,      /* a file's content is damaged or not what it claims to be */
    TE_UNSUPPORTED, /* well-formed, but nothing here can do it */
    TE_CANCELLED,   /* the caller's cancel flag was seen */
    TE_DEVICE       /* the device failed or is missing */
} te_status;

typedef struct te_error {
    te_status status;
    char message[512]; /* UTF-8, one sentence, no newline */
} te_error;

/* ---- pictures ----------------------------------------------------------------------------- */

typedef enum te_depth { TE_U8, TE_U16, TE_F32 } te_depth;

/* Caller-owned pixels, interleaved, sRGB-encoded (non-linear), straight alpha.
 * float values are in [0, 1]; stride is in bytes and may exceed the row. */
typedef struct te_image {
    void *pixels;
    int width, height; /* pixels, 1 .. 65535 */
    int channels;      /* 3 RGB or 4 RGBA */
    te_depth depth;
    size_t stride;
} te_image;

/* ---- models ------------------------------------------------------------------------------- */

typedef struct te_model te_model;

/* "auto" takes a graphics card that can be used, else the CPU; and when the card fails in the
 * middle of an edit, the edit begins again on the CPU, where the model then stays: te_model_info
 * says why. On a card too small for them weights may be made of a smaller type as they are loaded,
 * and te_model_info.device says so; "cuda-as-is" keeps the file's. */
typedef struct te_model_options {
    const char *device; /* "auto" (NULL), "cpu", "cpu:avx2", "cuda", "cuda:1", "cuda-as-is" */
    int threads;        /* 0: one per core the process may use */
} te_model_options;

typedef struct te_model_info {
    const char *name;    /* general.name */
    const char *profile; /* "mmada-parallel-m" or "mmada-parallel-a" */
    const char *hash;    /* 16 hex digits over the file's header and sampled content */
    const char *device;  /* what runs it, e.g. "cpu (AVX-512 VNNI, 2 threads)" */
    const char *note;    /* NULL, or why it does not run where "auto" would have it, one sentence */
    const char *type;    /* most common weight type, e.g. "q8_0" */
    uint64_t parameters, file_bytes;
    int width, height; /* size it works at by default, pixels (A: its square size) */
    int patch;         /* pixels per image token, each way */
    int layers, width_model, text_vocab, codebook;
} te_model_info;

/* Opens and validates PATH; NULL opens the embedded model where the library finds one installed.
 * opt may be NULL. Strings in te_model_info are the model's and live as long as it does. */
TE_API te_status te_model_open(te_model **out, const char *path, const te_model_options *opt,
                               te_error *err);
TE_API void te_model_free(te_model *model); /* NULL is fine; not while a job runs */
TE_API void te_model_get_info(const te_model *model, te_model_info *out);

/* Bytes of memory one edit at OPT will need beside what is already resident. */
struct te_options;
TE_API uint64_t te_model_memory_needed(const te_model *model, const struct te_options *opt);

/* The size, in pixels, a width x height picture is brought to before it becomes tokens. */
TE_API void te_model_working_size(const te_model *model, int width, int height, int *work_width,
                                  int *work_height);

/* ---- options ------------------------------------------------------------------------------ */

typedef enum te_strategy { TE_PARALLEL, TE_SEMI_PARALLEL, TE_SEQUENTIAL } te_strategy;
typedef enum te_schedule { TE_COSINE, TE_LINEAR, TE_POW, TE_SIGMOID } te_schedule;

/* Everything a person may tune. Names are those of te_option_table(). A negative number (NAN for
 * the real-valued ones) means the model's own default, which te_options_resolve() fills in. */
typedef struct te_options {
    int64_t seed;         /* -1: taken from the clock; te_result_seed() tells which */
    te_strategy strategy; /* paper tables 3 and 10 */
    int text_steps;       /* denoising iterations */
    int image_steps;      /* of them, those that also reveal image tokens */
    int text_len;         /* reasoning length, tokens */
    int text_block;       /* 0: rank over the whole text (released code); n: blocks of n (paper) */
    double text_cfg;      /* M: cond + text_cfg * (uncond - cond); A: unused by text */
    double image_cfg;     /* M: image guidance; A: cfg_image */
    double instruction_cfg;   /* A: cfg_text, the guidance towards the instruction */
    double text_temperature;  /* 0: arg-max */
    double image_temperature; /* 0: arg-max */
    double image_shuffle;     /* noise added to ln p when image tokens are ranked, beside the
                                 temperature's: 0 as released, 100 a random order */
    double image_stay;        /* an arg-max that is the input's own code is taken only from this
                                 probability on, else the next best; 0 as released */
    te_schedule schedule;     /* share of image tokens still masked over time */
    double schedule_pow;      /* n of 1 - t^n */
} te_options;

typedef enum te_option_type { TE_OPTION_INT, TE_OPTION_REAL, TE_OPTION_CHOICE } te_option_type;

/* One row per option: feeds the command line, GIMP's options string, the panel and the documents.
 */
typedef struct te_option_info {
    const char *name; /* "image-steps"; the command line adds the dashes */
    te_option_type type;
    double min, max;
    const char *const *choices; /* NULL-terminated, TE_OPTION_CHOICE only */
    const char *summary;        /* one line for a person */
    bool advanced;              /* shown only on request */
} te_option_info;

TE_API void te_options_init(te_options *opt); /* all "the model's default" */
TE_API const te_option_info *te_option_table(size_t *n_rows);
TE_API te_status te_options_set(te_options *opt, const char *name, const char *value,
                                te_error *err);
/* The value of option NAME as te_options_set() takes it, into VALUE of SIZE bytes. */
TE_API te_status te_options_get(const te_options *opt, const char *name, char *value, size_t size,
                                te_error *err);
/* Presets: "fast", "balanced", "paper". Sets the steps; all else but the seed becomes the model's
 * default. */
TE_API te_status te_options_preset(te_options *opt, const te_model *model, const char *preset,
                                   te_error *err);
/* Fills every default from the model, those of an edit or of a GENERATION, and checks ranges; what
 * te_edit() and te_generate() themselves do first. */
TE_API te_status te_options_resolve(te_options *opt, const te_model *model, bool generation,
                                    te_error *err);

/* ---- running ------------------------------------------------------------------------------ */

typedef struct te_progress {
    int step, steps;     /* denoising steps done and in all */
    double seconds;      /* since the job began */
    double seconds_left; /* estimate; negative while unknown */
    const char *stage;   /* constants: "reading the picture", "denoising", "drawing the picture" */
    const char *text;    /* reasoning so far, one U+2588 per masked token; NULL if unchanged */
    int masked_text, masked_image; /* tokens still masked */
    const te_image *preview; /* current picture, RGB u8, working size; NULL if not redrawn now */
} te_progress;

/* Called on the thread that runs the job. What it points to is valid during the call only. */
typedef void (*te_progress_fn)(const te_progress *progress, void *user);

typedef struct te_callbacks {
    te_progress_fn progress; /* may be NULL */
    void *user;
    int preview_every; /* decode a preview every n image steps; 0: never */
    const volatile int
        *cancel; /* may be NULL; non-zero from any thread ends the job within a step */
} te_callbacks;

/* A region to change. NULL mask: everything may change. Otherwise one byte per picture pixel, row
 * stride = width; image tokens with no byte above 127 in them are pinned to the input's. */
typedef struct te_region {
    const uint8_t *mask;
} te_region;

typedef struct te_result te_result;

TE_API te_status te_edit(te_model *model, const te_image *picture, const char *instruction,
                         const te_options *opt, const te_callbacks *calls, te_result **out,
                         te_error *err);
/* te_edit() with a region; REGION NULL is te_edit(). */
TE_API te_status te_edit_region(te_model *model, const te_image *picture, const te_region *region,
                                const char *instruction, const te_options *opt,
                                const te_callbacks *calls, te_result **out, te_error *err);
/* Thinking-aware generation, no input picture. width, height 0: the model's default. */
TE_API te_status te_generate(te_model *model, const char *prompt, int width, int height,
                             const te_options *opt, const te_callbacks *calls, te_result **out,
                             te_error *err);

/* ---- results: everything borrowed from the result, which owns it -------------------------- */

TE_API void te_result_free(te_result *result);
/* RGB u8 at the working size. */
TE_API const te_image *te_result_image(const te_result *result);
/* The input as the model sees it: encoded and decoded again, unedited. NULL after te_generate().
 * Its difference from te_result_image() is what the edit changed, free of the tokeniser's own
 * error. */
TE_API const te_image *te_result_input(const te_result *result);
TE_API const char *te_result_reasoning(const te_result *result);
TE_API int64_t te_result_seed(const te_result *result);
TE_API const te_options *te_result_options(const te_result *result); /* resolved */
/* One byte per image token, row by row, 1 where it differs from the input's; NULL after a
 * generation. */
TE_API const uint8_t *te_result_change(const te_result *result, int *grid_width, int *grid_height);

/* The trajectory: what each denoising step revealed. Step 0 is the first. */
TE_API int te_result_steps(const te_result *result);
/* ids as the backbone sees them (image ids carry the image offset); the mask id where masked. */
TE_API const int32_t *te_result_step_text(const te_result *result, int step, int *n);
TE_API const int32_t *te_result_step_image(const te_result *result, int step, int *n);
/* The reasoning as it stood after STEP, one U+2588 per masked token. The caller frees it:
 * te_free(). */
TE_API char *te_result_step_reasoning(const te_result *result, int step);
/* Which part of that text was masked one step before: up to CAPACITY half-open ranges of code
 * points, [2 * i] first and [2 * i + 1] past the last. Returns how many there are; RANGES may be
 * NULL. */
TE_API int te_result_step_revealed(const te_result *result, int step, int *ranges, int capacity);
TE_API int32_t te_result_mask_id(const te_result *result); /* the id of a masked token */
/* The picture as it stood after STEP (masked tokens drawn from the input, or grey after a
 * generation). *out is the caller's: te_image_free(). Runs the image decoder of MODEL; waits for a
 * running job unless called from that job's own progress function, where it runs at once. */
TE_API te_status te_result_step_image_pixels(te_model *model, const te_result *result, int step,
                                             te_image **out, te_error *err);
/* The whole trajectory as JSON lines: {"step": i, "image": [...], "text": [...]}, then {"final":
 * ...}. */
TE_API te_status te_result_write_trajectory(const te_result *result, const char *path,
                                            te_error *err);

/* Work done against what the released inference code does for the same edit. */
typedef struct te_work {
    int64_t forwards, forwards_released;
    int64_t token_rows, token_rows_released; /* rows through the transformer blocks */
    int64_t head_cells, head_cells_released; /* logits computed */
    /* On a card sampling is part of what is waited for as forward. */
    double seconds_total, seconds_forward, seconds_encode, seconds_decode, seconds_sample;
} te_work;
TE_API const te_work *te_result_work(const te_result *result);

/* ---- model files -------------------------------------------------------------------------- */

/* Makes a model file (models/FORMAT.md) of published checkpoints. Paths may be NULL unless said. */
typedef struct te_convert_options {
    const char *folder;          /* needed: the backbone's, or an image tokeniser's alone */
    const char *output;          /* needed: the new file, whole or absent afterwards */
    const char *profile;         /* "mmada-parallel-m", "mmada-parallel-a"; NULL: the layout's */
    const char *layout;          /* JSON; NULL: the profile's released ids */
    const char *image_tokenizer; /* folder or file; NULL: FOLDER/vqvae if it is there */
    const char *tokenizer;       /* tokenizer.json; NULL: FOLDER/tokenizer.json if it is there */
    const char *type; /* "f32", "f16", "bf16", "q8_0", "q4_k"; NULL: as in the checkpoint */
    const char *rope; /* "half" (NULL) or "interleaved", llama.cpp's order of rows */
    const char *name; /* for people; NULL: the folder's */
    /* Both may be NULL. NOTE gets a sentence about what was done otherwise than asked for. */
    void (*progress)(const char *tensor, int done, int count, void *user);
    void (*note)(const char *sentence, void *user);
    void *user;
    const volatile int *cancel; /* may be NULL */
} te_convert_options;
TE_API te_status te_convert(const te_convert_options *opt, te_error *err);
/* Parts, keys and tensors of the model file PATH, as text or as one JSON object. The caller frees
 * *text: te_free(). */
TE_API te_status te_describe(const char *path, bool json, char **text, te_error *err);

TE_API void te_image_free(te_image *image); /* for images handed to the caller */
TE_API void te_free(void *memory);          /* for strings handed to the caller */
TE_API const char *te_version(void);

#ifdef __cplusplus
}
#endif
#endif
