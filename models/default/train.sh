#!/bin/sh
# Trains the embedded model from nothing but this repository, or goes on where it was stopped: text
# tokeniser, image tokeniser, its decoder once more, backbone (words alone, then all), model file. Usage: train.sh
# THINKEDIT_TRAIN (the program). Everything it keeps is in models/checkpoints; delete a file there to do its part again.
set -eu
train=${1:?usage: train.sh path/to/thinkedit-train}
case $train in /*) ;; *) train=$PWD/$train ;; esac
cd "$(dirname "$0")/../.."
mkdir -p models/checkpoints

resume() { [ -f "models/checkpoints/$1.safetensors" ] && echo --resume || true; }

[ -f models/checkpoints/tokenizer.json ] || "$train" tokenizer models/default/tokenizer-config.json
"$train" image-tokens models/default/image-tokens.json $(resume image-tokens)
"$train" image-tokens models/default/decoder.json $(resume decoder)
"$train" sft models/default/words.json $(resume words)
"$train" sft models/default/sft.json $(resume sft)
"$train" export models/default/sft.json
