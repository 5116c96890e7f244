/* i18n.h - words in the person's language: _() for text, N_() for text translated later. */
#ifndef TI_UI_I18N_H
#define TI_UI_I18N_H

#include <glib.h>

/* Without it texts stay English, as for scripts. Says where the catalogues are
 * (FOLDER/LANGUAGE/LC_MESSAGES/); NULL: the system's place. */
void ti_i18n_init(const char *folder);

#define _(text)  g_dgettext(TI_DOMAIN, text)
#define N_(text) (text)

#endif
