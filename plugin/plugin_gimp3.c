/* plugin_gimp3.c - registration with GIMP 3.x: a GimpPlugIn with the contracted procedures. */
#include "panel_owner.h"
#include "procedure.h"
#include "ui/i18n.h"

#include <libgimp/gimp.h>
#include <signal.h>
#include <sys/prctl.h>

#define PLUGIN_TYPE (plugin_get_type())
G_DECLARE_FINAL_TYPE(Plugin, plugin, THINKEDIT, PLUGIN, GimpPlugIn)

struct _Plugin {
    GimpPlugIn parent;
};

G_DEFINE_TYPE(Plugin, plugin, GIMP_TYPE_PLUG_IN)

GIMP_MAIN(PLUGIN_TYPE)

static GList *query_procedures(GimpPlugIn *plugin)
{
    (void)plugin;
    GList *names = g_list_append(NULL, g_strdup(TI_EDIT_PROCEDURE));
    return g_list_append(names, g_strdup(TI_REASONING_PROCEDURE));
}

/* Turns ERROR into the values of a failed call; GIMP shows the sentence, or hands it to the script.
 */
static GimpValueArray *fail(GimpProcedure *procedure, GError *error)
{
    bool cancelled = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    return gimp_procedure_new_return_values(
        procedure, cancelled ? GIMP_PDB_CANCEL : GIMP_PDB_EXECUTION_ERROR, error);
}

static GimpValueArray *run_edit(GimpProcedure *procedure, GimpRunMode mode, GimpImage *image,
                                GimpDrawable **drawables, GimpProcedureConfig *config, void *user)
{
    g_autofree char *instruction = NULL, *options = NULL;
    gboolean use_selection;
    gint seed;
    GError *error = NULL;
    ti_edit_values made;
    (void)user;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* GIMP killed: nobody is left to edit for */
    gegl_init(NULL, NULL);
    if (gimp_core_object_array_get_length((GObject **)drawables) != 1)
        return fail(procedure, g_error_new(G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                           _("One layer can be edited at a time: choose one in the "
                                             "Layers dialog.")));
    if (mode != GIMP_RUN_NONINTERACTIVE) {
        int layer = gimp_item_get_id(GIMP_ITEM(drawables[0]));
        if (!ti_panel_open(gimp_image_get_id(image), layer, &error)) return fail(procedure, error);
        return gimp_procedure_new_return_values(procedure, GIMP_PDB_SUCCESS, NULL);
    }
    g_object_get(config, "instruction", &instruction, "seed", &seed, "use-selection",
                 &use_selection, "options", &options, NULL);
    ti_edit_arguments arguments = {
        .image = gimp_image_get_id(image),
        .layer = gimp_item_get_id(GIMP_ITEM(drawables[0])),
        .instruction = instruction,
        .seed = seed,
        .output = gimp_procedure_config_get_choice_id(config, "output"),
        .use_selection = use_selection,
        .options = options,
    };
    if (!ti_procedure_edit(&arguments, &made, &error)) return fail(procedure, error);
    GimpValueArray *values = gimp_procedure_new_return_values(procedure, GIMP_PDB_SUCCESS, NULL);
    GIMP_VALUES_SET_LAYER(values, 1, gimp_layer_get_by_id(made.layer));
    GIMP_VALUES_TAKE_STRING(values, 2, made.reasoning);
    GIMP_VALUES_SET_INT(values, 3, made.seed);
    return values;
}

static GimpValueArray *run_reasoning(GimpProcedure *procedure, GimpProcedureConfig *config,
                                     void *user)
{
    GimpDrawable *drawable = NULL;
    GError *error = NULL;
    (void)user;
    g_object_get(config, "drawable", &drawable, NULL);
    char *reasoning =
        ti_procedure_reasoning(drawable ? gimp_item_get_id(GIMP_ITEM(drawable)) : -1, &error);
    g_clear_object(&drawable);
    if (!reasoning) return fail(procedure, error);
    GimpValueArray *values = gimp_procedure_new_return_values(procedure, GIMP_PDB_SUCCESS, NULL);
    GIMP_VALUES_TAKE_STRING(values, 1, reasoning);
    return values;
}

