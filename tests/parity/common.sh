# shellcheck shell=bash
# Sourced by the scripts of this folder; brings tests/lib.sh and the Python that has the peers, or a skip that says what
# to do.
#   against PEER_SCRIPT...   runs a Python script of this folder
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
parity=$CLIP_HPC_SOURCE_DIR/tests/parity dump=$CLIP_HPC_BINARY_DIR/bin/parity_dump
python=$CLIP_HPC_SOURCE_DIR/.deps/venv/bin/python3
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
missing=$("$python" -c 'import importlib.util as u
print(*[n for n in ("torch", "open_clip", "open_clip_train", "timm", "safetensors", "numpy") if u.find_spec(n) is None])' 2>&1) ||
  missing="a Python with peers in .deps/venv"
[ -z "$missing" ] || skip_all "$missing not there: jobs/setup.sh --tests installs it"
[ -x "$dump" ] || skip_all "$dump was not built"
against() { "$python" "$parity/$1" "${@:2}"; }
