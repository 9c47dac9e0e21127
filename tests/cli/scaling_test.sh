#!/usr/bin/env bash
# clip_study scaling without Slurm, and the report of it: what is measured, left alone, refused; a size that fails.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
clip_study=$CLIP_HPC_BINARY_DIR/bin/clip_study
export CLIP_HPC_ROOT=$CLIP_HPC_SOURCE_DIR CLIP_HPC_BUILD=$CLIP_HPC_BINARY_DIR CLIP_HPC_SITE=local
cd "$scratch" || exit 1
make_tiny "$scratch"

batch=4 place=s
scale() { "$clip_study" scaling --model tiny.json --batch "$batch" --global-batch 8 --seconds 0.1 --max-mib 0.02 --output "$place" "$@"; }
check 'needs sizes' says 2 'needs --nodes 1,2,4,8 (jobs of Slurm) or --local' scale
check 'a wrong size' says 2 '--local takes numbers from 1 on' scale --local 1,x
check 'needs a model' says 2 'needs --model' "$clip_study" scaling --local 1 --output s
check 'a model that is not there' says 2 'nowhere.json does not exist' "$clip_study" scaling --local 1 --model nowhere.json --output s
check 'too small a batch' says 2 'leaves some of 16 ranks without a pair' scale --local 16
place=dry
check 'dry run with Slurm' says 0 '--nodes=2 --ntasks-per-node=3' scale --nodes 1,2 --ranks-per-node 3 --dry-run
check 'its script is there' test -n "$(ls dry/jobs/submit_*.sh)"
check 'what it would run' bash -n dry/jobs/submit_*.sh
place=s

check 'one and two ranks' says 0 'n1x2: done' scale --local 1,2
check 'both are complete' test -s s/n1x1.jsonl -a -s s/n1x2.jsonl
check 'nothing is left' test -z "$(ls -d s/*.part s/*.checkpoint s/*.load 2>/dev/null)"
for what in '"bench":"comm"' '"operation":"start_all_reduce"' '"label":"weak"' '"label":"strong"' '"bench":"checkpoint"' '"rank_steps"'; do
  check "two ranks: $what" grep -q "$what" s/n1x2.jsonl
done
check 'loading, once' test "$(grep -l '"bench":"load"' s/*.jsonl)" = s/n1x1.jsonl
before=$(stat -c %Y.%i s/n1x1.jsonl s/n1x2.jsonl)
check 'again: nothing is missing' says 0 'nothing is missing' scale --local 1,2
check 'and nothing was measured again' test "$(stat -c %Y.%i s/n1x1.jsonl s/n1x2.jsonl)" = "$before"
batch=5
check 'other options are another folder' says 2 'was measured with batch = 4, not 5' scale --local 1,2
batch=4

check 'a report on the terminal' says 0 'slowest rank' "$clip_report" --scaling s
check 'a page' says 0 'page.html: 5 figures' "$clip_report" --scaling s --predict-ranks 4 --output page.html
check 'the prediction is on it' grep -q 'Larger sizes' page.html
check 'ranks as CSV' grep -q '^weak,2,1,1,' page_data/ranks.csv

place=fed
check 'the loader: data is waited for' says 0 'n1x2: done' scale --local 2 --data greek/train --parts step
check 'with waits in it' grep -qE '"data_wait_ms": ?[0-9.]*[1-9]' fed/n1x2.jsonl
place=bad
check 'a size that fails' says 1 'n1x1: failed: clip_hpc: ' scale --local 1 --data nowhere --parts step
check 'is not complete' test ! -e bad/n1x1.jsonl
check 'and the report says so' says 2 'holds no .jsonl' "$clip_report" --scaling bad
place=wrong
check 'a wrong part' says 1 'n1x1: failed: scaling: PARTS has' scale --local 1 --parts steps
check 'bench checkpoint on ranks' says 0 'write MiB/s' on_ranks 2 "$clip_hpc" bench checkpoint --model tiny.json --dir scratch --rounds 1
check 'and leaves nothing' test ! -e scratch
finish
