#!/usr/bin/env python3
"""Forward passes of LLaDA-8B's shape: thinkedit, llama.cpp and PyTorch, one after another, over and over.

usage: cpu_peers.py --thinkedit PROGRAM --peer-model PROGRAM --root FORKY [--layers N] [--tokens N]
                    [--threads N] [--rounds N] [--work DIR] [--ours T,...] [--llama T,...] [--avx2]

--avx2: both without AVX-512 (our device cpu:avx2, ggml's build for Haswell), and no PyTorch.

FORKY is a Debian forky root with llama.cpp-tools and, if it is to be compared, python3-torch (tests/gimp has
make-root and enter). Every round runs each program once, so that what else the machine does falls on all of
them alike; ratios are taken within a round. Prints a Markdown table: median, smallest and largest."""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
enter = os.path.join(here, "..", "gimp", "enter")


def options():
    p = argparse.ArgumentParser()
    p.add_argument("--thinkedit", required=True)
    p.add_argument("--peer-model", required=True)
    p.add_argument("--root", required=True)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--tokens", type=int, default=2340)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--work", default="/var/tmp/thinkedit-peers")
    p.add_argument("--ours", default="q4_k,q8_0,bf16")
    p.add_argument("--llama", default="q4_0,q4_K,q8_0")
    p.add_argument("--no-torch", action="store_true")
    p.add_argument("--avx2", action="store_true")
    return p.parse_args()


def run(command):
    """Standard output of COMMAND and the processor seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, after.ru_utime - before.ru_utime


def inside(o, *command):
    """COMMAND in the root; with --avx2 ggml finds only its build for Haswell there."""
    if o.avx2:
        only = "mount --bind /var/ggml-avx2 /usr/lib/x86_64-linux-gnu/ggml/backends0 && exec \"$@\""
        command = ["sh", "-c", only, "sh", *command]
    return run([enter, "--bind", o.work, o.root, *command])


def keep_avx2(root):
    folder = os.path.join(root, "var/ggml-avx2")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(root, "usr/lib/x86_64-linux-gnu/ggml/backends0/libggml-cpu-haswell.so"), folder)


def models(o):
    """GGUF files for llama.cpp by type, made once."""
    os.makedirs(o.work, exist_ok=True)
    whole = os.path.join(o.work, f"bf16-{o.layers}.gguf")
    if not os.path.exists(whole):
        run([o.peer_model, str(o.layers), whole])
    files = {}
    for kind in o.llama.split(","):
        files[kind] = whole if kind == "bf16" else os.path.join(o.work, f"{kind}-{o.layers}.gguf")
        if not os.path.exists(files[kind]):
            inside(o, "llama-quantize", "--pure", whole, files[kind], kind)
    return files


def ours(o, kind):
    out, _ = run([o.thinkedit, "bench", "--shape", "llada-8b", "--type", kind, "--layers", str(o.layers), "--tokens",
                  str(o.tokens), "--threads", str(o.threads), "--rounds", "1", "--device", "cpu:avx2" if o.avx2 else "cpu", "--json"])
    r = json.loads(out)
    return {"seconds": r["seconds"], "cpu_seconds": r["cpu_seconds"], "gops": r["linear_gops"]}


def llama(o, file):
    n = str(o.tokens)
    out, cpu = inside(o, "llama-bench", "-m", file, "-p", n, "-n", "0", "-b", n, "-ub", n, "-fa", "1", "-t",
                      str(o.threads), "-r", "1", "-o", "json")
    r = json.loads(out)[0]
    # The program runs the pass twice, once to warm up, and reads the file; the passes are nearly all of it.
    return {"seconds": o.tokens / r["avg_ts"], "cpu_seconds": cpu / 2}


def torch(o):
    out, _ = run([enter, "--bind", here, o.root, "python3", os.path.join(here, "peer_torch.py"), str(o.layers),
                  str(o.tokens), str(o.threads)])
    return json.loads(out)


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main():
    o = options()
    if o.avx2:
        keep_avx2(o.root)
    files = models(o)
    programs = {f"thinkedit {k}": (lambda k=k: ours(o, k)) for k in o.ours.split(",")}
    programs |= {f"llama.cpp {k}": (lambda f=f: llama(o, f)) for k, f in files.items()}
    if not o.no_torch and not o.avx2:
        programs["PyTorch bf16"] = lambda: torch(o)
    results = {name: [] for name in programs}
    for _ in range(o.rounds):
        for name, measure in programs.items():
            results[name].append(measure())
            print(f"{name}: {results[name][-1]}", file=sys.stderr, flush=True)
    peers = [n for n in programs if n.startswith("llama")]
    best = min(peers, key=lambda n: statistics.median(r["cpu_seconds"] for r in results[n]))
    print(f"{o.layers} layers, {o.tokens} tokens, {o.threads} threads, {o.rounds} rounds; best of llama.cpp: {best}\n")
    print("| program | tokens/s | processor seconds | linear GOP/s | times llama.cpp's best | times PyTorch |")
    print("|---|---|---|---|---|---|")
    for name, rows in results.items():
        ratios = []
        for other in (best, "PyTorch bf16"):
            pairs = zip(rows, results.get(other, []))
            values = [b["seconds"] / a["seconds"] for a, b in pairs]
            ratios.append(spread(values, ".2f") if values else "")
        gops = spread([r["gops"] for r in rows], ".0f") if "gops" in rows[0] else ""
        print(f"| {name} | {spread([o.tokens / r['seconds'] for r in rows], '.1f')} | "
              f"{spread([r['cpu_seconds'] for r in rows], '.1f')} | {gops} | {ratios[0]} | {ratios[1]} |")


main()
