#!/usr/bin/env bash
# The program's words and exit codes as a user meets them: help, versions, wrong words, wrong values, the doctor.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
config=$CLIP_HPC_SOURCE_DIR/configs/quickstart.cfg models=$CLIP_HPC_SOURCE_DIR/configs/models

# --- help and versions -----------------------------------------------------------------------------------------------
version=$("$clip_hpc" --version) help=$("$clip_hpc" --help)
for name in 'clip_hpc 0.' 'LibTorch 2.' MPI HDF5 CUDA; do check "version: $name" test "${version/$name/}" != "$version"; done
check 'no words: help' says 0 "$help" "$clip_hpc"
for word in Examples: 'Exit codes:' '[train]' pack filter eval bench doctor model; do
  check "help: $word" test "${help/"$word"/}" != "$help"
done
for command in train pack filter eval bench 'bench step' 'bench load' 'bench loss' 'bench conv' 'bench comm' 'bench checkpoint' doctor model; do
  # shellcheck disable=SC2086
  check "$command --help: an example" says 0 Example "$clip_hpc" $command --help
done
check 'train --help: every key' says 0 'optim.weight_decay' "$clip_hpc" train --help
# In an allocation that MPI would not start in: help and versions need no MPI.
for word in eval train 'bench step' pack; do
  # shellcheck disable=SC2086
  check "$word --help in an allocation" says 0 Example env SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 "$clip_hpc" $word --help
done
check '--version in an allocation' says 0 'clip_hpc 0.' env SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 "$clip_hpc" --version
check 'an allocation without its MPI is refused' says 4 'Slurm has 4 tasks' env SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 \
  "$clip_hpc" eval --model "$scratch" --data "$scratch"
check 'help on ranks: once' test "$(on_ranks 3 "$clip_hpc" pack --help 2>&1 | grep -c 'Examples:')" = 1
check 'clip_report --help: examples' says 0 'examples:' "$clip_report" --help

# --- wrong words -----------------------------------------------------------------------------------------------------
check 'unknown command' says 2 'did you mean "model"' "$clip_hpc" modle
check 'unknown command on ranks' says 2 'did you mean "filter"' on_ranks 2 "$clip_hpc" fliter
check 'unknown command: export' says 2 'did you mean "export"' "$clip_hpc" exprt
# Without a GPU: said at once, before anything is read. (With one, tests labelled gpu say more.)
if "$clip_hpc" --version | grep -q '^CUDA none'; then
  check 'no GPU, asked for' says 5 'has no GPU: no CUDA driver' "$clip_hpc" --config "$config" --run-dir "$scratch/gpu" --set train.device=cuda
  check 'no GPU, but NCCL' says 5 'comm.backend = nccl' "$clip_hpc" bench comm --backend nccl
fi
check 'bench load beside a step' says 0 'the step waits for pictures' "$clip_hpc" bench load --dir "$scratch/load" --samples 64 \
  --seconds 0.05 --with-step "$models/tiny.json" --batch 16
