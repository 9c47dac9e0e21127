# shellcheck shell=bash
# Sourced by the scripts of this folder; brings tests/lib.sh.
#   says CODE TEXT COMMAND...    COMMAND ends with exit code CODE and prints TEXT
#   on_ranks N COMMAND...        COMMAND on N ranks of this machine
#   make_tiny FOLDER             packs Greek letters into FOLDER/greek, writes FOLDER/tiny.{json,cfg} that train on them
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck disable=SC2034
clip_hpc=$CLIP_HPC_BINARY_DIR/bin/clip_hpc clip_report=$CLIP_HPC_BINARY_DIR/bin/clip_report
export OMP_NUM_THREADS=1 OMPI_MCA_pml=ob1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
says() {
  local code=$1 text=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  [[ $status == "$code" && $output == *"$text"* ]] || {
    echo "expected exit $code and \"$text\", got exit $status and:"
    echo "$output"
    return 1
  }
}
on_ranks() {
  local ranks=$1
  shift
  mpirun -np "$ranks" --oversubscribe --bind-to none "$@"
}
pack_greek() { # output folder
  "$clip_hpc" pack --from glyphs --faces small --scripts greek --output "$1" --train-tokenizer 300 --samples-per-shard 256
}
make_tiny() {
  pack_greek "$1/greek" >"$1/pack.log" 2>&1 || { cat "$1/pack.log"; return 1; }
  cat >"$1/tiny.json" <<'MODEL'
{
  "embed_dim": 32,
  "vision_cfg": { "image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16 },
  "text_cfg": { "context_length": 16, "vocab_size": 300, "width": 32, "heads": 2, "layers": 1, "pool_type": "eos" }
}
MODEL
  cat >"$1/tiny.cfg" <<CONFIG
[run]
log_every = 1
[data]
train = $1/greek/train
[model]
config = $1/tiny.json
[train]
samples = 512
global_batch = 64
[eval]
data = $1/greek/test_letters
CONFIG
}
