#!/bin/sh
# The architecture as a test: who may include whom, what the library exports, which functions are banned,
# how long files and functions may grow. Usage: lint.sh SOURCE_DIR [LIBTHINKEDIT_SO]. Prints one line per
# offence and fails if there is any.
set -u
cd "$1" || exit 2
library=${2:-}
offences=$(mktemp)
trap 'rm -f "$offences"' EXIT

say() { sed "s|^|$1: |" >>"$offences"; }

# ---- includes: folder, then what a quoted or angled include must not match -----------------------
forbid() {
    folder=$1 pattern=$2 why=$3
    [ -d "$folder" ] || return 0
    grep -nE "^#[ ]*include[ ]*[<\"]($pattern)" -r "$folder" --include='*.[ch]' --include='*.cu' \
        --include='*.cuh' | say "$why"
}
gnome='glib|gio|gtk|gdk|gegl|babl|libgimp|libsoup|json-glib'
for folder in base format text vision model denoise backend; do
    forbid engine/$folder "$gnome" "the engine's core knows no GNOME library"
done
forbid engine/base 'format/|text/|vision/|model/|denoise/|backend/' "base knows nobody"
forbid engine/format 'text/|vision/|model/|denoise/|backend/' "format knows base only"
forbid engine/text 'format/|vision/|model/|denoise/|backend/' "text knows base only"
forbid engine/vision 'text/|model/|denoise/|backend/(cpu|cuda)/' "vision knows format and backend.h"
forbid engine/backend 'text/|vision/|model/|denoise/' "backend knows format only"
forbid engine/model 'text/|vision/|denoise/|backend/(cpu|cuda)/' "the model knows backend.h, no device"
forbid engine/denoise 'backend/(cpu|cuda)/' "the denoiser knows backend.h, no device"
internal='base/|format/|text/|vision/|model/|denoise/|backend/'
for folder in engine/server engine/cli engine/picture ui plugin; do
    forbid $folder "$internal" "outside the engine only its public header is known"
done
forbid engine/server 'gtk|libgimp' "the server has no window"
forbid engine/cli 'gtk|libgimp' "the command line has no window"
forbid ui 'libgimp|libsoup' "the panel knows neither GIMP nor the network"
forbid models "$gnome" "training uses the engine and cairo"
for version in 2 3; do
    other=$((5 - version))
    [ -f plugin/host_gimp$version.c ] &&
        grep -nE "GIMP_CHECK_VERSION|host_gimp$other" plugin/host_gimp$version.c |
        say "versions of GIMP stay in files of their own"
done
if ls engine/model/*.c >/dev/null 2>&1; then
    grep -nE '^#[ ]*if(def|ndef)?[ ].*(CUDA|CPU|AVX|__x86|__aarch64)' engine/model/*.c engine/denoise/*.c |
        say "no device conditionals in the model"
fi

# ---- banned: unbounded string functions, and a library that ends the program or talks ------------
grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|system|popen|tmpnam|mktemp|alloca)[ ]*\(' \
    -r engine ui plugin models --include='*.[ch]' --include='*.cu' | say "banned function"
grep -nE '\b(exit|abort|_exit|printf|puts|perror|getenv|rand|srand|signal)[ ]*\(' -r engine/base engine/format engine/text \
    engine/vision engine/model engine/denoise engine/backend engine/*.c --include='*.[ch]' \
    --include='*.cu' | grep -vE ':[ ]*(/?\*|//)' | say "a library neither exits, prints nor reads the environment"
grep -rn --include=CMakeLists.txt -e '-ffast-math' CMakeLists.txt engine models plugin ui | say "no -ffast-math"

# ---- sizes: files at most 1000 lines, functions at most 100 ---------------------------------------
find engine ui plugin models tests -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' | while read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 1000 ] || echo "$file: $lines lines" | say "file too long"
    awk -v file="$file" '
        /^[A-Za-z_].*\(/ && !/;[ ]*$/ { name = $0 }
        /^\{/ || (/^[A-Za-z_].*\)[ ]*\{[ ]*$/) { start = NR }
        /^\}/ { if (start && NR - start > 100) print file ":" start ": " NR - start " lines: " substr(name, 1, 60); start = 0 }
    ' "$file" | say "function too long"
done

# ---- promises and places --------------------------------------------------------------------------
grep -nIE '\b(TODO|FIXME|XXX)\b' -r engine ui plugin models tests installer README.md 2>/dev/null |
    grep -v '^tests/lint/' | say "work left undone"

# ---- exported symbols -----------------------------------------------------------------------------
if [ -n "$library" ]; then
    nm -D --defined-only "$library" | awk '$2 ~ /[TDBRVW]/ { print $3 }' | grep -vE '^(te_|_init$|_fini$|__)' |
        say "exported symbol outside te_"
    nm -D --defined-only "$library" | grep -q ' T te_model_open' || echo "$library" | say "te_model_open is not exported"
fi

cat "$offences"
count=$(wc -l <"$offences")
echo "lint: $count offence(s)"
[ "$count" -eq 0 ]
