/* product.c - see product.h. cuBLAS is opened by name, so that the module loads, and can say what
 * is missing, on a machine without it. It thinks in columns: our row-major c is its transpose, so
 * the factors change places. */
#include "ops/cuda/product.h"

#include <cublas_v2.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { WORKSPACE = 64 << 20 };

#define LIBRARY_NAME(major) "libcublas.so." #major
#define LIBRARY_OF(major)   LIBRARY_NAME(major)
#define LIBRARY             LIBRARY_OF(CUBLAS_VER_MAJOR)

struct ti_products {
    void *library;
    cublasHandle_t handle;
    void *workspace;
    cublasStatus_t (*create)(cublasHandle_t *);
    cublasStatus_t (*destroy)(cublasHandle_t);
    cublasStatus_t (*set_stream)(cublasHandle_t, cudaStream_t);
    cublasStatus_t (*set_workspace)(cublasHandle_t, void *, size_t);
    __typeof__(cublasGemmStridedBatchedEx) *batched;
    __typeof__(cublasGemmEx) *single;
};

/* ISO C has no cast from data to function pointers. */
static bool find(ti_products *p, const char *name, void *function)
{
    void *symbol = dlsym(p->library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool find_all(ti_products *p)
{
    return find(p, "cublasCreate_v2", &p->create) && find(p, "cublasDestroy_v2", &p->destroy) &&
           find(p, "cublasSetStream_v2", &p->set_stream) &&
           find(p, "cublasSetWorkspace_v2", &p->set_workspace) &&
           find(p, "cublasGemmStridedBatchedEx", &p->batched) &&
           find(p, "cublasGemmEx", &p->single);
}

te_status ti_products_create(ti_products **out, cudaStream_t stream, te_error *err)
{
    *out = NULL;
    ti_products *p = ti_calloc(1, sizeof *p);
    if (!p) return ti_fail_memory(err, "the matrix products", sizeof *p);
    te_status st = TE_OK;
    p->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!p->library)
        st = ti_fail(err, TE_DEVICE,
                     "no CUDA: %s cannot be opened; install NVIDIA's cuBLAS %d or train on the CPU",
                     LIBRARY, CUBLAS_VER_MAJOR);
    else if (!find_all(p))
        st = ti_fail(err, TE_DEVICE,
                     "no CUDA: %s lacks functions of cuBLAS %d; install that or train on the CPU",
                     LIBRARY, CUBLAS_VER_MAJOR);
    else if (p->create(&p->handle) != CUBLAS_STATUS_SUCCESS)
        st = ti_fail(err, TE_DEVICE, "no CUDA: %s does not start on this card; train on the CPU",
                     LIBRARY);
    else if (cudaMalloc(&p->workspace, WORKSPACE) != cudaSuccess)
        st = ti_fail(err, TE_NOMEM, "the card has no %d MB left for matrix products",
                     WORKSPACE >> 20);
    else if (p->set_stream(p->handle, stream) ||
             p->set_workspace(p->handle, p->workspace, WORKSPACE))
        st = ti_fail(err, TE_DEVICE, "no CUDA: %s refuses the stream", LIBRARY);
    if (st) {
        ti_products_free(p);
        return st;
    }
    *out = p;
    return TE_OK;
}

/* The library stays open, as the module itself does: CUDA cannot be unloaded safely. */
void ti_products_free(ti_products *p)
{
    if (!p) return;
    if (p->handle) p->destroy(p->handle);
    if (p->workspace) cudaFree(p->workspace);
    free(p);
}

const char *ti_products_run(ti_products *p, const ti_product *s, const void *a, const void *b,
                            float *c)
{
    const cublasOperation_t first = s->turn_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t second = s->turn_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cudaDataType_t type = s->bf16 ? CUDA_R_16BF : CUDA_R_32F;
    const int lda = (int)s->lda, ldb = (int)s->ldb, ldc = (int)s->ldc;
    cublasStatus_t st;
    if (s->batch > 1)
        st = p->batched(p->handle, first, second, s->n, s->m, s->k, &s->alpha, b, type, ldb,
                        s->step_b, a, type, lda, s->step_a, &s->beta, c, CUDA_R_32F, ldc, s->step_c,
                        s->batch, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    else
        st = p->single(p->handle, first, second, s->n, s->m, s->k, &s->alpha, b, type, ldb, a, type,
                       lda, &s->beta, c, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    return st == CUBLAS_STATUS_SUCCESS ? NULL : "cuBLAS failed in a matrix product";
}
