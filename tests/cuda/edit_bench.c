/* edit_bench.c - times forward passes and a whole edit at the 8B shape with random weights, on any
 * device.
 *
 *     edit_bench DEVICE TYPE [text-guidance [free-GB [peak-TFLOP/s [layers [FOLDER]]]]]
 *
 * The edit has the paper's settings: variant M, 512 x 512 pixels, 128 text steps, 30 image steps,
 * image guidance 3.5. FREE-GB takes the card's other memory away first, to see streaming. The
 * output is a row of a Markdown table (h200.sh prints its head); details go to stderr. Into FOLDER,
 * which is there, go the weights, the first step's sequence, its text logits and the tokens it
 * fixed, which torch_edit.py holds against its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "denoise/denoise.h"
#include "timed.h"

enum {
    WIDTH = 4096,
    LAYERS = 32,
    FF = 12288,
    VOCAB = 134656,
    CODEBOOK = 8192,
    IMAGE = 1024,
    TEXT = 256
};
enum { WORDS = 28, STEPS = 128 };

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "edit_bench: %s\n", what);
    exit(1);
}

static void check(te_status st, const te_error *err)
{
    if (st) die(err->message);
}

/* ---- a model of random weights ----------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* One matrix of the largest size; every weight is its beginning. Blocks are random but for their
 * scale. */
static void *random_weights(ti_type type)
{
    size_t bytes = ti_type_row_bytes(type, WIDTH) * VOCAB, block = ti_type_block_bytes(type);
    unsigned char *data = malloc(bytes);
    uint64_t state = 88172645463325252ull;
    if (!data) die("no memory for random weights");
    if (type == TI_BF16)
        for (size_t i = 0; i < bytes / 2; i++) {
            double u = (double)(next_random(&state) >> 11) * 0x1p-53;
            uint16_t bits = ti_float_to_bf16((float)((u - 0.5) * 0.07));
            memcpy(data + 2 * i, &bits, 2);
        }
    else {
        uint16_t d = ti_float_to_half(type == TI_Q8_0 ? 0.07f / 256 : 0.07f / 512),
                 dmin = ti_float_to_half(0.001f);
        for (size_t i = 0; i + 8 <= bytes; i += 8) {
            uint64_t word = next_random(&state);
            memcpy(data + i, &word, 8);
        }
        for (size_t at = 0; at < bytes; at += block) {
            memcpy(data + at, &d, 2);
            if (type == TI_Q4_K) memcpy(data + at + 2, &dmin, 2);
        }
    }
    return data;
}

static ti_tensor tensor_of(const char *name, ti_type type, const void *data, int rows, int cols)
{
    return (ti_tensor){.name = name,
                       .type = type,
                       .n_dims = cols ? 2 : 1,
                       .shape = {rows, cols ? cols : 1, 1, 1},
                       .data = data,
                       .bytes =
                           cols ? ti_type_row_bytes(type, cols) * (size_t)rows : (size_t)rows * 4};
}

static ti_weight *bind(ti_backend *be, const char *name, ti_type type, const void *data, int rows,
                       int cols)
{
    te_error err;
    ti_weight *w = NULL;
    ti_tensor t = tensor_of(name, type, data, rows, cols);
    check(be->op->weight_create(be, &t, &w, &err), &err);
    return w;
}

/* As a model file's tensors would be. */
static void announce(ti_backend *be, ti_type type, int n_layers)
{
    te_error err;
    ti_tensor table = tensor_of("token_embd.weight", type, NULL, VOCAB, WIDTH),
              head = tensor_of("output.weight", type, NULL, VOCAB, WIDTH),
              square = tensor_of("blk.square.weight", type, NULL, WIDTH, WIDTH),
              wide = tensor_of("blk.wide.weight", type, NULL, FF, WIDTH);
    const ti_tensor **all = calloc((size_t)n_layers * 7 + 2, sizeof *all);
    int n = 0;
    if (!all) die("no memory");
    all[n++] = &table;
    for (int i = 0; i < 7 * n_layers; i++) all[n++] = i % 7 < 4 ? &square : &wide;
    all[n++] = &head;
    check(be->op->expect(be, all, n, &err), &err);
    free(all);
}

