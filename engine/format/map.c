/* map.c - see map.h */
#include "format/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

te_status ti_map_file(ti_map *out, const char *path, te_error *err)
{
    struct stat info;
    *out = (ti_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ti_fail(err, TE_IO, "%s: %s; check the name, or take another file", path,
                       strerror(errno));
    te_status st = TE_OK;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &info))
        st = ti_fail(err, TE_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        st = ti_fail(err, TE_IO, "%s: not a file; name a file here", path);
    else if (info.st_size == 0)
        st = ti_fail(err, TE_FORMAT, "%s: the file is empty; get it again", path);
    else if ((bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) ==
             MAP_FAILED)
        st = ti_fail(err, TE_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    else
        *out = (ti_map){bytes, (size_t)info.st_size};
    close(fd);
    return st;
}

void ti_map_forget(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)data;
    const uintptr_t from = (first + page - 1) / page * page, to = (first + bytes) / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

void ti_map_foresee(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)data;
    const uintptr_t from = first / page * page;
    madvise((void *)from, first + bytes - from, MADV_WILLNEED);
}

void ti_map_clear(ti_map *map)
{
    if (map->bytes) munmap((void *)(uintptr_t)map->bytes, map->size);
    *map = (ti_map){0};
}
