#!/usr/bin/env bash
# Step time and memory of the strategies, of FLIP by its ratio and of smaller images, one after the other in one run.
#   bench/strategies.sh                                  configs/models/ViT-S-16-paper.json, 16 pairs, bf16
#   MODEL=FILE BATCH=N PRECISION=fp32 SECONDS_EACH=5 JSON=FILE bench/strategies.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
model=${MODEL:-configs/models/ViT-S-16-paper.json} program=${PROGRAM:-build/release/bin/clip_hpc}
json=${JSON:-$(mktemp)}
first=$(($(wc -l 2>/dev/null <"$json" || echo 0) + 1))
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
measure() { # NAME WORDS...
  echo "$1: ${*:2}" >&2
  "$program" bench step --model "$model" --batch "${BATCH:-16}" --precision "${PRECISION:-bf16}" --seconds "${SECONDS_EACH:-10}" \
    --json "$json" "${@:2}" >/dev/null
  names+=("$1")
}
names=()
measure CLIP
for ratio in 0.25 0.5 0.75; do measure "FLIP $ratio" --mask-ratio "$ratio"; done
measure SLIP --slip
for size in 160 112; do measure "images of $size" --image-size "$size"; done
measure "FLIP 0.5, images of 112" --mask-ratio 0.5 --image-size 112
measure "CLIP again"

echo "| strategy | pairs/s | step ms | of CLIP's | forward GMAC a pair | MiB |"
echo "|---|---|---|---|---|---|"
python3 - "$json" "$first" "${names[@]}" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])][int(sys.argv[2]) - 1:]
base = lines[0]["step_ms"]
for name, line in zip(sys.argv[3:], lines):
    macs = line["tflops"] * 1e12 * line["ranks"] / 6 / line["pairs_per_s"] / 1e9
    memory = (line["device_bytes"] or line["rss_bytes"]) / 2**20
    print(f"| {name} | {line['pairs_per_s']:.1f} | {line['step_ms']:.0f} | {line['step_ms'] / base:.2f} | {macs:.2f} | {memory:.0f} |")
PYTHON
