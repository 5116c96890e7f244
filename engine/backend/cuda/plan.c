/* plan.c - see plan.h */
#include "backend/cuda/plan.h"

void ti_cuda_plan_begin(ti_cuda_plan *p, uint64_t free)
{
    uint64_t kept = TI_CUDA_MARGIN + TI_CUDA_ROOM;
    *p = (ti_cuda_plan){.budget = free > kept ? free - kept : 0};
}

/* The largest type of which as many ELEMENTS fit, for a sentence; NULL: none does. */
static const char *type_that_fits(uint64_t elements, uint64_t bytes)
{
    static const struct {
        const char *name;
        double size; /* bytes an element */
    } types[] = {{"bf16", 2}, {"q8_0", 34.0 / 32}, {"q4_k", 144.0 / 256}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if ((double)elements * types[i].size <= (double)bytes) return types[i].name;
    return NULL;
}

/* What of FORM waits outside, given what the card may take. */
static void lay_out(ti_cuda_plan *p, const ti_cuda_needs *needs, const ti_cuda_form *form)
{
    p->form = *form;
    p->outside = p->streamed = 0;
    p->share = 0;
    p->table_outside = false;
    if (form->matrices <= p->budget) return;
    p->table_outside = needs->has_head && form->table;
    uint64_t table = p->table_outside ? form->table : 0, others = form->matrices - table;
    p->streamed = others > p->budget ? others - p->budget : 0;
    p->share = others ? (double)p->streamed / (double)others : 0;
    p->outside = table + p->streamed;
}

static te_status impossible(const ti_cuda_plan *p, const ti_cuda_needs *needs, te_error *err)
{
    const double giga = 1e9;
    uint64_t most = p->budget;
    if (needs->lockable > TI_CUDA_LOCK_MARGIN) most += needs->lockable - TI_CUDA_LOCK_MARGIN;
    /* Where smaller forms were looked at, none of them fits either. */
    const char *type = needs->n_forms == 1 ? type_that_fits(needs->elements, most) : NULL;
    return ti_fail(
        err, TE_NOMEM,
        "the model's %.1f GB fit neither on the card, which has room for %.1f GB, nor beside "
        "it: %.1f GB would wait in main memory, where %.1f GB are free; take %s%s or device "
        "cpu",
        (double)p->form.matrices / giga, (double)p->budget / giga, (double)p->outside / giga,
        (double)needs->lockable / giga, type ? "the model as " : "a smaller model",
        type ? type : "");
}

te_status ti_cuda_plan_expect(ti_cuda_plan *p, const ti_cuda_needs *needs, te_error *err)
{
    p->expected = true;
    p->budget -= needs->floats < p->budget ? needs->floats : p->budget;
    ti_cuda_plan own = *p;
    bool found = false;
    lay_out(&own, needs, &needs->forms[0]);
    for (int i = 0; i < needs->n_forms; i++) {
        ti_cuda_plan other = own;
        lay_out(&other, needs, &needs->forms[i]);
        if (other.outside && other.outside + TI_CUDA_LOCK_MARGIN > needs->lockable) continue;
        if (!found || other.streamed < p->streamed) *p = other;
        found = true;
        if ((double)other.streamed <= TI_CUDA_HIDDEN * (double)needs->elements) break;
    }
    p->spared = p->form.made ? own.streamed : 0;
    return found ? TE_OK : impossible(&own, needs, err);
}

bool ti_cuda_plan_place(ti_cuda_plan *p, uint64_t bytes, bool matrix, bool table)
{
    bool out = matrix && bytes > p->budget;
    if (matrix && table && p->table_outside) return false;
    if (matrix) {
        p->owed += (double)bytes * p->share;
        out = out || p->owed * 2 > (double)bytes;
        if (out) p->owed -= (double)bytes;
    }
    bool counted = matrix || !p->expected; /* expect() has counted the others */
    if (!out && counted) p->budget -= bytes < p->budget ? bytes : p->budget;
    return !out;
}