check 'unknown benchmark' says 2 'did you mean "step"' "$clip_hpc" bench stp
check 'unknown option' says 2 "'--from-where'" "$clip_hpc" pack --from-where emoji
check 'shortened option' says 2 "'--resum'" "$clip_hpc" --config "$config" --resum auto
check 'option without its value' says 2 "'--config'" "$clip_hpc" --config
# A thread of PMIx may outlive MPI_Finalize, which must not take away the code that it runs.
LD_DEBUG=files LD_DEBUG_OUTPUT=$scratch/libraries "$clip_hpc" --config >/dev/null 2>&1
own=$(grep -l 'transferring control: .*clip_hpc' "$scratch"/libraries.*) # not of the helper that Open MPI starts
check 'MPI opens libraries' grep -q 'calling init: .*mca_' "$own"
check 'and they stay in memory' test "$(grep -cE '(libpmix|mca_pmix_ext).*destroying link map' "$own")" = 0
check 'train: no configuration' says 2 'give --config' "$clip_hpc" train
check 'train: a folder as configuration' says 2 'is not a file' "$clip_hpc" --config "$scratch"
mkfifo "$scratch/fifo"
check 'train: a FIFO as configuration' says 2 'is not a file' timeout 60 "$clip_hpc" --config "$scratch/fifo"
check 'train: a branch of dots' says 2 'takes a name' "$clip_hpc" --config "$config" --run-dir "$scratch/a" --branch ..
check 'pack: no output' says 2 'needs --from (or --to) and --output' "$clip_hpc" pack --from emoji
check 'pack: unknown source' says 2 'must be one of' "$clip_hpc" pack --from emojis --output "$scratch/set"
check 'eval: no model' says 2 'needs --model, and --data or --suite' "$clip_hpc" eval
check 'eval: unknown task' says 2 'zeroshot, retrieval' "$clip_hpc" eval --model "$scratch" --data "$scratch" --task retrival
check 'embed: no output' says 2 'needs --model and --output' "$clip_hpc" embed --model "$scratch" --texts "$config"
check 'embed: nothing to embed' says 2 'needs --data, or --images' "$clip_hpc" embed --model "$scratch" --output "$scratch/f.h5"
check 'embed: the output exists' says 2 'exists: remove it' on_ranks 2 "$clip_hpc" embed --model "$scratch" --texts "$config" \
  --output "$config"
check 'embed: a picture that is not there' says 2 'check --images' "$clip_hpc" embed --model "$scratch" \
  --images "$scratch/none.png" --output "$scratch/f.h5"
check 'embed: texts that are not there' says 2 'check --texts' "$clip_hpc" embed --model "$scratch" \
  --texts "$scratch/none.txt" --output "$scratch/f.h5"
check 'embed: an unknown dataset' says 2 'inputs, image, text and ids' "$clip_hpc" embed --model "$scratch" --texts "$config" \
  --write pixels --output "$scratch/f.h5"
check 'tokenize: no tokenizer' says 2 'needs --tokenizer' "$clip_hpc" tokenize
check 'tokenize: not there' says 2 'a packed set, a run folder, or clip' "$clip_hpc" tokenize --tokenizer "$scratch"
check 'tokenize: not a model' says 2 'not a SentencePiece model' "$clip_hpc" tokenize --tokenizer "$config"
check 'export: no output' says 2 'needs --model and --output' "$clip_hpc" export --model "$scratch"
check 'export: no model' says 2 'give a run folder' "$clip_hpc" export --model "$scratch" --output "$scratch/out"
check 'export: unknown view' says 2 'resize, eval, eval_longest' "$clip_hpc" export --model "$scratch" --view crop \
  --output "$scratch/out"
check 'import: no output' says 2 'needs --input and --output' "$clip_hpc" import --input "$scratch"
check 'import: no folder of open_clip' says 2 'holds neither open_clip_model.safetensors nor model.safetensors' "$clip_hpc" import --input "$scratch" \
  --output "$scratch/imported"
check 'import: nothing there' says 2 'nowhere does not exist' on_ranks 2 "$clip_hpc" import --input "$scratch/nowhere" \
  --output "$scratch/imported"
check 'filter: no count' says 2 'needs --data, --output, and --count, --scores or --uids' "$clip_hpc" filter --data "$scratch" --output "$scratch/s.h5"

