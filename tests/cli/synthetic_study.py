#!/usr/bin/env python3
"""Fills the folder of a study with runs that were never trained: known numbers for tests and timings of clip_report.

  clip_study plan --grid FILE --study STUDY, then
  synthetic_study.py STUDY [--lines N] [--state CELL=STATE]...

STATE: done (the default), untrained (trained, stage eval missing), failed, given_up, lost, running, stopped, missing, broken (results.json cut
off), silent (done, without results).
"""
import argparse
import json
import math
import pathlib
import random
import re

root = pathlib.Path(__file__).resolve().parents[2]
HOSTILE = 'clip_hpc: bad input: <script>document.title="taken"</script><img src=x onerror=alert(1)> & "quotes"'


def defaults():
    """Every key as docs/config.md has it: what the config.cfg of a run lists."""
    section, keys = "", {}
    for line in (root / "docs/config.md").read_text().splitlines():
        if match := re.match(r"#+ .*\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r"\| `(\w+)` \| [^|]* \| (?:`([^`]*)`)? *\|", line):
            keys[f"{section}.{match[1]}"] = match[2] or ""
    return keys


def settings_of(file):
    section, keys = "", {}
    for line in file.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            name, value = (part.strip() for part in line.split("=", 1))
            keys[f"{section}.{name}"] = value
    return keys


def ini(keys):
    text, section = "", None
    for name in sorted(keys):
        of, key = name.split(".", 1)
        if of != section:
            text += f"[{of}]\n"
            section = of
        text += f"{key} = {keys[name]}\n"
    return text


def error_of(cell):
    """A law of the kind that clip_report fits, a little different for each cell."""
    labels = cell["points"][0]["labels"]
    gain = {"clip": 1.0, "flip": 1.05, "aug": 0.97}.get(labels.get("strategy", "clip"), 1.0)
    noise = 1 + 0.01 * random.Random(cell["name"]).uniform(-1, 1)
    size = (cell["parameters"] / 1e8) ** -0.15
    return min(0.95, gain * noise * (0.2 + size * (2.2 * cell["samples"] ** -0.16 + 0.6 * cell["set_samples"] ** -0.2)))


def write_run(study, cell, state, lines, keys):
    run = study / "cells" / cell["name"] / "run"
    run.mkdir(parents=True, exist_ok=True)
    own = settings_of(study / "cells" / cell["name"] / "config.cfg")
    (run / "config.cfg").write_text(ini({**keys, **own}))
    starts = [{"program_version": "0.1.0", "git_commit": "abc1234", "versions": {"LibTorch": "2.11.0", "MPI": "4.1.4"},
               "hosts": ["gpu01", "gpu02"], "world_size": 8, "start_time": "2026-11-20T10:00:00Z",
               "command_line": ["clip_hpc", "--config", "config.cfg"], "config_hash": "0123456789abcdef"}]
    (run / "provenance.json").write_text(json.dumps(starts))
    share = {"running": 0.4, "lost": 0.3, "stopped": 0.6, "failed": 0.2, "given_up": 0.1}.get(state, 1)
    error = error_of(cell)
    noise = random.Random(cell["name"])
    rate = 8 * 165e12 / (6 * cell["macs"])  # eight GPUs at 165 TFLOP/s
    text = []
    for i in range(1, lines + 1):
        seen = int(cell["samples"] * share * i / lines)
        loss = 0.5 + 6 * error * (1 + seen / 2e4) ** -0.25 + 0.03 * noise.uniform(-1, 1)
        if state == "given_up" and i == lines:
            loss = None
        text.append(json.dumps({
            "step": i * 10, "samples_seen": seen, "epoch": seen / cell["set_samples"], "time_s": seen / rate, "loss": loss,
            "logit_scale": 14.3 + 40 * i / lines, "lr": 1e-3 * (1 - i / (lines + 1)), "grad_norm": noise.uniform(0.5, 1.5),
            "samples_per_s": rate * noise.uniform(0.95, 1.05), "data_wait_share": noise.uniform(0, 0.05),
            "comm_wait_share": noise.uniform(0, 0.1), "compute_share": 0.85, "tflops": 180.5, "utilisation": 0.41,
            "rss_bytes": 3 << 30, "device_bytes": 60 << 30, "skipped_steps": 0, "bad_samples": 0}))
    (run / "metrics.jsonl").write_text("\n".join(text) + "\n")
    (run / "checkpoints" / f"step_{lines * 10:09d}").mkdir(parents=True, exist_ok=True)
    results = []
    for part in ([0.5, 1.0] if state in ("done", "broken", "untrained") else []):
        for dataset, factor, classes in [("imagenet", 1.0, 1000), ("letters", 0.6, 52)]:
            value = 1 - min(0.99, error * factor * part ** -0.1)
            results.append({"dataset": dataset, "model": cell["points"][0]["labels"].get("tower", ""), "pretrained": "",
                            "task": "zeroshot_classification", "metrics": {"acc1": value, "acc5": min(1, value * 1.3)},
                            "language": "en", "run": cell["name"], "step": int(lines * part) * 10,
                            "samples_seen": int(cell["samples"] * part), "n": 5000, "classes": classes, "chance": 1 / classes})
    whole = json.dumps(results)
    if state != "silent":
        (run / "results.json").write_text(whole[:len(whole) // 2] if state == "broken" else whole)
    return cell["samples"] * share / rate


def write_states(study, cell, state, took_s):
    folder = study / "cells" / cell["name"]
    minutes = max(1, math.ceil(took_s / 60))
    end = f"2026-11-{20 + minutes // 1440:02d}T{10 + minutes // 60 % 14:02d}:{minutes % 60:02d}:00Z"
    start = "2026-11-20T10:00:00Z"
    as_state = {"given_up": "failed", "lost": "running", "silent": "done", "broken": "done", "untrained": "done"}.get(state, state)
    code = {"failed": 5, "given_up": 2, "stopped": 75, "lost": None, "running": None}.get(state, 0)
    note = {"state": as_state, "attempts": 2 if state == "failed" else int(state == "given_up"),
            "lost": int(state == "lost"), "final": state == "given_up", "exit_code": code, "job": "4711_1", "host": "gpu02",
            "started": start, "ended": "" if as_state == "running" else end}
    (folder / "train.json").write_text(json.dumps(note))
    history = f"{start} train start job 4711_1 restart 0 on gpu02\n"
    if as_state != "running":
        history += f"{end} train end job 4711_1 restart 0 exit code {code}\n"
    (folder / "history.log").write_text(history)
    if as_state == "failed":
        last = HOSTILE if state == "given_up" else "clip_hpc: device: rank 3 on gpu02: an illegal memory access"
        (folder / "train.log").write_text(f"step 10 loss 6.1\n{last}\n")
    if state == "running":
        lease = dict(host="gpu02", pid=1, job="4711_1", restart="0", space="of gpu02", started="1", token="t", lasts_s=100000)
        (folder / "lease").write_text(json.dumps(lease))
    if state in ("done", "broken", "silent") and (study / "eval.words").exists():
        (folder / "eval.json").write_text(json.dumps({**note, "state": "done"}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument("--state", action="append", default=[])
    words = parser.parse_args()
    plan = json.loads((words.study / "plan.json").read_text())
    states = dict(one.split("=") for one in words.state)
    unknown = set(states) - {cell["name"] for cell in plan["cells"]}
    if unknown:
        parser.error(f"no such cells: {unknown}")
    keys = defaults()
    for cell in plan["cells"]:
        state = states.get(cell["name"], "done")
        if state != "missing" and not cell["not_yet"]:
            write_states(words.study, cell, state, write_run(words.study, cell, state, words.lines, keys))


main()
