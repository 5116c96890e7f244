/* pickle_fuzz.c - a state dict's pickle from hostile bytes, without the archive around it. */
#include <stdlib.h>

#include "format/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ti_pickle_tensor *tensors;
    int n;
    te_error err;
    if (!ti_pickle_read("fuzz", data, size, &tensors, &n, &err))
        for (int i = 0; i < n; i++)
            if (tensors[i].offset < 0 || tensors[i].tensor.n_dims < 1) abort();
    free(tensors);
    return 0;
}
