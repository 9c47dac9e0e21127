#!/usr/bin/env bash
# A Slurm cluster of several nodes on one machine, for tests: every node is a set of Linux namespaces with its own
# network address, host name, /tmp, /dev/shm and process 1, and runs a real slurmd.
#
#   tests/slurm/vcluster.sh FOLDER NODES COMMAND...
#
# COMMAND runs on the head, the exit status is its own, and the whole cluster ends with it. Needs root, slurm, munge, ip.
# Give FOLDER a short path (sockets lie in it); it is visible on all nodes, as is everything outside /tmp.
# For COMMAND: CLUSTER_DIR is FOLDER; `kill -9 $(pgrep -P $(cat $CLUSTER_DIR/run/node2.pid))` is a power loss of n2.
set -euo pipefail

folder=$1 nodes=$2
stage=${CLIP_HPC_VCLUSTER:-outside}
self=$(readlink -f "${BASH_SOURCE[0]}")
network=10.88.0

namespaces=(--net --mount --uts --ipc --pid --fork --kill-child --mount-proc)

run_node() {
  local number=$1
  hostname "n$number"
  ip link set lo up
  # The head moves this node's end of the cable into our network namespace.
  until ip link show eth0 >/dev/null 2>&1; do sleep 0.01; done
  ip addr add "$network.$number/24" dev eth0
  ip link set eth0 up
  mount -t tmpfs tmpfs /dev/shm
  # A private /tmp in which the shared folder is still visible.
  mount --bind "$folder" /mnt
  mount -t tmpfs tmpfs /tmp
  mkdir -p "$folder"
  mount --bind /mnt "$folder"
  umount /mnt
  slurmd -D -N "n$number" &
  # Process 1 of the node collects orphans and stays when slurmd is killed. Bash reaps on its own while it waits.
  while :; do
    sleep 1 &
    wait $! || true
  done
}

write_configuration() {
  local number gpu
  {
    echo "127.0.0.1 localhost"
    echo "$network.254 head"
    for ((number = 1; number <= nodes; number++)); do echo "$network.$number n$number"; done
  } >"$folder/hosts"
  # Fake GPUs are copies of /dev/null: slurmd asks for device files, and then sets CUDA_VISIBLE_DEVICES as usual.
  for gpu in 0 1; do
    [ -e "$folder/dev/gpu$gpu" ] || mknod "$folder/dev/gpu$gpu" c 1 3
  done
  echo "NodeName=n[1-$nodes] Name=gpu Type=fake File=$folder/dev/gpu[0-1]" >"$folder/gres.conf"
  # The tree fence of this Slurm lets MPI_Init return too early on some ranks; the ring does not.
  echo "PMIxCollFence=ring" >"$folder/mpi.conf"
  cat >"$folder/slurm.conf" <<CONF
ClusterName=virtual
SlurmctldHost=head
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A short life of credentials also shortens the pause before a requeued job starts again (121 s by default).
AuthInfo=socket=$folder/run/munge.sock,cred_expire=6
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
SlurmdTimeout=6
ReturnToService=2
KillWait=5
KillOnBadExit=1
JobRequeue=1
${CLIP_HPC_VCLUSTER_REQUEUE_EXIT:+RequeueExit=$CLIP_HPC_VCLUSTER_REQUEUE_EXIT}
MpiDefault=pmix
MailProg=/bin/true
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n[1-$nodes] CPUs=4 RealMemory=4000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=main Nodes=n[1-$nodes] Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=n[1-$nodes] MaxTime=INFINITE PriorityTier=9 PreemptMode=OFF
CONF
}

start_node() {
  local number=$1 pid ours theirs=""
  ours=$(readlink /proc/self/ns/net)
  # exec: the background process becomes unshare itself, whose network namespace is the node's.
  (
    export CLIP_HPC_VCLUSTER="node $number"
    exec unshare "${namespaces[@]}" "$self" "$folder" "$nodes"
  ) >>"$folder/log/boot.n$number" 2>&1 &
  pid=$!
  while [ -z "$theirs" ] || [ "$theirs" = "$ours" ]; do
    theirs=$(readlink "/proc/$pid/ns/net" || true)
  done
  echo "$pid" >"$folder/run/node$number.pid"
  ip link add "v$number" type veth peer name eth0 netns "$pid"
  ip link set "v$number" master br0 up
}

wait_for_nodes() {
  local idle deadline=$((SECONDS + 60))
  while :; do
    idle=$(sinfo -h -N -o '%N %t' 2>/dev/null | sort -u | grep -c ' idle$' || true)
    [ "$idle" = "$nodes" ] && return
    if [ $SECONDS -ge $deadline ]; then
      echo "vcluster: only $idle of $nodes nodes came up; see $folder/log" >&2
      exit 1
    fi
    sleep 0.05
  done
}

case $stage in
  outside)
    [ $# -ge 3 ] || { echo "usage: vcluster.sh FOLDER NODES COMMAND..." >&2; exit 2; }
    mkdir -p "$folder"
    folder=$(readlink -f "$folder")
    shift 2
    CLIP_HPC_VCLUSTER="head" exec unshare "${namespaces[@]}" "$self" "$folder" "$nodes" "$@"
    ;;
  "node "*)
    run_node "${stage#node }"
    ;;
  head)
    shift 2
    export SLURM_CONF=$folder/slurm.conf CLUSTER_DIR=$folder
    # The state of an earlier cluster would make nodes look taken and job credentials look revoked.
    rm -rf "$folder"/{state,spool}
    mkdir -p "$folder"/{state,spool,log,run,dev}
    for ((number = 1; number <= nodes; number++)); do mkdir -p "$folder/spool/n$number"; done
    chmod 755 "$folder" "$folder/run"
    hostname head
    ip link set lo up
    write_configuration
    mount --bind "$folder/hosts" /etc/hosts
    ip link add br0 type bridge
    ip addr add "$network.254/24" dev br0
    ip link set br0 up
    (umask 077 && head -c 128 /dev/urandom >"$folder/run/munge.key")
    munged --force --key-file="$folder/run/munge.key" --socket="$folder/run/munge.sock" \
      --pid-file="$folder/run/munged.pid" --log-file="$folder/log/munged.log" --seed-file="$folder/run/munged.seed" \
      2>>"$folder/log/munged.err"
    slurmctld
    for ((number = 1; number <= nodes; number++)); do start_node "$number"; done
    wait_for_nodes
    unset CLIP_HPC_VCLUSTER
    # Not exec: this shell is process 1 of the head, and collects the daemons' orphans while COMMAND runs.
    status=0
    "$@" || status=$?
    exit $status
    ;;
esac
