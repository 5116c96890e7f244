/* job.c - see job.h */
#include "server/job.h"

ti_job *ti_job_new(void)
{
    ti_job *job = g_new0(ti_job, 1);
    job->references = 1;
    job->seconds_left = -1;
    g_snprintf(job->id, sizeof job->id, "%08x%08x", g_random_int(), g_random_int());
    job->options = g_ptr_array_new_with_free_func(g_free);
    job->step_pictures =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_bytes_unref);
    return job;
}

ti_job *ti_job_ref(ti_job *job)
{
    g_atomic_int_inc(&job->references);
    return job;
}

void ti_job_unref(ti_job *job)
{
    if (!job || !g_atomic_int_dec_and_test(&job->references)) return;
    g_free(job->image.pixels);
    g_free(job->mask);
    g_free(job->instruction);
    g_free(job->label);
    g_free(job->preset);
    g_ptr_array_unref(job->options);
    g_free(job->finished_at);
    te_result_free(job->result);
    g_free(job->model.name);
    g_free(job->model.profile);
    g_free(job->model.hash);
    g_hash_table_unref(job->step_pictures);
    g_free(job);
}

const char *ti_job_state_name(ti_job_state state)
{
    static const char *const names[] = {"queued", "running", "done", "failed", "cancelled"};
    return names[state];
}

const char *ti_status_word(te_status status)
{
    static const char *const words[] = {"ok",     "invalid",     "nomem",     "io",
                                        "format", "unsupported", "cancelled", "device"};
    return words[status];
}

char *ti_json_text(JsonNode *node)
{
    char *text = json_to_string(node, FALSE);
    json_node_unref(node);
    return text;
}

JsonNode *ti_error_json(const char *status, const char *message)
{
    JsonBuilder *b = json_builder_new();
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "error");
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "status");
    json_builder_add_string_value(b, status);
    json_builder_set_member_name(b, "message");
    json_builder_add_string_value(b, message);
    json_builder_end_object(b);
    json_builder_end_object(b);
    JsonNode *node = json_builder_get_root(b);
    g_object_unref(b);
    return node;
}

JsonNode *ti_options_json(const te_options *opt)
{
    JsonObject *object = json_object_new();
    size_t n;
    const te_option_info *table = te_option_table(&n);
    for (size_t i = 0; i < n; i++) {
        char text[64];
        if (te_options_get(opt, table[i].name, text, sizeof text, NULL)) continue;
        if (table[i].type == TE_OPTION_INT)
            json_object_set_int_member(object, table[i].name, g_ascii_strtoll(text, NULL, 10));
        else if (table[i].type == TE_OPTION_REAL)
            json_object_set_double_member(object, table[i].name, g_ascii_strtod(text, NULL));
        else
            json_object_set_string_member(object, table[i].name, text);
    }
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

static void add_string(JsonBuilder *b, const char *name, const char *value)
{
    json_builder_set_member_name(b, name);
    if (value)
        json_builder_add_string_value(b, value);
    else
        json_builder_add_null_value(b);
}

static void add_int(JsonBuilder *b, const char *name, gint64 value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_int_value(b, value);
}

static void add_seconds(JsonBuilder *b, const char *name, double value)
{
    json_builder_set_member_name(b, name);
    if (value < 0)
        json_builder_add_null_value(b);
    else
        json_builder_add_double_value(b, value);
}

static void add_change(JsonBuilder *b, const te_result *result)
{
    int w, h;
    const guint8 *change = te_result_change(result, &w, &h);
    json_builder_set_member_name(b, "change");
    if (!change) {
        json_builder_add_null_value(b);
        return;
    }
    json_builder_begin_array(b);
    char *row = g_malloc((gsize)w + 1);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) row[x] = change[y * w + x] ? '1' : '0';
        row[w] = '\0';
        json_builder_add_string_value(b, row);
    }
    g_free(row);
    json_builder_end_array(b);
}

static void add_grid(JsonBuilder *b, const ti_job *job)
{
    json_builder_set_member_name(b, "grid");
    json_builder_begin_object(b);
    add_int(b, "width", job->grid_width);
    add_int(b, "height", job->grid_height);
    json_builder_end_object(b);
}

