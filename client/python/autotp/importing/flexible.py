"""One program for any micro-batch and a range of sequence lengths.

Two exports of one model, of other sizes, differ in sizes alone. A size that
differs is c B T, c T, c B, T + c or B (T + c); which one, the two tell. Where
they don't, or where the exports differ in more, the program is for its own
sizes only.
"""

_CLOSE = 8  # T + c


class Differs(Exception):
    """The two programs are not of one form."""


def _fit(one, other, sizes, other_sizes):
    """An integer that both are, as B and T say."""
    if one == other:
        return one
    (b, t), (other_b, other_t) = sizes, other_sizes
    for name, at, other_at in (("BT", b * t, other_b * other_t),
                               ("T", t, other_t), ("B", b, other_b)):
        if at and one % at == 0 and one // at * other_at == other:
            return {name: one // at}
    if t and one - t == other - other_t and abs(one - t) <= _CLOSE:
        return {"T": 1, "1": one - t}
    if t and one % b == 0 and other % other_b == 0:
        more = one // b - t
        if more == other // other_b - other_t and abs(more) <= _CLOSE:
            return {"BT": 1, "B": more}
    raise Differs(f"{one} and {other}")


def _merge(one, other, sizes, other_sizes, fits):
    if type(one) is not type(other):
        raise Differs(f"{one} and {other}")
    if isinstance(one, int) and not isinstance(one, bool) and fits:
        return _fit(one, other, sizes, other_sizes)
    if isinstance(one, float) and one != other and fits and \
            one.is_integer() and other.is_integer():  # a count of tokens
        return _fit(int(one), int(other), sizes, other_sizes)
    if isinstance(one, list):
        if len(one) != len(other):
            raise Differs("lists of other lengths")
        return [_merge(a, b, sizes, other_sizes, fits)
                for a, b in zip(one, other)]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            raise Differs("other members")
        return {k: _merge(v, other[k], sizes, other_sizes,
                          fits and k != "tensors") for k, v in one.items()}
    if one != other:
        raise Differs(f"{one} and {other}")
    return one


def merge(one, other, sizes, other_sizes):
    """The body of both programs, or Differs."""
    same = {key: _merge(one[key], other[key], sizes, other_sizes, False)
            for key in ("inputs", "loss")}
    if len(one["values"]) != len(other["values"]):
        raise Differs("other numbers of values")
    values = []
    for (name, shape, kind), (_, other_shape, other_kind) in zip(
            one["values"], other["values"]):
        if kind != other_kind:
            raise Differs(f"{name} is of another kind")
        values.append([name, _merge(shape, other_shape, sizes, other_sizes,
                                    True), kind])
    if len(one["nodes"]) != len(other["nodes"]):
        raise Differs("other numbers of operations")
    nodes = []
    for a, b in zip(one["nodes"], other["nodes"]):
        if any(a[k] != b[k] for k in ("op", "in", "out", "scope")):
            raise Differs(f"{a['op']} in {a['scope']}")
        nodes.append(dict(a, attrs=_merge(a["attrs"], b["attrs"], sizes,
                                          other_sizes, True)))
    if len(one["parameters"]) != len(other["parameters"]):
        raise Differs("other numbers of parameters")
    parameters, beginnings = [], []
    for a, b in zip(one["parameters"], other["parameters"]):
        if a.get("stored") and a["shape"] != b["shape"]:
            a, pieces = _beginning(a, values)
            b = dict(b, shape=a["shape"], value=a["value"])
            beginnings += pieces
        parameters.append(_merge(a, b, sizes, other_sizes, False))
    return {"inputs": same["inputs"], "values": values,
            "parameters": parameters, "nodes": beginnings + nodes,
            "loss": same["loss"]}


def _beginning(parameter, values):
    """A constant for the longest sequences, of which shorter ones need the
    beginning: the parameter under a new value, and the slices that make the
    old one of it."""
    old = parameter["value"]
    name, wanted, kind = values[old]
    shape = list(parameter["shape"])
    values.append([name, list(shape), kind])
    at, nodes = len(values) - 1, []
    made = dict(parameter, value=at)
    cut = [d for d, size in enumerate(wanted) if size != shape[d]]
    for d in cut:
        shape[d] = wanted[d]
        if d == cut[-1]:
            out = old
        else:
            values.append([name, list(shape), kind])
            out = len(values) - 1
        nodes.append({"op": "aten.slice.Tensor", "in": [at], "out": [out],
                      "scope": "", "attrs": {"dim": d, "start": 0,
                                             "end": wanted[d],
                                             "tensors": [1]}})
        at = out
    return made, nodes


def compare_constants(longest, shorter):
    """Differs, where those for shorter sequences are no beginnings."""
    if longest.keys() != shorter.keys():
        raise Differs("the constants")
    for name, tensor in longest.items():
        other = shorter[name]
        if tensor.dim() != other.dim():
            raise Differs(f"the constant {name}")
        for d, size in enumerate(other.shape):
            tensor = tensor.narrow(d, 0, min(size, tensor.shape[d]))
        if tensor.shape != other.shape or not bool((tensor == other).all()):
            raise Differs(f"the constant {name}")


def resolve(value, batch, tokens):
    """The program for given sizes."""
    if isinstance(value, dict):
        if value and value.keys() <= {"B", "T", "BT", "1"}:
            return (value.get("B", 0) * batch + value.get("T", 0) * tokens
                    + value.get("BT", 0) * batch * tokens + value.get("1", 0))
        return {k: resolve(v, batch, tokens) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(v, batch, tokens) for v in value]
    return value
