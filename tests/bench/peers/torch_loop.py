"""A plain PyTorch training loop of a llama, as a peer to measure against.

SDPA attention, fused AdamW, clipping by the global norm, fp32: what a careful
user writes. Prints one JSON object: the seconds of every step, the losses, and
the process's peak memory.

    torch_loop.py CONFIG.json TOKENS.bin --steps N --micro-batch B --sequence T
"""

import argparse
import json
import resource
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, self.head = c["hidden_size"], c["head_dim"]
        self.q_width = c["num_attention_heads"] * self.head
        self.kv_width = c["num_key_value_heads"] * self.head
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.q_proj = linear(width, self.q_width)
        self.k_proj = linear(width, self.kv_width)
        self.v_proj = linear(width, self.kv_width)
        self.o_proj = linear(self.q_width, width)
        self.gate_proj = linear(width, c["intermediate_size"])
        self.up_proj = linear(width, c["intermediate_size"])
        self.down_proj = linear(c["intermediate_size"], width)
        self.input_norm = Norm(width, c["rms_norm_eps"])
        self.mlp_norm = Norm(width, c["rms_norm_eps"])

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        heads = lambda y: y.view(b, t, -1, self.head).transpose(1, 2)
        y = self.input_norm(x)
        q = rotate(heads(self.q_proj(y)), cos, sin)
        k = rotate(heads(self.k_proj(y)), cos, sin)
        a = F.scaled_dot_product_attention(
            q, k, heads(self.v_proj(y)), is_causal=True, enable_gqa=True)
        x = x + self.o_proj(a.transpose(1, 2).reshape(b, t, -1))
        y = self.mlp_norm(x)
        return x + self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y))


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.blocks = nn.ModuleList(
            Block(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)
        exponents = torch.arange(0, c["head_dim"], 2) / c["head_dim"]
        self.inv_freq = 1.0 / c["rope_parameters"]["rope_theta"] ** exponents

    def forward(self, ids):
        angles = torch.outer(torch.arange(ids.shape[1]), self.inv_freq)
        angles = torch.cat((angles, angles), dim=-1)
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, angles.cos(), angles.sin())
        logits = self.head(self.norm(x))
        return F.cross_entropy(
            logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("tokens")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--micro-batch", type=int, required=True)
    parser.add_argument("--sequence", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    with open(a.config) as file:
        config = json.load(file)
    model = Llama(config)
    for p in model.parameters():
        if p.dim() > 1:
            nn.init.normal_(p, std=config["initializer_range"])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    tokens = torch.from_numpy(
        numpy.fromfile(a.tokens, numpy.uint16).astype(numpy.int64))
    tokens = tokens[: len(tokens) // a.sequence * a.sequence]
    tokens = tokens.view(-1, a.sequence)

    seconds, losses = [], []
    for step in range(a.steps):
        start = time.perf_counter()
        first = step * a.micro_batch % (len(tokens) - a.micro_batch + 1)
        loss = model(tokens[first : first + a.micro_batch])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(
        {"step_seconds": seconds, "losses": losses, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