static void add_result(JsonBuilder *b, const ti_job *job)
{
    const te_image *image = te_result_image(job->result);
    json_builder_set_member_name(b, "model");
    json_builder_begin_object(b);
    add_string(b, "name", job->model.name);
    add_string(b, "profile", job->model.profile);
    add_string(b, "hash", job->model.hash);
    json_builder_end_object(b);
    add_string(b, "instruction", job->instruction);
    add_string(b, "reasoning", te_result_reasoning(job->result));
    add_int(b, "seed", te_result_seed(job->result));
    json_builder_set_member_name(b, "options");
    json_builder_add_value(b, ti_options_json(te_result_options(job->result)));
    add_int(b, "width", image->width);
    add_int(b, "height", image->height);
    add_grid(b, job);
    add_change(b, job->result);
    add_int(b, "steps", te_result_steps(job->result));
    add_seconds(b, "seconds", job->seconds);
    add_string(b, "finished", job->finished_at);
}

JsonNode *ti_job_json(const ti_job *job, int position)
{
    JsonBuilder *b = json_builder_new();
    json_builder_begin_object(b);
    add_string(b, "id", job->id);
    add_string(b, "state", ti_job_state_name(job->state));
    add_string(b, "label", job->label);
    if (job->state == TI_JOB_DONE) {
        add_result(b, job);
    } else {
        add_int(b, "position", position);
        add_int(b, "step", job->step);
        add_int(b, "steps", job->steps);
        add_seconds(b, "seconds", job->seconds);
        add_seconds(b, "seconds_left", job->seconds_left);
    }
    if (job->state == TI_JOB_FAILED) {
        json_builder_set_member_name(b, "error");
        json_builder_begin_object(b);
        add_string(b, "status", ti_status_word(job->error.status));
        add_string(b, "message", job->error.message);
        json_builder_end_object(b);
    }
    json_builder_end_object(b);
    JsonNode *node = json_builder_get_root(b);
    g_object_unref(b);
    return node;
}

/* ---- the timeline ------------------------------------------------------------------------ */

static void add_revealed_text(JsonBuilder *b, const te_result *result, int step)
{
    int n = te_result_step_revealed(result, step, NULL, 0);
    int *ranges = g_new(int, 2 * (gsize)n + 1);
    te_result_step_revealed(result, step, ranges, n);
    json_builder_set_member_name(b, "revealed_text");
    json_builder_begin_array(b);
    for (int i = 0; i < n; i++) {
        json_builder_begin_array(b);
        json_builder_add_int_value(b, ranges[2 * i]);
        json_builder_add_int_value(b, ranges[2 * i + 1]);
        json_builder_end_array(b);
    }
    json_builder_end_array(b);
    g_free(ranges);
}

static void add_image_difference(JsonBuilder *b, const gint32 *before, const gint32 *now, int n,
                                 gint32 mask, gboolean revealed)
{
    json_builder_set_member_name(b, revealed ? "revealed_image" : "hidden_image");
    json_builder_begin_array(b);
    for (int i = 0; i < n; i++) {
        gboolean was_masked = !before || before[i] == mask;
        gboolean is_masked = now[i] == mask;
        if (revealed ? (was_masked && !is_masked) : (before && !was_masked && is_masked))
            json_builder_add_int_value(b, i);
    }
    json_builder_end_array(b);
}

static int count_masked(const gint32 *ids, int n, gint32 mask)
{
    int masked = 0;
    for (int i = 0; i < n; i++) masked += ids[i] == mask;
    return masked;
}

JsonNode *ti_job_steps_json(const ti_job *job)
{
    const te_result *r = job->result;
    gint32 mask = te_result_mask_id(r);
    JsonBuilder *b = json_builder_new();
    json_builder_begin_object(b);
    add_string(b, "mask", "\xE2\x96\x88");
    add_grid(b, job);
    json_builder_set_member_name(b, "steps");
    json_builder_begin_array(b);
    const gint32 *before = NULL;
    for (int s = 0; s < te_result_steps(r); s++) {
        int n_text, n_image;
        const gint32 *text = te_result_step_text(r, s, &n_text);
        const gint32 *image = te_result_step_image(r, s, &n_image);
        char *now_text = te_result_step_reasoning(r, s);
        json_builder_begin_object(b);
        add_int(b, "step", s);
        add_string(b, "reasoning", now_text ? now_text : "");
        add_revealed_text(b, r, s);
        add_image_difference(b, before, image, n_image, mask, TRUE);
        add_image_difference(b, before, image, n_image, mask, FALSE);
        add_int(b, "masked_text", count_masked(text, n_text, mask));
        add_int(b, "masked_image", count_masked(image, n_image, mask));
        json_builder_end_object(b);
        te_free(now_text);
        before = image;
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
    JsonNode *node = json_builder_get_root(b);
    g_object_unref(b);
    return node;
}