static ti_backbone *make_backbone(ti_backend *be, ti_type type, const void *data, int n_layers)
{
    static float ones[WIDTH];
    for (int i = 0; i < WIDTH; i++) ones[i] = 1;
    ti_backbone *b = calloc(1, sizeof *b);
    ti_layer *layers = calloc((size_t)n_layers, sizeof *layers);
    if (!b || !layers) die("no memory");
    *b = (ti_backbone){.config = {.width = WIDTH,
                                  .n_layers = n_layers,
                                  .ff_width = FF,
                                  .vocab = VOCAB,
                                  .context = 4096,
                                  .heads = {32, 32, 128},
                                  .norm_eps = 1e-5f,
                                  .rope_theta = 500000,
                                  .logit_scale = 1},
                       .backend = be,
                       .layers = layers};
    announce(be, type, n_layers);
    b->embedding = bind(be, "token_embd.weight", type, data, VOCAB, WIDTH);
    for (int i = 0; i < n_layers; i++) {
        ti_layer *l = &layers[i];
        ti_weight **square[] = {&l->q, &l->k, &l->v, &l->o};
        l->attention_norm = bind(be, "blk.attn_norm.weight", TI_F32, ones, WIDTH, 0);
        for (int k = 0; k < 4; k++)
            *square[k] = bind(be, "blk.square.weight", type, data, WIDTH, WIDTH);
        l->ff_norm = bind(be, "blk.ffn_norm.weight", TI_F32, ones, WIDTH, 0);
        l->gate = bind(be, "blk.ffn_gate.weight", type, data, FF, WIDTH);
        l->up = bind(be, "blk.ffn_up.weight", type, data, FF, WIDTH);
        l->down = bind(be, "blk.ffn_down.weight", type, data, WIDTH, FF);
    }
    b->norm = bind(be, "output_norm.weight", TI_F32, ones, WIDTH, 0);
    b->head = bind(be, "output.weight", type, data, VOCAB, WIDTH);
    return b;
}

/* ---- forwards ---------------------------------------------------------------------------- */

/* What a pass computes, multiplications and additions counted apart: the last layer's second half
 * and the head only for what is read. */
static double forward_flop(int n_layers, int n, int n_sequences, int n_read, double head_cells)
{
    double square = 2.0 * WIDTH * WIDTH, wide = 2.0 * WIDTH * FF, rows = (double)n * n_sequences;
    double whole = rows * (4 * square + 3 * wide) + 4.0 * rows * n * WIDTH;
    double last = rows * 2 * square + n_read * (2 * square + 3 * wide) + 4.0 * n_read * n * WIDTH;
    return (n_layers - 1) * whole + last + head_cells * 2 * WIDTH;
}

/* Seconds of a pass of N_SEQUENCES in which every image and text row is read, heads included. */
static double time_forward(ti_backbone *b, int n, int n_sequences, double *flop, double *bytes)
{
    enum { ROUNDS = 8 };
    te_error err;
    ti_session *s;
    int per = IMAGE + TEXT, counts[2] = {per, per};
    size_t cells = (size_t)TEXT * VOCAB > 2 * (size_t)IMAGE * CODEBOOK
                       ? (size_t)TEXT * VOCAB
                       : 2 * (size_t)IMAGE * CODEBOOK;
    ti_session_shape shape = {n * n_sequences, per * n_sequences, cells};
    int32_t *tokens = calloc((size_t)(n * n_sequences), sizeof *tokens);
    int32_t *read = calloc((size_t)(per * n_sequences), sizeof *read);
    const float *logits;
    if (!tokens || !read) die("no memory");
    for (int i = 0; i < n * n_sequences; i++) tokens[i] = (i * 37) % VOCAB;
    for (int i = 0; i < per * n_sequences; i++) read[i] = i / per * n + n - per + i % per;
    check(ti_session_create(&s, b, &shape, &err), &err);
    ti_batch batch = {tokens, n_sequences, n, read, counts, {0}};
    double begin = 0;
    for (int i = -2; i < ROUNDS; i++) {
        if (i == 0) begin = ti_seconds();
        check(ti_session_forward(s, &batch, NULL, &err), &err);
        ti_session_head(s, 0, IMAGE, TEXT, 0, VOCAB, &logits);
        for (int q = 0; q < n_sequences; q++)
            ti_session_head(s, (size_t)q * IMAGE * CODEBOOK, q * per, IMAGE, 0, CODEBOOK, &logits);
        if (i == -1 || i == ROUNDS - 1) check(b->backend->op->sync(b->backend, &err), &err);
    }
    double seconds = (ti_seconds() - begin) / ROUNDS;
    *flop = forward_flop(b->config.n_layers, n, n_sequences, per * n_sequences,
                         (double)TEXT * VOCAB + (double)n_sequences * IMAGE * CODEBOOK);
    *bytes = (double)ti_session_bytes(b, &shape);
    ti_session_free(s);
    free(tokens);
    free(read);
    return seconds;
}

