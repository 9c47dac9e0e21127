#!/usr/bin/env bash
# docs/models.md follows the models of configs/models; JSON and text of clip_hpc model say the same.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$CLIP_HPC_SOURCE_DIR" || exit 1
is_current() {
  diff -u docs/models.md <("$clip_hpc" model --markdown --rates bench/results/towers_cpu.jsonl configs/models/*.json) && return
  echo "docs/models.md is out of date; refresh it with: build/release/bin/clip_hpc model --markdown --rates bench/results/towers_cpu.jsonl configs/models/*.json > docs/models.md"
  return 1
}
new_scratch
check 'docs/models.md is current' is_current
json=$("$clip_hpc" model --json configs/models/ViT-B-32.json configs/models/tiny.json)
check 'one object per file' test "$(wc -l <<<"$json")" = 2
check 'ViT-B-32 has the parameters of open_clip' grep -q '"parameters":{"image":87849216,"text":63428096,"total":151277313}' <<<"$json"
check 'its page says the same' grep -qE '^\| ViT-B-32 \|.* 151277313 \|' docs/models.md
check 'text' grep -qE '^ViT-B-32 +87.8 +63.4 +302 +' <<<"$("$clip_hpc" model configs/models/ViT-B-32.json)"
grep -v timm_drop_path configs/models/Swin-T-paper.json >"$scratch/swin.json"
check 'stochastic depth that open_clip would add is said' says 0 'open_clip would train it with 0.1' "$clip_hpc" model "$scratch/swin.json"
without_note() { local text && text=$("$clip_hpc" model configs/models/Swin-T-paper.json) && [[ $text == *Swin-T-paper* && $text != *stochastic* ]]; }
check 'a model that states it has no note' without_note
no_file() { ! "$clip_hpc" model 2>/dev/null && ! "$clip_hpc" model missing.json 2>/dev/null && ! "$clip_hpc" model --json --markdown configs/models/tiny.json 2>/dev/null; }
check 'a file is needed, and one form' no_file
# Lines of rates that are not those of clip_hpc bench.
wrong_rates() { # LINE WORDS
  echo "$1" >"$scratch/rates"
  says 2 "$2" "$clip_hpc" model --markdown --rates "$scratch/rates" configs/models/tiny.json
}
check 'a rate that is missing' wrong_rates '{"model": "tiny", "precision": "fp32"}' 'has no number pairs_per_s'
check 'a rate that is a text' wrong_rates '{"model": "tiny", "precision": "fp32", "pairs_per_s": "12"}' 'has no number pairs_per_s'
check 'a line that is no object' wrong_rates '[3]' 'no JSON object'
echo '{"model": 3, "precision": "fp32"}' >"$scratch/rates"
check 'a model that is no text is another' says 0 '| tiny |' "$clip_hpc" model --markdown --rates "$scratch/rates" configs/models/tiny.json
finish
