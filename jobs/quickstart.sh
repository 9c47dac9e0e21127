#!/usr/bin/env bash
# From a fresh checkout to a trained model and a report: set-up, build, two small real data sets, training, evaluation.
# Safe to run again: what is done is skipped, an interrupted training goes on from its last checkpoint.
set -euo pipefail

ranks=${CLIP_HPC_RANKS:-2}
run=${CLIP_HPC_QUICKSTART_RUN:-runs/quickstart}

# --- the commands, as you would type them ----------------------------------------------------------------------------
configure()   { cmake --preset release; }
build()       { cmake --build --preset release --target clip_hpc clip_report; }
pack_glyphs() { clip_hpc pack --from glyphs --output packed/glyphs --train-tokenizer 1000; }
pack_emoji()  { clip_hpc pack --from emoji --output packed/emoji; }
train()       { clip_hpc_launch "$ranks" clip_hpc --config configs/quickstart.cfg --run-dir "$run" --resume auto; }
evaluate()    { clip_hpc_launch "$ranks" clip_hpc eval --model "$run" --data packed/glyphs/test_letters --task zeroshot; }
report()      { clip_report --runs "$run" --output "$run/report.html"; }

usage() {
  cat <<'TEXT'
usage: jobs/quickstart.sh [--help]

environment:
  CLIP_HPC_RANKS           ranks of the training (default 2)
  CLIP_HPC_QUICKSTART_RUN  run folder (default runs/quickstart)
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

# A packed set without dataset.json was interrupted and is packed again.
step "data"
if [ -f packed/glyphs/train/dataset.json ] && [ -f packed/glyphs/test_letters/dataset.json ]; then
  skip "packed/glyphs is there"
else
  pack_glyphs
fi
if compgen -G 'packed/emoji/dataset.json' >/dev/null || compgen -G 'packed/emoji/*/dataset.json' >/dev/null; then
  skip "packed/emoji is there"
else
  pack_emoji
fi

step "training on $ranks ranks -> $run"
# The marker is written when training has reached its end.
if [ -f "$run/quickstart.done" ]; then
  skip "complete"
else
  train
  date '+%F %T' >"$run/quickstart.done"
fi

step "evaluation"
letters_results() {
  python3 - "$run/results.json" <<'PYTHON'
import json, sys
try:
    results = json.load(open(sys.argv[1]))
except OSError:
    sys.exit(1)
ours = [r for r in results if "test_letters" in r["dataset"] and r["task"] == "zeroshot_classification"]
if not ours:
    sys.exit(1)
last = max(ours, key=lambda r: r.get("step", 0))
percent = lambda x: "not measured" if x is None else f"{100 * x:.1f} %"
print(f"zero-shot, letters never seen   {percent(last['metrics'].get('acc1'))} of {last.get('n', '?')} images,"
      f" {last.get('classes', '?')} names (top-5 {percent(last['metrics'].get('acc5'))})")
print(f"chance                          {percent(last.get('chance'))}")
print(f"{last.get('baseline_name') or 'pixel baseline':<31} {percent(last.get('baseline'))}")
PYTHON
}
if letters_results >/dev/null && [ "$run/results.json" -nt "$run/quickstart.done" ]; then
  skip "complete"
else
  evaluate
fi

step "report"
report

samples_per_s() {
  python3 - "$run/metrics.jsonl" <<'PYTHON'
import json, statistics, sys
rates = []
for line in open(sys.argv[1]):
    try:
        rates.append(json.loads(line).get("samples_per_s"))
    except ValueError:
        pass  # the last line of a killed run
rates = [rate for rate in rates if rate]
print(f"{statistics.median(rates):.0f} (median)" if rates else "not measured")
PYTHON
}
step "results"
letters_results
echo "training samples/s              $(samples_per_s) on $ranks ranks"
echo "report                          $PWD/$run/report.html"
echo "total time                      $SECONDS s"
