# shellcheck shell=bash
# Sourced by tests that run jobs on a virtual Slurm cluster. The same script runs outside, where it counts, and inside a
# cluster, as `bash SCRIPT inside …`, where it leaves outcomes in $OUTCOME.
#   inside:   expect WHAT COMMAND...   wait_for COMMAND... (at most $patience seconds)   field NAME (of job $job)   is_over
#   outside:  make_scratch   $SCRATCH for clusters, or the whole script is skipped
#             on_cluster FOLDER NODES OUTPUT ARGUMENTS...   runs this script inside; judge_cluster OUTCOME OUTPUT [NAME]
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# --- inside a cluster ------------------------------------------------------------------------------------------------
patience=150 # seconds that any one event may take
outcome() { echo "$1 $2" >>"$OUTCOME"; } # ok|failed, what
expect() {                               # what, command...
  local what=$1
  shift
  if "$@"; then outcome ok "$what"; else outcome failed "$what"; fi
}
wait_for() { # command...
  local deadline=$((SECONDS + patience))
  until "$@" 2>/dev/null; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
# shellcheck disable=SC2154 # job: of the script
field() { scontrol show job "$job" -o 2>/dev/null | grep -oE "(^| )$1=[^ ]*" | head -n1 | cut -d= -f2; }
is_over() { [[ $(field JobState) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|OUT_OF_MEMORY|NODE_FAIL)$ ]]; }

# --- outside ---------------------------------------------------------------------------------------------------------
make_scratch() {
  [[ $(id -u) == 0 ]] || skip_all 'needs root: a cluster of namespaces cannot be made by this user'
  local tool
  for tool in slurmctld slurmd sbatch munged ip unshare; do
    command -v "$tool" >/dev/null || skip_all "needs $tool: jobs/setup.sh --tests installs it"
  done
  case $CLIP_HPC_SOURCE_DIR/ in
    /tmp/*) skip_all 'the source tree lies in /tmp, of which every node of the virtual cluster has its own: clone it elsewhere' ;;
  esac
  unshare --net --mount --pid --fork true 2>/dev/null || skip_all 'this machine does not allow namespaces'
  # Sockets lie in the folder of a cluster: a short path. Outside /tmp, which every node has of its own.
  SCRATCH=$(mktemp -d /var/tmp/chXXXXXX)
  export SCRATCH CLIP_HPC_SITE=virtual
  chmod 755 "$SCRATCH"
  trap 'rm -rf "$SCRATCH"' EXIT
}
on_cluster() { # folder, nodes, output, arguments...
  timeout -s KILL 600 "$CLIP_HPC_SOURCE_DIR/tests/slurm/vcluster.sh" "$1" "$2" bash "$0" inside "${@:4}" >"$3" 2>&1
}
judge_cluster() { # outcome, output, name
  local verdict name
  [[ -s $1 ]] || echo "failed ${3:+$3: }the cluster did not start" >"$1"
  if grep -q '^failed' "$1" || [[ ${KEEP:-} ]]; then cat "$2"; fi
  while read -r verdict name; do check "$name" test "$verdict" = ok; done <"$1"
}
