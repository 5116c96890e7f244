/* samples.h - small files put together byte by byte, as torch.save() and safetensors write them. */
#ifndef TESTS_FORMAT_SAMPLES_H
#define TESTS_FORMAT_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct sample {
    uint8_t bytes[4096];
    size_t n;
} sample;

void sample_put(sample *s, const void *data, size_t n);
void sample_text(sample *s, const char *text);

/* A state dict of "a.weight" [2, 3] float32 1..6, "b" [4] bfloat16 at element 2 of a storage of
 * six, and an entry that is no tensor; protocol 2, with a memo, as PyTorch writes it. */
void sample_pickle(sample *out);
/* An archive of PICKLE and the two storages. */
void sample_torch(sample *out, const sample *pickle);
/* "x" [2, 2] float32 1..4, "y" [3] uint8. */
void sample_safetensors(sample *out);
/* A safetensors file of this header and N bytes of data (zeros). */
void sample_header(sample *out, const char *json, size_t n);

#endif
