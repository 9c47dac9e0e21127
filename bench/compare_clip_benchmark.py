"""Evaluation beside CLIP_benchmark's, on the same model, sets and threads, each side in processes of its own.

  .deps/venv/bin/python3 bench/compare_clip_benchmark.py --model runs/quickstart/letters \\
    --data data/packed/glyphs/test_letters data/packed/glyphs/test_faces data/packed/emoji/test

Prints wall time of the whole program (start, model, data, results) and the peak resident set, and says whether both count the same. The sides take turns; the median is the number to
quote. CLIP_benchmark is called once a set in one process, as its users call it; so is clip_hpc, with one suite.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

root = Path(__file__).resolve().parent.parent
clip_hpc = root / "build/release/bin/clip_hpc"
parity = root / "tests/parity/clip_benchmark_parity.py"


def timed(environment, *commands):
    """Seconds, and the peak in MiB of the largest process."""
    seconds, peak = 0.0, 0
    for command in commands:
        with tempfile.TemporaryFile() as output:
            begin = time.monotonic()
            child = subprocess.Popen([str(word) for word in command], stdout=output, stderr=subprocess.STDOUT,
                                     env={**os.environ, **environment})
            _, status, usage = os.wait4(child.pid, 0)
            seconds += time.monotonic() - begin
            peak = max(peak, usage.ru_maxrss / 1024)
            if status != 0:
                output.seek(0)
                sys.exit(f"{command} failed:\n{output.read().decode()}")
    return seconds, peak


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--model", required=True, help="run folder")
    words.add_argument("--data", nargs="+", required=True, help="packed sets with labels")
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--json", help="append one line a side")
    options = words.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def run(*command):
            subprocess.run([str(word) for word in command], check=True, capture_output=True)

        run(clip_hpc, "export", "--model", options.model, "--output", folder / "exported")
        suite, tasks = [], []
        for path in map(Path, options.data):
            run(clip_hpc, "pack", "--to", "clip_benchmark", "--input", path, "--output", folder / "wds" / path.name)
            suite.append(f"[{path.name}]\npath = {path.resolve()}\nlabels = label\n")
            tasks.append(f"{path.name}:zeroshot_classification")
        (folder / "all.cfg").write_text("".join(suite))
        threads = {"OMP_NUM_THREADS": str(options.threads), "MKL_NUM_THREADS": str(options.threads)}
        output = folder / "ours"
        eval_words = [clip_hpc, "eval", "--model", options.model, "--suite", folder / "all.cfg", "--precision", "fp32",
                      "--output", output, "--feature-dir", folder / "features"]

        def ours():
            shutil.rmtree(output, ignore_errors=True)
            shutil.rmtree(folder / "features", ignore_errors=True)
            return timed(threads, eval_words)

        sides = {f"clip_hpc, {options.threads} threads": ours}
        # Without loader processes: with them it wants as many tar files as there are workers.
        sides[f"CLIP_benchmark, {options.threads} threads"] = lambda: timed(
            threads, [sys.executable, parity, "eval", folder / "exported", folder / "wds", folder / "theirs", *tasks])
        measured = {name: [] for name in sides}
        for turn in range(options.rounds):
            for name in list(sides)[::1 if turn % 2 == 0 else -1]:
                measured[name].append(sides[name]())
        subprocess.run([sys.executable, parity, "compare", output / "clip_benchmark", folder / "theirs", *tasks],
                       check=False)  # it prints what differs: equal scores come in any order there
        for name, values in measured.items():
            line = {"side": name, "seconds": statistics.median(s for s, _ in values), "best_s": min(s for s, _ in values),
                    "peak_mib": statistics.median(m for _, m in values), "rounds": options.rounds, "sets": len(tasks)}
            print(f"{name:<44} {line['seconds']:7.1f} s (best {line['best_s']:.1f})  {line['peak_mib']:7.0f} MiB")
            if options.json:
                with open(options.json, "a") as file:
                    file.write(json.dumps(line) + "\n")


main()