# --- wrong configurations --------------------------------------------------------------------------------------------
sets() { says 2 "$2" "$clip_hpc" --config "$config" --set "$1" --run-dir "$scratch/run"; } # section.key=value, what is said
check 'a file that is not there' says 2 'check --config' "$clip_hpc" --config "$scratch/nowhere.cfg"
printf '[optim]\nweight_dcay = 1\n' >"$scratch/unknown.cfg"
check 'unknown key in a file' says 2 'did you mean "optim.weight_decay"' "$clip_hpc" --config "$scratch/unknown.cfg"
check 'unknown key of --set' sets 'optim.weight_dcay=0.1' 'unknown key "optim.weight_dcay"; did you mean "optim.weight_decay"'
check 'unknown key on ranks' says 2 'did you mean "train.samples"' on_ranks 2 "$clip_hpc" --config "$config" --set train.sample=1
check 'no value' sets optim.lr 'section.key=value'
check 'not a number' sets optim.lr=fast "'fast'"
check 'nan' sets optim.lr=nan 'optim.lr must lie in'
check 'infinity' sets optim.weight_decay=inf 'optim.weight_decay must'
check 'below its range' sets optim.lr=-1 'optim.lr must lie in'
check 'above its range' sets strategy.mask_ratio=1.5 'strategy.mask_ratio must lie in'
check 'a batch of none' sets train.global_batch=0 'train.global_batch must lie in [2, 16777216]'
check 'epochs without end' sets train.epochs=1e300 'train.epochs must be at most 1000000'
check 'samples without end' sets train.samples=9223372036854775807 'train.samples must lie in [0, 1000000000000000]'
check 'a batch for no machine' sets train.global_batch=2000000000 'train.global_batch must lie in [2, 16777216]'
check 'an unknown choice' sets strategy.name=flp 'clip, flip'
check 'a broken number' sets train.samples=12x "'12x'"
check 'a model that is not there' sets model.config=nowhere.json 'nowhere.json does not exist'
check 'a set that is not there' says 3 'clip_hpc pack' "$clip_hpc" --config "$config" --set "data.train=$scratch/none" \
  --set "model.config=$models/tiny.json" --run-dir "$scratch/run"
check 'a model that was never trained' says 2 'give a run folder' "$clip_hpc" eval --model "$scratch" --data "$scratch"
check 'model: no file' says 2 'needs a file' "$clip_hpc" model
check 'model: missing file' says 2 'does not exist' "$clip_hpc" model nowhere.json
check 'model: size of ViT-B-32' says 0 '302' "$clip_hpc" model "$models/ViT-B-32.json"
check 'model: all that come with the program' says 0 ViT-L-14 "$clip_hpc" model "$models"/*.json

# --- an MPI_Finalize that does not return ------------------------------------------------------------------------------
cc -shared -fPIC -o "$scratch/locks_up.so" -xc - <<<'#include <unistd.h>
int MPI_Finalize(void) { for (;;) pause(); }'
locked_up() { env CLIP_HPC_FINALIZE_S=0.5 LD_PRELOAD="$scratch/locks_up.so" timeout 60 "$clip_hpc" "$@"; }
check 'MPI_Finalize locks up: the code of a refusal' says 2 'has not returned in 0.5 s' locked_up --config "$scratch/unknown.cfg"
check 'MPI_Finalize locks up: the code of what is done' says 0 'has not returned in 0.5 s' locked_up doctor
check 'MPI_Finalize locks up: the code of bad storage' says 3 'has not returned in 0.5 s' locked_up doctor --dir "$scratch/nowhere"

# --- the doctor ------------------------------------------------------------------------------------------------------
check 'doctor: verdict' says 0 'verdict: ready' "$clip_hpc" doctor
check 'doctor on 2 ranks, with storage' says 0 'verdict: ready' on_ranks 2 "$clip_hpc" doctor --dir "$scratch" --mib 1
check 'doctor: file locks' says 0 "file locks in $scratch: work" "$clip_hpc" doctor --dir "$scratch" --mib 1
cc -shared -fPIC -o "$scratch/no_locks.so" -xc - <<<'#include <errno.h>
int flock(int fd, int how) { (void)fd; (void)how; errno = ENOLCK; return -1; }'
check 'doctor: no file locks' says 0 "file locks in $scratch: none" env LD_PRELOAD="$scratch/no_locks.so" "$clip_hpc" doctor \
  --dir "$scratch" --mib 1
check 'doctor: no such folder' says 3 'cannot create' "$clip_hpc" doctor --dir "$scratch/nowhere"
check 'doctor: wrong size' says 2 '--mib must' "$clip_hpc" doctor --mib 0
finish
