/* parts.h - finds the panel's parts by their accessible names and reads them; see parts.c. A name
 * stands for the first part on the screen whose own begins with it. */
#ifndef TESTS_GIMP_PARTS_H
#define TESTS_GIMP_PARTS_H

#include <stdbool.h>

typedef struct part {
    int x, y, width, height; /* in the panel's window */
    bool usable, checked;
} part;

bool part_find(const char *name, part *out);             /* false: not on the screen */
part part_wait(const char *name);                        /* until it is there */
void part_click(unsigned long window, const char *name); /* waits until it is usable; by mouse */
char *part_text(const char *name); /* what stands in it; g_free(). NULL: not there */
void part_wait_text(const char *name, const char *words); /* until WORDS stand in it */
void parts_close(void);

#endif
