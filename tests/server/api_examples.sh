#!/bin/bash
# Runs the curl examples of engine/server/API.md as they stand there, with the stand-in model.
set -eu
thinkedit=$(readlink -f "$1") source=$2
work=$(mktemp -d)
cleanup() { PATH=$(dirname "$thinkedit"):$PATH thinkedit serve --stop >/dev/null 2>&1 || true; rm -rf "$work"; }
trap cleanup EXIT
export XDG_RUNTIME_DIR=$work/run XDG_CONFIG_HOME=$work/config XDG_STATE_HOME=$work/state
mkdir -p "$work/run" "$work/bin"
cd "$work"

golden=$source/tests/golden
"$thinkedit" convert "$golden/m-tiny" -o model.gguf --profile mmada-parallel-m --layout "$golden/standin/layout.json" \
    --image-tokenizer "$golden/magvit-tiny" --tokenizer "$golden/standin/tokenizer.json"
printf '#!/bin/sh\nif [ "$1" = serve ] && [ "$2" = --detach ]; then set -- "$@" --model %s; fi\nexec %s "$@"\n' \
    "$work/model.gguf" "$thinkedit" >bin/thinkedit
chmod +x bin/thinkedit
export PATH=$work/bin:$PATH
cp "$source/installer/demo.png" in.png

# the block of the section "With curl", up to the part about another machine
awk '/^## With curl/ { on = 1; next } on && /^    # from another machine/ { exit } on && /^    / { print substr($0, 5) }' \
    "$source/engine/server/API.md" >examples.sh
grep -q 'curl -sN' examples.sh || { echo "API.md has no curl examples"; exit 1; }
bash -eu examples.sh >log.txt 2>errors.txt || { cat log.txt errors.txt; exit 1; }
grep -q '"api":1' log.txt && grep -q '^event: done' log.txt || { cat log.txt; exit 1; }
[ "$(head -c 4 out.png | tail -c 3)" = PNG ] || { echo "out.png is no PNG"; exit 1; }
thinkedit serve --stop
[ ! -e "$XDG_RUNTIME_DIR/thinkedit/serve.sock" ] || { echo "the socket was left behind"; exit 1; }
echo "1 passed, 0 failed"
