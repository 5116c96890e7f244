/* state.c - see state.h */
#include "ui/state.h"

#include <math.h>
#include <string.h>

#include "ui/i18n.h"

static void replace(char **slot, const char *text)
{
    char *copy = g_strdup(text);
    g_free(*slot);
    *slot = copy;
}

static void target_clear(ti_target *target)
{
    g_free(target->image);
    g_free(target->layer);
    g_free(target->problem);
    g_free(target->source);
    memset(target, 0, sizeof *target);
}

ti_state *ti_state_new(void)
{
    ti_state *s = g_new0(ti_state, 1);
    s->history = g_ptr_array_new_with_free_func(ti_entry_free);
    s->seconds_left = -1;
    return s;
}

void ti_state_free(ti_state *s)
{
    if (!s) return;
    target_clear(&s->target);
    g_free(s->stage);
    g_free(s->text);
    g_free(s->message);
    ti_timeline_free(s->timeline);
    g_ptr_array_unref(s->history);
    g_free(s);
}

void ti_state_set_target(ti_state *s, const ti_target *target)
{
    ti_target copy = *target;
    copy.image = g_strdup(target->image);
    copy.layer = g_strdup(target->layer);
    copy.problem = g_strdup(target->problem);
    copy.source = g_strdup(target->source);
    target_clear(&s->target);
    s->target = copy;
}

void ti_state_set_waiting(ti_state *s, int edits)
{
    s->waiting = edits;
}

void ti_state_submitted(ti_state *s, int variation, int variations)
{
    s->phase = TI_PHASE_WAITING;
    s->variation = variation;
    s->variations = variations;
    s->position = 0;
    s->step = s->steps = 0;
    s->seconds = 0;
    s->seconds_left = -1;
    replace(&s->stage, "");
    replace(&s->text, "");
    replace(&s->message, NULL);
    g_clear_pointer(&s->timeline, ti_timeline_free);
}

void ti_state_queued(ti_state *s, int position)
{
    s->position = position;
}

void ti_state_progress(ti_state *s, const char *stage, int step, int steps, double seconds,
                       double seconds_left)
{
    s->phase = TI_PHASE_WORKING;
    replace(&s->stage, stage);
    s->step = step;
    s->steps = steps;
    s->seconds = seconds;
    s->seconds_left = seconds_left;
}

void ti_state_text(ti_state *s, const char *text)
{
    replace(&s->text, text);
}

void ti_state_applying(ti_state *s)
{
    s->phase = TI_PHASE_APPLYING;
}

void ti_state_done(ti_state *s, const char *reasoning)
{
    s->phase = TI_PHASE_DONE;
    replace(&s->text, reasoning);
}

void ti_state_failed(ti_state *s, const char *message, bool retry)
{
    s->phase = TI_PHASE_FAILED;
    s->retry = retry;
    replace(&s->message, message);
}

void ti_state_cancelled(ti_state *s)
{
    s->phase = TI_PHASE_CANCELLED;
}

void ti_state_set_timeline(ti_state *s, ti_timeline *timeline)
{
    ti_timeline_free(s->timeline);
    s->timeline = timeline;
    s->shown_step = MAX(0, ti_timeline_length(timeline) - 1);
}

void ti_state_set_history(ti_state *s, GPtrArray *entries)
{
    g_ptr_array_unref(s->history);
    s->history = entries;
}

bool ti_state_busy(const ti_state *s)
{
    return s->phase == TI_PHASE_WAITING || s->phase == TI_PHASE_WORKING ||
           s->phase == TI_PHASE_APPLYING;
}

const char *ti_state_obstacle(const ti_state *s, const char *instruction)
{
    if (!s->target.image) return _("Open an image first.");
    if (s->target.problem) return s->target.problem;
    if (!instruction[strspn(instruction, " \t\n")]) return _("Write what should change.");
    return NULL;
}

double ti_state_fraction(const ti_state *s)
{
    if (s->phase == TI_PHASE_DONE) return 1;
    if (s->phase != TI_PHASE_WORKING && s->phase != TI_PHASE_APPLYING) return 0;
    if (s->steps <= 0) return -1;
    double one = CLAMP((double)s->step / s->steps, 0, 1);
    return s->variations > 1 ? (s->variation - 1 + one) / s->variations : one;
}

