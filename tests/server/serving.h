/* serving.h - the real server with the stand-in model in a folder of its own, and what tests ask of
 * it. */
#ifndef TESTS_SERVER_SERVING_H
#define TESTS_SERVER_SERVING_H

#include <glib.h>
#include <stdbool.h>

typedef struct serving {
    char *folder, *socket, *model, *token_file;
    GPid pid; /* 0: it has ended */
    int port;
    void *png;
    size_t png_size;
} serving;

extern const char serving_edit[]; /* parameters of a short edit */
extern const char serving_slow[]; /* of one that is still running when the next request comes */

/* Listens on a socket and on a port of the loopback. MORE: arguments, NULL-terminated; NULL: none.
 */
serving *serving_start(const char *const *more);
/* Waits until it has ended by itself; its exit status, -1 when it was killed. */
int serving_wait(serving *s);
/* Ends it where it runs. Whether it ended well and left nothing behind. */
bool serving_end(serving *s);

char *serving_get(const serving *s, const char *path);
/* Submits on a connection of its own, which is returned. */
int serving_open(const serving *s, const char *parameters, bool image);
/* Submits and reads up to PATTERN. */
char *serving_submit(const serving *s, const char *parameters, bool image, const char *pattern);
void serving_job_id(const char *answer, char id[17]);
void serving_wait_until_idle(const serving *s);

#endif
