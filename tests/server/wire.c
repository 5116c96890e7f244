/* wire.c - see wire.h */
#include "wire.h"

#include <arpa/inet.h>
#include <png.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int wire_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int wire_tcp(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool wire_send(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

char *wire_read(int fd, const char *pattern, int seconds)
{
    size_t n = 0, room = 4096;
    char *text = malloc(room);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        text[n] = '\0';
        if (pattern && strstr(text, pattern)) return text;
        if (poll(&ready, 1, seconds * 1000) <= 0) return text;
        if (n + 2048 > room) text = realloc(text, room *= 2);
        ssize_t got = recv(fd, text + n, room - n - 1, 0);
        if (got <= 0) return text;
        n += (size_t)got;
    }
}

char *wire_ask(const char *socket_path, const char *request)
{
    int fd = wire_unix(socket_path);
    if (fd < 0) return strdup("");
    wire_send(fd, request, strlen(request));
    char *answer = wire_read(fd, NULL, 20);
    close(fd);
    return answer;
}

int wire_status(const char *answer)
{
    int status = 0;
    return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

char *wire_submission(const char *parameters, const void *image, size_t image_size, size_t *length)
{
    static const char part[] = "--b\r\nContent-Disposition: form-data; name=\"parameters\"\r\n\r\n";
    static const char next[] = "\r\n--b\r\nContent-Disposition: form-data; name=\"image\"; "
                               "filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    static const char end[] = "\r\n--b--\r\n";
    size_t body =
        strlen(part) + strlen(parameters) + strlen(end) + (image ? strlen(next) + image_size : 0);
    char *text = malloc(body + 512);
    size_t n = (size_t)sprintf(text,
                               "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                               "multipart/form-data; boundary=b\r\nContent-Length: %zu\r\n\r\n%s%s",
                               body, part, parameters);
    if (image) {
        memcpy(text + n, next, strlen(next));
        n += strlen(next);
        memcpy(text + n, image, image_size);
        n += image_size;
    }
    memcpy(text + n, end, strlen(end));
    *length = n + strlen(end);
    return text;
}

void *wire_png(int width, int height, size_t *size)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);
    for (int i = 0; i < width * height * 3; i++) pixels[i] = (uint8_t)(i * 7 + i / width);
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *png = malloc(bytes);
    if (!png_image_write_to_memory(&image, png, &bytes, 0, pixels, 0, NULL)) bytes = 0;
    free(pixels);
    *size = bytes;
    return png;
}
