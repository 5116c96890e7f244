#!/usr/bin/env bash
# h200.sh [build|run] DIR: the CUDA backend on a machine with a card, in one go of under ten minutes.
#
# `build` compiles into DIR for compute capability 9.0 and gathers there all that `run` needs beside this
# source tree, the driver and cuBLAS; it wants nvcc, no card, and may happen on another machine. `run` tests -
# every op and the golden models on the card against the CPU, then the ops under compute-sanitizer - and
# times: the peak of cuBLASLt, passes and whole edits of the 8B shape in bf16, FP8, Q8_0 and Q4_K, with much
# and with little memory, and the released loop in PyTorch where that is installed. The report is Markdown
# on standard output and in DIR/report.md. Without a verb it does both.
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
verb=both
case ${1:-} in build | run) verb=$1; shift ;; esac
[ $# = 1 ] || { echo "usage: h200.sh [build|run] DIR" >&2; exit 2; }
mkdir -p "$1" && dir=$(cd "$1" && pwd) || exit 1

build() {
    local tree=$dir/tree beside=$dir/beside program
    mkdir -p "$beside" "$dir/lib"
    cmake -S "$top" -B "$tree" -G Ninja -DTE_CUDA=ON -DTE_ENGINE_ONLY=ON -DTE_TRAIN=OFF \
        -DTE_CUDA_ARCHITECTURES=90-real "${@}" || return 1
    cmake --build "$tree" --target thinkedit-cuda test_cuda_ops test_cuda_model edit_bench peak_bench || return 1
    cp "$tree"/engine/libthinkedit-cuda.so "$tree"/tests/cuda/{test_cuda_ops,test_cuda_model,edit_bench,peak_bench} \
        "$beside" || return 1
    strip "$beside"/*bench "$beside"/test_*
    for program in "$beside"/*; do # but not the system's own
        ldd "$program" | awk '$3 ~ /^\// { print $3 }' | grep -E 'jansson|pcre2|utf8proc|cmocka|gomp|libomp'
    done | sort -u | xargs -r cp -t "$dir/lib"
    echo "$top" > "$dir/source"
}

status=0
say() { printf '%s\n' "$*" | tee -a "$dir/report.md"; }
# try TITLE COMMAND...: one line of the report; the output is kept.
try() {
    local title=$1 log begin=$SECONDS result=passed
    log=$dir/$(printf '%s' "$title" | tr -c 'a-z0-9\n' _).log
    shift
    "$@" > "$log" 2>&1 || { result="**failed ($?)**"; status=1; }
    say "- $title: $result, $((SECONDS - begin)) s"
    [ "$result" = passed ] || tail -n 15 "$log" | sed 's/^/      /' | tee -a "$dir/report.md"
}
# edit ARGUMENTS...: one row of the table.
edit() {
    timeout 120 "$dir/beside/edit_bench" "$@" 2> >(tee -a "$dir/edit.log" >&2) | tee -a "$dir/report.md" ||
        say "| $* | failed |||||||"
}

run() {
    local source peak sanitizer
    source=$(cat "$dir/source")
    # The tests know their golden data by the place where they were built.
    [ -e "$source" ] || { mkdir -p "$(dirname "$source")" && ln -s "$top" "$source"; }
    LD_LIBRARY_PATH=$dir/lib:/usr/local/cuda/lib64:$(python3 -c 'import os, nvidia
print(":".join(os.path.join(r, d) for p in nvidia.__path__ for r, _, f in os.walk(p) for d in [""] if any("libcublasLt" in x for x in f)))' \
        2>/dev/null)
    export LD_LIBRARY_PATH
    : > "$dir/report.md"
    : > "$dir/edit.log"
    say "# CUDA backend, $(date -u +%F)"
    say ""
    say "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 | head -n 1)"
    say ""
    try "op tests" timeout 120 "$dir/beside/test_cuda_ops"
    try "golden models" timeout 120 "$dir/beside/test_cuda_model"
    sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
    if [ -x "$sanitizer" ]; then
        for tool in memcheck racecheck; do
            try "$tool" timeout 150 "$sanitizer" --tool "$tool" --error-exitcode 9 "$dir/beside/test_cuda_ops"
        done
    else
        say "- compute-sanitizer is not installed"
    fi
    say ""
    "$dir/beside/peak_bench" 2>&1 | sed 's/^/    /' | tee -a "$dir/report.md"
    peak=$(tail -n 1 "$dir/report.md" | tr -dc 0-9)
    say ""
    say "8B shape, random weights, 2339 tokens, 128 text steps, 30 image steps, image guidance 3.5."
    say "Share of the peak of ${peak:-?} TFLOP/s above; steps are medians."
    say ""
    say "| | GB | one sequence, ms | TFLOP/s | two, ms | TFLOP/s | edit, s | step of one, ms | of two, ms |"
    say "|---|---|---|---|---|---|---|---|---|"
    edit cuda bf16 0 0 "${peak:-0}"
    edit cuda bf16 2.5 0 "${peak:-0}"
    edit cuda-fp8 bf16 0 0 "${peak:-0}"
    edit cuda q4_k 0 0 "${peak:-0}"
    edit cuda q8_0 0 0 "${peak:-0}"
    edit cuda bf16 0 12 "${peak:-0}"
    edit cuda q4_k 0 5.5 "${peak:-0}"
    if python3 -c 'import torch' 2> /dev/null; then
        timeout 180 python3 "$top/tests/cuda/torch_edit.py" 2>> "$dir/edit.log" | tee -a "$dir/report.md"
    else
        say "| PyTorch is not installed | | | | | | | | |"
    fi
    say ""
    say "Where a pass of one sequence goes when every op is waited for (bf16, then the others in order):"
    say ""
    sed 's/^/    /' "$dir/edit.log" | tee -a "$dir/report.md" > /dev/null
    head -n 9 "$dir/edit.log"
}

if [ $verb != run ]; then build || exit 1; fi
if [ $verb != build ]; then run; fi
exit $status
