/* worker.c - see worker.h. The model pointer belongs to the worker thread; `lock` guards what the
 * main thread may look at: the pointer's being there, and the copy of what is known about the
 * model. */
#include "server/worker.h"

#include <string.h>
#include <sys/stat.h>

#include "server/describe.h"
#include "server/place.h"
#include "server/png.h"

typedef enum task_kind {
    TASK_RUN,
    TASK_DRAW,
    TASK_KNOW,
    TASK_SIZE,
    TASK_UNLOAD,
    TASK_QUIT
} task_kind;

typedef struct task {
    task_kind kind;
    ti_worker *worker;
    ti_job *job;
    int step, width, height;
    GBytes *png;
    te_error error;
    JsonObject *known;
    union {
        ti_drawn_fn drawn;
        ti_known_fn known;
        ti_sized_fn sized;
    } answer;
    void *user;
} task;

struct ti_worker {
    ti_serve_options opt;
    ti_worker_events events;
    GThread *thread;
    GAsyncQueue *tasks;
    te_model *model;  /* worker thread */
    struct stat seen; /* the model's file when it was opened */
    GMutex lock;
    gboolean loaded;
    JsonObject *known;
};

/* ---- to the main thread ------------------------------------------------------------------ */

typedef struct report {
    ti_worker *worker;
    ti_job *job;
    enum { REPORT_STARTED, REPORT_PROGRESS, REPORT_EVENT, REPORT_ENDED } kind;
    ti_stream_slot slot;
    const char *name;
    char *json;
    int step, steps;
    double seconds, seconds_left;
} report;

static gboolean deliver_report(gpointer data)
{
    report *r = data;
    const ti_worker_events *e = &r->worker->events;
    if (r->kind == REPORT_STARTED) {
        e->started(r->job, r->json, e->user);
    } else if (r->kind == REPORT_ENDED) {
        e->ended(r->job, e->user);
    } else {
        if (r->kind == REPORT_PROGRESS) {
            r->job->step = r->step;
            r->job->steps = r->steps;
            r->job->seconds = r->seconds;
            r->job->seconds_left = r->seconds_left;
        }
        e->event(r->job, r->slot, r->name, r->json, e->user);
    }
    ti_job_unref(r->job);
    g_free(r);
    return G_SOURCE_REMOVE;
}

static void send_report(report r)
{
    ti_job_ref(r.job);
    g_idle_add_full(G_PRIORITY_DEFAULT, deliver_report, g_memdup2(&r, sizeof r), NULL);
}

static gboolean deliver_answer(gpointer data)
{
    task *t = data;
    if (t->kind == TASK_DRAW)
        t->answer.drawn(t->png, &t->error, t->user);
    else if (t->kind == TASK_KNOW)
        t->answer.known(t->known, t->user);
    else if (t->kind == TASK_SIZE)
        t->answer.sized(t->width, t->height, t->width ? NULL : t->error.message, t->user);
    if (t->png) g_bytes_unref(t->png);
    if (t->known) json_object_unref(t->known);
    ti_job_unref(t->job);
    g_free(t);
    return G_SOURCE_REMOVE;
}

static void answer(task *t)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, deliver_answer, t, NULL);
}

/* ---- the model --------------------------------------------------------------------------- */

static void remember(ti_worker *w, JsonObject *known)
{
    g_mutex_lock(&w->lock);
    if (w->known) json_object_unref(w->known);
    w->known = known;
    w->loaded = w->model != NULL;
    g_mutex_unlock(&w->lock);
}

static void drop_model(ti_worker *w)
{
    te_model_free(w->model);
    w->model = NULL;
    g_mutex_lock(&w->lock);
    w->loaded = FALSE;
    g_mutex_unlock(&w->lock);
}

static gboolean file_changed(const ti_worker *w)
{
    struct stat now;
    if (!w->opt.model) return FALSE;
    return stat(w->opt.model, &now) || now.st_ino != w->seen.st_ino ||
           now.st_size != w->seen.st_size || now.st_mtime != w->seen.st_mtime;
}

