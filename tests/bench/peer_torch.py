#!/usr/bin/env python3
"""LLaDA-8B's blocks in PyTorch bf16, as the released code runs them: seconds of one forward pass.

usage: peer_torch.py LAYERS TOKENS THREADS   prints one JSON object"""
import json
import sys
import time

import torch
import torch.nn.functional as F

layers, tokens, threads = (int(a) for a in sys.argv[1:4])
torch.set_num_threads(threads)
torch.manual_seed(1)
D, FF, H = 4096, 12288, 32


def matrix(out, inner):
    return (torch.randn(out, inner) * 0.02).to(torch.bfloat16)


blocks = [[matrix(D, D) for _ in range(4)] + [matrix(FF, D), matrix(FF, D), matrix(D, FF)]
          for _ in range(layers)]
angles = torch.outer(torch.arange(tokens).float(), 500000.0 ** (-torch.arange(0, 128, 2).float() / 128))
angles = torch.cat([angles, angles], dim=-1)
cos, sin = angles.cos(), angles.sin()


def norm(x):
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype)


def rope(x):
    y = x.float()
    a, b = y.chunk(2, dim=-1)
    return (y * cos + torch.cat([-b, a], dim=-1) * sin).to(x.dtype)


def heads(x):
    return x.view(1, tokens, H, D // H).transpose(1, 2)


def plain_attention(q, k, v):
    return torch.softmax(q @ k.transpose(2, 3) * (D // H) ** -0.5, dim=-1) @ v


def timed(f, *args):
    f(*args)
    start = time.perf_counter()
    f(*args)
    return time.perf_counter() - start


@torch.inference_mode()
def faster_attention():
    """The released code calls scaled_dot_product_attention, which is slow without a good BLAS."""
    q = heads(torch.randn(1, tokens, D).to(torch.bfloat16))
    ways = (F.scaled_dot_product_attention, plain_attention)
    return min(ways, key=lambda way: timed(way, q, q, q))


@torch.inference_mode()
def forward(x):
    for q, k, v, o, gate, up, down in blocks:
        h = norm(x)
        a = attention(rope(heads(F.linear(h, q))), rope(heads(F.linear(h, k))), heads(F.linear(h, v)))
        x = x + F.linear(a.transpose(1, 2).reshape(1, tokens, D), o)
        h = norm(x)
        x = x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)
    return x


attention = faster_attention()
x = torch.randn(1, tokens, D).to(torch.bfloat16)
forward(x)
wall, cpu = time.perf_counter(), time.process_time()
forward(x)
print(json.dumps({"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu,
                  "attention": attention.__name__, "version": torch.__version__}))
