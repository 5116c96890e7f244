/* matmul.c - see matmul.h. cuBLASLt is opened by name, so that the module itself loads, and can say
 * what is missing, on a machine without it. It thinks in columns: row-major y[rows][out] is its
 * matrix of OUT rows, the weight its transposed left factor. The first algorithm its heuristic
 * offers for a shape is kept and used ever after: the same shape always gives the same bits on one
 * machine. */
#include "backend/cuda/matmul.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ENTRIES = 128, WORKSPACE = 32 << 20 };

#define LIBRARY_NAME(major) "libcublasLt.so." #major
#define LIBRARY_OF(major)   LIBRARY_NAME(major)
#define LIBRARY             LIBRARY_OF(CUBLAS_VER_MAJOR)

#if CUBLAS_VERSION >= 120900
#define HAS_ROW_SCALES 1
#else
#define HAS_ROW_SCALES 0
#endif

/* What tells one algorithm from another. */
typedef struct shape {
    int rows, out, in, in_type, out_type, adds, scaled;
    int64_t y_stride;
    unsigned alignment[3]; /* of w, x, y: a power of two */
} shape;

typedef struct entry {
    shape key;
    bool used, missing; /* there is no such product */
    cublasLtMatmulDescOpaque_t desc;
    cublasLtMatrixLayoutOpaque_t w, x, y;
    cublasLtMatmulAlgo_t algo;
} entry;

struct ti_matmuls {
    void *library;
    cublasLtHandle_t handle;
    void *workspace;
    entry entries[ENTRIES];
    int next;
    __typeof__(cublasLtCreate) *create;
    __typeof__(cublasLtDestroy) *destroy;
    __typeof__(cublasLtMatmulDescInit_internal) *desc_init;
    __typeof__(cublasLtMatmulDescSetAttribute) *desc_set;
    __typeof__(cublasLtMatrixLayoutInit_internal) *layout_init;
    __typeof__(cublasLtMatmulPreferenceInit_internal) *preference_init;
    __typeof__(cublasLtMatmulPreferenceSetAttribute) *preference_set;
    __typeof__(cublasLtMatmulAlgoGetHeuristic) *heuristic;
    __typeof__(cublasLtMatmul) *matmul;
};

