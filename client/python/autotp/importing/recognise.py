"""Constant tensors as the few operations that make them again.

A mask, a row of positions or a rotary table that a forward computes from
nothing is a page of operations; what it holds is known by looking. Each
function here returns calls of the writer (program.py) or None.
"""
import torch

from autotp.importing import alibi

VERY_NEGATIVE = -1e30
_BASES = (10000.0, 500000.0, 1000000.0)  # of frequencies that none stores
_MOST_STORED = 1 << 16  # numbers of a constant that is kept as it is


def constant(writer, value, hints):
    """The id of a value that equals `value`, or None."""
    if value.dtype is torch.bool:
        return _mask(writer, value) or _uniform(writer, value)
    if value.dtype in (torch.int64, torch.int32):
        return _uniform(writer, value) or _positions(writer, value)
    if not value.is_floating_point():
        return None
    return (_uniform(writer, value) or _additive_mask(writer, value)
            or _rotary_table(writer, value, hints)
            or alibi.table(writer, value) or alibi.masked(writer, value))


def stored(writer, value, name):
    """The id of a value kept in a file; None where it is too large."""
    if value.numel() > _MOST_STORED:
        return None
    return writer.stored_constant(name, value)


def _collapsed(value):
    """The value without leading dimensions along which it repeats."""
    while value.dim() > 2 and bool((value == value[:1]).all()):
        value = value[0]
    return value


def spread(writer, made, from_shape, shape):
    """`made`, with leading dimensions added."""
    lead = [1] * (len(shape) - len(from_shape))
    if lead:
        made = writer.call("aten.reshape.default", [made], list(lead) +
                           list(from_shape), shape=list(lead) +
                           list(from_shape))
    if list(lead) + list(from_shape) != list(shape):
        made = writer.call("aten.expand.default", [made], list(shape),
                           size=list(shape))
    return made


def band(mask):
    """Of a [T, T] mask that lets a query see the `before` tokens before it and
    the `after` tokens behind it: (before, after); None is all of them. Of any
    other mask, and of one that hides nothing: None."""
    rows, columns = mask.shape
    if rows != columns or rows < 2:
        return None
    before, after = int(mask[:, 0].sum()) - 1, int(mask[0].sum()) - 1
    if before < 0 or after < 0 or before + after == 2 * (rows - 1):
        return None
    made = torch.ones_like(mask).tril(after).triu(-before)
    if not torch.equal(mask, made):
        return None
    return (None if before == rows - 1 else before,
            None if after == rows - 1 else after)


def write_band(writer, found, size):
    before, after = found
    shape = [size, size]
    made = writer.call("aten.ones.default", [], shape, "bool", size=shape,
                       dtype="bool")
    if after is not None:
        diagonal = {"diagonal": after} if after else {}
        made = writer.call("aten.tril.default", [made], shape, "bool",
                           **diagonal)
    if before is not None:
        made = writer.call("aten.triu.default", [made], shape, "bool",
                           diagonal=-before)
    return made


def _mask(writer, value):
    small = _collapsed(value)
    if small.dim() != 2:
        return None
    found = band(small)
    if found is None:
        return None
    made = write_band(writer, found, small.shape[0])
    return spread(writer, made, small.shape, value.shape)


def _additive_mask(writer, value):
    small = _collapsed(value)
    if small.dim() != 2:
        return None
    open_, closed = small == 0, small <= VERY_NEGATIVE
    if not bool((open_ | closed).all()):
        return None
    found = band(open_)
    if found is None:
        return None
    made = write_band(writer, found, small.shape[0])
    shape = list(small.shape)
    zeros = writer.call("aten.zeros.default", [], shape, "float", size=shape)
    lowest = writer.call("aten.full.default", [], [], "float", size=[],
                         fill_value=float(small.min()))
    made = writer.call("aten.where.self", [made, zeros, lowest], shape,
                       "float")
    return spread(writer, made, shape, value.shape)


