/* edit.c - thinkedit edit and thinkedit generate: one picture. */
#include "cli/job.h"

#include <string.h>

static te_status say(const ti_job *job, const ti_engine *engine, const ti_outcome *out, bool json,
                     bool explain, te_error *err)
{
    te_status st = TE_OK;
    if (json) {
        char *object = ti_outcome_json(out, job), *line = g_strconcat(object, "\n", NULL);
        st = ti_print(line, err);
        g_free(line);
        g_free(object);
    } else if (!engine->quiet && out->reasoning && *out->reasoning && !job->reasoning) {
        char *line = g_strconcat(out->reasoning, "\n", NULL);
        st = ti_print(line, err);
        g_free(line);
    }
    if (!st && explain && out->has_work) st = ti_explain(&out->work, err);
    return st;
}

static int run_job(ti_job *job, ti_engine *engine, bool json, bool explain)
{
    te_error err;
    ti_outcome out = {0};
    te_status st = ti_engine_open(engine, &err);
    if (!st) st = ti_job_run(job, engine, &out, &err);
    if (!st) st = say(job, engine, &out, json, explain, &err);
    ti_outcome_clear(&out);
    ti_engine_close(engine);
    return ti_report(st, &err);
}

static int run_edit(const ti_command *self, int argc, char **argv)
{
    ti_job job = {0};
    ti_engine engine = {0};
    const char *size = NULL;
    bool json = false, explain = false;
    const ti_arg list[] = {
        {"output", 'o', TI_ARG_TEXT, &job.output, "OUT",
         "the edited picture: .png, .jpg, .tiff or .webp"},
        ENGINE_ARGS(engine),
        {"reasoning", 0, TI_ARG_TEXT, &job.reasoning, "FILE",
         "writes the reasoning there (left out: standard output)"},
        {"region", 0, TI_ARG_TEXT, &job.region, "x,y,w,h", "changes nothing outside these pixels"},
        {"mask", 0, TI_ARG_TEXT, &job.mask, "FILE", "changes nothing where this picture is black"},
        {"trajectory", 0, TI_ARG_TEXT, &job.trajectory, "FILE",
         "writes what every denoising step revealed"},
        {"size", 0, TI_ARG_TEXT, &size, "full|model",
         "of the result: the picture's (left out), or what the model drew"},
        {"explain", 0, TI_ARG_FLAG, &explain, NULL,
         "prints the work done against the released code's"},
        {"json", 0, TI_ARG_FLAG, &json, NULL, "prints one JSON object instead of the reasoning"},
        {0},
    };
    GeglRectangle region;
    ti_args args = {.list = list, .tuned = &job.options, .least = 2, .most = 2};
    te_options_init(&job.options);
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    if (!job.output) return ti_usage(self, "it needs -o OUT");
    if (job.region && job.mask) return ti_usage(self, "--region and --mask exclude each other");
    if (job.region && !ti_parse_region(job.region, &region))
        return ti_usage(self, "--region takes x,y,w,h in pixels, not '%s'", job.region);
    if (size && strcmp(size, "full") && strcmp(size, "model"))
        return ti_usage(self, "--size is full or model, not '%s'", size);
    job.image = args.positional[0];
    job.instruction = args.positional[1];
    job.model_size = size && !strcmp(size, "model");
    return run_job(&job, &engine, json, explain);
}

static int run_generate(const ti_command *self, int argc, char **argv)
{
    ti_job job = {0};
    ti_engine engine = {0};
    bool json = false, explain = false;
    const ti_arg list[] = {
        {"output", 'o', TI_ARG_TEXT, &job.output, "OUT", "the picture: .png, .jpg, .tiff or .webp"},
        ENGINE_ARGS(engine),
        {"width", 0, TI_ARG_INT, &job.width, "N", "pixels (left out: the model's own)"},
        {"height", 0, TI_ARG_INT, &job.height, "N", "pixels"},
        {"reasoning", 0, TI_ARG_TEXT, &job.reasoning, "FILE",
         "writes the reasoning there (left out: standard output)"},
        {"trajectory", 0, TI_ARG_TEXT, &job.trajectory, "FILE",
         "writes what every denoising step revealed"},
        {"explain", 0, TI_ARG_FLAG, &explain, NULL,
         "prints the work done against the released code's"},
        {"json", 0, TI_ARG_FLAG, &json, NULL, "prints one JSON object instead of the reasoning"},
        {0},
    };
    ti_args args = {.list = list, .tuned = &job.options, .least = 1, .most = 1};
    te_options_init(&job.options);
    int status = ti_args_parse(&args, self, argc, argv);
    if (status >= 0) return status;
    if (!job.output) return ti_usage(self, "it needs -o OUT");
    if (!job.width != !job.height) return ti_usage(self, "--width and --height go together");
    job.instruction = args.positional[0];
    return run_job(&job, &engine, json, explain);
}

const ti_command ti_command_edit = {"edit", "IMAGE \"INSTRUCTION\" -o OUT [OPTION ...]",
                                    "edits a picture as the instruction says", run_edit};
const ti_command ti_command_generate = {"generate", "\"PROMPT\" -o OUT [OPTION ...]",
                                        "makes a picture from words alone", run_generate};
