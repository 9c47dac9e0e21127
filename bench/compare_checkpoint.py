#!/usr/bin/env python3
"""What a checkpoint costs the training: `clip_hpc bench checkpoint` beside torch.distributed.checkpoint, in turns.

  .deps/venv/bin/python3 bench/compare_checkpoint.py --model configs/models/ViT-B-32.json --dir /scratch

Both save fp32 weights and two moments of one rank and sync them to disk. `blocked` is the time until the training may
go on: for torch.distributed.checkpoint.save all of it, for async_save until it returns, for clip_hpc until the state is
copied. `of 5 min` is that time as a fraction of five minutes, the interval between two checkpoints."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

root = Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", type=Path, default=root / "configs/models/ViT-B-32.json", help="model JSON")
parser.add_argument("--dir", type=Path, help="folder on the file system in question [a temporary one]")
parser.add_argument("--rounds", type=int, default=5, help="turns of each side [5]")
parser.add_argument("--program", type=Path, default=root / "build/release/bin/clip_hpc")
parser.add_argument("--json", type=Path, help="append one line a side to this file")
arguments = parser.parse_args()

about = json.loads(subprocess.check_output([arguments.program, "model", arguments.model, "--json"], text=True))
parameters = about["parameters"]["total"]
state = {name: torch.randn(parameters) for name in ("master", "m", "v")}
os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
os.environ.setdefault("MASTER_PORT", "29511")
dist.init_process_group("gloo", rank=0, world_size=1)
folder = Path(tempfile.mkdtemp(dir=arguments.dir))


def ours():
    out = folder / "line.jsonl"
    out.unlink(missing_ok=True)
    subprocess.check_call([arguments.program, "bench", "checkpoint", "--model", arguments.model, "--rounds", "1",
                           "--dir", folder / "ours", "--json", out], stdout=subprocess.DEVNULL)
    line = json.loads(out.read_text())
    return line["blocked_ms"], line["write_ms"]


def timed(save):
    target = folder / "theirs"
    shutil.rmtree(target, ignore_errors=True)
    writer = dcp.FileSystemWriter(target, sync_files=True)
    start = time.perf_counter()
    future = save(writer)
    blocked = time.perf_counter() - start
    if future is not None:
        future.result()
    return 1e3 * blocked, 1e3 * (time.perf_counter() - start)


sides = {
    "clip_hpc": ours,
    "dcp.save": lambda: timed(lambda writer: dcp.save(state, storage_writer=writer) and None),
    "dcp.async_save": lambda: timed(lambda writer: dcp.async_save(state, storage_writer=writer)),
}
turns = {name: [] for name in sides}
for turn in range(arguments.rounds + 1):  # the first does not count
    for name, side in sides.items():
        result = side()
        if turn:
            turns[name].append(result)
shutil.rmtree(folder)
print(f"{parameters / 1e6:.1f} M parameters, {12 * parameters / 2**20:.0f} MiB of state, {os.cpu_count()} cores")
print(f"{'':<16} {'blocked ms':>11} {'of 5 min':>9} {'complete ms':>12}")
for name, results in turns.items():
    blocked, complete = (statistics.median(column) for column in zip(*results))
    print(f"{name:<16} {blocked:>11.1f} {blocked / 3e5:>8.3%} {complete:>12.1f}")
    if arguments.json:
        with arguments.json.open("a") as file:
            file.write(json.dumps({"bench": "compare_checkpoint", "side": name, "parameters": parameters,
                                   "blocked_ms": blocked, "complete_ms": complete}) + "\n")
