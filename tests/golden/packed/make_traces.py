#!/usr/bin/env python3
"""Traces of packed documents: what Transformers and PyTorch compute for the
models of tests/golden/models with explicit position_ids, a block-diagonal mask
and labels that leave each document's first token out.

    make_traces.py llama gpt2      # needs torch and transformers

Step s takes sequences [s*B, (s+1)*B) of the token file; a step's loss is the
mean of its micro-batch losses; AdamW and the rates are those of the case's own
ds_config.json and trace.
"""
import json
import pathlib
import sys

import numpy
import torch
import transformers

FOLDER = pathlib.Path(__file__).parent
MODELS = FOLDER.parent / "models"
SEPARATOR = 11
LENGTH = 32
MICRO = 2


def positions_of(tokens):
    positions = []
    at = 0
    for token in tokens:
        positions.append(at)
        at = 0 if token == SEPARATOR else at + 1
    return positions


def loss_of(model, tokens):
    positions = torch.tensor([positions_of(row) for row in tokens.tolist()])
    starts = torch.arange(LENGTH) - positions  # of each token's document
    query = torch.arange(LENGTH)[:, None]
    key = torch.arange(LENGTH)[None, :]
    seen = (key <= query) & (key >= starts[:, :, None])
    mask = torch.zeros(seen.shape).masked_fill(
        ~seen, torch.finfo(torch.float32).min)[:, None]
    logits = model(input_ids=tokens, position_ids=positions,
                   attention_mask=mask, use_cache=False).logits.float()
    labels = tokens.masked_fill(positions == 0, -100)
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]),
        labels[:, 1:].reshape(-1), ignore_index=-100)


def trace(case):
    config = json.loads((MODELS / case / "ds_config.json").read_text())
    parameters = config["optimizer"]["params"]
    rates = [step["lr"] for step in json.loads(
        (MODELS / case / "trace.json").read_text())["steps"]]
    assert config["optimizer"]["type"] == "AdamW"
    batch = config["train_batch_size"]
    tokens = torch.tensor(numpy.fromfile(
        MODELS / "data" / "tokens_v256.bin", dtype="<u2").astype("int64"))
    sequences = tokens.reshape(-1, LENGTH)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        MODELS / case / "model", dtype=torch.float32,
        attn_implementation="eager").train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=parameters["lr"], betas=parameters["betas"],
        eps=parameters["eps"], weight_decay=parameters["weight_decay"])
    steps = []
    for step, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        losses = []
        count = batch // MICRO
        for micro in range(count):
            first = step * batch + micro * MICRO
            loss = loss_of(model, sequences[first:first + MICRO])
            (loss / count).backward()
            losses.append(loss.item())
        norm = torch.nn.utils.clip_grad_norm_(
            model.parameters(), config["gradient_clipping"]).item()
        optimizer.step()
        steps.append({"loss": sum(losses) / count, "grad_norm": norm,
                      "lr": rate})
    return {"case": case, "separator": SEPARATOR, "micro_batch": MICRO,
            "transformers": transformers.__version__,
            "torch": torch.__version__, "steps": steps}


for name in sys.argv[1:]:
    (FOLDER / f"{name}.json").write_text(
        json.dumps(trace(name), indent=1) + "\n")
