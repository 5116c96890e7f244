/* prompt.c - what a person's words become before they are tokenised. M takes them as they are, A
 * wraps them in the system sentence its checkpoint was trained with. */
#include "denoise/layout.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDIT_SYSTEM                                                                                \
    "Generate an image applying the following editing instruction based on the original image."
#define GENERATE_SYSTEM "Generate an image according to the text prompt."

static te_status encode_wrapped(const ti_tokenizer *tokenizer, const ti_layout *layout,
                                const char *words, bool edit, int32_t **ids, int *n, te_error *err)
{
    static const char format[] = "<system>%.*s</system><user>%s</user>";
    const char *system = edit ? layout->system_edit : layout->system_generate;
    size_t length = edit ? layout->n_system_edit : layout->n_system_generate;
    if (!system) {
        system = edit ? EDIT_SYSTEM : GENERATE_SYSTEM;
        length = strlen(system);
    }
    size_t room = sizeof format + length + strlen(words);
    char *text = ti_malloc_array(room, 1);
    if (!text) return ti_fail_memory(err, "the prompt", room);
    int used = snprintf(text, room, format, (int)length, system, words);
    te_status st = ti_tokenizer_encode(tokenizer, text, (size_t)used, ids, n, err);
    free(text);
    return st;
}

te_status ti_prompt_encode(const ti_tokenizer *tokenizer, const ti_layout *layout,
                           const char *prompt, bool edit, int32_t **ids, int *n_ids, int32_t **bare,
                           int *n_bare, te_error *err)
{
    *ids = *bare = NULL;
    *n_ids = *n_bare = 0;
    if (layout->profile == TI_PROFILE_M)
        return ti_tokenizer_encode(tokenizer, prompt, strlen(prompt), ids, n_ids, err);
    te_status st = encode_wrapped(tokenizer, layout, prompt, edit, ids, n_ids, err);
    if (!st) st = encode_wrapped(tokenizer, layout, "<uncondition>", edit, bare, n_bare, err);
    if (st) {
        free(*ids);
        free(*bare);
        *ids = *bare = NULL;
    }
    return st;
}
