/* report.c - how commands talk: errors, notes, the progress bar, and Ctrl-C. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

te_status ti_error(te_error *err, te_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    err->status = status;
    g_vsnprintf(err->message, sizeof err->message, format, list);
    va_end(list);
    return status;
}

int ti_report(te_status status, const te_error *err)
{
    if (status == TE_OK) return EXIT_OK;
    fprintf(stderr, "thinkedit: %s\n", status == TE_CANCELLED ? "cancelled" : err->message);
    return status == TE_CANCELLED ? EXIT_CANCELLED : EXIT_FAILED;
}

void ti_note(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *text = g_strdup_vprintf(format, list);
    va_end(list);
    fprintf(stderr, "thinkedit: %s\n", text);
    g_free(text);
}

/* ---- cancelling -------------------------------------------------------------------------- */

static volatile int cancelled; /* a signal handler can reach nothing else */

static void on_signal(int number)
{
    cancelled = 1;
    signal(number, SIG_DFL);
}

const volatile int *ti_cancel_flag(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &cancelled;
}

/* ---- progress ---------------------------------------------------------------------------- */

void ti_bar_init(ti_bar *bar, bool quiet)
{
    *bar = (ti_bar){.shown = !quiet && isatty(STDERR_FILENO), .drawn = -1};
}

static void format_time(char *to, size_t size, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        g_snprintf(to, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        g_snprintf(to, size, "%ld:%02ld", s / 60, s % 60);
}

void ti_bar_draw(ti_bar *bar, const char *stage, int step, int steps, double seconds, double left)
{
    if (!bar->shown) return;
    if (bar->drawn >= 0 && seconds - bar->drawn < 0.1 && step < steps && step > 0) return;
    bar->drawn = seconds;
    struct winsize window = {0};
    int columns = !ioctl(STDERR_FILENO, TIOCGWINSZ, &window) && window.ws_col ? window.ws_col : 80;
    char elapsed[32], rest[32] = "", line[256], cells[41] = "";
    format_time(elapsed, sizeof elapsed, seconds);
    if (left >= 0) format_time(rest, sizeof rest, left);
    int width = CLAMP(columns - 60, 10, 40), full = steps > 0 ? width * step / steps : 0;
    for (int i = 0; i < width; i++) cells[i] = i < full ? '#' : '-';
    if (steps > 0)
        g_snprintf(line, sizeof line, "%s [%s] %d/%d  %s%s%s%s", stage, cells, step, steps, elapsed,
                   left >= 0 ? ", " : "", rest, left >= 0 ? " left" : "");
    else
        g_snprintf(line, sizeof line, "%s  %s", stage, elapsed);
    if (columns < (int)sizeof line) line[columns - 1] = '\0';
    fprintf(stderr, "\r%-*s", bar->width, line);
    bar->width = (int)strlen(line);
    fflush(stderr);
}

void ti_bar_clear(ti_bar *bar)
{
    if (bar->shown && bar->width) fprintf(stderr, "\r%*s\r", bar->width, "");
    bar->width = 0;
}

/* ---- text -------------------------------------------------------------------------------- */

GArray *ti_parse_ids(const char *text)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int32_t));
    const char *p = text;
    for (;;) {
        p += strspn(p, " \t\r\n,");
        if (!*p) return ids;
        char *end;
        gint64 value = g_ascii_strtoll(p, &end, 10);
        if (end == p || value < 0 || value > G_MAXINT32) break;
        int32_t id = (int32_t)value;
        g_array_append_val(ids, id);
        p = end;
    }
    g_array_unref(ids);
    return NULL;
}

char *ti_json_quote(const char *text)
{
    GString *out = g_string_new("\"");
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            g_string_append_printf(out, "\\%c", c);
        else if (c == '\n')
            g_string_append(out, "\\n");
        else if (c < 0x20)
            g_string_append_printf(out, "\\u%04x", c);
        else
            g_string_append_c(out, *p);
    }
    g_string_append_c(out, '"');
    return g_string_free(out, FALSE);
}

te_status ti_print(const char *text, te_error *err)
{
    if (fputs(text, stdout) >= 0 && !fflush(stdout)) return TE_OK;
    return ti_error(err, TE_IO, "standard output cannot be written: %s", g_strerror(errno));
}

static void explain_row(GString *text, const char *what, int64_t done, int64_t released)
{
    g_string_append_printf(text, "%-22s %16" G_GINT64_FORMAT " %16" G_GINT64_FORMAT, what,
                           (gint64)done, (gint64)released);
    if (done > 0) g_string_append_printf(text, " %8.2fx less", (double)released / (double)done);
    g_string_append_c(text, '\n');
}

te_status ti_explain(const te_work *w, te_error *err)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%-22s %16s %16s\n", "work", "done", "released code");
    explain_row(text, "forwards", w->forwards, w->forwards_released);
    explain_row(text, "token rows", w->token_rows, w->token_rows_released);
    explain_row(text, "logits", w->head_cells, w->head_cells_released);
    g_string_append_printf(
        text, "%-22s %.3f total: %.3f forward, %.3f sampling, %.3f reading, %.3f drawing\n",
        "seconds", w->seconds_total, w->seconds_forward, w->seconds_sample, w->seconds_encode,
        w->seconds_decode);
    te_status st = ti_print(text->str, err);
    g_string_free(text, TRUE);
    return st;
}

te_status ti_write_text(const char *path, const char *text, te_error *err)
{
    if (!strcmp(path, "-")) return ti_print(text, err);
    GError *error = NULL;
    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0666, &error))
        return TE_OK;
    te_status st = ti_error(err, TE_IO, "%s: cannot be written: %s", path, error->message);
    g_error_free(error);
    return st;
}
