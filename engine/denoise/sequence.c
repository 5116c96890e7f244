/* sequence.c - builds the token sequences layout.h describes. */
#include "denoise/layout.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Appends to a buffer that is known to be large enough. */
typedef struct pen {
    int32_t *at;
    int n;
} pen;

static void put(pen *p, int32_t token)
{
    p->at[p->n++] = token;
}

static void put_all(pen *p, const int32_t *tokens, int n)
{
    if (n) memcpy(p->at + p->n, tokens, (size_t)n * sizeof *tokens);
    p->n += n;
}

/* Image tokens as the profile writes them. CODES NULL: FILL everywhere. PLACES (may be NULL)
 * receives where each token went. */
static void put_image(pen *p, const ti_layout *l, const int32_t *codes, int32_t fill, int grid_h,
                      int grid_w, int *places)
{
    for (int y = 0; y < grid_h; y++) {
        for (int x = 0; x < grid_w; x++) {
            if (places) places[y * grid_w + x] = p->n;
            put(p, codes ? l->image_offset + codes[y * grid_w + x] : fill);
        }
        if (l->profile == TI_PROFILE_A) put(p, l->newline);
    }
}

/* Tokens of the output region, and of an image with its rows' ends. */
static int output_length(const ti_layout *l, int grid_h, int grid_w, int text_len)
{
    if (l->profile == TI_PROFILE_M) return 1 + grid_h * grid_w + 1 + text_len;
    return 2 + grid_h * (grid_w + 1) + 1 + text_len + 1;
}

/* M: tokens an instruction takes, the eos that fill it up included. */
static int instruction_room(const ti_sequence_input *in)
{
    int least = in->layout->instruction_len;
    return in->n_instruction > least ? in->n_instruction : least;
}

static int prefix_room(const ti_sequence_input *in)
{
    int image = in->grid_h * (in->grid_w + 1) + 2, words = instruction_room(in);
    if (in->n_bare > words) words = in->n_bare;
    return words + 3 + (in->codes ? image : 0);
}

/* M: INSTRUCTION and the picture, or without both: code-less tokens of id 0, and eos for every
 * word. */
static void put_prefix_m(pen *p, const ti_sequence_input *in, bool conditional)
{
    const ti_layout *l = in->layout;
    put(p, in->codes ? l->edit_task : l->generate_task);
    if (in->codes) {
        put(p, l->soi);
        put_image(p, l, conditional ? in->codes : NULL, 0, in->grid_h, in->grid_w, NULL);
        put(p, l->eoi);
    }
    put(p, l->bos);
    if (conditional) put_all(p, in->instruction, in->n_instruction);
    for (int i = conditional ? in->n_instruction : 0; i < instruction_room(in); i++) put(p, l->eos);
    put(p, l->eos);
}

/* A: the prompt, with the picture before its last token when there is one. */
static void put_prefix_a(pen *p, const ti_sequence_input *in, const int32_t *prompt, int n,
                         bool with_image)
{
    const ti_layout *l = in->layout;
    if (!with_image) {
        put_all(p, prompt, n);
        return;
    }
    put_all(p, prompt, n - 1);
    put(p, l->boi);
    put_image(p, l, in->codes, 0, in->grid_h, in->grid_w, NULL);
    put(p, l->eoi);
    put(p, prompt[n - 1]);
}

static void put_prefix(pen *p, const ti_sequence_input *in)
{
    if (in->layout->profile == TI_PROFILE_M)
        put_prefix_m(p, in, true);
    else
        put_prefix_a(p, in, in->instruction, in->n_instruction, in->codes != NULL);
}

int ti_sequence_length(const ti_sequence_input *in)
{
    int image = in->codes ? in->grid_h * in->grid_w + 2 : 0;
    int output = output_length(in->layout, in->grid_h, in->grid_w, in->text_len);
    if (in->layout->profile == TI_PROFILE_M)
        return 1 + image + 1 + instruction_room(in) + 1 + output;
    if (in->codes) image += in->grid_h;
    return in->n_instruction + image + output;
}

static te_status set_unconditional(ti_sequence *s, const ti_sequence_input *in, int32_t *room,
                                   te_error *err)
{
    pen p = {room, 0};
    if (in->layout->profile == TI_PROFILE_M) {
        put_prefix_m(&p, in, false);
        return ti_sequence_set_unconditional(s, 0, p.at, p.n, err);
    }
    put_prefix_a(&p, in, in->bare, in->n_bare, in->codes != NULL);
    te_status st = ti_sequence_set_unconditional(s, 0, p.at, p.n, err);
    if (st || !in->codes) return st;
    return ti_sequence_set_unconditional(s, 1, in->instruction, in->n_instruction, err);
}

