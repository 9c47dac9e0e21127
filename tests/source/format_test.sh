#!/usr/bin/env bash
# The layout of all C++ and CUDA files is the one that .clang-format decides.
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
version=14 # of Debian 12; every version breaks lines a little differently

program=$(command -v clang-format-$version || command -v clang-format) || skip_all 'clang-format is not installed'
"$program" --version | grep -q " version $version\." || skip_all "needs clang-format $version, found: $("$program" --version)"

differing() { # folder: names of the files that clang-format would change
  # shellcheck disable=SC2016
  (cd "$1" && find include src tests postprocess -type f \( -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh' \) -print0 2>/dev/null |
    xargs -0 -r -n 1 -P "$(env -u OMP_NUM_THREADS nproc)" sh -c '"$0" --style=file --dry-run --Werror "$1" 2>/dev/null || echo "$1"' "$program" | sort)
}
all_formatted() {
  local files
  files=$(differing "$1")
  [[ -z $files ]] || {
    echo "$files"
    echo "To mend, in the project folder: tests/source/format_test.sh --mend"
    return 1
  }
}
if [[ ${1:-} == --mend ]]; then
  cd "$CLIP_HPC_SOURCE_DIR" && differing . | xargs -r "$program" -i
  exit
fi
check 'the layout of every file' all_formatted "$CLIP_HPC_SOURCE_DIR"

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/src/base" "$planted/include"
cp "$CLIP_HPC_SOURCE_DIR/.clang-format" "$planted"
echo 'int  two( ) { return 2; }' >"$planted/src/base/bad.cpp"
echo 'int two() { return 2; }' >"$planted/include/good.hpp"
check 'planted: one file is found' test "$(differing "$planted")" = src/base/bad.cpp
finish
