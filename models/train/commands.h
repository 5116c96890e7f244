/* commands.h - what `thinkedit-train` can do. CONFIG is a file of models/default/README.md's form.
 */
#ifndef TI_TRAIN_COMMANDS_H
#define TI_TRAIN_COMMANDS_H

#include "base/error.h"

te_status ti_command_grad(const char *model, const char *sft, const char *grads, te_error *err);
te_status ti_command_tokenizer(const char *config, te_error *err);
te_status ti_command_image_tokens(const char *config, bool resume, te_error *err);
te_status ti_command_pool(const char *config, te_error *err);
te_status ti_command_sft(const char *config, bool resume, te_error *err);
te_status ti_command_average(const char *config, te_error *err);
te_status ti_command_grow(const char *config, te_error *err);
te_status ti_command_export(const char *config, te_error *err);
te_status ti_command_import(const char *config, te_error *err);

#endif
