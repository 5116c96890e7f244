#!/usr/bin/env python3
"""What of a forward pass only one thread does, op by op; and what of an edit lies outside forwards.

usage: serial.py --thinkedit PROGRAM --model MODEL.gguf --image IMAGE [--threads N] [--rounds N]

Waiting threads sleep (OMP_WAIT_POLICY=passive), so the processor time of an op tells how many threads worked:
with N threads, (N * seconds - processor seconds) / (N - 1) is as if one had worked alone. Waking them counts as
such, too, and so does whatever else the machine does: the figures are upper bounds, for a quiet machine."""
import argparse
import json
import os
import re
import statistics
import subprocess


def run(command, **environment):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env={**os.environ, **environment}).stdout


def serial(o, title, shape):
    """A table for the passes of SHAPE."""
    out = run([o.thinkedit, "bench", *shape, "--device", "cpu", "--threads", str(o.threads), "--rounds", str(o.rounds),
               "--json"], OMP_WAIT_POLICY="passive")
    r = json.loads(out)
    total, alone = r["seconds"], 0
    print(f"\n{title}: {total:.4f} s a pass, {o.threads} threads\n\n| op | share | threads at work | one alone, at most |")
    print("|---|---|---|---|")
    for name, op in r["ops"].items():
        if not op["seconds"]:
            continue
        one = max(0, o.threads * op["seconds"] - op["cpu_seconds"]) / (o.threads - 1) / total
        alone += one
        print(f"| {name} | {op['share']:.1%} | {op['cpu_seconds'] / op['seconds']:.2f} | {one:.2%} |")
    rest = max(0, 1 - sum(op["seconds"] for op in r["ops"].values()) / total)
    print(f"| between ops | {rest:.2%} | 1 | {rest:.2%} |\n| all | | | {alone + rest:.2%} |")


def outside(o):
    """The parts of whole edits, by the program's own clock."""
    names, rows = ("forward", "sampling", "reading", "drawing"), []
    for seed in range(o.rounds):
        text = run([o.thinkedit, "edit", o.image, "make it night", "-o", "/tmp/serial.png", "--model", o.model, "--seed",
                    str(seed), "--threads", str(o.threads), "--device", "cpu", "--explain", "-q"])
        total = float(re.search(r"([\d.]+) total", text)[1])
        rows.append([total] + [float(re.search(rf"([\d.]+) {n}", text)[1]) for n in names])
    total, *parts = (statistics.median(column) for column in zip(*rows))
    print(f"\nWhole edit: {total:.4f} s, of which outside forwards {1 - parts[0] / total:.2%}:")
    for name, seconds in zip(names[1:], parts[1:]):
        print(f"  {name} {seconds / total:.2%}")
    print(f"  rest {1 - sum(parts) / total:.2%}")


p = argparse.ArgumentParser()
for option in ("thinkedit", "model", "image"):
    p.add_argument("--" + option, required=True)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--rounds", type=int, default=5)
options = p.parse_args()
serial(options, "Four layers of LLaDA-8B's shape, q4_k", ["--shape", "llada-8b", "--type", "q4_k"])
serial(options, "Embedded model", [options.model])
outside(options)