static te_status set_input(ti_sequence *s, const int32_t *codes, te_error *err)
{
    size_t n = (size_t)s->grid_h * (size_t)s->grid_w;
    s->input = ti_malloc_array(n, sizeof *s->input);
    if (!s->input) return ti_fail_memory(err, "the input's codes", n * sizeof *s->input);
    memcpy(s->input, codes, n * sizeof *codes);
    return TE_OK;
}

te_status ti_sequence_create(ti_sequence **out, const ti_sequence_input *in, te_error *err)
{
    *out = NULL;
    size_t room = (size_t)prefix_room(in);
    pen p = {ti_malloc_array(room, sizeof(int32_t)), 0};
    if (!p.at) return ti_fail_memory(err, "the prefix", room * sizeof(int32_t));
    put_prefix(&p, in);
    ti_sequence *s;
    te_status st = ti_sequence_from_prefix(&s, in->layout, p.at, p.n, in->grid_h, in->grid_w,
                                           in->text_len, err);
    if (!st) st = set_unconditional(s, in, p.at, err);
    if (!st && in->codes) st = set_input(s, in->codes, err);
    free(p.at);
    if (st) {
        ti_sequence_free(s);
        return st;
    }
    *out = s;
    return TE_OK;
}

static void put_output(ti_sequence *s, pen *p, int text_len)
{
    const ti_layout *l = &s->layout;
    bool m = l->profile == TI_PROFILE_M;
    if (!m) put(p, l->answer_start);
    put(p, m ? l->soi : l->boi);
    put_image(p, l, NULL, l->mask, s->grid_h, s->grid_w, s->image_at);
    put(p, l->eoi);
    s->text_first = p->n;
    s->text_count = text_len;
    for (int i = 0; i < text_len; i++) put(p, m && i == 0 ? l->bos : l->mask);
    if (!m) put(p, l->answer_end);
}

te_status ti_sequence_from_prefix(ti_sequence **out, const ti_layout *layout, const int32_t *prefix,
                                  int n_prefix, int grid_h, int grid_w, int text_len, te_error *err)
{
    *out = NULL;
    ti_sequence *s = ti_calloc(1, sizeof *s);
    if (!s) return ti_fail_memory(err, "the sequence", sizeof *s);
    s->layout = *layout;
    s->n_prefix = n_prefix;
    s->grid_h = grid_h;
    s->grid_w = grid_w;
    s->n = n_prefix + output_length(layout, grid_h, grid_w, text_len);
    s->tokens = ti_malloc_array((size_t)s->n, sizeof *s->tokens);
    s->image_at = ti_malloc_array((size_t)grid_h * (size_t)grid_w, sizeof *s->image_at);
    if (!s->tokens || !s->image_at) {
        te_status st = ti_fail_memory(err, "the sequence", (size_t)s->n * sizeof *s->tokens);
        ti_sequence_free(s);
        return st;
    }
    pen p = {s->tokens, 0};
    put_all(&p, prefix, n_prefix);
    put_output(s, &p, text_len);
    *out = s;
    return TE_OK;
}

/* A prefix longer than the conditional one (an empty instruction in A) would reach into what is
 * denoised; it is cut there. */
te_status ti_sequence_set_unconditional(ti_sequence *s, int index, const int32_t *prefix, int n,
                                        te_error *err)
{
    if (n > s->n_prefix) n = s->n_prefix;
    int32_t *copy = ti_malloc_array((size_t)n, sizeof *copy);
    if (!copy) return ti_fail_memory(err, "the unconditional prefix", (size_t)n * sizeof *copy);
    if (n) memcpy(copy, prefix, (size_t)n * sizeof *copy);
    free(s->unconditional[index]);
    s->unconditional[index] = copy;
    s->n_unconditional[index] = n;
    return TE_OK;
}

void ti_sequence_free(ti_sequence *s)
{
    if (!s) return;
    free(s->tokens);
    free(s->image_at);
    free(s->input);
    for (int i = 0; i < TI_MAX_UNCONDITIONAL; i++) free(s->unconditional[i]);
    free(s);
}
