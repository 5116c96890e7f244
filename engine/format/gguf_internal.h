/* gguf_internal.h - what gguf.c and gguf_keys.c share: the open file. */
#ifndef TI_FORMAT_GGUF_INTERNAL_H
#define TI_FORMAT_GGUF_INTERNAL_H

#include "format/gguf.h"
#include "format/map.h"

/* GGUF's metadata value types. */
enum {
    TI_KV_U8,
    TI_KV_I8,
    TI_KV_U16,
    TI_KV_I16,
    TI_KV_U32,
    TI_KV_I32,
    TI_KV_F32,
    TI_KV_BOOL,
    TI_KV_STRING,
    TI_KV_ARRAY,
    TI_KV_U64,
    TI_KV_I64,
    TI_KV_F64
};

typedef struct ti_kv {
    const char *name;
    uint32_t type; /* of an array: its elements' */
    bool is_array;
    size_t count;         /* 1 unless an array */
    const uint8_t *value; /* in the file, unaligned; strings with their lengths before them */
} ti_kv;

struct ti_gguf {
    char *path;
    const uint8_t *bytes;
    size_t size, header_bytes;
    ti_map map;  /* empty when the bytes are the caller's */
    char *names; /* arena of all key and tensor names */
    size_t names_used;
    ti_kv *keys; /* sorted by name */
    int n_keys;
    ti_tensor *tensors; /* in the file's order */
    int n_tensors;
    const ti_tensor **order; /* sorted by name */
};

size_t ti_gguf_scalar_bytes(uint32_t type); /* 0 for strings, arrays and unknown types */

#endif
