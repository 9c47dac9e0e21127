#!/usr/bin/env bash
# clang-tidy with the checks of .clang-tidy. The modules without LibTorch are quick to read and are checked here; for all:
#   tests/source/tidy_test.sh all            or some:  tests/source/tidy_test.sh src/optim/*.cpp
# A file that passed is not read again until it, a header of these modules or .clang-tidy changes.
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
command -v clang-tidy >/dev/null || skip_all 'clang-tidy is not installed'
commands=$CLIP_HPC_BINARY_DIR/compile_commands.json
[[ -s $commands ]] || skip_all "$commands is missing: configure with cmake --preset release"
cd "$CLIP_HPC_SOURCE_DIR" || exit 1

light=(base config run study)
if (($# == 0)); then
  mapfile -t files < <(for module in "${light[@]}"; do find "src/$module" -name "*.cpp"; done | sort)
elif [[ $1 == all ]]; then
  mapfile -t files < <(find src postprocess -name '*.cpp' | sort)
else
  files=("$@")
fi

# clang cannot read g++'s precompiled headers: it gets the text that they were made of. Sources that are compiled several
# at a time have no line of their own in the build's list: all of a library are compiled alike.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$commands" "${files[@]}" >"$work/compile_commands.json" <<'PYTHON'
import json, os, re, sys
entries = {os.path.relpath(entry["file"]): entry for entry in json.load(open(sys.argv[1]))}
like = [(r"src/(base|config|run|study)/|postprocess/", "src/base/file.cpp"), (r"src/(data|text)/", "src/data/packed/shard.cpp")]
told = []
for file in sys.argv[2:]:
    model = next((row for form, row in like if re.match(form, file)), "src/ops/sgemm.cpp")
    entry = dict(entries.get(file, entries[model]))
    command = re.sub(r" -c \S+", " -c " + os.path.abspath(file), entry["command"])
    command = re.sub(r"-include \S*clip_hpc_light_pch\S*", "-include " + os.path.abspath("src/pch_light.hpp"), command)
    command = re.sub(r"-include \S*cmake_pch\.hxx", "-include " + os.path.abspath("src/pch.hpp"), command)
    command = re.sub(r" -fpch-preprocess| -Winvalid-pch", "", command)
    told.append({"directory": entry["directory"], "file": os.path.abspath(file), "command": command})
json.dump(told, sys.stdout)
PYTHON

stamps=$CLIP_HPC_BINARY_DIR/tidy
mkdir -p "$stamps"
rules=$(cat .clang-tidy include/clip_hpc/{base,config,run,study}/*.hpp "$commands" 2>/dev/null | sha256sum)
stamp_of() { { echo "$rules" && cat "$1"; } | sha256sum | cut -c1-32; }
tidy() { # file
  local stamp
  stamp=$stamps/$(stamp_of "$1")
  [[ ! -e $stamp ]] || return 0
  clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p "$work" "$1" >"$work/${1//\//_}.out" 2>/dev/null || return 1
  : >"$stamp"
}
slots=$(env -u OMP_NUM_THREADS nproc) # which goes by that variable
for file in "${files[@]}"; do
  while (($(jobs -rp | wc -l) >= slots)); do wait -n; done
  { tidy "$file" || : >"$work/${file//\//_}.failed"; } &
done
wait
for file in "${files[@]}"; do
  name=$work/${file//\//_}
  [[ ! -e $name.failed ]] || cat "$name.out"
  check "$file" test ! -e "$name.failed"
done

# The check itself finds what is planted.
printf '#include <string>\nint f(std::string a) {\n  return (int)a.size();\n}\n' >"$work/planted.cpp"
plant_is_found() { ! clang-tidy --quiet --config-file=.clang-tidy "$work/planted.cpp" -- -std=c++20 >"$work/planted.out" 2>&1; }
check 'planted: a copied argument' plant_is_found
check 'planted: by its name' grep -q performance-unnecessary-value-param "$work/planted.out"
finish
