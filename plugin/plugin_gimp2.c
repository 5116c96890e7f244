/* plugin_gimp2.c - registration with GIMP 2.10, whose argument lists can never change. */
#include "panel_owner.h"
#include "procedure.h"

#include <libgimp/gimp.h>
#include <signal.h>
#include <sys/prctl.h>

static void query(void);
static void run(const gchar *name, gint n_params, const GimpParam *params, gint *n_values,
                GimpParam **values);

const GimpPlugInInfo PLUG_IN_INFO = {NULL, NULL, query, run};

MAIN()

static void query(void)
{
    static const GimpParamDef arguments[] = {
        {GIMP_PDB_INT32, "run-mode",
         "The run mode { RUN-INTERACTIVE (0), RUN-NONINTERACTIVE (1) }"},
        {GIMP_PDB_IMAGE, "image", "The image"},
        {GIMP_PDB_DRAWABLE, "drawable", "The layer to edit"},
        {GIMP_PDB_STRING, "instruction", "What to change, in words"},
        {GIMP_PDB_INT32, "seed", "The same seed gives the same result; -1: a new one"},
        {GIMP_PDB_INT32, "output", "0: new layer, 1: replace, 2: new image"},
        {GIMP_PDB_INT32, "use-selection", "1: change only what is selected"},
        {GIMP_PDB_STRING, "options", "\"key=value ...\" as in thinkedit edit --help; may be empty"},
    };
    static const GimpParamDef results[] = {
        {GIMP_PDB_LAYER, "layer", "The layer with the edited picture"},
        {GIMP_PDB_STRING, "reasoning", "What the model thought about the edit"},
        {GIMP_PDB_INT32, "seed-used", "The seed that gives this result again"},
    };
    static const GimpParamDef reasoning_arguments[] = {
        {GIMP_PDB_DRAWABLE, "drawable", "A layer that came from an edit"},
    };
    static const GimpParamDef reasoning_results[] = {
        {GIMP_PDB_STRING, "reasoning", "What the model thought about the edit"},
    };
    gimp_install_procedure(
        TI_EDIT_PROCEDURE, "Edits a picture by an instruction, with reasoning",
        "A masked diffusion model thinks about the instruction in words and edits the picture at "
        "the "
        "same time. The result is a layer of the picture's size; its parasite \"" TI_PARASITE "\" "
        "keeps instruction, reasoning and settings.",
        "The Thinking-Aware Edit authors", "Apache-2.0", "2026", "_Thinking-Aware Edit...",
        "RGB*, GRAY*, INDEXED*", GIMP_PLUGIN, G_N_ELEMENTS(arguments), G_N_ELEMENTS(results),
        arguments, results);
    gimp_plugin_menu_register(TI_EDIT_PROCEDURE, "<Image>/Filters");
    gimp_install_procedure(TI_REASONING_PROCEDURE, "The reasoning kept with an edited layer",
                           "Fails for a layer that did not come from " TI_EDIT_PROCEDURE ".",
                           "The Thinking-Aware Edit authors", "Apache-2.0", "2026", NULL, NULL,
                           GIMP_PLUGIN, G_N_ELEMENTS(reasoning_arguments),
                           G_N_ELEMENTS(reasoning_results), reasoning_arguments, reasoning_results);
}

/* Turns ERROR into the values of a failed call; GIMP shows the sentence, or hands it to the script.
 */
static void fail(GimpParam *values, gint *n_values, GError *error)
{
    values[0].data.d_status = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                                  ? GIMP_PDB_CANCEL
                                  : GIMP_PDB_EXECUTION_ERROR;
    values[1].type = GIMP_PDB_STRING;
    values[1].data.d_string = g_strdup(error->message);
    *n_values = 2;
    g_error_free(error);
}

static void run_edit(gint n_params, const GimpParam *p, gint *n_values, GimpParam *values)
{
    GError *error = NULL;
    ti_edit_values made;
    if (n_params >= 3 && p[0].data.d_int32 != GIMP_RUN_NONINTERACTIVE) {
        if (!ti_panel_open(p[1].data.d_image, p[2].data.d_drawable, &error))
            fail(values, n_values, error);
        return;
    }
    if (n_params < 8) {
        values[0].data.d_status = GIMP_PDB_CALLING_ERROR;
        return;
    }
    ti_edit_arguments arguments = {.image = p[1].data.d_image,
                                   .layer = p[2].data.d_drawable,
                                   .instruction = p[3].data.d_string,
                                   .seed = p[4].data.d_int32,
                                   .output = p[5].data.d_int32,
                                   .use_selection = p[6].data.d_int32 != 0,
                                   .options = p[7].data.d_string};
    if (!ti_procedure_edit(&arguments, &made, &error)) {
        fail(values, n_values, error);
        return;
    }
    values[1].type = GIMP_PDB_LAYER;
    values[1].data.d_layer = made.layer;
    values[2].type = GIMP_PDB_STRING;
    values[2].data.d_string = made.reasoning;
    values[3].type = GIMP_PDB_INT32;
    values[3].data.d_int32 = made.seed;
    *n_values = 4;
}

static void run_reasoning(const GimpParam *p, gint *n_values, GimpParam *values)
{
    GError *error = NULL;
    char *reasoning = ti_procedure_reasoning(p[0].data.d_drawable, &error);
    if (!reasoning) {
        fail(values, n_values, error);
        return;
    }
    values[1].type = GIMP_PDB_STRING;
    values[1].data.d_string = reasoning;
    *n_values = 2;
}

static void run(const gchar *name, gint n_params, const GimpParam *params, gint *n_values,
                GimpParam **values)
{
    static GimpParam returned[4]; /* libgimp reads them after this function has returned */
    *n_values = 1;
    *values = returned;
    returned[0].type = GIMP_PDB_STATUS;
    returned[0].data.d_status = GIMP_PDB_SUCCESS;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* GIMP killed: nobody is left to edit for */
    gegl_init(NULL, NULL);
    if (g_str_equal(name, TI_EDIT_PROCEDURE))
        run_edit(n_params, params, n_values, returned);
    else
        run_reasoning(params, n_values, returned);
}
