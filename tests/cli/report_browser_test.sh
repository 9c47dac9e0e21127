#!/usr/bin/env bash
# The page of clip_report in headless Chromium: a study with failed, missing and broken cells is opened, sorted, filtered,
# enlarged, compared, looked at in light and dark, at the width of a phone, and printed. Needs no LibTorch.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
clip_study=$CLIP_HPC_BINARY_DIR/bin/clip_study
python=$CLIP_HPC_SOURCE_DIR/.deps/venv/bin/python3
here=$CLIP_HPC_SOURCE_DIR/tests/cli
for program in gnuplot chromium chromedriver; do
  command -v "$program" >/dev/null || skip_all "$program is not on PATH (jobs/setup.sh --tests)"
done
"$python" -c 'import selenium' 2>/dev/null || skip_all 'selenium is not in .deps/venv (jobs/setup.sh --tests)'
cd "$scratch" || exit 1

mkdir set && echo '{"count": 1000000}' >set/dataset.json
cat >grid.cfg <<GRID
[study]
name = letters
tflops = 180
[set]
data.train = $scratch/set
train.global_batch = 256
optim.warmup = 0.05
optim.lr = 1e-3
[axis tower]
S16 = model.config=$CLIP_HPC_SOURCE_DIR/configs/models/ViT-S-16-paper.json
B32 = model.config=$CLIP_HPC_SOURCE_DIR/configs/models/ViT-B-32-paper.json
[axis data]
full =
250k = study.count=250k
60k = study.count=60k
[axis strategy]
clip = strategy.name=clip
flip = strategy.name=flip strategy.mask_ratio=0.5
[axis seed]
run.seed = 0 1
[eval]
words = --data set
GRID
states=(S16_full_clip_1=given_up S16_full_flip_0=failed B32_full_clip_0=lost B32_full_clip_1=running
  B32_full_flip_0=missing B32_full_flip_1=missing B32_60k_flip_1=silent S16_60k_clip_1=broken S16_250k_clip_1=untrained
  S16_60k_flip_1=stopped)
check 'a study is planned' says 0 '24 cells' "$clip_study" plan --grid grid.cfg --study study
check 'and filled' "$python" "$here/synthetic_study.py" study "${states[@]/#/--state=}"
check 'the report is written, and says what it could not read' says 3 'S16_60k_clip_1/run/results.json is not valid JSON' \
  "$clip_report" --study study --output report --title 'Letters <b>&</b> more'
check 'collect does as much' says 3 'table.csv' "$clip_study" collect --study study
while IFS= read -r line; do
  case $line in
    'ok '*) check "${line#ok }" true ;;
    *) check "$line" false ;;
  esac
done < <("$python" "$here/report_browser_test.py" report/index.html study "${states[@]}" 2>&1 || echo 'the browser ended early')
check 'the browser was asked' test "$passed" -ge 30
finish
