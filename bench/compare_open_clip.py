#!/usr/bin/env python3
"""Training steps of open_clip (PyTorch) beside `clip_hpc bench step`: same model, batch, precision and threads, in turns.

  .deps/venv/bin/python3 bench/compare_open_clip.py
  .deps/venv/bin/python3 bench/compare_open_clip.py --precision bf16 --rounds 7 --seconds 20 --json bench/results/step.jsonl
  .deps/venv/bin/python3 bench/compare_open_clip.py --model configs/models/ViT-B-32.json --batch 32

A step is forward, contrastive loss, backward, gradient clipping and AdamW on random pairs. In bf16 the peer runs both
with bf16 weights and under autocast, and the better of the two counts. bench/README.md says how the numbers are made."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

root = Path(__file__).resolve().parent.parent


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=root / "configs/models/bench_64.json", help="model JSON")
    parser.add_argument("--batch", type=int, default=64, help="pairs a step [64]")
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                        help="cuda: also the peer under torch.compile, which counts separately [cpu]")
    parser.add_argument("--text-tokens", type=int, default=0, help="text positions; 0: the model's context length")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="[all cores]")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side [5]")
    parser.add_argument("--seconds", type=float, default=10, help="measured time of a turn [10]")
    parser.add_argument("--program", type=Path, default=root / "build/release/bin/clip_hpc")
    parser.add_argument("--json", type=Path, help="append one line a precision to this file")
    arguments = parser.parse_args()
    if not arguments.program.exists():
        parser.error(f"{arguments.program} does not exist: build it, or name it with --program")
    return arguments


def peer_turn(mode, arguments):
    """Runs in a process of its own, as the program does: seconds of each step after two that are not measured."""
    import open_clip
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device, compiled = torch.device(arguments.device), mode.endswith("+compile")
    mode = mode.removesuffix("+compile")
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
    config = json.loads(arguments.model.read_text())
    config = config.get("model_cfg", config)
    if arguments.text_tokens:
        config["text_cfg"]["context_length"] = arguments.text_tokens
    sys.path.append(str(root / "tests/parity"))
    from peer import model_of  # timm_model_kwargs, GroupNorm, convolutional stems

    model = model_of(config).train()
    dtype = torch.float32
    if mode == "pure":
        dtype = torch.bfloat16
        model = model.to(dtype)
    model = model.to(device)
    size, text = config["vision_cfg"].get("image_size", 224), config["text_cfg"]
    images = torch.randint(0, 256, (arguments.batch, 3, size, size), dtype=torch.uint8)
    ids = torch.randint(3, text["vocab_size"] - 1, (arguments.batch, text["context_length"]))
    ids[:, -1] = text.get("eos_id", 2) if text.get("pool_type") == "eos" else text["vocab_size"] - 1
    images, ids = images.to(device), ids.to(device)
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD, device=device).view(1, 3, 1, 1)
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
                                  lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=device.type == "cuda")
    encode = lambda pixels, ids: (model.encode_image(pixels, normalize=True), model.encode_text(ids, normalize=True))
    if compiled:
        encode = torch.compile(encode)
    unmeasured = 5 if device.type == "cuda" else 2
    loss_of = open_clip.loss.ClipLoss()
    seconds, total = [], 0.0
    while len(seconds) < unmeasured + 3 or total < arguments.seconds:
        begin = time.perf_counter()
        pixels = ((images.float() / 255 - mean) / std).to(dtype)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=mode == "autocast"):
            image, words = encode(pixels, ids)
            loss = loss_of(image, words, model.logit_scale.exp())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
        if len(seconds) > unmeasured:
            total += seconds[-1]
    print(json.dumps({"seconds": seconds[unmeasured:], "torch": torch.__version__, "open_clip": open_clip.__version__}))


def environment(arguments):
    return {**os.environ, "OMP_NUM_THREADS": str(arguments.threads), "MKL_NUM_THREADS": str(arguments.threads)}


def run_peer(mode, arguments):
    command = [sys.executable, __file__, "--model", str(arguments.model), "--batch", str(arguments.batch), "--device", arguments.device, "--text-tokens",
               str(arguments.text_tokens), "--threads", str(arguments.threads), "--seconds", str(arguments.seconds)]
    output = subprocess.run(command, env={**environment(arguments), "COMPARE_PEER_MODE": mode}, check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    answer = json.loads(output.splitlines()[-1])
    return arguments.batch / statistics.fmean(answer["seconds"]), answer


def run_ours(precision, arguments):
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        subprocess.run([arguments.program, "bench", "step", "--model", arguments.model, "--batch", str(arguments.batch),
                        "--device", arguments.device, "--precision", precision, "--text-tokens", str(arguments.text_tokens), "--threads",
                        str(arguments.threads), "--seconds", str(arguments.seconds), "--json", file.name],
                       env=environment(arguments), check=True, stdout=subprocess.DEVNULL)
        return json.loads(Path(file.name).read_text().splitlines()[-1])


def main():
    arguments = parse()
    if mode := os.environ.get("COMPARE_PEER_MODE"):
        peer_turn(mode, arguments)
        return
    modes = {"fp32": ["fp32"], "bf16": ["pure", "autocast"]}
    if arguments.device == "cuda":
        modes = {precision: [mode + end for mode in of for end in ("", "+compile")] for precision, of in modes.items()}
    print(f"{arguments.model.name}, batch {arguments.batch}, {arguments.threads} threads, "
          f"{arguments.rounds} turns of {arguments.seconds:g} s each; pairs/s")
    print(f"{'precision':<10} {'ours median':>12} {'best':>8}   {'peer median':>12} {'best':>8}  {'peer mode':<10}"
          f"{'ratio median':>13} {'best':>6}")
    for precision in arguments.precision:
        ours, peer = [], {mode: [] for mode in modes[precision]}
        for turn in range(arguments.rounds):
            # Who begins changes from turn to turn, so that a machine that warms up or slows down favours nobody.
            sides = ["ours", *peer]
            for side in sides if turn % 2 == 0 else reversed(sides):
                if side == "ours":
                    ours.append(run_ours(precision, arguments))
                else:
                    rate, about = run_peer(side, arguments)
                    peer[side].append(rate)
        rates = [line["pairs_per_s"] for line in ours]
        mode = max(peer, key=lambda name: statistics.median(peer[name]))
        median, peer_median = statistics.median(rates), statistics.median(peer[mode])
        best, peer_best = max(rates), max(max(values) for values in peer.values())
        print(f"{precision:<10} {median:>12.1f} {best:>8.1f}   {peer_median:>12.1f} {peer_best:>8.1f}  {mode:<10}"
              f"{median / peer_median:>13.3f} {best / peer_best:>6.3f}", flush=True)
        if arguments.json:
            middle = min(ours, key=lambda line: abs(line["pairs_per_s"] - median))
            text = json.loads(arguments.model.read_text())
            text = text.get("model_cfg", text)["text_cfg"]
            line = {**middle, "text_tokens": arguments.text_tokens or text.get("context_length", 77), "pairs_per_s": median, "pairs_per_s_best": best,
                    "pairs_per_s_all": rates, "peer": f"open_clip {about['open_clip']}, torch {about['torch']}, {mode}",
                    "peer_pairs_per_s": peer_median, "peer_pairs_per_s_best": peer_best,
                    "peer_pairs_per_s_all": peer, "ratio": median / peer_median,
                    "date": time.strftime("%Y-%m-%d", time.gmtime())}
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            with arguments.json.open("a") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
