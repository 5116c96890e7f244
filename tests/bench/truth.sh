#!/bin/sh
# truth.sh QUALITY_BENCH MODEL - what the bench makes of perfect answers: nearly all are right, their texts all are, and
# the answers that training asks for (--targets) are others than the truth (--ceiling) for edits alone.
set -eu
bench=$1 model=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$*" >&2; exit 1; }

for what in ceiling targets; do
    "$bench" "$model" -o "$folder/$what.jsonl" --edits 12 --generations 2 --strategy semi-parallel --threads 1 \
        "--$what" 2>"$folder/log" || fail "$(cat "$folder/log")"
    [ "$(grep -c '"text":true' "$folder/$what.jsonl")" = 14 ] || fail "--$what: a true text is called wrong"
    right=$(grep -c '"image":true' "$folder/$what.jsonl")
    [ "$right" -ge 11 ] || fail "--$what: $right of 14 pictures are right"
    sed 's/,"seconds":.*//' "$folder/$what.jsonl" | grep -v '"category":"generation"' >"$folder/$what.edits"
    sed 's/,"seconds":.*//' "$folder/$what.jsonl" | grep '"category":"generation"' >"$folder/$what.generations"
done
[ "$(wc -l <"$folder/ceiling.generations")" = 2 ] || fail "two generations were asked for"
cmp "$folder/ceiling.generations" "$folder/targets.generations" || fail "a generation has nothing to copy"
! cmp -s "$folder/ceiling.edits" "$folder/targets.edits" || fail "no code was copied"
