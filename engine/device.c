/* device.c - the parts of a model on a device, and the way back to the CPU when a card gives up. */
#include "api.h"

#include <stdio.h>
#include <string.h>

static void unbind(te_model *m)
{
    ti_image_tokenizer_free(m->pictures);
    ti_backbone_free(m->backbone);
    ti_backend_free(m->backend);
    m->pictures = NULL;
    m->backbone = NULL;
    m->backend = NULL;
}

static te_status bind_pictures(te_model *m, te_error *err)
{
    te_error reason;
    te_status st = ti_image_tokenizer_create(&m->pictures, m->file, m->backend, &reason);
    if (st == TE_UNSUPPORTED && m->backbone) return TE_OK; /* a backbone alone is a model, too */
    return st ? ti_fail(err, st, "%s", reason.message) : TE_OK;
}

static te_status bind(te_model *m, const char *device, te_error *err)
{
    te_status st = ti_backend_create(&m->backend, device, m->threads, err);
    if (!st && ti_gguf_find(m->file, "token_embd.weight"))
        st = ti_backbone_create(&m->backbone, m->file, m->backend, err);
    if (!st) st = bind_pictures(m, err);
    if (st) {
        unbind(m);
        return st;
    }
    char *text =
        m->devices[m->info.device != NULL]; /* the first one may still be read by somebody */
    snprintf(text, sizeof m->devices[0], "%s", m->backend->description);
    m->info.device = text;
    return TE_OK;
}

/* What WHY says up to its advice, which is taken. */
static void take_note(te_model *m, const char *why)
{
    int n = (int)strcspn(why, ";");
    snprintf(m->note, sizeof m->note, "%.*s; the CPU takes over", n, why);
    m->info.note = m->note;
}

te_status ti_model_bind(te_model *m, const char *device, int threads, te_error *err)
{
    te_error why;
    m->threads = threads;
    m->automatic = !device || !strcmp(device, "auto");
    if (!m->automatic) return bind(m, device, err);
    te_status st = bind(m, "cuda", &why);
    if (!st) return st;
    st = bind(m, "cpu", err);
    /* Where nobody expects a card nothing is to be said. */
    if (!st && why.status != TE_UNSUPPORTED) take_note(m, why.message);
    return st;
}

bool ti_model_retreat(te_model *m, te_status failure, const te_error *why)
{
    if (failure != TE_DEVICE || !m->automatic || m->running) return false;
    ti_image_tokenizer *pictures = m->pictures;
    ti_backbone *backbone = m->backbone;
    ti_backend *backend = m->backend;
    m->automatic = false; /* the CPU is the end */
    m->pictures = NULL;
    m->backbone = NULL;
    if (bind(m, "cpu", NULL)) {
        m->pictures = pictures;
        m->backbone = backbone;
        m->backend = backend;
        return false;
    }
    ti_image_tokenizer_free(pictures);
    ti_backbone_free(backbone);
    ti_backend_free(backend);
    take_note(m, why->message);
    return true;
}
