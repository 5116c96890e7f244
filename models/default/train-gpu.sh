#!/bin/bash
# Trains the embedded model on a machine with an NVIDIA card that need not have anything but the driver and
# cuBLAS 13: no network, no compiler, no packages. Run from the root of the repository. The recipe is train.sh's
# (image-tokens.json, decoder.json, words.json, sft.json) with larger batches and as many steps as the time allows.
#
#   models/default/train-gpu.sh pack          on the machine with the packages: builds the trainer and its CUDA
#                                             module (nvcc) and lays them, with every library they need, in .gpu/
#   models/default/train-gpu.sh check         on the card: every op and the golden gradients against the CPU
#   models/default/train-gpu.sh import        begins with the published model, instead of `tokens` and `words`
#   models/default/train-gpu.sh tokens --minutes M      image tokeniser, from scratch, a third of the
#                                             time its decoder alone
#   models/default/train-gpu.sh pool --samples N        draws and encodes samples, on all processors: cards train
#                                                       faster than these are drawn
#   models/default/train-gpu.sh words --minutes M       backbone: words alone
#   models/default/train-gpu.sh sft --minutes M [--of T]     backbone: the schedule is laid out for T minutes
#                                             (default: M) in all; another call goes on. Exports each time
#
# State lies in models/checkpoints/gpu and stays on the machine between calls. What is worth taking home is
# copied to DIR with --out DIR, in parts below 16 MB (put together with cat). DEVICE says what trains (cuda).
set -euo pipefail

here=.gpu state=models/checkpoints/gpu

fail() { echo "train-gpu: $*" >&2; exit 1; }

[ -f models/default/sft.json ] || fail "run it from the root of the repository"

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
    du -sh $here
}

# ---- on the card ------------------------------------------------------------------------------------

cublas() {
    for folder in /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib; do
        if [ -e "$folder/libcublas.so.13" ]; then echo "$folder"; return; fi
    done
    folder=$(find / -xdev -name libcublas.so.13 -print -quit 2>/dev/null) || true
    if [ -n "$folder" ]; then dirname "$folder"; fi
}

