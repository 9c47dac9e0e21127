#!/usr/bin/env bash
# The golden record: everything that the programs write for a fixed list of small tasks, one line per fact,
# NAME<TAB>SHA256, or the text itself where it is short. A change that no user may notice leaves every line as it was.
#
#   tests/source/golden_record.sh BUILD_DIR OUT_FILE [WORK_DIR]   about 5 minutes on 2 free cores
#   tests/source/golden_record.sh --compare OLD_FILE NEW_FILE     the lines that differ; exit code 1 if there are any
#
# What may change deliberately has names of its own: help.*, said.* and error.* are texts (their exit codes are exit.*,
# numbers.* the numbers of a text without its words), key.* the configuration keys, manifest.* the manifest.json and
# state.h5 as files, and the keys of metrics.jsonl and provenance.json. config.* are the settings of a run that are not
# the default. With WORK_DIR, which must not exist, everything is kept: `diff -r` of two WORK_DIR/facts shows what is
# behind two hashes.
#
# Compare records of one machine only: its processor, its libraries and its fonts decide the bits. The lines machine.*
# tell. Not recorded, since they differ from run to run: times, rates, shares of time and memory in metrics.jsonl,
# provenance.json and bench; log.txt, which repeats what is printed; the step at which a signal stops a run.
set -euo pipefail

