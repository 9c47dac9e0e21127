#!/usr/bin/env bash
# Every command line that --help, the README and the documents show is one that the program accepts, and every file of
# the repository that they name exists. The words are read and --help ends it: nothing is run.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$CLIP_HPC_SOURCE_DIR" || exit 1

texts() {
  local command
  "$clip_hpc" --help
  for command in train pack filter eval embed tokenize export import bench 'bench step' 'bench load' 'bench loss' 'bench conv' 'bench comm' 'bench checkpoint' doctor model; do
    # shellcheck disable=SC2086
    "$clip_hpc" $command --help
  done
  "$clip_report" --help
  for command in '' plan submit status cancel collect scaling; do
    # shellcheck disable=SC2086
    "$CLIP_HPC_BINARY_DIR/bin/clip_study" $command --help
  done
  cat README.md INSTALL.md CONTRIBUTING.md docs/*.md bench/README.md bench/results/*.md jobs/*.sh jobs/*.slurm jobs/paper/*.slurm
  grep -h "^#" configs/study/*.cfg
}
# A line of its own, or between back quotes; what starts it and comments are cut away.
# shellcheck disable=SC2016
form='s/^[-# ]*(\$ )?((mpirun|srun) [^`]*[^`a-z_/])?(clip_(hpc|report|study) +[-a-z][^`#|;>)]*).*/\4/p
s/.*`((mpirun|srun) [^`]*)?(clip_(hpc|report|study) +[-a-z][^`]*)`.*/\3/p'
examples() {
  texts | sed -E ':join; /\\$/ { N; s/\\\n//; b join }' |
    sed -nE "$form" |
    grep -vE '…|\.\.\.|\[|FILE|DIR|   [a-z]|(--config|model)$|RUN/|OUTPUT' | sed -E 's/ [<>] .*//; s/ +$//' | sort -u
}
accepted() { # program, words; `model` takes files alone and is quick, so it is run
  local program=$CLIP_HPC_BINARY_DIR/bin/$1
  shift
  if [[ $1 == model ]]; then "$program" "$@" >/dev/null; else "$program" "$@" --help >/dev/null; fi
}
export SCRATCH=/tmp # that an example names
count=0 words=()
while IFS= read -r line; do
  eval "words=($line)" # quotes and file names as the shell of a user would take them
  case $line in
    # Words of a sentence, not a command.
    *'clip_hpc '*':'*' '* | *'clip_study '*': '* | *'clip_hpc and'* | *'clip_hpc reads'* | *'clip_hpc on'* | *'clip_hpc has'* | *'clip_report runs'*) continue ;;
  esac
  count=$((count + 1))
  check "$line" accepted "${words[@]}"
done < <(examples)
check "there are examples ($count)" test "$count" -ge 25
while IFS= read -r file; do
  check "$file exists" test -e "$file"
done < <(texts | grep -oE '\b(configs|jobs|docs|tests|bench)/[A-Za-z0-9_./-]+\.(cfg|json|sh|slurm|md|py|env)\b' | sort -u |
  grep -vE '^configs/(mine|sites/(my|name))|^jobs/(prepare|submit_)') # the latter are a study's own
finish