# with NUMBERS from NAME.json of this folder to CONFIG: "key=value ..." of the recipe and top level
configure() {
    template=$1 config=$2
    shift 2
    sed "s#models/checkpoints/#$state/#; s#models/default/decoder.json#$state/decoder.json#" \
        "models/default/$template.json" >"$config"
    for pair in "$@"; do
        key=${pair%%=*} value=${pair#*=}
        if grep -q "\"$key\":" "$config"; then
            sed -i -E "s#(\"$key\": *)(\"[^\"]*\"|[0-9.e+-]+)#\1$value#" "$config"
        else
            sed -i -E "s|(\"seed\": *[0-9]+)|\1, \"$key\": $value|" "$config"
        fi
    done
}

prepare() {
    [ -x $here/bin/thinkedit-train ] || fail "no $here/bin/thinkedit-train; run pack first and carry $here"
    mkdir -p $state
    root=$(cat $here/root) # the tests know the golden data by this path
    if [ ! -e "$root" ]; then mkdir -p "$(dirname "$root")" && ln -s "$PWD" "$root"; fi
    blas=$(cublas)
    path=$PWD/$here/lib:$blas:${LD_LIBRARY_PATH:-}:/usr/local/nvidia/lib64
    run="env LD_LIBRARY_PATH=$path" # the trainer's alone: other programs have their own libraries
    if ! $run $here/bin/thinkedit-train --help >/dev/null 2>&1; then # another C library: bring ours
        echo "this machine's C library does not do; using the carried one"
        run="$here/libc/ld-linux-x86-64.so.2 --library-path $PWD/$here/libc:$path:/usr/lib/x86_64-linux-gnu"
        $run $here/bin/thinkedit-train --help >/dev/null || fail "the trainer does not run here"
    fi
    train="$run $here/bin/thinkedit-train"
    device="device=\"${DEVICE:-cuda}\""
    configure image-tokens $state/image-tokens.json "$device" batch=64 micro_batch=64 rate=2e-3 warmup=100 log_every=50 save_every=1000
    configure decoder $state/decoder.json "$device" batch=64 warmup=100 log_every=50 save_every=1000
    configure words $state/words.json "$device" batch=128 log_every=20 save_every=1000
    configure sft $state/sft-all.json "$device" batch=128 rate=2e-3 warmup=100 log_every=20 save_every=1000 samples="$samples"
    # the export's is the second path; a run's is the first
    sed -i "s#models/default/thinkedit-small.gguf#$state/thinkedit-small.gguf#" $state/sft-all.json
    sed -i -E "s#(\"samples\": *)[0-9]+#\1$samples#" $state/words.json
}

# Steps a second of COMMAND with CONFIG, from steps 40 to 140 of a run thrown away.
rate_of() {
    if [ ! -s "$state/$1.rate" ]; then
        stem=$state/measure
        sed -E "s#(\"out\": *)\"[^\"]*\"#\1\"$stem\"#; s#(\"steps\": *)[0-9]+#\1140#; s#(\"log_every\": *)[0-9]+#\120#
            s#(\"save_every\": *)[0-9]+#\1100000#" "$2" >$state/measure.json
        $train "$1" $state/measure.json 2>&1 | while read -r line; do echo "$EPOCHREALTIME $line"; done >$state/measure.log || true
        awk '/ step 40 of / { a = $1 } / step 140 of / { b = $1 } END { if (a && b) printf "%.3f\n", 100 / (b - a) }' \
            $state/measure.log >"$state/$1.rate"
        rm -f $stem.safetensors $stem.csv $stem.png
        if [ ! -s "$state/$1.rate" ]; then
            tail -5 $state/measure.log >&2
            fail "$1: no steps; see above"
        fi
    fi
    cat "$state/$1.rate"
}

steps_in() { # RATE MINUTES: what fits, with a second in thirty for saving
    awk -v r="$1" -v m="$2" 'BEGIN { printf "%d", r * m * 58 }'
}

set_steps() { # CONFIG STEPS
    sed -i -E "s#(\"steps\": *)[0-9]+#\1$2#" "$1"
}

watch() { # every so many lines, and the last
    awk -v every="$1" 'NR % every == 1 || !/^(step|sample)/; { last = $0 } END { print last }'
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

tokenizer() {
    [ -f $state/tokenizer.json ] || {
        configure tokenizer-config $state/tokenizer-config.json
        $train tokenizer $state/tokenizer-config.json
    }
}

check() {
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
    nproc
    timeout 300 $run $here/bin/test_train_cuda || fail "the card and the CPU do not agree"
}

import() { # where `words` would have left its own
    configure sft $state/import.json "out=\"$state/words\""
    $train import $state/import.json
}

tokens() {
    steps=$(steps_in "$(rate_of image-tokens $state/image-tokens.json)" "$minutes")
    set_steps $state/image-tokens.json $((steps * 2 / 3))
    set_steps $state/decoder.json $((steps / 3))
    $train image-tokens $state/image-tokens.json 2>&1 | watch 10
    $train image-tokens $state/decoder.json 2>&1 | watch 10
    rm -f $state/pool.bin
    take_home $state/image-tokens.csv $state/decoder.csv $state/decoder.safetensors
}

pool() {
    tokenizer
    sed "s#\"device\": \"cuda\"#\"device\": \"cpu\"#" $state/sft-all.json >$state/pool.json
    $train pool $state/pool.json 2>&1 | watch 10
}

words() {
    tokenizer
    set_steps $state/words.json "$(steps_in "$(rate_of sft $state/words.json)" "$minutes")"
    rm $state/sft.rate # that of sequences with pictures is another
    $train sft $state/words.json 2>&1 | watch 25
}

sft() {
    if [ ! -f $state/sft.json ]; then
        set_steps $state/sft-all.json "$(steps_in "$(rate_of sft $state/sft-all.json)" "$of")"
        cp $state/sft-all.json $state/sft.json
    fi
    rate=$(cat $state/sft.rate) done=0 resume=
    steps=$(sed -n 's/.*"steps": *\([0-9]*\).*/\1/p' $state/sft.json)
    if [ -f $state/sft.safetensors ]; then
        resume=--resume
        done=$(cat $state/sft.done 2>/dev/null || tail -1 $state/sft.csv | cut -d, -f1)
    fi
    stop=$(awk -v n="$(steps_in "$rate" "$minutes")" -v d="$done" -v s="$steps" 'BEGIN { print d + n < s ? d + n : s }')
    echo "backbone: $rate steps/s, from step $done to $stop of $steps"
    sed -E "s|(\"seed\": *[0-9]+)|\1, \"stop_at\": $stop|" $state/sft.json >$state/sft-now.json
    $train sft $state/sft-now.json $resume 2>&1 | watch 25
    echo "$stop" >$state/sft.done
    $train export $state/sft-now.json
    take_home $state/thinkedit-small.gguf $state/sft.csv $state/sft.png $state/sft.json
}

command=${1:-}
[ $# -gt 0 ] && shift
minutes=5 of='' out='' samples=400000
while [ $# -gt 0 ]; do
    case $1 in
    --minutes) minutes=$2 ;;
    --of) of=$2 ;;
    --out) out=$2 ;;
    --samples) samples=$2 ;;
    *) fail "unknown option $1" ;;
    esac
    shift 2
done
of=${of:-$minutes}
case $command in
pack) pack ;;
check | import | tokens | pool | words | sft)
    prepare
    "$command"
    ;;
*) fail "usage: pack | check | import | tokens --minutes M | pool --samples N | words --minutes M | sft --minutes M [--of T]" ;;
esac
