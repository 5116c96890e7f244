/* layout.h - where everything is in a model's token sequence: special ids, image codes, and the
 * sequences built from them for an edit or a generation, for both released variants.
 *
 *   M, edit      task soi image eoi bos instruction eos | soi IMAGE eoi bos TEXT
 *   M, generate  task bos prompt eos                    | soi IMAGE eoi bos TEXT
 *      (a model trained so has its instructions filled up with eos to one length)
 *   A, edit      prompt[:-1] boi image-rows eoi prompt[-1]
 *                | answer-start boi IMAGE-ROWS eoi TEXT answer-end
 *   A, generate  prompt
 *                | answer-start boi IMAGE-ROWS eoi TEXT answer-end
 *
 * Left of the bar is the prefix, right of it what is denoised (capitals: masks at the start). In A
 * every row of image tokens ends with a newline token. Guidance compares with unconditional
 * sequences, which are the conditional one with its first tokens overwritten by another prefix; in
 * A as released that prefix may be shorter than the conditional one, and what lies beyond it stays.
 */
#ifndef TI_DENOISE_LAYOUT_H
#define TI_DENOISE_LAYOUT_H

#include "format/gguf.h"
#include "text/tokenizer.h"

typedef enum ti_profile { TI_PROFILE_M, TI_PROFILE_A } ti_profile;

/* Special tokens by use; -1 where the profile has none. */
typedef struct ti_layout {
    ti_profile profile;
    int32_t mask;
    int32_t image_offset; /* id of image code 0 */
    int codebook;
    int grid_h, grid_w;  /* tokens, of the model's default picture */
    int instruction_len; /* M: shorter instructions are filled up with eos to this; 0: none are */
    int32_t edit_task, generate_task, soi, eoi, bos, eos;        /* M (eoi, bos, eos: A too) */
    int32_t newline, boi, uncondition, answer_start, answer_end; /* A */
    /* A: what stands between <system> and </system>; the file's, NULL for the released sentences.
     */
    const char *system_edit, *system_generate;
    size_t n_system_edit, n_system_generate;
} ti_layout;

/* The layout of the model in FILE, which must outlive it (keys: models/FORMAT.md). TE_UNSUPPORTED
 * when the file has none. */
te_status ti_layout_read(ti_layout *out, const ti_gguf *file, te_error *err);
const char *ti_profile_name(ti_profile profile);
te_status ti_profile_parse(const char *name, ti_profile *out, te_error *err);

#define TI_MAX_UNCONDITIONAL 2

/* One edit's tokens. For A, unconditional[0] leaves out the instruction and [1] the picture; M has
 * only [0], which leaves out both. A count of 0: that sequence does not differ from the conditional
 * one. */
typedef struct ti_sequence {
    ti_layout layout;
    int n;           /* tokens */
    int32_t *tokens; /* [n], owned; masks where it is to be denoised */
    int n_prefix;
    int grid_h, grid_w; /* of the picture to be made */
    int *image_at;      /* [grid_h * grid_w], owned: places of the image tokens */
    int32_t *input; /* [grid_h * grid_w], owned: codes of the input picture; NULL: none is known */
    int text_first, text_count;                   /* the text region (M: its bos included) */
    int32_t *unconditional[TI_MAX_UNCONDITIONAL]; /* owned */
    int n_unconditional[TI_MAX_UNCONDITIONAL];
} ti_sequence;

/* What a sequence is built from. codes NULL: a generation. */
typedef struct ti_sequence_input {
    const ti_layout *layout;
    const int32_t *instruction; /* M: the instruction's tokens; A: those of the whole prompt */
    int n_instruction;
    const int32_t *bare; /* A: the whole prompt with <uncondition> for the instruction */
    int n_bare;
    const int32_t *codes; /* [grid_h * grid_w] of the input picture */
    int grid_h, grid_w;
    int text_len;
} ti_sequence_input;

te_status ti_sequence_create(ti_sequence **out, const ti_sequence_input *in, te_error *err);
void ti_sequence_free(ti_sequence *s);
/* Length ti_sequence_create() will give, without building it. */
int ti_sequence_length(const ti_sequence_input *in);
/* Adds a sequence's output region to a prefix given as it is (golden data). Takes copies. */
te_status ti_sequence_from_prefix(ti_sequence **out, const ti_layout *layout, const int32_t *prefix,
                                  int n_prefix, int grid_h, int grid_w, int text_len,
                                  te_error *err);
te_status ti_sequence_set_unconditional(ti_sequence *s, int index, const int32_t *prefix, int n,
                                        te_error *err);

/* Tokenises PROMPT the way the profile wants it: *ids for `instruction`, *bare for `bare` (NULL for
 * M). EDIT: there is an input picture. Both are the caller's to free(). */
te_status ti_prompt_encode(const ti_tokenizer *tokenizer, const ti_layout *layout,
                           const char *prompt, bool edit, int32_t **ids, int *n_ids, int32_t **bare,
                           int *n_bare, te_error *err);

#endif
