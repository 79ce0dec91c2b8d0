"""Complex values of a graph, as pairs of real ones.

Where the second factor of a product is constant and its result is seen as
reals, it is a rotary embedding of neighbouring channels, and written as such.
"""
import torch

from autotp.importing import recognise
from autotp.importing.errors import ImportFailure

_PARTS = ("real", "imag")
# The same of both parts.
_EACH = {
    "aten.view.default", "aten._unsafe_view.default", "aten.reshape.default",
    "aten.unsqueeze.default", "aten.squeeze.default", "aten.squeeze.dim",
    "aten.squeeze.dims", "aten.expand.default", "aten.transpose.int",
    "aten.permute.default", "aten.slice.Tensor", "aten.select.int",
    "aten.clone.default", "aten.alias.default", "aten.detach.default",
    "aten.contiguous.default", "aten._to_copy.default", "aten.cat.default",
    "aten.neg.default", "aten.index_select.default", "aten.index.Tensor",
    "aten.embedding.default", "aten.sum.dim_IntList", "aten.mean.dim"}


def is_complex(node):
    value = node.meta.get("val") if hasattr(node, "meta") else None
    one = value[0] if isinstance(value, (list, tuple)) and value else value
    return isinstance(one, torch.Tensor) and one.is_complex()


class Pairs:
    """Writes the nodes that make complex values, or reals of them."""

    def __init__(self, translator):
        self.translator, self.writer = translator, translator.writer
        self.ids = {}  # node -> (id of the real part, of the imaginary one)

    def emit(self, node):
        """Has `node` to do with complex values? Reals of them are written at
        once, what is complex when something needs it."""
        if is_complex(node):
            return True
        if not any(is_complex(n) for n in node.all_input_nodes):
            return False
        self._write(node)
        return True

    def _write(self, node):
        name = str(node.target)
        write = getattr(self, "_" + name.replace(".", "_"), None)
        self.writer.scope = self.translator.scope(node)
        if name in _EACH and is_complex(node):
            self.ids[node] = tuple(self.translator.call(node, part)[0]
                                   for part in (0, 1))
        elif write is None:
            raise ImportFailure(
                f"{name} of complex values is not supported" +
                self.translator.place(node) + "; write it with real numbers")
        else:
            write(node)

    def part(self, node, index):
        """The id of a part of a complex node."""
        if node not in self.ids:
            value = self.translator.constants.value(node)
            if value is not None:
                self.ids[node] = tuple(
                    self._constant(node, f"{node.name}.{name}",
                                   getattr(value, name)) for name in _PARTS)
            elif node.op == "call_function":
                self._write(node)
            else:
                raise ImportFailure(
                    f"{node} is complex: parameters and inputs have to be real")
        return self.ids[node][index]

    def _constant(self, node, name, value):
        hints = list(self.translator.captured.constants.values())
        value = value.contiguous().float()
        made = recognise.constant(self.writer, value, hints)
        if made is None:
            made = recognise.stored(self.writer, value, f"constant.{name}")
        if made is None:
            raise ImportFailure(
                f"a complex constant of {value.numel()} numbers is too large" +
                self.translator.place(node))
        return made

    # Arithmetic, on ids.

    def _call(self, name, ids, shape, /, **attributes):
        return self.writer.call(name, ids, list(shape), "float32",
                                **attributes)

    def _shape(self, node):
        return list(node.meta["val"].shape)

    def _both(self, operand):
        """Parts of an operand that may be real, or a number."""
        if isinstance(operand, torch.fx.Node) and is_complex(operand):
            return self.part(operand, 0), self.part(operand, 1)
        if isinstance(operand, torch.fx.Node):
            return self.translator.input(operand), None
        return operand.real, getattr(operand, "imag", 0) or None

    def _product(self, a, b, shape):
        """Of parts that may be numbers; None is zero."""
        if a is None or b is None:
            return None
        if isinstance(b, _Id) and isinstance(a, _Id):
            return _Id(self._call("aten.mul.Tensor", [a.id, b.id], shape))
        number, value = (a, b) if isinstance(b, _Id) else (b, a)
        return _Id(self._call("aten.mul.Scalar", [value.id], shape,
                              other=float(number)))

    def _sum(self, a, b, shape, sign=1):
        if b is None:
            return a
        if a is None:
            return b if sign == 1 else _Id(
                self._call("aten.neg.default", [b.id], shape))
        if isinstance(b, _Id) and isinstance(a, _Id):
            name = "aten.add.Tensor" if sign == 1 else "aten.sub.Tensor"
            return _Id(self._call(name, [a.id, b.id], shape))
        if isinstance(a, _Id):
            return _Id(self._call("aten.add.Scalar", [a.id], shape,
                                  other=sign * float(b)))
        turned = b if sign == 1 else _Id(
            self._call("aten.neg.default", [b.id], shape))
        return _Id(self._call("aten.add.Scalar", [turned.id], shape,
                              other=float(a)))

    def _operands(self, node):
        shape = self._shape(node)
        return [_wrapped(self._both(a), a) for a in node.args[:2]], shape

    def _keep(self, node, real, imag, shape):
        zero = None
        if real is None or imag is None:
            zero = self._call("aten.zeros.default", [], shape, size=shape,
                              dtype="float32")
        self.ids[node] = (zero if real is None else real.id,
                          zero if imag is None else imag.id)

    def _aten_mul_Tensor(self, node):
        (a, b), shape = self._operands(node)
        real = self._sum(self._product(a[0], b[0], shape),
                         self._product(a[1], b[1], shape), shape, -1)
        imag = self._sum(self._product(a[0], b[1], shape),
                         self._product(a[1], b[0], shape), shape)
        self._keep(node, real, imag, shape)

    _aten_mul_Scalar = _aten_mul_Tensor

    def _aten_add_Tensor(self, node, sign=1):
        if node.kwargs.get("alpha", 1) != 1:
            raise ImportFailure("a sum of complex values with alpha" +
                                self.translator.place(node))
        (a, b), shape = self._operands(node)
        self._keep(node, self._sum(a[0], b[0], shape, sign),
                   self._sum(a[1], b[1], shape, sign), shape)

    def _aten_sub_Tensor(self, node):
        self._aten_add_Tensor(node, -1)

    def _aten__conj_default(self, node):
        real, imag = (self.part(node.args[0], i) for i in (0, 1))
        shape = self._shape(node)
        self.ids[node] = (real, self._call("aten.neg.default", [imag], shape))

    _aten__conj_physical_default = _aten__conj_default
    _aten_conj_physical_default = _aten__conj_default

    def _aten_resolve_conj_default(self, node):
        self.ids[node] = tuple(self.part(node.args[0], i) for i in (0, 1))

    def _aten_polar_default(self, node):
        length, angle = map(self.translator.input, node.args)
        shape = self._shape(node)
        self.ids[node] = tuple(
            self._call("aten.mul.Tensor", [
                length, self._call(f"aten.{f}.default", [angle], shape)], shape)
            for f in ("cos", "sin"))

    def _aten_complex_default(self, node):
        self.ids[node] = tuple(map(self.translator.input, node.args))

    def _aten_view_as_complex_default(self, node):
        shape, source = self._shape(node), self.translator.input(node.args[0])
        self.ids[node] = tuple(
            self._call("aten.select.int", [source], shape, dim=-1, index=i)
            for i in (0, 1))

    # What is real again.

    def _aten_real_default(self, node):
        self.translator.ids[node] = self.part(node.args[0], 0)

    def _aten_imag_default(self, node):
        self.translator.ids[node] = self.part(node.args[0], 1)

    def _aten_abs_default(self, node):
        shape = self._shape(node)
        squares = [self._call("aten.pow.Tensor_Scalar", [
            self.part(node.args[0], i)], shape, exponent=2) for i in (0, 1)]
        self.translator.ids[node] = self._call("aten.sqrt.default", [
            self._call("aten.add.Tensor", squares, shape)], shape)

    def _aten_view_as_real_default(self, node):
        turned = self._rotary(node)
        if turned is None:
            shape = self._shape(node)
            turned = self.writer.value(node.name, shape, "float32")
            self.writer.node("aten.stack.default",
                             [self.part(node.args[0], i) for i in (0, 1)],
                             [turned], {"tensors": [2], "dim": -1})
        self.translator.ids[node] = turned

    def _rotary(self, node):
        """x turned by a table, where `node` sees such a product as reals."""
        product = node.args[0]
        if str(product.target) != "aten.mul.Tensor":
            return None
        factors = product.args[:2]
        for seen, table in (factors, factors[::-1]):
            if isinstance(table, torch.fx.Node) and isinstance(
                    seen, torch.fx.Node) and \
                    str(seen.target) == "aten.view_as_complex.default":
                turns = self.translator.constants.value(table)
                if turns is not None and turns.is_complex() and \
                        seen.meta["val"].shape == product.meta["val"].shape:
                    return self._turned(node, seen.args[0], table, turns)
        return None

    def _turned(self, node, source, table, turns):
        pairs = self._shape(node)
        shape = pairs[:-2] + [2 * pairs[-2]]
        half = shape[:-1] + [shape[-1] // 2]
        hints = list(self.translator.captured.constants.values())
        factors = []
        for name in _PARTS:
            both = getattr(turns, name).float().repeat_interleave(2, dim=-1)
            made = recognise.constant(self.writer, both.contiguous(), hints)
            if made is None:
                return None
            factors.append(made)
        x = self._call("aten.reshape.default", [self.translator.input(source)],
                       shape, shape=shape)
        second, first = (self._call(
            "aten.slice.Tensor", [x], half, dim=len(shape) - 1, start=i,
            end=shape[-1], step=2) for i in (1, 0))
        minus = self._call("aten.neg.default", [second], half)
        joined = self.writer.value("turned", pairs, "float32")
        self.writer.node("aten.stack.default", [minus, first], [joined],
                         {"tensors": [2], "dim": -1})
        joined = self._call("aten.reshape.default", [joined], shape,
                            shape=shape)
        made = self._call("aten.add.Tensor", [
            self._call("aten.mul.Tensor", [x, factors[0]], shape),
            self._call("aten.mul.Tensor", [joined, factors[1]], shape)], shape)
        return self._call("aten.reshape.default", [made], pairs, shape=pairs)


class _Id:
    """An id, told from a number."""

    def __init__(self, number):
        self.id = number


def _wrapped(parts, operand):
    if not isinstance(operand, torch.fx.Node):
        return parts
    return tuple(None if p is None else _Id(p) for p in parts)