static te_status load_model(ti_worker *w, te_error *err)
{
    if (w->model && file_changed(w)) drop_model(w);
    if (w->model) return TE_OK;
    te_model_options opt = {w->opt.device, w->opt.threads};
    if (w->opt.model && stat(w->opt.model, &w->seen)) memset(&w->seen, 0, sizeof w->seen);
    te_error local;
    te_status st = te_model_open(&w->model, w->opt.model, &opt, &local);
    if (st) {
        JsonObject *known = json_object_new();
        json_object_set_null_member(known, "model");
        json_object_set_string_member(known, "problem", local.message);
        remember(w, known);
        if (err) *err = local;
    } else {
        remember(w, ti_describe(w->model));
    }
    return st;
}

/* ---- tasks ------------------------------------------------------------------------------- */

static void draw(ti_worker *w, task *t)
{
    te_image *image = NULL;
    if (!load_model(w, &t->error) &&
        !te_result_step_image_pixels(w->model, t->job->result, t->step, &image, &t->error)) {
        t->png = ti_png_write(image);
        if (!t->png) ti_server_fail(&t->error, TE_NOMEM, "not enough memory to write the picture");
    }
    te_image_free(image);
    answer(t);
}

/* Drawings and questions that came while a job runs are answered between its steps. */
static void serve_between_steps(ti_worker *w)
{
    GQueue later = G_QUEUE_INIT;
    task *t;
    while ((t = g_async_queue_try_pop(w->tasks)) != NULL) {
        if (t->kind == TASK_DRAW)
            draw(w, t);
        else
            g_queue_push_tail(&later, t);
    }
    while ((t = g_queue_pop_tail(&later)) != NULL) g_async_queue_push_front(w->tasks, t);
}

static char *progress_text(const te_progress *p)
{
    JsonObject *o = json_object_new();
    json_object_set_string_member(o, "stage", p->stage);
    json_object_set_int_member(o, "step", p->step);
    json_object_set_int_member(o, "steps", p->steps);
    json_object_set_double_member(o, "seconds", p->seconds);
    if (p->seconds_left < 0)
        json_object_set_null_member(o, "seconds_left");
    else
        json_object_set_double_member(o, "seconds_left", p->seconds_left);
    json_object_set_int_member(o, "masked_text", p->masked_text);
    json_object_set_int_member(o, "masked_image", p->masked_image);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, o);
    return ti_json_text(node);
}

static char *text_text(const te_progress *p)
{
    JsonObject *o = json_object_new();
    json_object_set_int_member(o, "step", p->step);
    json_object_set_string_member(o, "text", p->text);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, o);
    return ti_json_text(node);
}

static char *preview_text(const te_progress *p)
{
    GBytes *png = ti_png_write(p->preview);
    if (!png) return NULL;
    gsize n;
    const void *bytes = g_bytes_get_data(png, &n);
    char *base64 = g_base64_encode(bytes, n);
    char *text = g_strdup_printf("{\"step\":%d,\"width\":%d,\"height\":%d,\"png\":\"%s\"}", p->step,
                                 p->preview->width, p->preview->height, base64);
    g_free(base64);
    g_bytes_unref(png);
    return text;
}

typedef struct run_context {
    ti_worker *worker;
    ti_job *job;
    const char *stage; /* told last */
} run_context;

static void on_progress(const te_progress *p, void *user)
{
    run_context *c = user;
    report r = {.worker = c->worker, .job = c->job, .kind = REPORT_PROGRESS, .name = "progress"};
    r.slot = g_strcmp0(c->stage, p->stage) ? TI_STREAM_KEEP : TI_STREAM_PROGRESS;
    c->stage = p->stage;
    r.step = p->step;
    r.steps = p->steps;
    r.seconds = p->seconds;
    r.seconds_left = p->seconds_left;
    r.json = progress_text(p);
    send_report(r);
    r.kind = REPORT_EVENT;
    if (p->text) {
        r.slot = TI_STREAM_TEXT;
        r.name = "text";
        r.json = text_text(p);
        send_report(r);
    }
    if (p->preview && (r.json = preview_text(p)) != NULL) {
        r.slot = TI_STREAM_PREVIEW;
        r.name = "preview";
        send_report(r);
    }
    serve_between_steps(c->worker);
}

