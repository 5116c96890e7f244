#!/bin/sh
# asked.sh PHOTO_BENCH MODEL PICTURE - photo-bench --asked counts what is understood, and takes nothing but tones and
# instructions.
set -eu
bench=$1 model=$2 picture=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$*" >&2; exit 1; }

printf 'a warmer tone\tmake it warmer\nfog\tmake it darker\n' >"$folder/right.tsv"
"$bench" "$model" "$picture" --asked "$folder/right.tsv" >"$folder/out" || fail "a file of tones is refused"
[ "$(tail -n 1 "$folder/out")" = "1 of 2 understood" ] || fail "$(cat "$folder/out")"
grep -q '^make it darker: .*so give the picture less light\.' "$folder/out" || fail "what was misunderstood is not said"

printf 'a warmer tone make it warmer\n' >"$folder/no-tab.tsv"
printf 'a wamer tone\tmake it warmer\n' >"$folder/no-tone.tsv"
printf 'fog\t\n' >"$folder/no-words.tsv"
for wrong in no-tab no-tone no-words absent; do
    ! "$bench" "$model" "$picture" --asked "$folder/$wrong.tsv" >"$folder/out" 2>"$folder/log" || fail "$wrong passes"
    grep -q "$wrong.tsv" "$folder/log" || fail "$wrong: $(cat "$folder/log")"
    ! grep -q understood "$folder/out" || fail "$wrong: counted all the same"
done