if [[ ${1:-} == --compare && $# == 3 ]]; then
  exec awk -F'\t' '
    NR == FNR { old[$1] = $0; order[++count] = $1; next }
    !($1 in old) { only++; print "only in new: " $0; next }
    { if (old[$1] == $0) equal++; else { different++; print "old: " old[$1]; print "new: " $0 }; delete old[$1] }
    END {
      for (i = 1; i <= count; i++) if (order[i] in old) { only++; print "only in old: " old[order[i]] }
      printf "%d equal, %d different, %d only in one\n", equal, different, only
      exit different + only > 0
    }' "$2" "$3"
fi
if [[ $# != 2 && $# != 3 || ${1:-} == -* ]]; then
  sed -n 's/^#   /usage: /p' "$0" >&2
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
out=$(realpath "$2")
if [[ $# == 3 ]]; then
  mkdir "$3"
  work=$(cd "$3" && pwd)
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
python=$root/.deps/venv/bin/python # it has h5py
for needed in "$build"/bin/clip_{hpc,study,report} "$root/.deps/cldr" "$root/data/tokenizers/clip_bpe.txt" "$python"; do
  [[ -e $needed ]] || { echo "golden_record: $needed is missing: build, and run jobs/setup.sh --tests" >&2; exit 2; }
done
export PATH=$build/bin:$PATH CLIP_HPC_ROOT=$root CLIP_HPC_BUILD=$build CLIP_HPC_SITE=local GOLDEN_FACTS=$work/facts
export OMP_NUM_THREADS=1 LC_ALL=C.UTF-8 TZ=UTC OMPI_MCA_pml=ob1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_ess_singleton_isolated=1 # a program without mpirun starts no daemon: in half the time
unset SLURM_JOB_ID CLIP_HPC_RUN_ROOT CLIP_HPC_REQUEUE
cd "$work"
mkdir facts printed runs packed models
ln -s "$root"/{configs,data,postprocess,bench,.deps} .
cp "$here"/golden/*.cfg .
cp "$here"/golden/*.json models
: >"$out"

# --- how facts are written down --------------------------------------------------------------------------------------
fact() { # NAME; the text on standard input
  local text
  text=$(cat | tr '\t' ' ')
  printf '%s\n' "$text" >"facts/${1//\//_}"
  if [[ ${#text} -gt 64 || $text == *$'\n'* ]]; then text=$(sha256sum "facts/${1//\//_}") text=${text%% *}; fi
  printf '%s\t%s\n' "$1" "$text" >>"$out"
}
files() { # NAME FOLDER_OR_FILE...: one fact per file
  local name=$1 file
  shift
  while IFS= read -r file; do
    printf '%s/%s\t%s\n' "$name" "$file" "$(sha256sum <"$file" | cut -d' ' -f1)" >>"$out"
  done < <(find "$@" -type f | sort)
}
helper() { "$python" "$here/golden/facts.py" "$@" >>"$out" || printf '%s\tcannot be read\n' "$*" >>"$out"; }
numbers() { # NAME; the text on standard input
  { grep -oE '[0-9]+([.,][0-9]+)*(e[-+]?[0-9]+)?' || true; } | fact "numbers.$1"
}
# What is printed, without what differs from run to run: progress lines, rates, times, folders, the version.
plain() {
  sed -E -e '/^\[[#.]{20}\] /d; /^-{20,}$/,/^-{20,}$/d; /squeue failed/d' \
    -e "s#$work#WORK#g; s#$build#BUILD#g; s#$root#ROOT#g; s#\b$(hostname)\b#HOST#g" \
    -e 's/[0-9.,]+ (samples|pairs|images)\/s/N \1\/s/g; s/\b[0-9.]+ s\b/N s/g' \
    -e "s/(job-name='[^']*\.)[0-9a-f]{8}'/\1HASH'/g" \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:?[0-9]{2}(:?[0-9]{2})?Z?/TIME/g' \
    -e 's/(clip_[a-z]+) [0-9][0-9.]* \([^)]*\)/\1 VERSION/'
}
on_ranks() { # RANKS COMMAND...
  if [[ $1 == 1 ]]; then "${@:2}"; else mpirun -np "$1" --oversubscribe --bind-to none "${@:2}"; fi
}
ran() { # NAME COMMAND...: what it prints goes into printed/NAME, its exit code is the fact exit.NAME
  local name=$1 code=0
  shift
  "$@" >"printed/$name" 2>&1 </dev/null || code=$?
  echo "$code" | fact "exit.$name"
}
said() { # NAME COMMAND...: also the fact said.NAME; several ranks print in any order
  local order=cat
  ran "$@"
  if [[ $2 == on_ranks && $3 != 1 ]]; then order='sort'; fi
  plain <"printed/$1" | $order | fact "said.$1"
}
help_of() { ran "help.$1" "${@:2}" && plain <"printed/help.$1" | fact "help.$1"; }
wrong() { ran "error.$1" "${@:2}" && plain <"printed/error.$1" | fact "error.$1"; }
train() { # NAME RANKS SETTING...
  local name=$1 ranks=$2 setting settings=()
  shift 2
  for setting; do settings+=(--set "$setting"); done
  said "train.$name" on_ranks "$ranks" clip_hpc --config base.cfg --run-dir "runs/$name" "${settings[@]}"
  helper run "train.$name" "runs/$name"
}
evaluate() { # NAME RANKS WORD...: into a folder of its own, with features of its own
  local name=$1 ranks=$2
  shift 2
  said "eval.$name" on_ranks "$ranks" clip_hpc eval --output "evals/$name" --feature-dir "features/$name" "$@"
  helper results "eval.$name" "evals/$name"
}

lscpu | sed -n 's/^Model name: *//p' | fact machine.processor
clip_hpc --version | tail -n +2 | fact machine.libraries
fc-list 2>/dev/null | sort | fact machine.fonts

clip_hpc train --help-markdown >config.md
helper keys config.md

# --- pack, filter ----------------------------------------------------------------------------------------------------
helper inputs inputs
mv inputs/{web,colours,captions,one.png,two.png,uids.npy,scores.npy} .
said pack.greek clip_hpc pack --from glyphs --faces small --scripts greek --output packed/greek --train-tokenizer 300 \
  --samples-per-shard 256
said pack.seed on_ranks 2 clip_hpc pack --from glyphs --faces small --scripts greek --size 16 --seed 1 \
  --output packed/seed
said pack.emoji on_ranks 2 clip_hpc pack --from emoji --size 16 --samples-per-shard 500 --output packed/emoji \
  --train-tokenizer 400
said pack.web clip_hpc pack --from webdataset --input web --output packed/web --train-tokenizer 300
said pack.web_small on_ranks 2 clip_hpc pack --from webdataset --input web --size 32 --tokenizer clip \
  --output packed/web_small
said pack.colours on_ranks 2 clip_hpc pack --from clip_benchmark --input colours --output packed/colours \
  --tokenizer packed/greek/train/tokenizer.model
said pack.captions clip_hpc pack --from clip_benchmark --input captions --split test --output packed/captions
said pack.verify on_ranks 3 clip_hpc pack --output packed/greek --verify
said pack.tokenizer clip_hpc pack --output packed/captions/test --train-tokenizer 285
said pack.to on_ranks 2 clip_hpc pack --to clip_benchmark --input packed/greek/test_faces --output exported/faces
said pack.to_retrieval clip_hpc pack --to clip_benchmark --type retrieval --input packed/web_small --output exported/web
files pack packed exported

filter() { said "filter.$1" clip_hpc filter --output "packed/$1.h5" "${@:2}"; }
filter count --data packed/greek/train --count 100
filter count_seed --data packed/greek/train --count 100 --seed 5
filter keep_array --data packed/web --scores scores.npy --keep 0.3
filter at_least --data packed/web --scores scores.npy --at-least 0.5 --count 20
filter uids --data packed/web --uids uids.npy
files filter packed/*.h5

# --- train -----------------------------------------------------------------------------------------------------------
while read -r name ranks settings; do
  # shellcheck disable=SC2086
  train "$name" "$ranks" $settings
done < <(grep -v "^#" "$here/golden/runs.txt")
# Four bytes of an image are flipped: its sample is replaced.
cp -r packed/greek/train packed/damaged
printf '\x55\xaa\x55\xaa' | dd of=packed/damaged/shard_00001.h5 bs=1 seek=50000 conv=notrunc status=none
train damaged_1 1 data.train=packed/damaged train.samples=1024 train.global_batch=128

# --- stop and resume -------------------------------------------------------------------------------------------------
whole=(strategy.name=flip strategy.augmentation=drawing checkpoint.every_steps=3 checkpoint.keep=99 optim.ema=0.9)
train whole_2 2 "${whole[@]}"
from() { # STEP NAME RANKS SETTING...: a new run folder that has nothing but one checkpoint of whole_2
  mkdir -p "runs/$2/checkpoints"
  cp -r "runs/whole_2/checkpoints/step_00000000$1" "runs/$2/checkpoints"
  train "${@:2}"
}
from 6 resumed_2 2 "${whole[@]}"
from 6 resumed_1 1 "${whole[@]}"
from 6 resumed_3 3 "${whole[@]}" comm.shard_optimizer=true train.recompute=true
from 6 resumed_4 4 "${whole[@]}" optim.lr=1e-4 optim.ema=0
said train.named clip_hpc --config base.cfg --run-dir runs/named --set optim.ema=0.5 \
  --resume runs/whole_2/checkpoints/step_000000009
helper run train.named runs/named
truncate -s -1 runs/named/checkpoints/step_000000010/state.h5
said train.no_checkpoint clip_hpc --config base.cfg --run-dir runs/named --set optim.ema=0.5
# A signal, at whatever step that is: the run ends with the bits of one that was not disturbed. In bf16, because a signal
# that arrives within an fp32 product of oneDNN 2.6 (dnnl_sgemm with AVX-512) corrupts memory.
stopped=(on_ranks 2 clip_hpc --config base.cfg --run-dir runs/stopped_2 --set train.precision=bf16
  --set train.samples=1920 --set checkpoint.every_steps=10)
"${stopped[@]}" >printed/stopped 2>&1 </dev/null &
while kill -0 $! && [[ ! -s runs/stopped_2/metrics.jsonl ]]; do sleep 0.05; done
kill -USR1 "$(pgrep -P $!)"
code=0
wait $! || code=$?
echo "$code" | fact exit.stopped
{ grep -oE 'on request; .*' printed/stopped || true; } | fact said.stopped
"${stopped[@]}" >printed/stopped 2>&1 </dev/null
helper run train.stopped_2 runs/stopped_2
said train.again "${stopped[@]}"

# --- evaluate --------------------------------------------------------------------------------------------------------
tests=(packed/greek/test_letters packed/greek/test_pairs packed/greek/test_faces)
printf 'A photo of {}.\n{c}\n' >forms.txt
head -n3 packed/greek/test_faces/classnames.txt >three.txt
echo '{"red": ["red"], "green": ["green", 2], "dark grey": [2]}' >map.json
python3 -c 'print([[i % 4, 3] if i % 5 else [] for i in range(24)])' >several.json
evaluate two_tasks 1 --model runs/fp32_2 --data "${tests[@]}" --task zeroshot retrieval --set eval.per_class=true
evaluate two_tasks_3 3 --model runs/fp32_2 --data "${tests[@]}" --task zeroshot retrieval --pictures 0
evaluate bf16 2 --model runs/bf16_2 --data "${tests[@]}" --task zeroshot retrieval --captions first
evaluate other_precision 1 --model runs/bf16_2/checkpoints/step_000000010 --data packed/greek/test_faces --precision fp32
evaluate trained 1 --model runs/ema_2 --data packed/greek/test_faces --weights trained
evaluate ema 2 --model runs/together_2 --data packed/greek/test_faces --task zeroshot retrieval
for view in eval eval_longest eval_squash; do
  evaluate "$view" 1 --model runs/web_1 --data packed/colours/test --task zeroshot retrieval --view "$view"
done
evaluate captions 2 --model runs/captions_2 --data packed/captions/test packed/web --task retrieval
evaluate files 2 --model runs/fp32_1 --data packed/greek/test_faces --set eval.templates=forms.txt \
  eval.canonicalise=true eval.classes=three.txt eval.per_class=true eval.average=greek/test_faces
evaluate map 1 --model runs/mix_2 --data packed/colours/test --set eval.label_map=map.json
evaluate multilabel 1 --model runs/mix_2 --data packed/colours/test --set eval.multilabel=several.json
evaluate imagenet 1 --model runs/mix_2 --data packed/colours/test --set eval.templates=data/templates/imagenet_7.txt
learned=(--task fewshot linear_probe --probe sgd adamw lbfgs --set eval.shots=1 eval.shots=3 eval.probe_epochs=2
  eval.probe_c=1 eval.fewshot_seeds=2 eval.probe_lr=0.1 eval.probe_weight_decay=0.01 --train-data packed/greek/train)
evaluate learned 1 --model runs/fp32_2 "${learned[@]}" --data packed/greek/test_faces packed/greek/test_pairs
evaluate learned_3 3 --model runs/fp32_2 "${learned[@]}" --data packed/greek/test_faces packed/greek/test_pairs
evaluate searched 1 --model runs/mix_2 --data packed/colours/test --task linear_probe --probe adamw lbfgs sgd \
  --train-data packed/colours/train --set eval.probe_epochs=2 eval.features=pooled eval.probe_seed=4
files eval features
evaluate suite 1 --model runs/mix_2 --suite suite.cfg
evaluate suite_3 3 --model runs/mix_2 --suite suite.cfg
said eval.suite_again clip_hpc eval --model runs/mix_2 --suite suite.cfg --output evals/suite --feature-dir features/suite
said eval.embedded clip_hpc eval --model runs/mix_2 --suite configs/suites/embedded.cfg
said eval.follow on_ranks 2 clip_hpc eval --model runs/whole_2 --follow --poll-s 0.1
helper results eval.follow runs/whole_2
said eval.page on_ranks 2 clip_hpc eval --model runs/fp32_2 --data packed/greek/test_faces packed/colours/test \
  --task search --query 'greek <alpha>' omega --matches 5 --output page.html
helper page eval.page.html page.html

# --- score, embed, export, import, tokenize --------------------------------------------------------------------------
said score.greek on_ranks 2 clip_hpc score --model runs/fp32_2 --data packed/greek/train --output scores.h5
said score.web clip_hpc score --model runs/together_2 --data packed/web_small --view eval --weights trained \
  --output scores_web.h5
filter keep --data packed/greek/train --scores scores.h5 --keep 0.25
said embed.set on_ranks 3 clip_hpc embed --model runs/fp32_2 --data packed/greek/test_pairs --output embed_set.h5 \
  --write inputs,image,text,ids
said embed.bf16 clip_hpc embed --model runs/web_1 --data packed/captions/test --precision bf16 --output embed_bf16.h5
said embed.single clip_hpc embed --model runs/odd_1 --images one.png two.png --texts forms.txt --output embed_single.h5
said export.tiny on_ranks 2 clip_hpc export --model runs/fp32_2 --output exported/tiny
said export.clip clip_hpc export --model runs/web_1 --view eval --output exported/clip
said export.ema clip_hpc export --model runs/ema_2 --weights trained --output exported/ema
said import.tiny on_ranks 2 clip_hpc import --input exported/tiny --output runs/imported
said import.clip clip_hpc import --input exported/clip --tokenizer clip --output runs/imported_clip
said import.file clip_hpc import --input exported/tiny/open_clip_model.safetensors --output runs/imported_file \
  --config exported/tiny/open_clip_config.json --tokenizer runs/fp32_2/tokenizer.model
for name in imported imported_clip imported_file; do helper run "import.$name" "runs/$name"; done
evaluate imported 2 --model runs/imported --data "${tests[@]}"
files made scores.h5 scores_web.h5 packed/keep.h5 embed_*.h5 exported/{tiny,clip,ema}
cat >lines.txt <<'LINES'
greek small letter alpha

GREEK  Small &amp;amp; “café” ﬁ 字 🙂
it's 2 dogs' don't
a_b-c!? <|endoftext|> x
LINES
tokens() { clip_hpc tokenize "${@:2}" <lines.txt | fact "tokenize.$1"; } # NAME WORD...
tokens run --tokenizer runs/fp32_1
tokens set --tokenizer packed/web --context 6
tokens clip --tokenizer clip
tokens clip_77 --tokenizer clip --context 77

# --- model, bench, doctor --------------------------------------------------------------------------------------------
for model in configs/models/*.json models/*.json; do
  clip_hpc model "$model" | fact "model.$(basename "$model" .json)"
done
measure() { # NAME RANKS WORD...: the keys of what is measured; the numbers are never the same
  ran "bench.$1" on_ranks "$2" clip_hpc bench "${@:3}" --json "bench_$1.jsonl"
  helper bench "bench.$1" "bench_$1.jsonl"
}
tiny=(--model configs/models/tiny.json)
measure step 2 step "${tiny[@]}" --batch 16 --seconds 0.1 --label weak
measure step_data 1 step "${tiny[@]}" --batch 16 --seconds 0.1 --data packed/greek/train --precision bf16 --mask-ratio 0.5
measure load 1 load --samples 64 --seconds 0.02 --with-step configs/models/tiny.json --batch 16
measure loss 1 loss --global 256 --rows 64 --dim 32 --columns 64 --seconds 0.02
measure comm 2 comm --max-mib 0.01 --seconds 0.01
measure checkpoint 2 checkpoint "${tiny[@]}" --rounds 1
ran doctor on_ranks 2 clip_hpc doctor --dir runs --mib 1
plain <printed/doctor | sed -E 's/[0-9][0-9.]*/N/g; s/ +/ /g' | fact said.doctor

# --- study -----------------------------------------------------------------------------------------------------------
for grid in paper medium small; do
  said "plan.$grid" clip_study plan --grid "configs/study/$grid.cfg" --study "studies/$grid"
  numbers "plan.$grid" <"printed/plan.$grid"
  plain <"studies/$grid/plan.json" | fact "plan.$grid.json"
  fact "plan.$grid.cells" <"studies/$grid/cells.txt"
  (cd "studies/$grid" && find cells -type f | sort | xargs sha256sum) | fact "plan.$grid.configs"
  cat "studies/$grid"/*words | fact "plan.$grid.words"
  plain <"studies/$grid/jobs/prepare.sh" | fact "plan.$grid.prepare"
done
said plan.rate clip_study plan --grid configs/study/paper.cfg --rate bench/results/step_cpu.jsonl
said study.dry clip_study submit --grid configs/study/medium.cfg --study studies/medium --dry-run
said scaling.dry clip_study scaling "${tiny[@]}" --batch 8 --nodes 1,2,4 --ranks-per-node 2 --dry-run \
  --output studies/scaling
said study.local clip_study submit --grid study.cfg --study studies/local --local 1 --ranks 2
said study.status clip_study status --study studies/local
said study.collect clip_study collect --study studies/local
helper table study.table studies/local
for cell in studies/local/cells/*; do helper run "study.$(basename "$cell")" "$cell/run"; done
files study studies/local/subsets packed/scores.h5

# --- report ----------------------------------------------------------------------------------------------------------
# Runs that were never trained, with known numbers in every file.
python3 "$root/tests/cli/synthetic_study.py" studies/small --state Ti_full_one_clip_1=failed \
  --state Ti_full_same_clip_0=given_up --state Ti_14k_one_clip_0=missing --state Ti_14k_one_flip_0=broken
said report.status clip_study status --study studies/small
said report.collect clip_study collect --study studies/small
helper table report.table studies/small
report() { # NAME WORD...: the page, and the files beside it
  said "report.$1" clip_report --output "reports/$1" "${@:2}"
  helper page "report.$1.html" "reports/$1/index.html"
  files report "reports/$1/index_data"
}
report study --study studies/small --gpu-hours 100 --data 28k --formats svg --overlay postprocess/paper
report table --study studies/small/table.json --robustness linear
report runs --runs studies/small/cells --title 'A few <runs>' --log-x
report curves --curves postprocess/paper --gpu-hours 5000 --tflops 200 --data 400M
said report.advice clip_report --curves postprocess/paper --gmacs 5e10 --data 3.4B
numbers report.advice <printed/report.advice
said report.scaling clip_report --scaling bench/results/2026-11-25_scaling_virtual.jsonl --predict-ranks 64 256 \
  --output reports/scaling.html
helper page report.scaling.html reports/scaling.html
files report reports/scaling_data

# --- help ------------------------------------------------------------------------------------------------------------
help_of clip_hpc clip_hpc --help
help_of none clip_hpc
for command in train eval pack score filter embed tokenize export import bench doctor model; do
  help_of "$command" clip_hpc "$command" --help
done
for bench in step load loss comm checkpoint; do help_of "bench_$bench" clip_hpc bench "$bench" --help; done
for command in plan submit status cancel collect scaling; do help_of "study_$command" clip_study "$command" --help; done
help_of clip_study clip_study --help
help_of clip_report clip_report --help
help_of markdown clip_hpc train --help-markdown

# --- errors ----------------------------------------------------------------------------------------------------------
printf '[optim]\nweight_dcay = 1\n' >unknown.cfg
printf '[axis lr]\noptim.lrr = 1\n' >grid.cfg
printf '[a]\npath = greek/test_faces\ntemplats = x\n' >wrong_suite.cfg
sed 's/"embed_dim"/"custom_text": true, &/' models/odd.json >models/custom.json
sed 's/300/100/' models/odd.json >models/few.json
cp -r packed/web packed/cut
truncate -s -1000 packed/cut/shard_00001.h5
while read -r name words; do
  # shellcheck disable=SC2086
  wrong "$name" $words
done < <(grep -v "^#" "$here/golden/errors.txt")

if [[ -n $(cut -f1 "$out" | sort | uniq -d) ]]; then
  echo "golden_record: two facts have one name: $(cut -f1 "$out" | sort | uniq -d | xargs)" >&2
  exit 1
fi
echo "$out: $(wc -l <"$out") facts in $SECONDS s"
