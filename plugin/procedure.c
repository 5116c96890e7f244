/* procedure.c - one edit from arguments to layer, for batch runs and scripts.
 *
 * Nothing in the image is touched before the result is there; whatever fails, the picture stays as
 * it was. GIMP may kill this process at any moment: the server notices the hang-up and cancels the
 * job.
 */
#include "procedure.h"

#include "apply.h"
#include "client/client.h"
#include "record.h"
#include "ui/i18n.h"

/* The server that ~/.config/thinkedit/client.conf names; without the file, the user's own.
 *
 *     [server]
 *     address=http://studio:8765
 *     token=...
 */
ti_client *ti_procedure_client(GError **error)
{
    g_autofree char *path =
        g_build_filename(g_get_user_config_dir(), "thinkedit", "client.conf", NULL);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *address = NULL, *token = NULL;
    g_autoptr(GError) why = NULL;
    if (g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &why)) {
        address = g_key_file_get_string(file, "server", "address", NULL);
        token = g_key_file_get_string(file, "server", "token", NULL);
    } else if (!g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_set_error(error, TI_CLIENT_ERROR, TI_CLIENT_UNREACHABLE,
                    _("%s cannot be read (%s): mend or remove it."), path, why->message);
        return NULL;
    }
    return ti_client_new(address, token, error);
}

static bool check_arguments(const ti_edit_arguments *a, GError **error)
{
    g_autofree char *text = g_strstrip(g_strdup(a->instruction ? a->instruction : ""));
    const char *sentence = NULL;
    if (!*text)
        sentence = _("The instruction is empty: say what to change, e.g. \"make it autumn\".");
    else if (!g_utf8_validate(text, -1, NULL))
        sentence = _("The instruction is not UTF-8 text: check the script's encoding.");
    else if (a->output < TI_NEW_LAYER || a->output > TI_NEW_IMAGE)
        sentence = _("output must be 0 (new layer), 1 (replace) or 2 (new image).");
    if (sentence) g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, sentence);
    return !sentence && ti_host_check(a->image, a->layer, (ti_output)a->output, error);
}

static void show_event(const ti_client_event *event, void *user)
{
    (void)user;
    if (event->kind == TI_CLIENT_QUEUED && event->position > 0) {
        ti_host_progress(0, "Waiting for other edits");
    } else if (event->kind == TI_CLIENT_PROGRESS) {
        g_autofree char *text =
            event->seconds_left < 0
                ? g_strdup_printf("%s", event->stage)
                : g_strdup_printf("%s: step %d of %d, %.0f s left", event->stage, event->step,
                                  event->steps, event->seconds_left);
        ti_host_progress(event->steps ? (double)event->step / event->steps : 0, text);
    }
}

/* GIMP 2.10 has 32-bit integers only, so the seed is drawn here where one was left open: what comes
 * back as seed-used then gives the same result again. */
static gint64 choose_seed(gint64 seed)
{
    return seed >= 0 ? seed : g_random_int_range(0, G_MAXINT32);
}

bool ti_procedure_edit(const ti_edit_arguments *a, ti_edit_values *values, GError **error)
{
    values->layer = -1;
    if (!check_arguments(a, error)) return false;
    ti_client *client = ti_procedure_client(error);
    ti_shot *shot =
        client ? ti_shot_take(client, a->image, a->layer, a->use_selection, error) : NULL;
    ti_client_result *result = NULL;
    if (shot) {
        ti_client_request request = {.instruction = a->instruction,
                                     .options = a->options,
                                     .seed = choose_seed(a->seed),
                                     .image = ti_shot_image(shot),
                                     .mask = ti_shot_mask(shot)};
        ti_host_progress(0, "Starting the engine");
        result = ti_client_run(client, &request, NULL, show_event, NULL, error);
        ti_host_progress(-1, NULL);
    }
    if (result)
        values->layer = ti_shot_apply(shot, result, a->instruction, (ti_output)a->output, error);
    if (values->layer != -1) {
        values->reasoning = g_strdup(result->reasoning);
        values->seed = (int)result->seed;
    }
    ti_client_result_free(result);
    ti_shot_free(shot);
    ti_client_free(client);
    return values->layer != -1;
}

char *ti_procedure_reasoning(int layer, GError **error)
{
    g_autofree char *record = ti_host_record(layer);
    if (record) return ti_record_reasoning(record, error);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                        _("This layer did not come from a thinking-aware edit: choose one that "
                          "did."));
    return NULL;
}