static te_status resolve_options(ti_worker *w, ti_job *job, te_options *opt)
{
    te_options_init(opt);
    te_status st = job->preset ? te_options_preset(opt, w->model, job->preset, &job->error) : TE_OK;
    for (guint i = 0; !st && i + 1 < job->options->len; i += 2)
        st = te_options_set(opt, g_ptr_array_index(job->options, i),
                            g_ptr_array_index(job->options, i + 1), &job->error);
    if (!st) st = te_options_resolve(opt, w->model, !job->image.pixels, &job->error);
    if (!st && opt->seed < 0) opt->seed = g_random_int_range(0, G_MAXINT32);
    return st;
}

static void report_started(ti_worker *w, ti_job *job, const te_options *opt)
{
    te_model_info info;
    te_model_get_info(w->model, &info);
    job->model.name = g_strdup(info.name);
    job->model.profile = g_strdup(info.profile);
    job->model.hash = g_strdup(info.hash);
    int width = job->width ? job->width : info.width,
        height = job->height ? job->height : info.height;
    if (job->image.pixels)
        te_model_working_size(w->model, job->image.width, job->image.height, &width, &height);
    job->grid_width = width / info.patch;
    job->grid_height = height / info.patch;
    JsonObject *o = json_object_new(), *grid = json_object_new();
    json_object_set_string_member(o, "id", job->id);
    json_object_set_string_member(o, "model", info.name);
    json_object_set_string_member(o, "hash", info.hash);
    json_object_set_int_member(o, "seed", opt->seed);
    json_object_set_int_member(o, "width", width);
    json_object_set_int_member(o, "height", height);
    json_object_set_int_member(grid, "width", job->grid_width);
    json_object_set_int_member(grid, "height", job->grid_height);
    json_object_set_object_member(o, "grid", grid);
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, o);
    send_report(
        (report){.worker = w, .job = job, .kind = REPORT_STARTED, .json = ti_json_text(node)});
}

static void run_job(ti_worker *w, ti_job *job)
{
    te_options opt;
    te_model_info before, after;
    run_context context = {w, job, NULL};
    if (!w->model) {
        te_progress loading = {.stage = "loading the model", .seconds_left = -1};
        on_progress(&loading, &context);
    }
    te_status st = load_model(w, &job->error);
    if (!st) st = resolve_options(w, job, &opt);
    if (!st) {
        report_started(w, job, &opt);
        te_model_get_info(w->model, &before);
        te_callbacks calls = {on_progress, &context, job->preview_every, &job->cancel};
        te_region region = {job->mask};
        if (job->image.pixels)
            st = te_edit_region(w->model, &job->image, job->mask ? &region : NULL, job->instruction,
                                &opt, &calls, &job->result, &job->error);
        else
            st = te_generate(w->model, job->instruction, job->width, job->height, &opt, &calls,
                             &job->result, &job->error);
        te_model_get_info(w->model, &after);
        if (after.device != before.device) remember(w, ti_describe(w->model)); /* a card gave up */
    }
    job->error.status = st;
    send_report((report){.worker = w, .job = job, .kind = REPORT_ENDED});
    ti_job_unref(job);
}

