/* session.h - a real GIMP, 2.10 or 3.x, with the plug-in, the real server and the stand-in model,
 * in folders of its own, driven from outside: expressions through GIMP's own Script-Fu server, keys
 * through xdotool.
 *
 * Everything here waits for what it waits for, never for a time; what does not come within a minute
 * fails the test. */
#ifndef TESTS_GIMP_SESSION_H
#define TESTS_GIMP_SESSION_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

extern const char *session_keep;        /* folder for screenshots; NULL: none are kept */
extern const char *session_version;     /* of GIMP: "2.10", "3.0", "3.2" */
extern const char *session_screen_size; /* of the X server: "1366x768" */
extern const char *session_model;       /* NULL: the stand-in made of golden data */

void session_start(void);             /* folders, model, plug-in; no process yet */
void session_end(void);               /* ends what is left and removes the folders */
char *session_path(const char *name); /* in the session's folder; g_free() */

/* GIMP with the file NAME open, in windows of an X server of its own or without. The preludes are
 * loaded. */
void session_gimp(bool windows, const char *name);
void session_kill_gimp(void);
pid_t session_gimp_pid(void);
bool session_gimp_gone(void); /* it has ended */

/* What EXPRESSION displays; g_free(). NULL when GIMP says that it failed, or is gone. */
char *session_try(const char *expression);
/* The same where failing is no option. */
char *session_ask(const char *expression);
int session_ask_int(const char *expression); /* EXPRESSION is a number */
void session_do(const char *expression);     /* for what it does; failing is no option */

/* Process ids; 0 when there is none. */
pid_t session_server(void);
char *session_server_info(void); /* what it says of itself; NULL: nothing */
pid_t session_plugin(void);
int session_count(const char *program); /* running processes of a program of this session */

typedef bool (*session_condition)(const void *data);
void session_wait(session_condition holds, const void *data, const char *what);

/* ---- windows ---- */
unsigned long session_window(const char *title); /* waits until it is there */
bool session_has_window(const char *title);
void session_keys(unsigned long window, const char *keys); /* "ctrl+Return" */
void session_type(unsigned long window, const char *text);
void session_click(unsigned long window, int x, int y);
void session_move_window(unsigned long window, int x, int y, int width, int height);
void session_close_window(unsigned long window);

/* What is on the screen. */
typedef struct session_shot {
    int width, height;
    unsigned *rgb; /* 0xRRGGBB */
} session_shot;
session_shot session_screen(unsigned long window); /* 0: all of it */
void session_shot_clear(session_shot *shot);
void session_shot_save(const session_shot *shot, const char *path);
void session_keep_screen(unsigned long window, const char *name);

#endif
