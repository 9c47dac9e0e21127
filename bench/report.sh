#!/usr/bin/env bash
# How long clip_report takes for 300 runs with 1,000 logged steps each, as a study's folder and as run folders. The runs are
# made up (tests/cli/synthetic_study.py); needs no LibTorch.
#
#   bench/report.sh                          ROUNDS=3, LINES=1000, BUILD=build/release
set -euo pipefail
cd "$(dirname "$0")/.."
project=$PWD bin=$(cd "${BUILD:-build/release}/bin" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

mkdir set && echo '{"count": 1000000}' >set/dataset.json
{
  cat <<GRID
[study]
name = speed
tflops = 180
[set]
data.train = $scratch/set
train.global_batch = 256
optim.warmup = 0.05
[axis tower]
GRID
  for tower in Ti-16 S-16 B-32 B-16 L-16; do
    echo "${tower/-/} = model.config=$project/configs/models/ViT-$tower-paper.json"
  done
  cat <<'GRID'
[axis data]
full =
500k = study.count=500k
250k = study.count=250k
120k = study.count=120k
60k = study.count=60k
[axis strategy]
clip = strategy.name=clip
flip = strategy.name=flip strategy.mask_ratio=0.5
aug = strategy.name=clip strategy.augmentation=drawing
[axis seed]
run.seed = 0 1 2 3
GRID
} >grid.cfg
"$bin/clip_study" plan --grid grid.cfg --study study | grep ' cells ('
python3 "$project/tests/cli/synthetic_study.py" study --lines "${LINES:-1000}"
mkdir runs
for cell in study/cells/*; do cp -rl "$cell/run" "runs/$(basename "$cell")"; done

TIMEFORMAT='%R s, %U s of a processor'
for ((round = 0; round < ${ROUNDS:-3}; ++round)); do
  rm -rf from_study from_runs
  echo "study:" && time "$bin/clip_report" --study study --output from_study | tail -n1
  echo "runs:" && time "$bin/clip_report" --runs runs --output from_runs | tail -n1
done
du -sh from_study/index.html from_study/index_data from_runs/index.html