char *ti_duration_text(double seconds)
{
    gint64 s = (gint64)(seconds + 0.5);
    if (s >= 3600)
        return g_strdup_printf("%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    return g_strdup_printf("%d:%02d", (int)(s / 60), (int)(s % 60));
}

/* The server's words for what it does (API.md); others are shown as they come. */
static const char *stage_text(const char *stage)
{
    static const char *const stages[] = {N_("loading the model"), N_("reading the picture"),
                                         N_("denoising"), N_("drawing the picture")};
    for (gsize i = 0; i < G_N_ELEMENTS(stages); i++)
        if (!strcmp(stages[i], stage)) return _(stages[i]);
    return stage;
}

/* Takes PART. */
static void add_part(GString *text, char *part)
{
    if (text->len) g_string_append(text, " · ");
    g_string_append(text, part);
    g_free(part);
}

static char *working_text(const ti_state *s)
{
    GString *text = g_string_new(NULL);
    if (s->variations > 1)
        add_part(text, g_strdup_printf(_("Variation %d of %d"), s->variation, s->variations));
    if (s->steps > 0 && s->step > 0)
        add_part(text, g_strdup_printf(_("Step %d of %d"), s->step, s->steps));
    else if (s->stage && *s->stage)
        add_part(text, g_strdup(stage_text(s->stage)));
    add_part(text, ti_duration_text(s->seconds));
    if (s->seconds_left >= 0) {
        g_autofree char *left = ti_duration_text(s->seconds_left);
        add_part(text, g_strdup_printf(_("%s left"), left));
    }
    return g_string_free(text, FALSE);
}

static char *starting_text(const ti_state *s)
{
    if (s->position <= 0) return g_strdup(_("Starting…"));
    return g_strdup_printf(g_dngettext(TI_DOMAIN, "Waiting behind %d other edit",
                                       "Waiting behind %d other edits", (gulong)s->position),
                           s->position);
}

/* What is said while an edit is under way ends with how many follow it. */
static char *busy_text(const ti_state *s)
{
    char *now = s->phase == TI_PHASE_WORKING   ? working_text(s)
                : s->phase == TI_PHASE_WAITING ? starting_text(s)
                                               : g_strdup(_("Bringing the edit to full size…"));
    if (!s->waiting) return now;
    GString *text = g_string_new(NULL);
    add_part(text, now);
    add_part(text, g_strdup_printf(g_dngettext(TI_DOMAIN, "%d more waiting", "%d more waiting",
                                               (gulong)s->waiting),
                                   s->waiting));
    return g_string_free(text, FALSE);
}

char *ti_state_status(const ti_state *s)
{
    switch (s->phase) {
    case TI_PHASE_IDLE:
        return g_strdup("");
    case TI_PHASE_WAITING:
    case TI_PHASE_WORKING:
    case TI_PHASE_APPLYING:
        return busy_text(s);
    case TI_PHASE_DONE: {
        char *elapsed = ti_duration_text(s->seconds);
        char *text = g_strdup_printf(_("Done in %s"), elapsed);
        g_free(elapsed);
        return text;
    }
    case TI_PHASE_FAILED:
        return g_strdup(s->variation > 1 ? _("The variations before it are in the image.")
                                         : _("Nothing was changed."));
    case TI_PHASE_CANCELLED:
        return g_strdup(s->variation > 1
                            ? _("Cancelled. The variations before it are in the image.")
                            : _("Cancelled. Nothing was changed."));
    }
    return g_strdup("");
}

char *ti_state_target_text(const ti_state *s, bool use_selection)
{
    const ti_target *t = &s->target;
    if (!t->image) return g_strdup(_("No image"));
    if (t->problem) return g_strdup(t->problem);
    if (t->has_selection && use_selection)
        return g_strdup_printf(_("Selection, %d × %d pixels"), t->select_width, t->select_height);
    return g_strdup_printf(_("Whole layer, %d × %d pixels"), t->width, t->height);
}

ti_entry *ti_entry_new(const char *id)
{
    ti_entry *entry = g_new0(ti_entry, 1);
    entry->id = g_strdup(id);
    return entry;
}

void ti_entry_free(gpointer data)
{
    ti_entry *entry = data;
    g_free(entry->id);
    g_free(entry->instruction);
    g_free(entry->reasoning);
    g_free(entry->options);
    g_free(entry->model);
    g_free(entry->time);
    g_free(entry);
}