static gpointer work(gpointer data)
{
    ti_worker *w = data;
    for (;;) {
        task *t = g_async_queue_pop(w->tasks);
        task_kind kind = t->kind;
        switch (kind) {
        case TASK_RUN:
            run_job(w, t->job);
            t->job = NULL;
            g_free(t);
            break;
        case TASK_DRAW:
            draw(w, t);
            break;
        case TASK_KNOW:
            load_model(w, NULL);
            g_mutex_lock(&w->lock);
            t->known = json_object_ref(w->known);
            g_mutex_unlock(&w->lock);
            answer(t);
            break;
        case TASK_SIZE: {
            int width = 0, height = 0;
            if (!load_model(w, &t->error))
                te_model_working_size(w->model, t->width, t->height, &width, &height);
            t->width = width;
            t->height = height;
            answer(t);
            break;
        }
        case TASK_UNLOAD:
            drop_model(w);
            g_free(t);
            break;
        case TASK_QUIT:
            drop_model(w);
            g_free(t);
            return NULL;
        }
    }
}

/* ---- main thread ------------------------------------------------------------------------- */

static task *new_task(ti_worker *w, task_kind kind)
{
    task *t = g_new0(task, 1);
    t->kind = kind;
    t->worker = w;
    return t;
}

ti_worker *ti_worker_new(const ti_serve_options *opt, const ti_worker_events *events)
{
    ti_worker *w = g_new0(ti_worker, 1);
    w->opt = *opt;
    w->events = *events;
    w->tasks = g_async_queue_new();
    g_mutex_init(&w->lock);
    w->thread = g_thread_new("model", work, w);
    return w;
}

void ti_worker_free(ti_worker *w)
{
    g_async_queue_push(w->tasks, new_task(w, TASK_QUIT));
    g_thread_join(w->thread);
    task *t;
    while ((t = g_async_queue_try_pop(w->tasks)) != NULL) {
        ti_job_unref(t->job);
        g_free(t);
    }
    g_async_queue_unref(w->tasks);
    if (w->known) json_object_unref(w->known);
    g_mutex_clear(&w->lock);
    g_free(w);
}

void ti_worker_run(ti_worker *w, ti_job *job)
{
    task *t = new_task(w, TASK_RUN);
    t->job = ti_job_ref(job);
    g_async_queue_push(w->tasks, t);
}

void ti_worker_draw(ti_worker *w, ti_job *job, int step, ti_drawn_fn drawn, void *user)
{
    task *t = new_task(w, TASK_DRAW);
    t->job = ti_job_ref(job);
    t->step = step;
    t->answer.drawn = drawn;
    t->user = user;
    g_async_queue_push(w->tasks, t);
}

void ti_worker_know(ti_worker *w, ti_known_fn known, void *user)
{
    g_mutex_lock(&w->lock);
    JsonObject *now =
        w->known && json_object_get_null_member(w->known, "problem") && !file_changed(w)
            ? json_object_ref(w->known)
            : NULL;
    g_mutex_unlock(&w->lock);
    if (now) {
        known(now, user);
        json_object_unref(now);
        return;
    }
    task *t = new_task(w, TASK_KNOW);
    t->answer.known = known;
    t->user = user;
    g_async_queue_push(w->tasks, t);
}

void ti_worker_size(ti_worker *w, int width, int height, ti_sized_fn sized, void *user)
{
    g_mutex_lock(&w->lock);
    JsonObject *model = w->known && json_object_get_null_member(w->known, "problem")
                            ? json_object_get_object_member(w->known, "model")
                            : NULL;
    gboolean square =
        model && !strcmp(json_object_get_string_member(w->known, "size_rule"), "square");
    int w0 = square ? (int)json_object_get_int_member(model, "width") : 0;
    int h0 = square ? (int)json_object_get_int_member(model, "height") : 0;
    g_mutex_unlock(&w->lock);
    if (square) {
        sized(w0, h0, NULL, user);
        return;
    }
    task *t = new_task(w, TASK_SIZE);
    t->width = width;
    t->height = height;
    t->answer.sized = sized;
    t->user = user;
    g_async_queue_push(w->tasks, t);
}

gboolean ti_worker_loaded(ti_worker *w)
{
    g_mutex_lock(&w->lock);
    gboolean loaded = w->loaded;
    g_mutex_unlock(&w->lock);
    return loaded;
}

void ti_worker_unload(ti_worker *w)
{
    g_async_queue_push(w->tasks, new_task(w, TASK_UNLOAD));
}
