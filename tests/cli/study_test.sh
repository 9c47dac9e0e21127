#!/usr/bin/env bash
# clip_study without Slurm: plan, submit --local, status, collect, with clip_hpc itself; failures, retries, signals and
# locks with a stand-in. It needs no LibTorch.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
clip_study=$CLIP_HPC_BINARY_DIR/bin/clip_study
export CLIP_HPC_ROOT=$CLIP_HPC_SOURCE_DIR CLIP_HPC_BUILD=$CLIP_HPC_BINARY_DIR CLIP_HPC_SITE=local
cd "$scratch" || exit 1

check 'needs no LibTorch, MPI or HDF5' eval "! ldd '$clip_study' | grep -qE 'torch|mpi|hdf5'"
check 'version' says 0 'clip_study 0.' "$clip_study" --version
check 'a misspelt word' says 2 'did you mean "plan"?' "$clip_study" plam
check 'plan needs a grid' says 2 'needs --grid' "$clip_study" plan
check 'a grid that is not there' says 2 'cannot open the grid nowhere.cfg' "$clip_study" plan --grid nowhere.cfg
check 'a folder that is no study' says 2 'is no study' "$clip_study" status --study nowhere
printf '[axis lr]\noptim.lrr = 1\n' >wrong.cfg
check 'a wrong grid is refused with its line' says 2 'wrong.cfg:2: unknown key "optim.lrr"' "$clip_study" plan --grid wrong.cfg
for grid in small towers_small strategies_small strategies_emoji cooldown_small quality_small medium paper; do
  check "plan $grid" says 0 'cells to train' eval "cd '$CLIP_HPC_SOURCE_DIR' && '$clip_study' plan --grid configs/study/$grid.cfg"
done

# --- clip_hpc itself -------------------------------------------------------------------------------------------------
make_tiny "$scratch"
cat >real.cfg <<GRID
[study]
base = tiny.cfg
attempts = 2
[prepare]
again = cp -r $scratch/greek {}
[set]
eval.pictures = 0
[axis data]
full =
half = study.count=300
[axis length]
one = train.epochs=1
bad = train.epochs=1 data.train=$scratch/greek
[axis seed]
run.seed = 0
[grid good]
data = *
length = one
[eval]
words = --data $scratch/greek/test_letters --task retrieval --pictures 0
GRID
run_real() { "$clip_study" submit --grid real.cfg --study real --local 1 --ranks 2; }
check 'submit --local' says 0 '2 cells done, 0 failed, 0 left' run_real
check 'what [prepare] makes' test -d again/train
check 'a subset' test -r real/subsets/300.h5
steps_of() { grep -c '"step"' "real/cells/$1/run/metrics.jsonl"; }
check 'half has fewer steps' test "$(steps_of half_one_0)" -lt "$(steps_of full_one_0)"
check 'its configuration is plain' says 0 'training done' eval \
  "on_ranks 1 '$clip_hpc' --config real/cells/half_one_0/config.cfg --run-dir by_hand"
