#!/usr/bin/env bash
# h200.sh [build|run] DIR [REPORT]: the CUDA backend on a machine with a card, in one go of under ten minutes.
#
# `build` compiles into DIR for compute capability 9.0 (ARCHITECTURES says others) and gathers there all that
# `run` needs beside this source tree, the driver and cuBLAS: beside/, lib/ and source. It wants nvcc and the
# packages of installer/packages.txt, no card, and may happen on another machine. `run` tests - every op and
# the golden models on the card against the CPU, the ops under compute-sanitizer as well - and times: the peak
# of cuBLASLt, passes and whole edits of the 8B shape in bf16, FP8, Q8_0 and Q4_K, with much and with little
# memory, and the released loop in PyTorch where that is installed. It ends before LIMIT seconds (570) are
# over: what comes first is worth most, each part gets what is left at most, and every result is written when
# it is there, as Markdown on standard output and in REPORT/report.md (DIR's own without it), with logs beside.
# Without a verb it does both. RESULTS.md has what came of it.
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
verb=both
case ${1:-} in build | run) verb=$1; shift ;; esac
[ $# = 1 ] || [ $# = 2 ] || { echo "usage: h200.sh [build|run] DIR [REPORT]" >&2; exit 2; }
mkdir -p "$1" "${2:-$1}" && dir=$(cd "$1" && pwd) && out=$(cd "${2:-$1}" && pwd) || exit 1
end=$((SECONDS + ${LIMIT:-570}))

build() {
    local tree=$dir/tree beside=$dir/beside program
    mkdir -p "$beside" "$dir/lib"
    cmake -S "$top" -B "$tree" -G Ninja -DTE_CUDA=ON -DTE_ENGINE_ONLY=ON -DTE_TRAIN=OFF \
        -DTE_CUDA_ARCHITECTURES="${ARCHITECTURES:-90-real}" || return 1
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
say() { printf '%s\n' "$*" | tee -a "$out/report.md"; }
# within SECONDS COMMAND...: at most so long, and not beyond the end; 124 when there was no time, or too little.
within() {
    local most=$1 left=$((end - SECONDS))
    shift
    [ "$left" -gt 5 ] || return 124
    timeout -k 5 "$((left < most ? left : most))" "$@"
}
# try TITLE SECONDS COMMAND...: one line of the report; the output is kept.
try() {
    local title=$1 most=$2 log begin=$SECONDS result=passed code
    log=$out/$(printf '%s' "$title" | tr -c 'a-z0-9\n' _).log
    shift 2
    within "$most" env LD_LIBRARY_PATH="$libraries" "$@" > "$log" 2>&1 || { code=$?; result="**failed ($code)**"; status=1; }
    [ "${code:-0}" != 124 ] || result="**not finished in time**"
    say "- $title: $result, $((SECONDS - begin)) s"
    [ "$result" = passed ] || tail -n 15 "$log" | sed 's/^/      /' | tee -a "$out/report.md"
}
# edit SECONDS ARGUMENTS...: one row of the table.
edit() {
    local most=$1 row why=failed
    shift
    row=$(within "$most" env LD_LIBRARY_PATH="$libraries" "$dir/beside/edit_bench" "$@" 2>> "$out/edit.log") || {
        [ $? != 124 ] || why="out of time"
        row="| $* | $why, see edit.log |||||||"
        status=1
    }
    say "$row"
}
# Where cuBLAS is: the toolkit's, or what Python's packages brought.
cublas() {
    local folder
    for folder in /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib; do
        if [ -e "$folder/libcublasLt.so.13" ] || [ -e "$folder/libcublasLt.so.12" ]; then echo "$folder"; return; fi
    done
    folder=$(find / -xdev -name 'libcublasLt.so.1[23]' -print -quit 2> /dev/null)
    [ -z "$folder" ] || dirname "$folder"
}

run() {
    local source peak sanitizer tool
    source=$(cat "$dir/source")
    # The tests know their golden data by the place where they were built.
    [ -e "$source" ] || { mkdir -p "$(dirname "$source")" && ln -s "$top" "$source"; }
    # Our programs' alone: PyTorch has its own cuBLAS.
    libraries=$dir/lib:$(cublas):${LD_LIBRARY_PATH:-}:/usr/local/nvidia/lib64
    : > "$out/report.md"
    : > "$out/edit.log"
    say "# CUDA backend, $(date -u +%F)"
    say ""
    say "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 | head -n 1)"
    say ""
    try "golden models" 90 "$dir/beside/test_cuda_model"
    try "op tests" 90 "$dir/beside/test_cuda_ops"
    sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
    if [ -x "$sanitizer" ]; then # one test asks for more memory than there is: that is no fault
        for tool in "memcheck --report-api-errors no" racecheck; do
            # shellcheck disable=SC2086 # a tool and its option
            try "${tool%% *}" 90 "$sanitizer" --tool $tool --error-exitcode 9 "$dir/beside/test_cuda_ops"
        done
    else
        say "- compute-sanitizer is not installed"
    fi
    say ""
    within 60 env LD_LIBRARY_PATH="$libraries" "$dir/beside/peak_bench" > "$out/peak.log" 2>&1 || status=1
    sed 's/^/    /' "$out/peak.log" | tee -a "$out/report.md"
    peak=$(grep -xE '[0-9]+' "$out/peak.log" | tail -n 1)
    say ""
    say "8B shape, random weights, 2339 tokens, 128 text steps, 30 image steps, image guidance 3.5."
    say "Share of the peak of ${peak:-?} TFLOP/s above; steps are medians."
    say ""
    say "| | GB | one sequence, ms | TFLOP/s | two, ms | TFLOP/s | edit, s | step of one, ms | of two, ms |"
    say "|---|---|---|---|---|---|---|---|---|"
    mkdir -p "$dir/compare"
    edit 90 cuda bf16 0 0 "${peak:-0}" 32 "$dir/compare"
    if python3 -c 'import torch' 2> /dev/null; then
        within 120 python3 "$top/tests/cuda/torch_edit.py" "$dir/compare" 2>> "$out/edit.log" | tee -a "$out/report.md" ||
            { say "| PyTorch, released loop | failed, out of time or other tokens, see edit.log |||||||"; status=1; }
    else
        say "| PyTorch is not installed | | | | | | | | |"
    fi
    edit 60 cuda q4_k 0 0 "${peak:-0}"
    edit 90 cuda-fp8 bf16 0 0 "${peak:-0}"
    edit 60 cuda q8_0 0 0 "${peak:-0}"
    edit 90 cuda bf16 2.5 0 "${peak:-0}"
    edit 60 cuda q4_k 0 5.5 "${peak:-0}"
    edit 90 cuda-as-is bf16 0 12 "${peak:-0}" # streams, and
    edit 60 cuda bf16 0 12 "${peak:-0}"       # is made q8_0: what plan.h weighs
    say ""
    [ ! -e "$dir/compare/words" ] || say "$(cat "$dir/compare/words")"
    rm -rf "$dir/compare" # a gigabyte
    say ""
    say "Goals:"
    say ""
    awk -f "$top/tests/cuda/goals.awk" "$out/report.md" > "$out/goals.md" && tee -a "$out/report.md" < "$out/goals.md"
    say ""
    say "Where a pass of one sequence goes when every op is waited for (in the order of the rows above):"
    say ""
    sed 's/^/    /' "$out/edit.log" | tee -a "$out/report.md"
}

if [ "$verb" != run ]; then build || exit 1; fi
if [ "$verb" != build ]; then run; fi
exit $status
