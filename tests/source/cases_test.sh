#!/usr/bin/env bash
# Every test that tests/cases.md names exists.
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$CLIP_HPC_SOURCE_DIR" || exit 1
page=tests/cases.md
# What stands in `…` is code or a file.
# shellcheck disable=SC2016
without_code() { sed -E 's/`[^`]*`//g' "$@"; }
missing=""
# Suite.Test, and .Test for another of the suite named last.
suite=""
while read -r name; do
  [[ $name == .* ]] || suite=${name%%.*}
  grep -rqE "TEST(_F|_P)?\($suite, ${name##*.}\)" tests --include='*.cpp' || missing+=" $suite.${name##*.}"
done < <(without_code "$page" | grep -oE "(\b[A-Z][A-Za-z0-9]+|[ ,(])\.[A-Z][A-Za-z0-9]+" | tr -d ' ,(')
check "named tests are there:${missing:- all}" test -z "$missing"
missing=""
# shellcheck disable=SC2016
while read -r file; do [[ -e $file ]] || missing+=" $file"; done < <(grep -oE '`tests/[^ `]+`' "$page" | tr -d '`')
check "named files are there:${missing:- all}" test -z "$missing"
missing=""
while read -r words; do
  words=${words:1:-1}
  grep -rqF --include='*.sh' --include='*.py' -- "$words" tests || missing+=" '$words'"
done < <(cut -d'|' -f4 "$page" | without_code | grep -oE "'[^']+'|\"[^\"]+\"")
check "named lines of scripts are there:${missing:- all}" test -z "$missing"
finish