/* Where the time of a pass goes, every op waited for. */
static void tell_ops(ti_backbone *b, int n)
{
    te_error err;
    ti_timed timed;
    ti_session *s;
    int32_t *tokens = calloc((size_t)n, sizeof *tokens), *read = calloc((size_t)n, sizeof *read);
    ti_backend *inner = b->backend;
    if (!tokens || !read) die("no memory");
    for (int i = 0; i < n; i++) tokens[i] = i, read[i] = i;
    check(ti_session_create(&s, b, &(ti_session_shape){n, n, 1}, &err), &err);
    ti_timed_init(&timed, inner);
    b->backend = &timed.base;
    for (int i = 0; i < 2; i++) {
        ti_timed_reset(&timed);
        check(ti_session_forward(s, &(ti_batch){tokens, 1, n, read, &n, {0}}, NULL, &err), &err);
    }
    b->backend = inner;
    for (int i = 0; i < TI_TIMED_OPS; i++)
        fprintf(stderr, "  %-12s %7.2f ms\n", ti_timed_name((ti_timed_op)i),
                1e3 * timed.seconds[i]);
    ti_session_free(s);
    free(tokens);
    free(read);
}

/* ---- a whole edit ------------------------------------------------------------------------ */

typedef struct clockwork {
    double last, one[STEPS], two[STEPS]; /* steps of one sequence, and of the guided pair */
    int n_one, n_two;
    bool always_two;
} clockwork;

static te_status tick(void *user, const ti_denoise_state *state, te_error *err)
{
    clockwork *c = user;
    double now = ti_seconds();
    (void)err;
    if (state->image_changed || c->always_two)
        c->two[c->n_two++] = now - c->last;
    else
        c->one[c->n_one++] = now - c->last;
    c->last = now;
    return TE_OK;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median of N seconds in TEXT as milliseconds; "-" where there are none. */
static const char *median(char text[16], double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, compare);
    if (n)
        snprintf(text, 16, "%.1f", 1e3 * x[n / 2]);
    else
        strcpy(text, "-");
    return text;
}

/* ---- what torch_edit.py compares --------------------------------------------------------- */

static void leave(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f)) die(path);
}

/* The rows of the text that the first step may fix, and their logits. */
static void leave_logits(const char *folder, ti_backbone *b, const ti_sequence *s)
{
    te_error err;
    ti_session *session;
    const float *logits;
    int32_t rows[TEXT + 1];
    int n = 0;
    for (int i = s->text_first; i < s->text_first + s->text_count; i++)
        if (s->tokens[i] == s->layout.mask && n <= TEXT) rows[n++] = i;
    size_t cells = (size_t)n * VOCAB;
    float *here = malloc(cells * sizeof *here);
    if (!here) die("no memory for logits");
    check(ti_session_create(&session, b, &(ti_session_shape){s->n, n, cells}, &err), &err);
    ti_batch batch = {
        .tokens = s->tokens, .n_sequences = 1, .length = s->n, .read = rows, .read_count = &n};
    check(ti_session_forward(session, &batch, NULL, &err), &err);
    ti_session_head(session, 0, 0, n, 0, VOCAB, &logits);
    check(b->backend->op->download(b->backend, here, logits, cells * sizeof *here, &err), &err);
    leave(folder, "sequence.i32", s->tokens, (size_t)s->n * sizeof *s->tokens);
    leave(folder, "rows.i32", rows, (size_t)n * sizeof *rows);
    leave(folder, "logits.f32", here, cells * sizeof *here);
    ti_session_free(session);
    free(here);
}

static ti_sequence *make_sequence(void)
{
    te_error err;
    ti_sequence *s;
    static int32_t words[WORDS], codes[IMAGE];
    static const ti_layout layout = {.profile = TI_PROFILE_M,
                                     .mask = 126336,
                                     .image_offset = 126349,
                                     .codebook = CODEBOOK,
                                     .grid_h = 32,
                                     .grid_w = 32,
                                     .edit_task = 126095,
                                     .generate_task = 126088,
                                     .soi = 126084,
                                     .eoi = 126085,
                                     .bos = 126080,
                                     .eos = 126081,
                                     .newline = -1,
                                     .boi = -1,
                                     .uncondition = -1,
                                     .answer_start = -1,
                                     .answer_end = -1};
    for (int i = 0; i < WORDS; i++) words[i] = 1000 + i;
    for (int i = 0; i < IMAGE; i++) codes[i] = (i * 2654435761u) % CODEBOOK;
    ti_sequence_input in = {.layout = &layout,
                            .instruction = words,
                            .n_instruction = WORDS,
                            .codes = codes,
                            .grid_h = 32,
                            .grid_w = 32,
                            .text_len = TEXT};
    check(ti_sequence_create(&s, &in, &err), &err);
    return s;
}

