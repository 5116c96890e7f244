# common.sh - what the installer's scripts share. Sourced, not run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
name=thinking-aware-edit
prefix=$HOME/.local
config=${XDG_CONFIG_HOME:-$HOME/.config}/GIMP
manifest=$prefix/share/thinkedit/manifest

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# Versions of GIMP on this machine, "2.10 3.0 3.2", by the programs that are there.
gimp_versions() {
    for program in gimp-console-2.10 gimp-2.10 gimp-console-3.0 gimp-console-3.2 gimp-console gimp; do
        command -v $program > /dev/null || continue
        $program --version 2> /dev/null | sed -nE 's/.* ([0-9]+\.[0-9]+)\.[0-9]+.*/\1/p'
    done | sort -u | tr '\n' ' '
}

# CMake's switches for the GIMPs whose headers are here.
gimp_switches() {
    local version
    for version in 2 3; do
        pkg-config --exists "gimp-$version.0" && echo "-DTE_GIMP$version=ON" || echo "-DTE_GIMP$version=OFF"
    done
}

# CMake's switches for the CUDA module where nvcc is: for ARCHITECTURES, "all" of ours, or the cards that are here.
cuda_switches() { # cuda_switches [ARCHITECTURES|all]
    local nvcc architectures=${1:-}
    nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
    [ -x "$nvcc" ] || return 0
    if [ -z "$architectures" ]; then
        nvidia-smi -L > /dev/null 2>&1 || return 0
        architectures=native
    fi
    [ "$architectures" != all ] || architectures= # the default
    echo "-DTE_CUDA=ON -DTE_CUDA_ARCHITECTURES=$architectures"
}

# The program that runs VERSION without windows.
gimp_console() {
    for program in "gimp-console-$1" "gimp-$1" gimp-console gimp; do
        command -v "$program" > /dev/null || continue
        case $("$program" --version 2> /dev/null) in *" $1."*) echo "$program"; return ;; esac
    done
    return 1
}

# gimp_batch VERSION SCHEME...: runs Scheme in GIMP without windows. GIMP 2.10 ends with status 0 even
# after an error; callers look for what the script was to leave.
gimp_batch() {
    local version=$1 program commands=() line
    shift
    program=$(gimp_console "$version") || die "GIMP $version is not there."
    for line in "$@"; do commands+=(-b "$line"); done
    case $version in
    2.*) "$program" -i "${commands[@]}" -b '(gimp-quit 0)' ;;
    *) "$program" -i --quit --batch-interpreter plug-in-script-fu-eval "${commands[@]}" ;;
    esac
}
