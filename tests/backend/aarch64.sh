#!/bin/sh
# The CPU backend's tests on aarch64: compiled by the cross compiler, run under qemu. Needs gcc-aarch64-linux-gnu,
# qemu-user-static, libcmocka-dev:arm64 and libgomp1:arm64; without them it says so and exits 77. Run by hand: ctest
# does not know it.
# Usage: aarch64.sh SOURCE_DIR WORK_DIR
set -eu
source=$1 work=$2
cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64-static; do
    command -v $tool >/dev/null || { echo "aarch64: no $tool"; exit 77; }
done
[ -e /usr/lib/aarch64-linux-gnu/libcmocka.so ] || { echo "aarch64: no libcmocka-dev:arm64"; exit 77; }
mkdir -p "$work"
flags="-std=gnu11 -O2 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow -ffp-contract=off -fno-math-errno -fopenmp
       -I$source/engine -I$source/tests"
objects=
for file in "$source"/engine/backend/cpu/*.c "$source"/engine/backend/create.c "$source"/engine/base/*.c "$source"/engine/format/tensor.c "$source"/engine/format/map.c \
            "$source"/engine/format/q[48]*.c; do
    [ -e "$file" ] || continue
    object=$work/$(basename "$file" .c).o
    [ "$object" -nt "$file" ] || $cc $flags -c "$file" -o "$object"
    objects="$objects $object"
done
for test in gemm ops sampler image_ops int8; do
    $cc $flags "$source/tests/backend/${test}_test.c" "$source/tests/backend/devices.c" $objects -L/usr/lib/aarch64-linux-gnu -lcmocka -lm -o "$work/$test"
    # Threads that spin would starve each other under emulation. Loader and C library are both Debian's arm64 ones:
    # mixed with the cross compiler's, threads cannot be made.
    qemu-aarch64-static -cpu max -E OMP_WAIT_POLICY=passive "$work/$test"
done
