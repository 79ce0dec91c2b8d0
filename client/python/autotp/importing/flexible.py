"""One program for any micro-batch and a range of sequence lengths.

Two exports of one model, of other sizes, differ in sizes alone. A size that
differs is c B T, c T, c B or T + c; which one, the two tell. Where they don't,
or where the exports differ in more, the program is for its own sizes only.
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
        if one % at == 0 and one // at * other_at == other:
            return {name: one // at}
    if one - t == other - other_t and abs(one - t) <= _CLOSE:
        return {"T": 1, "1": one - t}
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
            for key in ("inputs", "loss", "parameters")}
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
    return {"inputs": same["inputs"], "values": values,
            "parameters": same["parameters"], "nodes": nodes,
            "loss": same["loss"]}


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
