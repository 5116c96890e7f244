"""torch_edit.py FOLDER - what edit_bench times, in plain PyTorch: the 8B shape with the random bf16 weights
that edit_bench left in FOLDER, and the joint loop of variant M as the released code runs it - both sequences
through every layer and the whole vocabulary in every one of 128 iterations, softmax over all text positions in
float64, whatever the guidance. Prints a row of the table of h200.sh, then below the table what became of the
first step: the released rule on our logits must fix the tokens we fixed (else status 1), and how far PyTorch's
own logits for the same sequence and weights are from ours."""
import math
import os
import statistics
import sys
import time

import torch
import torch.nn.functional as F

WIDTH, LAYERS, FF, HEADS, VOCAB, CODES, IMAGE, TEXT = 4096, 32, 12288, 32, 134656, 8192, 1024, 256
N, STEPS, IMAGE_STEPS, MASK, OFFSET = 2339, 128, 30, 126336, 126349
card = torch.device("cuda")


def left(folder, name, dtype):
    path = os.path.join(folder, name)
    size = os.path.getsize(path) // torch.empty(0, dtype=dtype).element_size()
    return torch.from_file(path, size=size, dtype=dtype).to(card)


def norm(x):
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype)


def rotate(x, cosine, sine):
    wide = x.float()
    a, b = wide.chunk(2, dim=-1)
    return (wide * cosine + torch.cat((-b, a), dim=-1) * sine).to(x.dtype)


class Backbone:
    def __init__(self, weights):
        def own(rows, cols):  # every matrix is the beginning of WEIGHTS, and lies in memory of its own
            return weights[:rows * cols].view(rows, cols).clone()

        self.table, self.head = own(VOCAB, WIDTH), own(VOCAB, WIDTH)
        self.layers = [
            dict(q=own(WIDTH, WIDTH), k=own(WIDTH, WIDTH), v=own(WIDTH, WIDTH), o=own(WIDTH, WIDTH),
                 gate=own(FF, WIDTH), up=own(FF, WIDTH), down=own(WIDTH, FF))
            for _ in range(LAYERS)]
        speed = 1.0 / (500000 ** (torch.arange(0, 128, 2, device=card).float() / 128))
        angle = torch.outer(torch.arange(N, device=card).float(), speed)
        angle = torch.cat((angle, angle), dim=-1)
        self.cosine, self.sine = angle.cos(), angle.sin()

    def __call__(self, tokens):
        x = F.embedding(tokens, self.table)
        batch, n = tokens.shape
        for w in self.layers:
            h = norm(x)
            q, k, v = (F.linear(h, w[p]).view(batch, n, HEADS, 128).transpose(1, 2) for p in "qkv")
            q, k = rotate(q, self.cosine, self.sine), rotate(k, self.cosine, self.sine)
            y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, n, WIDTH)
            x = x + F.linear(y, w["o"])
            h = norm(x)
            x = x + F.linear(F.silu(F.linear(h, w["gate"])) * F.linear(h, w["up"]), w["down"])
        return F.linear(norm(x), self.head)


def reveal_text(region, logits, n):
    masked = region == MASK
    best = logits.argmax(-1)
    sure = logits.double().softmax(-1).gather(-1, best[:, None])[:, 0]
    sure = torch.where(masked, sure, torch.full_like(sure, -math.inf))
    chosen = sure.topk(n).indices
    region[chosen] = best[chosen]


def reveal_image(tokens, logits, step):
    region = tokens[0, -TEXT - 2 - IMAGE:-TEXT - 2]
    unknown = region == MASK
    p = logits.float().softmax(-1)
    code = torch.where(unknown, torch.multinomial(p, 1)[:, 0], (region - OFFSET).clamp(0, CODES - 1))
    ratio = (step + 1) / STEPS
    left = max(1, min(int(unknown.sum().item()) - 1, math.floor(IMAGE * math.cos(math.pi / 2 * ratio))))
    sure = p.gather(-1, code[:, None])[:, 0]
    noise = -torch.log(-torch.log(torch.rand_like(sure).clamp(1e-20, 1 - 1e-7)))
    sure = torch.where(unknown, sure.clamp(1e-20).log() + (1 - ratio) * noise, torch.full_like(sure, math.inf))
    cut = sure.sort().values[left]
    region[:] = torch.where(sure < cut, torch.full_like(code, MASK), code + OFFSET)


def compare(model, folder):
    """The first step of edit_bench's own sequence: whether the tokens fixed are the released rule's, and words."""
    sequence, rows = left(folder, "sequence.i32", torch.int32).long(), left(folder, "rows.i32", torch.int32).long()
    ours, after = left(folder, "logits.f32", torch.float32).view(len(rows), VOCAB), left(folder, "text.i32", torch.int32)
    fixed = after.long()[rows - (len(sequence) - len(after))]  # the text ends the sequence
    n = int((fixed != MASK).sum())
    region = torch.full_like(rows, MASK)
    reveal_text(region, ours, n)
    same = n > 0 and bool((region == fixed).all())
    theirs = model(sequence[None])[0, rows].float()
    error = ((ours - theirs).norm() / theirs.norm()).item()
    agree = (ours.argmax(-1) == theirs.argmax(-1)).float().mean().item()
    return same, ("First step, %d text tokens fixed: by the released rule on the same logits %s. PyTorch's logits of the "
                  "same sequence are %.2g of their norm apart, %.1f %% of the most probable tokens agree." %
                  (n, "the same" if same else "**others**", error, 100 * agree))


def edit(model, text_cfg):
    tokens = torch.randint(0, 126000, (1, N), device=card)
    tokens[0, -TEXT:] = MASK
    tokens[0, -TEXT - 2 - IMAGE:-TEXT - 2] = MASK
    image_at = {round(STEPS / 4 + i * (STEPS - 1 - STEPS / 4) / (IMAGE_STEPS - 1)) for i in range(IMAGE_STEPS)}
    prefix = N - TEXT - 2 - IMAGE - 2
    times = []
    for step in range(STEPS):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        without = tokens.clone()
        without[0, :prefix] = 0
        logits = model(torch.cat((tokens, without)))
        text = logits[:, -TEXT:]
        reveal_text(tokens[0, -TEXT:], text[0] + text_cfg * (text[1] - text[0]), TEXT // STEPS)
        if step in image_at:
            image = logits[:, -TEXT - 2 - IMAGE:-TEXT - 2, OFFSET:OFFSET + CODES]
            reveal_image(tokens, 4.5 * image[0] - 3.5 * image[1], step)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return times


with torch.inference_mode():
    folder = sys.argv[1]
    model = Backbone(left(folder, "weights.bin", torch.bfloat16))
    tokens = torch.randint(0, 126000, (2, N), device=card)
    for _ in range(2):
        model(tokens)
    rates = []
    for batch in (1, 2):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(5):
            model(tokens[:batch])
        torch.cuda.synchronize()
        rates.append((time.perf_counter() - begin) / 5 * 1e3)
    times = edit(model, 0.0)
    used = torch.cuda.max_memory_allocated() / 1e9
    print("| PyTorch %s bf16, released loop | %.1f | %.1f | - | %.1f | - | %.2f | - | %.1f |" %
          (torch.__version__, used, rates[0], rates[1], sum(times), 1e3 * statistics.median(times)), flush=True)
    same, words = compare(model, folder)
    with open(os.path.join(folder, "words"), "w") as f:
        print(words, file=f)
    sys.exit(0 if same else 1)
