#!/usr/bin/env bash
# Every header stands on its own: a source that includes nothing else compiles. Headers of the modules without LibTorch
# are read without a precompiled header, the others with the one that all sources have.
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
commands=$CLIP_HPC_BINARY_DIR/compile_commands.json
[[ -s $commands ]] || skip_all "$commands is missing: configure with cmake --preset release"
cd "$CLIP_HPC_SOURCE_DIR" || exit 1
new_scratch

# The compiler's words for a source, without what makes an object: from the build's own list.
command_of() { # source
  python3 - "$commands" "$1" <<'PYTHON'
import json, re, sys
for entry in json.load(open(sys.argv[1])):
    if entry["file"].endswith(sys.argv[2]):
        words = re.sub(r"^.*?(?=\S*(c\+\+|g\+\+)\S* )", "", entry["command"], count=1)
        words = re.sub(r" -(o|MF|MT) \S+| -MD| -c \S+| -Winvalid-pch", "", words)
        print(entry["directory"], words, sep="\t")
        break
PYTHON
}
IFS=$'\t' read -r folder light < <(command_of src/base/file.cpp)
IFS=$'\t' read -r _ data < <(command_of src/data/packed/shard.cpp)
IFS=$'\t' read -r _ core < <(command_of src/ops/sgemm.cpp)
[[ $light && $data && $core ]] || skip_all 'the build does not tell how it compiles'
light=$(sed -E 's/ -include \S+//; s/ -fpch-preprocess//' <<<"$light")

compiles() { # header
  local words=$core
  case $1 in
    include/clip_hpc/base/* | include/clip_hpc/config/* | include/clip_hpc/run/* | include/clip_hpc/study/* | postprocess/* | src/study/*) words=$light ;;
    include/clip_hpc/data/* | include/clip_hpc/text/*) words=$data ;;
  esac
  # shellcheck disable=SC2086 # words of a command line
  (cd "$folder" && $words -fsyntax-only -Wno-unused -x c++ - <<<"#include \"$CLIP_HPC_SOURCE_DIR/$1\"") 2>&1
}
# A header that its source includes first is compiled on its own by the build, where it has a precompiled header anyway
# and the source is compiled alone (clip_hpc_library in cmake/CompilerSettings.cmake).
is_compiled_first() { # header
  local form=${1#include/} source
  [[ ! $1 =~ ^(include/clip_hpc|src)/(model|strategy|checkpoint|train|bench|eval)/ ]] || return 1
  form=${form#src/}
  source=src/${form#clip_hpc/}
  source=${source%.hpp}.cpp
  [[ -e $source && $(grep -m1 '^#include' "$source") == "#include \"$form\"" ]]
}
is_light() { [[ $1 =~ ^(include/clip_hpc|src)/(base|config|run|study)/|^postprocess/ ]]; }
mapfile -t headers < <(find include src postprocess -name '*.hpp' ! -name 'pch*.hpp' ! -name '*_cuda.hpp' ! -name '*_device.hpp' |
  sort | while read -r header; do is_light "$header" || ! is_compiled_first "$header" && echo "$header"; done)
slots=$(env -u OMP_NUM_THREADS nproc) # which goes by that variable
for header in "${headers[@]}"; do
  while (($(jobs -rp | wc -l) >= slots)); do wait -n; done
  { compiles "$header" >"$scratch/${header//\//_}" || : >"$scratch/${header//\//_}.failed"; } &
done
wait
for header in "${headers[@]}"; do
  [[ ! -e $scratch/${header//\//_}.failed ]] || head -n 5 "$scratch/${header//\//_}"
  check "$header" test ! -e "$scratch/${header//\//_}.failed"
done

echo 'inline std::string greeting() { return "hello"; }' >"$scratch/planted.hpp"
planted_is_found() { ! (cd "$folder" && $light -fsyntax-only -x c++ - <<<"#include \"$scratch/planted.hpp\"") >/dev/null 2>&1; }
check 'planted: a header that lacks <string>' planted_is_found
finish
