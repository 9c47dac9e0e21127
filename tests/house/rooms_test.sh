#!/usr/bin/env bash
# A room includes only rooms above it, and the light rooms never reach a tensor, MPI or HDF5.
set -uo pipefail
# shellcheck source=tests/lib.sh
source "$CLIP_HPC_SOURCE_DIR/tests/lib.sh"
order=(base config run comm data text model loss strategy optim checkpoint eval train)
arrows_point_down() {  # root folder
  local bad=0 i j room later
  for i in "${!order[@]}"; do
    room=${order[i]}
    for ((j = i + 1; j < ${#order[@]}; j++)); do
      later=${order[j]}
      # Judged by what grep finds: its exit code is 2 as soon as one of the folders is missing.
      [[ -z $(grep -rn "#include \"clip_hpc/$later/" "$1/include/clip_hpc/$room" "$1/src/$room" 2>/dev/null | tee /dev/stderr) ]] || bad=1
    done
  done
  return $bad
}
light_rooms_are_light() {
  local room bad=0
  for room in base config run study; do
    [[ -z $(grep -rnE '#include <(ATen|torch|c10|mpi|hdf5)' "$1/include/clip_hpc/$room" "$1/src/$room" 2>/dev/null | tee /dev/stderr) ]] || bad=1
  done
  return $bad
}
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/src/base"
echo '#include "clip_hpc/model/arena.hpp"' >"$planted/src/base/bad.cpp"
echo '#include <ATen/ATen.h>' >>"$planted/src/base/bad.cpp"
plant_is_found() { ! arrows_point_down "$planted" 2>/dev/null && ! light_rooms_are_light "$planted" 2>/dev/null; }
check 'arrows point down' arrows_point_down "$CLIP_HPC_SOURCE_DIR"
check 'light rooms are light' light_rooms_are_light "$CLIP_HPC_SOURCE_DIR"
check 'a planted include is found' plant_is_found
if command -v shellcheck >/dev/null; then
  check 'shellcheck' shellcheck -x -P "$CLIP_HPC_SOURCE_DIR" "$CLIP_HPC_SOURCE_DIR"/jobs/*.sh "$CLIP_HPC_SOURCE_DIR"/tests/run.sh
else
  skipped=$((skipped + 1)) && echo 'skipped: shellcheck is not installed'
fi
finish
