"""Random operations of a graph, as dropout: AutoTP draws its masks by counters,
so that all ranks draw alike and a resume draws the same again.

What can be written with masks is (bernoulli, dropout of whole channels, drop
path); of the rest the user is told where it stands and what to do.
"""
import operator

import torch

from autotp.importing.errors import ImportFailure

# Operations of the file as they are.
_OWN = ("aten.dropout.default", "aten.scaled_dot_product_attention.default")
_WAY_OUT = (
    "AutoTP draws masks (dropout, bernoulli of a number, rand compared with a "
    "number) and no other random numbers; pass these numbers in as an input "
    "of the module, or leave them out while training")


def is_random(target):
    return isinstance(target, torch._ops.OpOverload) and (
        torch.Tag.nondeterministic_seeded in target.tags
        or str(target) in _OWN)


class Masks:
    """Writes the nodes that draw; `taken` are those that it has written."""

    def __init__(self, translator):
        self.translator, self.writer = translator, translator.writer
        self.taken = {}  # what is made of a draw -> the probability of a one

    def emit(self, node):
        """Is `node` a draw, or made of one? Then it is written."""
        if node in self.taken:
            if self.taken[node] is not None:
                self._ones(node, self.taken[node])
            return True
        if not is_random(node.target) or not node.users:
            return False
        name = str(node.target)
        if name in _OWN:
            return False
        if name == "aten.native_dropout.default":
            self._native_dropout(node)
            return True
        if name == "aten.bernoulli.p":
            self._ones(node, node.args[1])
            return True
        if name == "aten.bernoulli.default":
            source = node.args[0]
            if isinstance(source, torch.fx.Node) and str(source.target) in (
                    "aten.full.default", "aten.full_like.default"):
                self._ones(node, source.args[1])
                return True
        if name in ("aten.rand.default", "aten.rand_like.default") and \
                self._take_comparisons(node):
            return True
        raise ImportFailure(
            f"{name} draws random numbers while training" +
            self.translator.place(node) + "\n  " + _WAY_OUT)

    def _ones(self, node, probability):
        """Ones with that probability, else zeros."""
        value = node.meta["val"]
        shape, kind = list(value.shape), self.writer.kind_of(value.dtype)
        dtype = self.writer.dtype_of(value.dtype)
        probability = float(probability)
        if not 0 <= probability <= 1:
            raise ImportFailure(f"{node.target} with a probability of "
                                f"{probability}" + self.translator.place(node))
        self.writer.scope = self.translator.scope(node)
        made = self.writer.call("aten.ones.default", [], shape, "float32",
                                size=shape, dtype="float32")
        made = self.dropped(made, 1 - probability)
        made = self.writer.call("aten.gt.Scalar", [made], shape, "bool",
                                other=0)
        if kind != "bool":
            made = self.writer.call("aten._to_copy.default", [made], shape,
                                    kind, dtype=dtype)
        self.translator.ids[node] = made

    def dropped(self, value, probability):
        shape = self.writer.values[value][1]
        return self.writer.call("aten.dropout.default", [value], shape,
                                p=float(probability), train=True)

    def _native_dropout(self, node):
        source, probability, train = node.args
        value = self.translator.input(source)
        if train is False:
            probability = 0.0
        self.writer.scope = self.translator.scope(node)
        mask = [u for u in node.users
                if u.target is operator.getitem and u.args[1] == 1 and u.users]
        if mask:
            raise ImportFailure(
                "the mask of aten.native_dropout is used" +
                self.translator.place(node) + "; use torch.bernoulli")
        self.translator.ids[node] = [self.dropped(value, probability), None]

    def _take_comparisons(self, node):
        """rand < p, and floor(p + rand): of these a mask is all that is seen."""
        found = {}
        for user in node.users:
            name = str(user.target)
            number = user.args[1] if len(user.args) > 1 else None
            if isinstance(number, (int, float)) and user.args[0] is node:
                if name in ("aten.lt.Scalar", "aten.le.Scalar"):
                    found[user] = min(max(number, 0), 1)
                    continue
                if name in ("aten.gt.Scalar", "aten.ge.Scalar"):
                    found[user] = 1 - min(max(number, 0), 1)
                    continue
            if name in ("aten.add.Tensor", "aten.add.Scalar"):
                numbers = [a for a in user.args if isinstance(a, (int, float))]
                ends = list(user.users)
                if len(numbers) == 1 and not user.kwargs and ends and all(
                        str(e.target) == "aten.floor.default" for e in ends):
                    found[user] = None
                    found.update({e: numbers[0] for e in ends})
                    continue
            return False
        if len([p for p in found.values() if p is not None]) != 1:
            return False  # two masks of one draw
        self.taken.update(found)
        return True
