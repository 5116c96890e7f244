#!/bin/bash
# Trains the embedded model on a machine with an NVIDIA card that need not have anything but the driver and
# cuBLAS 13: no network, no compiler, no packages. Run from the root of the repository.
#
#   models/default/train-gpu.sh pack             on the machine with the packages: builds the trainer and its
#                                                CUDA module (nvcc) and lays them, with every library they
#                                                need, in .gpu/ (ignored, about 10 MB)
#   models/default/train-gpu.sh check            on the card: every op and the golden gradients against the
#                                                CPU, the card's ceilings, one minute of steps
#   models/default/train-gpu.sh tokens --minutes M     image tokeniser, from scratch
#   models/default/train-gpu.sh pool                   draws and encodes the samples
#   models/default/train-gpu.sh sft --minutes M [--of T]    backbone: the schedule is laid out for T minutes
#                                                (default: M) in all; another call goes on. Exports each time
#
# State lies in models/checkpoints/gpu and stays on the machine between calls. What is worth taking home is
# copied to DIR with --out DIR, in parts below 16 MB (put together with cat).
set -euo pipefail

here=.gpu state=models/checkpoints/gpu

fail() { echo "train-gpu: $*" >&2; exit 1; }

[ -f models/default/gpu-sft.json ] || fail "run it from the root of the repository"