/* FOLDER, if any, gets the text after the first step. */
static double time_edit(ti_backbone *b, const ti_sequence *s, double text_cfg, clockwork *c,
                        const char *folder)
{
    te_error err;
    ti_trajectory *t;
    te_options opt = {.seed = 7,
                      .text_steps = STEPS,
                      .image_steps = 30,
                      .text_len = TEXT,
                      .text_cfg = text_cfg,
                      .image_cfg = 3.5,
                      .image_temperature = 1};
    *c = (clockwork){.always_two = text_cfg != 0, .last = ti_seconds()};
    double begin = c->last;
    check(ti_denoise(
              &(ti_denoise_job){
                  .backbone = b, .sequence = s, .options = &opt, .progress = tick, .user = c},
              &t, &err),
          &err);
    double seconds = ti_seconds() - begin;
    if (folder) leave(folder, "text.i32", t->text, (size_t)t->n_text * sizeof *t->text);
    ti_trajectory_free(t);
    return seconds;
}

int main(int argc, char **argv)
{
    te_error err;
    ti_type type;
    ti_backend *be, *filler = NULL;
    if (argc < 3 || !ti_type_parse(argv[2], &type))
        die("usage: DEVICE TYPE [text-cfg [free-GB [peak [layers [FOLDER]]]]]");
    double text_cfg = argc > 3 ? atof(argv[3]) : 0, free_gb = argc > 4 ? atof(argv[4]) : 0;
    double peak = argc > 5 ? atof(argv[5]) : 0;
    int n_layers = argc > 6 ? atoi(argv[6]) : LAYERS;
    const char *folder = argc > 7 ? argv[7] : NULL;
    void *filling = NULL;
    if (free_gb > 0) {
        check(ti_backend_create(&filler, argv[1], 0, &err), &err);
        uint64_t have = filler->op->memory_free(filler), leave = (uint64_t)(free_gb * 1e9);
        if (have > leave) check(filler->op->alloc(filler, have - leave, &filling, &err), &err);
    }
    void *data = random_weights(type);
    check(ti_backend_create(&be, argv[1], 0, &err), &err);
    uint64_t before = be->op->memory_free(be);
    double begin = ti_seconds();
    ti_backbone *b = make_backbone(be, type, data, n_layers);
    fprintf(stderr, "%s, %s: weights bound in %.1f s\n", be->description, argv[2],
            ti_seconds() - begin);
    ti_sequence *s = make_sequence();
    double flop_one, flop_two, bytes;
    double one = time_forward(b, s->n, 1, &flop_one, &bytes);
    double two = time_forward(b, s->n, 2, &flop_two, &bytes);
    double used = ((double)before - (double)be->op->memory_free(be) + bytes) / 1e9;
    tell_ops(b, s->n);
    clockwork c;
    double edit = time_edit(b, s, text_cfg, &c, folder);
    if (folder) {
        leave(folder, "weights.bin", data, ti_type_row_bytes(type, WIDTH) * VOCAB);
        leave_logits(folder, b, s);
    }
    char step_one[16], step_two[16];
    double rate_one = flop_one / one * 1e-12, rate_two = flop_two / two * 1e-12;
    printf("| %s %s, text guidance %g%s | %.1f | %.1f | %.0f (%.0f %%) | %.1f | %.0f (%.0f %%) | "
           "%.2f | %s | %s |\n",
           argv[1], argv[2], text_cfg, free_gb > 0 ? ", little memory" : "", used, 1e3 * one,
           rate_one, peak > 0 ? 100 * rate_one / peak : 0, 1e3 * two, rate_two,
           peak > 0 ? 100 * rate_two / peak : 0, edit, median(step_one, c.one, c.n_one),
           median(step_two, c.two, c.n_two));
    ti_sequence_free(s);
    ti_backbone_free(b);
    ti_backend_free(be);
    if (filling) filler->op->release(filler, filling);
    ti_backend_free(filler);
    free(data);
    return 0;
}
