/* wire.h - HTTP by hand over a socket, so that tests can also say what no client library would. */
#ifndef TESTS_SERVER_WIRE_H
#define TESTS_SERVER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connected descriptors, or -1. */
int wire_unix(const char *path);
int wire_tcp(int port);
bool wire_send(int fd, const void *bytes, size_t n); /* false: the other side is gone */

/* Reads until the connection closes, PATTERN appears, or SECONDS pass without a byte. Returns what
 * came, NUL-terminated; the caller frees. PATTERN NULL: until the end. */
char *wire_read(int fd, const char *pattern, int seconds);

/* A whole request on a connection of its own, answer read to its end. */
char *wire_ask(const char *socket, const char *request);
int wire_status(const char *answer); /* 200, ...; 0: no HTTP */

/* A submission: multipart with parameters and, if IMAGE, a PNG. *length is its size; caller frees.
 */
char *wire_submission(const char *parameters, const void *image, size_t image_size, size_t *length);

/* A small RGB PNG with a drawing on it; caller frees. */
void *wire_png(int width, int height, size_t *size);

#endif