def _uniform(writer, value):
    if value.numel() == 0:
        return None
    first = value.flatten()[0]
    if not bool((value == first).all()):
        return None
    fill = first.item()
    shape = list(value.shape)
    kind = writer.kind_of(value.dtype)
    return writer.call("aten.full.default", [], shape, kind, size=shape,
                       fill_value=fill, dtype=writer.dtype_of(value.dtype))


def _positions(writer, value):
    if value.numel() < 2:
        return None
    if value.shape[-1] == 1:  # along another dimension than the last
        flat = value.squeeze()
        made = _positions(writer, flat) if flat.dim() == 1 else None
        return made if made is None else writer.call(
            "aten.reshape.default", [made], list(value.shape),
            shape=list(value.shape))
    small = value
    while small.dim() > 1 and bool((small == small[:1]).all()):
        small = small[0]
    if small.dim() != 1:
        return None
    begin, end = int(small[0]), int(small[-1]) + 1
    if end - begin != len(small) or not torch.equal(
            small, torch.arange(begin, end)):
        return None
    made = writer.call("aten.arange.start", [], [end - begin], "index",
                       start=begin, end=end, dtype="int64")
    return spread(writer, made, small.shape, value.shape)


def _rotary_table(writer, value, hints):
    small = _collapsed(value)
    small = small.reshape([d for d in small.shape if d != 1])
    while small.dim() > 2 and bool((small == small[:1]).all()):
        small = small[0]
    if small.dim() != 2 or small.shape[0] < 2 or small.shape[1] < 2:
        return None
    length, width = small.shape
    half = width // 2
    if width % 2 == 0 and torch.equal(small[:, :half], small[:, half:]):
        count, layout = half, "twice"
    elif width % 2 == 0 and torch.equal(small[:, ::2], small[:, 1::2]):
        count, layout = half, "neighbours"
    else:
        count, layout = width, "once"
    angles = {"twice": small[:, :count], "neighbours": small[:, ::2],
              "once": small}[layout].double()
    scale, kind = float(angles[0, 0]), "cos"
    if not bool(((angles[0] - scale).abs() < 1e-6).all()):
        return None
    if abs(scale) < 1e-12:
        kind, scale = "sin", 1.0
    for frequencies, scale in _candidates(angles, kind, scale, hints):
        table = torch.outer(torch.arange(length).double(), frequencies)
        table = (table.cos() if kind == "cos" else table.sin()) * scale
        # fp32 rounds the angle itself: up to half a unit of `length`
        if bool(((table - angles).abs() < 1e-6 + 1e-7 * length).all()):
            break
    else:
        return None
    tables = writer.rotary_table(frequencies.tolist(), length, scale)
    made = tables[0 if kind == "cos" else 1]
    shape = [length, width]
    if layout != "twice":
        made = writer.call("aten.slice.Tensor", [made], [length, count],
                           "float32", dim=1, start=0, end=count)
    if layout == "neighbours":
        made = writer.call("aten.repeat_interleave.self_int", [made], shape,
                           "float32", repeats=2, dim=1)
    ones = [d if d in (length, width) else 1 for d in value.shape]
    if len([d for d in ones if d != 1]) != 2 or ones[-1] != width:
        return None
    made = writer.call("aten.reshape.default", [made], ones, shape=ones)
    return spread(writer, made, ones, value.shape)


def _candidates(angles, kind, scale, hints):
    """Frequencies that may have made a table, with its scale."""
    count = angles.shape[1]
    for hint in hints:
        if hint.is_floating_point() and hint.numel() == count:
            flat = hint.flatten().double()
            if kind == "cos":
                yield flat, scale
            else:
                # the scale of a sine: that of the largest angle's row
                sines = torch.outer(
                    torch.arange(len(angles)).double(), flat).sin()
                at = int(sines.abs().flatten().argmax())
                yield flat, float(
                    (angles.flatten()[at] / sines.flatten()[at]).float())
    exponents = torch.arange(count).double() / count
    for base in _BASES:
        yield base ** -exponents, scale
