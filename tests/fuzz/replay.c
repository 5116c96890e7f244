/* replay.c - what runs a fuzz target without libFuzzer: every file of the given folders as it is,
 * cut short in fixed places, and with fixed changes. The same inputs every time. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input ends where its allocation does, so that sanitizers see every step too far. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) return;
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void mutate(const uint8_t *data, size_t size)
{
    static const uint8_t loud[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, '"', '{', '['};
    uint8_t *copy = malloc(size);
    uint32_t state = 1;
    if (!copy) return;
    for (int i = 0; i < MUTATIONS; i++) {
        size_t n = i % 4 == 3 ? next(&state) % size : size;
        memcpy(copy, data, size);
        for (uint32_t k = next(&state) % 4; n && k-- > 0;) {
            size_t at = next(&state) % n;
            copy[at] = i % 2 ? loud[next(&state) % sizeof loud] : (uint8_t)next(&state);
        }
        run(copy, n);
    }
    free(copy);
}

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = calloc(1, 1 << 20);
    size_t size = f && data ? fread(data, 1, 1 << 20, f) : 0;
    if (f) fclose(f);
    if (size) {
        run(data, size);
        mutate(data, size);
    }
    free(data);
    return size > 0;
}

int main(int argc, char **argv)
{
    int files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) continue;
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            files += run_file(path);
        }
        closedir(folder);
    }
    printf("%d seeds\n", files);
    return files ? 0 : 1; /* without seeds nothing was tested */
}
