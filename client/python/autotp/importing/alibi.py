"""Attention with linear biases: a slope for each head, times the position."""
import math

import torch

from autotp.importing import recognise


def table(writer, value):
    """A call that makes `value`, [.., H, T] or [.., 1, T], heads in turn."""
    length = value.shape[-1]
    rows = value.reshape(-1, length)
    if value.dim() < 2 or length < 3 or bool((rows[:, 0] != 0).any()):
        return None
    heads = _period(rows)
    made = _table(writer, rows[:heads].double())
    if made is None:
        return None
    shape = list(value.shape)
    batch = len(rows) // heads
    if batch > 1:
        made = writer.call("aten.reshape.default", [made], [1, heads, length],
                           shape=[1, heads, length])
        made = writer.call("aten.expand.default", [made],
                           [batch, heads, length], size=[batch, heads, length])
    return writer.call("aten.reshape.default", [made], shape, shape=shape)


def masked(writer, value):
    """The same of [.., H, T, T] where what comes later is very small."""
    small = value
    while small.dim() > 3 and bool((small == small[:1]).all()):
        small = small[0]
    if small.dim() != 3 or small.shape[-1] != small.shape[-2]:
        return None
    seen = small > recognise.VERY_NEGATIVE
    if not bool((seen == seen[:1]).all()) or \
            recognise.band(seen[0]) != (None, 0):
        return None
    biases, lowest = small[:, -1, :], float(small.min())
    if not torch.equal(small, torch.where(seen, biases[:, None, :], lowest)):
        return None
    made = table(writer, biases)
    if made is None:
        return None
    heads, length = biases.shape
    causal = recognise.write_band(writer, (None, 0), length)
    made = writer.call("aten.reshape.default", [made], [heads, 1, length],
                       shape=[heads, 1, length])
    number = writer.call("aten.full.default", [], [], "float", size=[],
                         fill_value=lowest)
    made = writer.call("aten.where.self", [causal, made, number],
                       list(small.shape), "float")
    return recognise.spread(writer, made, list(small.shape),
                            list(value.shape))


def _period(rows):
    for heads in range(1, len(rows) + 1):
        if len(rows) % heads == 0 and torch.equal(
                rows, rows[:heads].repeat(len(rows) // heads, 1)):
            return heads


def _table(writer, rows):
    heads, length = rows.shape
    positions = torch.arange(length)
    if not bool((rows[:, 1] != 0).all()):
        return None
    usual = _usual_slopes(heads)
    # Short tables look the same either way.
    rounds = writer.captured.rounds
    for slopes, rounded in ((usual, rounds), (usual, not rounds),
                            (rows[:, 1], False)):
        if rounded:  # in bfloat16
            made = slopes.bfloat16()[:, None] * positions
        else:
            made = slopes.float()[:, None] * positions
        made = made.double()
        scale = float(rows[0, 1] / made[0, 1])
        if bool(((made * scale - rows).abs() <= 1e-6 * rows.abs()).all()):
            return writer.alibi_table(slopes.tolist(), length,
                                      _root(scale), rounded)
    return None


def _root(scale):
    """1 / sqrt(n) exactly, if it is that; an fp32 number tells so much."""
    width = round(scale ** -2) if scale > 0 else 0
    exact = 1 / math.sqrt(width) if width else scale
    return exact if abs(exact - scale) <= 1e-6 * abs(scale) else scale


def _usual_slopes(heads):
    """Powers of a base; heads beyond a power of two take odd ones of the
    next base."""
    below = 2 ** int(math.log2(heads))
    powers = [(below, torch.arange(1, below + 1)),
              (2 * below, torch.arange(1, 2 * (heads - below) + 1, 2))]
    return torch.cat([
        torch.tensor(2 ** (-8 / count), dtype=torch.float32) ** exponents
        for count, exponents in powers]).double()
