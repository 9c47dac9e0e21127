#!/usr/bin/env bash
# From a fresh checkout to a trained model and a report: set-up, build, two small real data sets, training, evaluation.
# Safe to run again: what is done is skipped, an interrupted training goes on from its last checkpoint.
set -euo pipefail

ranks=${CLIP_HPC_RANKS:-2}
run=${CLIP_HPC_QUICKSTART_RUN:-runs/quickstart}

# --- the commands, as you would type them ----------------------------------------------------------------------------
configure()   { cmake --preset release; }
build()       { cmake --build --preset release --target clip_hpc clip_report; }
pack_glyphs() { clip_hpc pack --from glyphs --output "$1" --train-tokenizer 1000; }
pack_emoji()  { clip_hpc pack --from emoji --output "$1" --train-tokenizer 4000; }
train()       { clip_hpc_launch "$ranks" clip_hpc --run-dir "$run/$1" --resume auto "${@:2}"; }
evaluate()    { clip_hpc_launch "$ranks" clip_hpc eval --model "$run/letters_convnext" --data data/packed/glyphs/test_letters --task zeroshot; }
report()      { clip_report --runs "$run" --output "$run/report"; }

usage() {
  cat <<'TEXT'
usage: jobs/quickstart.sh [--help]

environment:
  CLIP_HPC_RANKS           ranks of the training (default 2)
  CLIP_HPC_QUICKSTART_RUN  folder of the runs letters, letters_convnext and emoji, and of the report (default runs/quickstart)
  LIBTORCH                 a LibTorch of your own, instead of a download

example:
  CLIP_HPC_RANKS=4 jobs/quickstart.sh
TEXT
}
case ${1:-} in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
step() { printf '\n[%4d s] == %s\n' "$SECONDS" "$*"; }
skip() { printf '[%4d s] -- %s\n' "$SECONDS" "$*"; }
log=build/quickstart.log

step "set-up"
jobs/setup.sh

step "build (log: $log)"
mkdir -p build
{ configure && build; } >"$log" 2>&1 || { tail -n 40 "$log" >&2; exit 1; }

# shellcheck source=jobs/env.sh
source jobs/env.sh

# A set gets its name when it is complete: what an interrupted packing left is thrown away.
step "data"
pack_once() { # glyphs|emoji
  local folder
  for folder in "data/packed/$1" "packed/$1"; do # the latter: of an older project folder, clip_hpc finds it
    if [ -d "$folder" ]; then
      skip "$folder is there"
      return
    fi
  done
  mkdir -p data/packed
  rm -rf "data/packed/$1.part"
  "pack_$1" "data/packed/$1.part"
  mv "data/packed/$1.part" "data/packed/$1"
}
pack_once glyphs
pack_once emoji

# The marker is written when training has reached its end; before that --resume auto goes on from the last checkpoint.
train_once() { # name, configurations
  step "training on $ranks ranks -> $run/$1"
  if [ -f "$run/$1/quickstart.done" ]; then
    skip "complete"
    return
  fi
  train "$@"
  date '+%F %T' >"$run/$1/quickstart.done"
}
train_once letters --config configs/quickstart.cfg
# The paper's question in small: what does another family of image towers make of the same pictures?
train_once letters_convnext --config configs/quickstart.cfg --config configs/letters_convnext.cfg
train_once emoji --config configs/emoji.cfg

step "evaluation"
# Training has evaluated already; this is the command for a model that was trained elsewhere or long ago.
evaluate

step "report"
report

step "done"
echo "report: $run/report/index.html, total time: $SECONDS s"
echo "Emoji are few (1521 pictures) and want a longer run:"
echo "  mpirun -np $ranks clip_hpc --config configs/emoji.cfg --set train.samples=300000 --run-dir runs/emoji_long"
