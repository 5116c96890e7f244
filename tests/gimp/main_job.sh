#!/bin/sh
# main_job.sh THINKEDIT PLUGIN: the main job with the real engine. A picture goes through GIMP 2.10 without
# windows, the plug-in and the server, and comes out as an XCF whose new layer has the reasoning in its
# parasite; the same edit on the command line must come to the same reasoning. Then the server is
# stopped, and the plug-in must start one by itself. The model is the stand-in made of golden data.
set -eu
thinkedit=$1
plugin=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export HOME="$work" XDG_CONFIG_HOME="$work/config" XDG_RUNTIME_DIR="$work" XDG_STATE_HOME="$work/state"
PATH=$(dirname "$thinkedit"):$PATH
export ASAN_OPTIONS=detect_leaks=0 # GEGL and babl keep what they have for good
trap '"$thinkedit" serve --stop > "$work/stop" 2>&1 || true; rm -rf "$work"' EXIT

fail() { echo "main_job: $*" >&2; cat "$work/gimp.log" >&2 2> /dev/null || true; exit 1; }

edit() { # edit OUT: GIMP edits the demo picture into OUT.xcf and OUT.txt
    cat > "$work/job.scm" << SCRIPT
(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE "$here/../../installer/demo.png" "demo.png")))
       (layer (car (gimp-image-get-active-layer image)))
       (result (plug-in-thinking-aware-edit RUN-NONINTERACTIVE image layer "make it winter" 7 0 FALSE
                 "text-steps=16 image-steps=4 text-len=32")))
  (gimp-xcf-save RUN-NONINTERACTIVE image (car result) "$1.xcf" "$1.xcf")
  (call-with-output-file "$1.txt" (lambda (port) (display (cadr result) port))))
SCRIPT
    gimp-console-2.10 -i -d -f -b "(load \"$work/job.scm\")" -b '(gimp-quit 0)' > "$work/gimp.log" 2>&1 ||
        fail "GIMP ended with status $?"
}

mkdir -p "$XDG_CONFIG_HOME/GIMP/2.10/plug-ins/thinking-aware-edit"
cp "$plugin" "$XDG_CONFIG_HOME/GIMP/2.10/plug-ins/thinking-aware-edit/thinking-aware-edit"
"$here/../stand-in/assemble" "$thinkedit" "$work/model.gguf"

"$thinkedit" serve --detach --model "$work/model.gguf"
edit "$work/first"
[ -s "$work/first.xcf" ] || fail "there is no XCF"
grep -aq '"model":{"name":"m-tiny"' "$work/first.xcf" || fail "the XCF has no record of the edit"
"$thinkedit" serve --stop

"$thinkedit" edit "$here/../../installer/demo.png" "make it winter" -o "$work/second.png" --seed 7 \
    --text-steps 16 --image-steps 4 --text-len 32 --model "$work/model.gguf" --reasoning "$work/second.txt"
[ -s "$work/second.png" ] || fail "the command line made no picture"
printf '%s' "$(cat "$work/first.txt")" > "$work/a"
printf '%s' "$(cat "$work/second.txt")" > "$work/b"
cmp "$work/a" "$work/b" || fail "GIMP and the command line came to different reasonings"

edit "$work/third" # whether or not there is an embedded model, a server must be there afterwards
"$thinkedit" serve --stop || fail "the plug-in did not start the server"