/* ISO C has no cast from data to function pointers. */
static bool find(ti_matmuls *m, const char *name, void *function)
{
    void *symbol = dlsym(m->library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool find_all(ti_matmuls *m)
{
    return find(m, "cublasLtCreate", &m->create) && find(m, "cublasLtDestroy", &m->destroy) &&
           find(m, "cublasLtMatmulDescInit_internal", &m->desc_init) &&
           find(m, "cublasLtMatmulDescSetAttribute", &m->desc_set) &&
           find(m, "cublasLtMatrixLayoutInit_internal", &m->layout_init) &&
           find(m, "cublasLtMatmulPreferenceInit_internal", &m->preference_init) &&
           find(m, "cublasLtMatmulPreferenceSetAttribute", &m->preference_set) &&
           find(m, "cublasLtMatmulAlgoGetHeuristic", &m->heuristic) &&
           find(m, "cublasLtMatmul", &m->matmul);
}

te_status ti_matmuls_create(ti_matmuls **out, te_error *err)
{
    *out = NULL;
    ti_matmuls *m = ti_calloc(1, sizeof *m);
    if (!m) return ti_fail_memory(err, "the matrix products", sizeof *m);
    te_status st = TE_OK;
    m->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!m->library)
        st = ti_fail(err, TE_DEVICE,
                     "no CUDA: %s cannot be opened; install NVIDIA's cuBLAS %d or use device cpu",
                     LIBRARY, CUBLAS_VER_MAJOR);
    else if (!find_all(m))
        st = ti_fail(err, TE_DEVICE,
                     "no CUDA: %s lacks functions of cuBLAS %d; install that or use device cpu",
                     LIBRARY, CUBLAS_VER_MAJOR);
    else if (m->create(&m->handle) != CUBLAS_STATUS_SUCCESS)
        st = ti_fail(err, TE_DEVICE, "no CUDA: %s does not start on this card; use device cpu",
                     LIBRARY);
    else if (cudaMalloc(&m->workspace, WORKSPACE) != cudaSuccess)
        st = ti_fail(err, TE_NOMEM,
                     "the card has no %d MB left for matrix products; close other programs",
                     WORKSPACE >> 20);
    if (st) {
        ti_matmuls_free(m);
        return st;
    }
    *out = m;
    return TE_OK;
}

/* The library stays open, as the module itself does: CUDA cannot be unloaded safely. */
void ti_matmuls_free(ti_matmuls *m)
{
    if (!m) return;
    if (m->workspace) cudaFree(m->workspace);
    if (m->handle) m->destroy(m->handle);
    free(m);
}

static cudaDataType_t data_type(int type)
{
    return type == TI_SCALAR_F32    ? CUDA_R_32F
           : type == TI_SCALAR_BF16 ? CUDA_R_16BF
                                    : CUDA_R_8F_E4M3;
}

static unsigned alignment_of(const void *pointer)
{
    uintptr_t bits = (uintptr_t)pointer | 256;
    return (unsigned)(bits & -bits);
}

static shape shape_of(const ti_matmul *p)
{
    shape s;
    memset(&s, 0, sizeof s); /* compared by bytes */
    s.rows = p->rows;
    s.out = p->out;
    s.in = p->in;
    s.in_type = (int)p->in_type;
    s.out_type = (int)p->out_type;
    s.adds = p->beta != 0;
    s.scaled = p->x_scale != NULL && p->in_type == TI_SCALAR_E4M3;
    s.y_stride = p->y_stride;
    s.alignment[0] = alignment_of(p->w);
    s.alignment[1] = alignment_of(p->x);
    s.alignment[2] = alignment_of(p->y);
    return s;
}

#define SET(set, object, attribute, value) (set((object), (attribute), &(value), sizeof(value)))

static cublasStatus_t describe(ti_matmuls *m, entry *e)
{
    const shape *s = &e->key;
    cublasOperation_t turned = CUBLAS_OP_T;
    cudaDataType_t in = data_type(s->in_type), out = data_type(s->out_type);
    uint64_t width = (uint64_t)s->in, n_out = (uint64_t)s->out, rows = (uint64_t)s->rows;
    if (s->scaled && !HAS_ROW_SCALES) return CUBLAS_STATUS_NOT_SUPPORTED;
    cublasStatus_t st = m->desc_init(&e->desc, sizeof e->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (!st) st = SET(m->desc_set, &e->desc, CUBLASLT_MATMUL_DESC_TRANSA, turned);
#if HAS_ROW_SCALES
    int32_t row_scales = CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
    if (!st && s->scaled)
        st = SET(m->desc_set, &e->desc, CUBLASLT_MATMUL_DESC_A_SCALE_MODE, row_scales);
    if (!st && s->scaled)
        st = SET(m->desc_set, &e->desc, CUBLASLT_MATMUL_DESC_B_SCALE_MODE, row_scales);
#endif
    int8_t fast = 1; /* sums of E4M3 with fewer bits: far below the error of the codes themselves */
    if (!st && s->in_type == TI_SCALAR_E4M3)
        st = SET(m->desc_set, &e->desc, CUBLASLT_MATMUL_DESC_FAST_ACCUM, fast);
    if (!st) st = m->layout_init(&e->w, sizeof e->w, in, width, n_out, s->in);
    if (!st) st = m->layout_init(&e->x, sizeof e->x, in, width, rows, s->in);
    if (!st) st = m->layout_init(&e->y, sizeof e->y, out, n_out, rows, s->y_stride);
    return st;
}

static cublasStatus_t choose(ti_matmuls *m, entry *e)
{
    cublasLtMatmulPreferenceOpaque_t wish;
    cublasLtMatmulHeuristicResult_t found;
    size_t workspace = WORKSPACE;
    uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE; /* parts of a sum are not rounded */
    int n = 0;
    const uint32_t *a = e->key.alignment;
    cublasStatus_t st = m->preference_init(&wish, sizeof wish);
    if (!st)
        st = SET(m->preference_set, &wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
    if (!st) st = SET(m->preference_set, &wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, sums);
    if (!st) st = SET(m->preference_set, &wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, a[0]);
    if (!st) st = SET(m->preference_set, &wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, a[1]);
    if (!st) st = SET(m->preference_set, &wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, a[2]);
    if (!st) st = SET(m->preference_set, &wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, a[2]);
    if (!st)
        st = m->heuristic(m->handle, &e->desc, &e->w, &e->x, &e->y, &e->y, &wish, 1, &found, &n);
    if (!st && !n) st = CUBLAS_STATUS_NOT_SUPPORTED;
    if (!st) e->algo = found.algo;
    return st;
}

static cublasStatus_t set_scales(ti_matmuls *m, entry *e, const ti_matmul *p)
{
    const float *w = p->w_scale, *x = p->x_scale;
    if (!e->key.scaled) return CUBLAS_STATUS_SUCCESS;
    cublasStatus_t st = SET(m->desc_set, &e->desc, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, w);
    return st ? st : SET(m->desc_set, &e->desc, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, x);
}

/* The entry of P's shape. */
static entry *entry_of(ti_matmuls *m, const ti_matmul *p)
{
    shape key = shape_of(p);
    for (int i = 0; i < ENTRIES; i++)
        if (m->entries[i].used && !memcmp(&m->entries[i].key, &key, sizeof key))
            return &m->entries[i];
    entry *e = &m->entries[m->next];
    m->next = (m->next + 1) % ENTRIES;
    e->key = key;
    e->used = true;
    e->missing = describe(m, e) || set_scales(m, e, p) || choose(m, e);
    return e;
}

bool ti_matmuls_has(ti_matmuls *m, const ti_matmul *p)
{
    if (p->in_type == TI_SCALAR_E4M3 && !ti_matmul_is_sixteens(p)) return false;
    return !entry_of(m, p)->missing;
}

const char *ti_matmuls_run(ti_matmuls *m, const ti_matmul *p, cudaStream_t stream)
{
    entry *e = entry_of(m, p);
    if (e->missing) return "cuBLASLt has no such matrix product";
    if (set_scales(m, e, p)) return "cuBLASLt refuses the scales of a matrix product";
    if (m->matmul(m->handle, &e->desc, &p->alpha, p->w, &e->w, p->x, &e->x, &p->beta, p->y, &e->y,
                  p->y, &e->y, &e->algo, m->workspace, WORKSPACE, stream))
        return "cuBLASLt failed in a matrix product";
    return NULL;
}

bool ti_matmuls_fp8(ti_matmuls *m)
{
    ti_matmul p = {.rows = 256,
                   .out = 256,
                   .in = 256,
                   .in_type = TI_SCALAR_E4M3,
                   .out_type = TI_SCALAR_BF16,
                   .x = m->workspace,
                   .w = m->workspace,
                   .y = m->workspace,
                   .y_stride = 256,
                   .alpha = 1};
    return ti_matmuls_has(m, &p);
}
