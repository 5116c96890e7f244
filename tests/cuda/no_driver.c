/* no_driver.c - a libcuda.so.1 that does not start, as where the driver's kernel module is missing. */
int cuInit(unsigned flags);
int cuDriverGetVersion(int *version);
int cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags, int *found);

int cuInit(unsigned flags)
{
    (void)flags;
    return 100; /* CUDA_ERROR_NO_DEVICE */
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return 0;
}

int cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags, int *found)
{
    (void)name, (void)version, (void)flags;
    *function = 0;
    if (found) *found = 1;
    return 500; /* CUDA_ERROR_NOT_FOUND */
}
