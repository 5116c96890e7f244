/* random_network.h - an image tokeniser (MAGVIT-v2) of random weights, for a model file that only
 * measures. */
#ifndef TESTS_BENCH_RANDOM_NETWORK_H
#define TESTS_BENCH_RANDOM_NETWORK_H

#include "format/gguf.h"

enum { RANDOM_LEVELS = 5 };

typedef struct random_network {
    int channels, bits, levels;
    int encoder_mult[RANDOM_LEVELS], encoder_blocks[RANDOM_LEVELS];
    int decoder_mult[RANDOM_LEVELS], decoder_blocks[RANDOM_LEVELS];
} random_network;

/* As released, and the shape of an embedded model. */
extern const random_network random_network_full, random_network_small;

te_status random_network_declare(ti_gguf_writer *w, const random_network *n, te_error *err);
/* In the order in which they were declared. */
te_status random_network_write(ti_gguf_writer *w, const random_network *n, te_error *err);

#endif