pack() {
    build="build-gpu"
    cmake -S . -B "$build" -G Ninja -DTE_GIMP2=OFF -DTE_GIMP3=OFF -DTE_CUDA=ON -DTE_CUDA_ARCHITECTURES="${ARCHITECTURES:-80-real;90}" >/dev/null
    cmake --build "$build" -j "${JOBS:-2}" --target thinkedit-train thinkedit-train-cuda test_train_cuda
    rm -rf $here
    mkdir -p $here/bin $here/lib $here/libc
    cp $build/models/train/thinkedit-train $build/models/train/libthinkedit-train-cuda.so \
        $build/tests/train_cuda/test_train_cuda $here/bin/
    strip $here/bin/*
    ldd $here/bin/* | awk '$3 ~ /^\// { print $3 } $1 ~ /^\/.*ld-linux/ { print $1 }' | sort -u |
        while read -r library; do
            case $(basename "$library") in
            ld-linux* | libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so*) cp -L "$library" $here/libc/ ;;
            *) cp -L "$library" $here/lib/ ;;
            esac
        done
    for name in libdl.so.2 librt.so.1 libpthread.so.0 libgcc_s.so.1 libresolv.so.2; do # cuBLAS and the driver want them
        cp -L "/lib/x86_64-linux-gnu/$name" $here/libc/
    done
    pwd >$here/root
    if [ -f models/checkpoints/tokenizer.json ]; then cp models/checkpoints/tokenizer.json $here/; fi
    du -sh $here
    [ -f $here/tokenizer.json ] || echo "no models/checkpoints/tokenizer.json: make it first (thinkedit-train tokenizer)"
}

# ---- on the card ------------------------------------------------------------------------------------

cublas() {
    for folder in /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib; do
        if [ -e "$folder/libcublas.so.13" ]; then echo "$folder"; return; fi
    done
    folder=$(find / -name libcublas.so.13 -print -quit 2>/dev/null) || true
    if [ -n "$folder" ]; then dirname "$folder"; fi
}

prepare() {
    [ -x $here/bin/thinkedit-train ] || fail "no $here/bin/thinkedit-train; run pack first and carry $here"
    mkdir -p $state
    root=$(cat $here/root) # the tests know the golden data by this path
    if [ ! -e "$root" ]; then mkdir -p "$(dirname "$root")" && ln -s "$PWD" "$root"; fi
    blas=$(cublas)
    [ -n "$blas" ] || fail "no libcublas.so.13 on this machine"
    path=$PWD/$here/lib:$blas:${LD_LIBRARY_PATH:-}:/usr/local/nvidia/lib64
    run="env LD_LIBRARY_PATH=$path" # the trainer's alone: other programs have their own libraries
    if ! $run $here/bin/thinkedit-train --help >/dev/null 2>&1; then # another C library: bring ours
        echo "this machine's C library does not do; using the carried one"
        run="$here/libc/ld-linux-x86-64.so.2 --library-path $PWD/$here/libc:$path:/usr/lib/x86_64-linux-gnu"
        $run $here/bin/thinkedit-train --help >/dev/null || fail "the trainer does not run here"
    fi
    train="$run $here/bin/thinkedit-train"
    [ -f $here/tokenizer.json ] || fail "no $here/tokenizer.json"
}

# with NUMBERS from TEMPLATE to CONFIG: "key=value ..." of the recipe and top level
configure() {
    template=$1 config=$2
    shift 2
    cp "$template" "$config"
    for pair in "$@"; do
        key=${pair%%=*} value=${pair#*=}
        if grep -q "\"$key\":" "$config"; then
            sed -i -E "s#(\"$key\": *)(\"[^\"]*\"|[0-9.e+-]+)#\1$value#" "$config"
        else
            sed -i -E "s|(\"seed\": *[0-9]+)|\1, \"$key\": $value|" "$config"
        fi
    done
}

# Steps a second of COMMAND with TEMPLATE, from steps 40 to 140 of a run thrown away.
measure() {
    command=$1 template=$2 stem=$state/measure
    configure "$template" $state/measure.json out=\"$stem\" steps=140 stop_at=140 log_every=20 save_every=100000 warmup=10
    $train "$command" $state/measure.json 2>&1 | while read -r line; do echo "$EPOCHREALTIME $line"; done >$state/measure.log ||
        true
    awk '/ step 40 of / { a = $1 } / step 140 of / { b = $1 } END { if (a && b) printf "%.3f\n", 100 / (b - a) }' $state/measure.log
    rm -f $stem.safetensors $stem.csv $stem.png
}

rate_of() { # NAME TEMPLATE
    if [ ! -s "$state/$1.rate" ]; then
        measure "$1" "$2" >"$state/$1.rate"
        if [ ! -s "$state/$1.rate" ]; then
            tail -5 $state/measure.log
            fail "$1: no steps; see above"
        fi
    fi
    cat "$state/$1.rate"
}

peak() { # of bf16 products, TFLOP/s, by the library that is there
    python3 - 2>/dev/null <<'P' || echo 790
import torch
a, b = (torch.randn(8192, 8192, device='cuda', dtype=torch.bfloat16) for _ in range(2))
start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
for i in range(13):
    if i == 3: start.record()
    a @ b
end.record()
torch.cuda.synchronize()
print(round(10 * 2 * 8192**3 / start.elapsed_time(end) / 1e9))
P
}

# Share of the peak of a backbone that takes RATE steps a second: products of all layers and of the head's
# read rows (about 200 a sample), attention over about 650 tokens; forward once, backward twice (2.5 times).
share() { # RATE
    awk -v rate="$1" -v peak="$(peak)" '
        { for (i = 1; i < NF; i++) for (k in want) if ($i ~ "\"" k "\":") { v = $(i + 1); gsub(/[,}"]/, "", v); want[k] = v } }
        BEGIN { split("width layers ff batch", names, " "); for (i in names) want[names[i]] = 0 }
        END {
            d = want["width"]; tokens = 650
            layer = 4 * d * d + 3 * d * want["ff"]
            flops = 6 * want["layers"] * layer * tokens + 14 * tokens * tokens * d * want["layers"] + 6 * 200 * 8192 * d
            tf = flops * want["batch"] * rate / 1e12
            printf "%.0f samples/s, %.0f TFLOP/s of %d measured: %.0f %%\n", rate * want["batch"], tf, peak, 100 * tf / peak
        }' models/default/gpu-sft.json
}

take_home() {
    [ -n "$out" ] || return 0
    mkdir -p "$out"
    for file in "$@"; do
        [ -f "$file" ] || continue
        if [ "$(stat -c %s "$file")" -lt 15000000 ]; then cp "$file" "$out/"; else split -b 15000000 "$file" "$out/$(basename "$file")."; fi
    done
    ls -la "$out"
}

tokens() { # MINUTES
    rate=$(rate_of image-tokens models/default/gpu-image-tokens.json)
    steps=$(awk -v r="$rate" -v m="$1" 'BEGIN { printf "%d", r * m * 60 }')
    echo "image tokeniser: $rate steps/s, $steps steps"
    configure models/default/gpu-image-tokens.json $state/image-tokens.json "steps=$steps" "stop_at=$steps"
    $train image-tokens $state/image-tokens.json 2>&1 | awk 'NR % 10 == 1 || !/^step/; { last = $0 } END { print last }'
    rm -f $state/pool.bin
    take_home $state/image-tokens.csv $state/image-tokens.png $state/image-tokens.safetensors $state/image-tokens.json
}

pool() {
    $train pool models/default/gpu-sft.json 2>&1 | awk 'NR % 10 == 1 || !/^sample/; { last = $0 } END { print last }'
}

sft() { # MINUTES OF
    if [ ! -f $state/sft.json ]; then
        rate=$(rate_of sft models/default/gpu-sft.json)
        share "$rate"
        configure models/default/gpu-sft.json $state/sft.json "steps=$(awk -v r="$rate" -v m="$2" 'BEGIN { printf "%d", r * m * 58 }')"
    fi
    rate=$(cat $state/sft.rate) done=0 resume=
    steps=$(sed -n 's/.*"steps": *\([0-9]*\).*/\1/p' $state/sft.json)
    if [ -f $state/sft.safetensors ]; then
        resume=--resume
        done=$(cat $state/sft.done 2>/dev/null || tail -1 $state/sft.csv | cut -d, -f1)
    fi
    stop=$(awk -v r="$rate" -v m="$1" -v d="$done" -v s="$steps" 'BEGIN { n = d + int(r * m * 58); print n < s ? n : s }')
    echo "backbone: $rate steps/s, from step $done to $stop of $steps"
    configure $state/sft.json $state/sft-now.json "stop_at=$stop"
    $train sft $state/sft-now.json $resume 2>&1 | awk 'NR % 25 == 1 || !/^step/; { last = $0 } END { print last }'
    echo "$stop" >$state/sft.done
    $train export $state/sft-now.json
    take_home $state/thinkedit-small.gguf $state/sft.csv $state/sft.png $state/sft.json
}

check() {
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
    nproc
    echo "ops and golden gradients on the card:"
    timeout 300 $run $here/bin/test_train_cuda || fail "the card and the CPU do not agree"
    echo "image tokeniser: $(rate_of image-tokens models/default/gpu-image-tokens.json) steps/s of 64 pictures"
}

command=${1:-}
[ $# -gt 0 ] && shift
minutes=5 of='' out=''
while [ $# -gt 0 ]; do
    case $1 in
    --minutes) minutes=$2 ;;
    --of) of=$2 ;;
    --out) out=$2 ;;
    *) fail "unknown option $1" ;;
    esac
    shift 2
done
case $command in
pack) pack ;;
check) prepare && check ;;
tokens) prepare && tokens "$minutes" ;;
pool) prepare && pool ;;
sft) prepare && sft "$minutes" "${of:-$minutes}" ;;
*) fail "usage: pack | check | tokens --minutes M | pool | sft --minutes M [--of T]" ;;
esac