static GimpProcedure *create_edit(GimpPlugIn *plugin)
{
    GimpProcedure *p = gimp_image_procedure_new(plugin, TI_EDIT_PROCEDURE,
                                                GIMP_PDB_PROC_TYPE_PLUGIN, run_edit, NULL, NULL);
    gimp_procedure_set_image_types(p, "*");
    gimp_procedure_set_sensitivity_mask(p, GIMP_PROCEDURE_SENSITIVE_DRAWABLE |
                                               GIMP_PROCEDURE_SENSITIVE_DRAWABLES);
    gimp_procedure_set_menu_label(p, "_Thinking-Aware Edit...");
    gimp_procedure_add_menu_path(p, "<Image>/Filters");
    gimp_procedure_set_documentation(
        p, "Edits a picture by an instruction, with reasoning",
        "A masked diffusion model thinks about the instruction in words and edits the picture at "
        "the "
        "same time. The result is a layer of the picture's size; its parasite \"" TI_PARASITE "\" "
        "keeps instruction, reasoning and settings.",
        TI_EDIT_PROCEDURE);
    gimp_procedure_set_attribution(p, "The Thinking-Aware Edit authors", "Apache-2.0", "2026");
    gimp_procedure_add_string_argument(p, "instruction", "_Instruction", "What to change, in words",
                                       "", G_PARAM_READWRITE);
    gimp_procedure_add_int_argument(p, "seed", "_Seed",
                                    "The same seed gives the same result; -1: a new one", -1,
                                    G_MAXINT, -1, G_PARAM_READWRITE);
    gimp_procedure_add_choice_argument(
        p, "output", "_Output", "Where the result goes",
        gimp_choice_new_with_values("new-layer", TI_NEW_LAYER, "New layer", NULL, "replace",
                                    TI_REPLACE, "Replace", NULL, "new-image", TI_NEW_IMAGE,
                                    "New image", NULL, NULL),
        "new-layer", G_PARAM_READWRITE);
    gimp_procedure_add_boolean_argument(p, "use-selection", "_Use selection",
                                        "Change only what is selected", TRUE, G_PARAM_READWRITE);
    gimp_procedure_add_string_argument(p, "options", "O_ptions",
                                       "\"key=value ...\" as in thinkedit edit --help", "",
                                       G_PARAM_READWRITE);
    gimp_procedure_add_layer_return_value(p, "layer", "Layer", "The layer with the edited picture",
                                          FALSE, G_PARAM_READWRITE);
    gimp_procedure_add_string_return_value(p, "reasoning", "Reasoning",
                                           "What the model thought about the edit", NULL,
                                           G_PARAM_READWRITE);
    gimp_procedure_add_int_return_value(p, "seed-used", "Seed",
                                        "The seed that gives this result again", -1, G_MAXINT, -1,
                                        G_PARAM_READWRITE);
    return p;
}

static GimpProcedure *create_reasoning(GimpPlugIn *plugin)
{
    GimpProcedure *p = gimp_procedure_new(plugin, TI_REASONING_PROCEDURE, GIMP_PDB_PROC_TYPE_PLUGIN,
                                          run_reasoning, NULL, NULL);
    gimp_procedure_set_documentation(
        p, "The reasoning kept with an edited layer",
        "Fails for a layer that did not come from " TI_EDIT_PROCEDURE ".", TI_REASONING_PROCEDURE);
    gimp_procedure_set_attribution(p, "The Thinking-Aware Edit authors", "Apache-2.0", "2026");
    gimp_procedure_add_drawable_argument(p, "drawable", "Layer", "A layer that came from an edit",
                                         FALSE, G_PARAM_READWRITE);
    gimp_procedure_add_string_return_value(p, "reasoning", "Reasoning",
                                           "What the model thought about the edit", NULL,
                                           G_PARAM_READWRITE);
    return p;
}

static GimpProcedure *create_procedure(GimpPlugIn *plugin, const char *name)
{
    if (g_str_equal(name, TI_EDIT_PROCEDURE)) return create_edit(plugin);
    if (g_str_equal(name, TI_REASONING_PROCEDURE)) return create_reasoning(plugin);
    return NULL;
}

/* No catalogues of its own in the plug-in's folder: the panel brings its translations. */
static gboolean set_i18n(GimpPlugIn *plugin, const char *name, char **domain, char **folder)
{
    (void)plugin;
    (void)name;
    (void)domain;
    (void)folder;
    return FALSE;
}

static void plugin_class_init(PluginClass *class)
{
    GimpPlugInClass *base = GIMP_PLUG_IN_CLASS(class);
    base->query_procedures = query_procedures;
    base->create_procedure = create_procedure;
    base->set_i18n = set_i18n;
}

static void plugin_init(Plugin *plugin)
{
    (void)plugin;
}
