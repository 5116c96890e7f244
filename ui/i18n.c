/* i18n.c - see i18n.h */
#include "ui/i18n.h"

#include <libintl.h>

void ti_i18n_init(const char *folder)
{
    if (folder) bindtextdomain(TI_DOMAIN, folder);
    bind_textdomain_codeset(TI_DOMAIN, "UTF-8");
}