check 'status' says 0 'eval: 2 done' "$clip_study" status --study real
starts() { cat real/cells/*/history.log | grep -c start; }
before=$(starts)
check 'submit again does nothing' says 0 '2 cells done' run_real
check 'no stage has run again' test "$(starts)" = "$before"
check 'collect' says 0 'real/table.csv' "$clip_study" collect --study real
check 'a line of the table' grep -q '^half_one_0,good,half,one,0,done,300,1,300,' real/table.csv
check 'retrieval came from the stage eval' grep -q 'half_one_0,.*image_retrieval_recall@1' real/table.csv

# Two lengths of a constant schedule out of one run: 24 steps, and a fork of 16 that shares the first 12.
cat >forks.cfg <<GRID
[study]
base = tiny.cfg
fork_cooldowns = yes
[set]
train.global_batch = 32
optim.schedule = constant
optim.cooldown = 0.25
optim.warmup = 2
eval.pictures = 0
[axis length]
short = train.samples=512
long = train.samples=768
GRID
check 'plan says what forks save' says 0 '1 cells fork from a longer one' "$clip_study" plan --grid forks.cfg
check 'forks' says 0 '2 cells done, 0 failed, 0 left' "$clip_study" submit --grid forks.cfg --study forks --local 2 --ranks 1
check 'the fork began from the long run' grep -q 'resumed from step 12 ' forks/cells/short/run/log.txt
check 'a run of that length' says 0 'training done: 16 steps' on_ranks 1 "$clip_hpc" --config forks/cells/short/config.cfg --run-dir by_itself
check 'has the bits of the fork' cmp {by_itself,forks/cells/short/run}/checkpoints/step_000000016/model.safetensors
check 'submit again does nothing' says 0 '2 cells done' "$clip_study" submit --grid forks.cfg --study forks --local 1
rm -rf lonely && "$clip_study" plan --grid forks.cfg --study lonely >/dev/null
check 'a fork without its trunk says so' says 1 'train that cell first' bash "$CLIP_HPC_SOURCE_DIR/jobs/study_cell.sh" lonely short train

printf '{"state": "failed", "attempts": 3, "final": true, "exit_code": 3}' >lonely/cells/long/train.json
check 'status knows that it will not begin' says 0 'short does not begin: long' "$clip_study" status --study lonely
check 'and does not wait for it' timeout 20 "$clip_study" status --study lonely --watch 1
check 'nor does a local study' says 1 'short waits for long' "$clip_study" submit --grid forks.cfg --study lonely --local 1

# Quality: the scores come from a model of the study before.
cat >quality.cfg <<GRID
[study]
base = tiny.cfg
scores = scores.h5
[prepare]
scores.h5 = clip_hpc score --model real/cells/full_one_0/run --data $scratch/greek/train --output {}
[set]
eval.pictures = 0
train.epochs = 1
[axis quality]
all =
top40 = study.fraction=0.4
GRID
check 'a share of the best' says 0 '2 cells done, 0 failed, 0 left' \
  "$clip_study" submit --grid quality.cfg --study quality --local 1 --ranks 2
check 'the scores were made' test -r scores.h5
check 'collect tells the share' says 0 'table.csv' "$clip_study" collect --study quality
check 'a line of the share' grep -qE '^top40,[^,]*,top40,done,[0-9]+,0.4,' quality/table.csv

sed -i 's/seed = 0/seed = 0\n[rules]\noverride = data=half : optim.lr=1e-4/' real.cfg
check 'a cell that has begun is not changed' says 2 'half_one_0 has begun with another configuration' run_real

# --- failures, signals, locks: a stand-in ----------------------------------------------------------------------------
mkdir -p set bin && echo '{"count": 1000}' >set/dataset.json
cat >bin/stand_in <<'STAND_IN'
#!/usr/bin/env bash
while (($#)); do
  case $1 in --run-dir) run=$2 ;; esac
  shift 2
done
mkdir -p "$run"
echo start >>"$run/starts"
case $(basename "$(dirname "$run")") in
  1) echo 'clip_hpc: bad input: no such thing' >&2; exit 2 ;;
  2) if (($(wc -l <"$run/starts") < 2)); then echo 'clip_hpc: storage: once' >&2; exit 3; fi ;;
  3) echo 'clip_hpc: device: always' >&2; exit 5 ;;
  5)
    trap 'exit 75' USR1
    if (($(wc -l <"$run/starts") < 2)); then while :; do sleep 0.1; done; fi
    ;;
esac
STAND_IN
chmod +x bin/stand_in
cat >stub.cfg <<GRID
[set]
data.train = set
model.config = tiny.json
train.global_batch = 100
[axis seed]
run.seed = 1 2 3 4
GRID
run_stub() { PROGRAM=$scratch/bin/stand_in "$clip_study" submit --grid "$1.cfg" --study "$1" --local 2 --ranks 1; }
starts_of() { wc -l <"$1/run/starts"; }
check 'cells that fail' says 1 '2 cells done, 2 failed, 0 left' run_stub stub
check 'bad input is not tried again' test "$(starts_of stub/cells/1)" = 1
check 'another failure is' test "$(starts_of stub/cells/2)" = 2
check 'but not for ever' test "$(starts_of stub/cells/3)" = 3
check 'status gives the reason' says 0 '3: exit code 5, attempt 3: clip_hpc: device: always' "$clip_study" status --study stub
check 'submit again leaves them' says 1 '2 failed' run_stub stub
check 'and starts none' test "$(starts_of stub/cells/3)" = 3

sed 's/run.seed = .*/run.seed = 5/' stub.cfg >signal.cfg
CLIP_HPC_LEASE_S=4 run_stub signal >signal.log 2>&1 &
submitter=$!
for _ in $(seq 100); do [[ -e signal/cells/5/run/starts ]] && break; sleep 0.1; done
check 'a second submit at the same time is refused' says 2 'is at work' run_stub signal
check 'status while it runs' says 0 running "$clip_study" status --study signal
check 'a second runner of the cell gives way' says 1 'runs elsewhere' env CLIP_HPC_LEASE_S=1 \
  "$CLIP_HPC_ROOT/jobs/study_cell.sh" signal 5 train
check 'cancel' says 0 'has been asked to stop' "$clip_study" cancel --study signal
status=0
wait $submitter || status=$?
check "stopped with exit code 75 (got $status)" test "$status" = 75
check 'stopped, not failed' says 0 'train: 1 stopped' "$clip_study" status --study signal
check 'and goes on' says 0 '1 cells done' run_stub signal

# Who insists on a stop gets it, and no cell counts it as a failure.
sed 's/run.seed = .*/run.seed = 5/' stub.cfg >insist.cfg
PROGRAM=$scratch/bin/stand_in "$clip_study" submit --grid insist.cfg --study insist --local 2 --ranks 1 >insist.log 2>&1 &
submitter=$!
for _ in $(seq 100); do [[ -e insist/cells/5/run/starts ]] && break; sleep 0.1; done
kill -INT $submitter
sleep 0.1
kill -INT $submitter
status=0
wait $submitter || status=$?
check "two Ctrl-C end with 75 (got $status)" test "$status" = 75
for _ in $(seq 100); do grep -q '"state": "stopped"' insist/cells/5/train.json && break; sleep 0.1; done
check 'and are no attempt' grep -q '"state": "stopped", "attempts": 0' insist/cells/5/train.json

# A runner that died: its lease is taken when it has run out; a turn to take it over is left by one that died meanwhile.
sed 's/run.seed = .*/run.seed = 6/' stub.cfg >dead.cfg
"$clip_study" plan --grid dead.cfg --study dead >/dev/null
cat >dead/cells/6/lease <<'LEASE'
{"host": "gone", "pid": 17, "job": "", "restart": "", "space": "elsewhere", "started": "1", "token": "t", "lasts_s": 2}
LEASE
mkdir dead/cells/6/lease.turn
touch -d '1 hour ago' dead/cells/6/lease.turn
CLIP_HPC_LEASE_S=3 check 'a dead lease is taken over' says 0 '1 cells done' run_stub dead
check 'and that is written down' grep -q 'took the lease of a dead runner: process 17 on gone' dead/cells/6/history.log
check 'no lease is left' test ! -e dead/cells/6/lease -a ! -e dead/cells/6/lease.turn

# A runner that is taken for dead while it lives ends its ranks and writes nothing down.
sed 's/run.seed = .*/run.seed = 5/' stub.cfg >taken.cfg
"$clip_study" plan --grid taken.cfg --study taken >/dev/null
PROGRAM=$scratch/bin/stand_in CLIP_HPC_LEASE_S=1 RANKS=1 "$CLIP_HPC_ROOT/jobs/study_cell.sh" taken 5 train >taken.log 2>&1 &
runner=$!
for _ in $(seq 100); do [[ -e taken/cells/5/run/starts ]] && break; sleep 0.1; done
sed -i 's/"token": "[^"]*"/"token": "of another"/' taken/cells/5/lease
status=0
wait $runner || status=$?
check "a runner that lost its lease ends (exit code $status)" test "$status" = 1
check 'and says so' grep -q 'lost .*: the ranks are ended' taken/cells/5/history.log
check 'and writes no state' grep -q '"state": "running"' taken/cells/5/train.json
rm taken/cells/5/lease
# Killed with its ranks, its lease is that of a process that is gone.
PROGRAM=$scratch/bin/stand_in RANKS=1 setsid "$CLIP_HPC_ROOT/jobs/study_cell.sh" taken 5 train >taken.log 2>&1 &
runner=$!
rm -f taken/cells/5/run/starts
for _ in $(seq 100); do [[ -e taken/cells/5/run/starts ]] && break; sleep 0.1; done
check 'while it runs, its lease is there' test -e taken/cells/5/lease
pkill -KILL -s "$(ps -o sid= -p $runner | tr -d ' ')" || true
pkill -KILL -f -- "$scratch/bin/stand_in" || true # the launcher has a session of its own
wait $runner 2>/dev/null || true
check 'then the cell is lost' says 0 'lost' "$clip_study" status --study taken
finish
