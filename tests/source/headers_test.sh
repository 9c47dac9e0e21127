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

# The first error ends the compiler, and that is to be ours: what comes behind the text, instances of templates, takes two
# seconds and says nothing of the header.
compiles() { # header, or a path, and perhaps the words to compile it with
  local words=${2:-$core} out path
  path=$(realpath "$1")
  out=$scratch/$(basename "$1").$BASHPID
  case $1 in
    include/clip_hpc/base/* | include/clip_hpc/config/* | include/clip_hpc/run/* | include/clip_hpc/study/* | postprocess/* | src/study/*) words=$light ;;
    include/clip_hpc/data/* | include/clip_hpc/text/*) words=$data ;;
  esac
  # shellcheck disable=SC2086 # words of a command line
  (cd "$folder" && $words -Wfatal-errors -fsyntax-only -Wno-unused -x c++ - <<<"#include \"$path\"
static_assert(false, \"the header ends here\");") >"$out" 2>&1
  grep -q 'static assertion failed: the header ends here' "$out" && return
  head -n 5 "$out"
  return 1
}
mapfile -t headers < <(find include src postprocess -name '*.hpp' ! -name 'pch*.hpp' ! -name '*_cuda.hpp' ! -name '*_device.hpp' | sort)
slots=$(env -u OMP_NUM_THREADS nproc) # which goes by that variable
for header in "${headers[@]}"; do
  while (($(jobs -rp | wc -l) >= slots)); do wait -n; done
  { compiles "$header" >"$scratch/${header//\//_}" || : >"$scratch/${header//\//_}.failed"; } &
done
wait
for header in "${headers[@]}"; do
  [[ ! -e $scratch/${header//\//_}.failed ]] || cat "$scratch/${header//\//_}"
  check "$header" test ! -e "$scratch/${header//\//_}.failed"
done

echo 'inline std::string greeting() { return "hello"; }' >"$scratch/planted.hpp"
planted_is_found() { ! compiles "$scratch/planted.hpp" "$light" >/dev/null; }
check 'planted: a header that lacks <string>' planted_is_found
finish
