"""What torch.export made, as a functional graph of ATen operations.

`run_decompositions({})` makes it of any graph, by tracing all of it again,
which takes longer than the export itself. Most models change no tensor in
place: then some operations get another form, and nothing else is to be done.
"""
import operator

import torch

_ATEN = torch.ops.aten
_CHECKS = ("aten._assert_tensor_metadata.default", "aten._assert_scalar.default")


def functional(program):
    """The program itself, changed, or another one."""
    plan = _plan(program.graph)
    if plan is None:
        return program.run_decompositions({})
    for node, form in plan:
        form(program.graph, node)
    return program


def _plan(graph):
    """Nodes and what gives each its form; None where that is not enough."""
    try:
        from torch._export.utils import _is_cia_op, _is_preservable_cia_op
    except ImportError:
        return None
    plan = []
    for node in graph.nodes:
        if node.op == "get_attr":
            return None
        if node.op != "call_function" or node.target is operator.getitem or \
                str(node.target) in _CHECKS:
            continue
        target = node.target
        if not isinstance(target, torch._ops.OpOverload) or \
                target._schema.is_mutable:
            return None
        form = _FORMS.get(str(target))
        if form is not None and _has_numbers(node):
            plan.append((node, form))
        elif target.namespace != "aten" or (
                _is_cia_op(target) and not _is_preservable_cia_op(target)):
            return None
    return plan


def _has_numbers(node):
    """Are all sizes known, of its values and its sources?"""
    return all(isinstance(size, int)
               for n in [node, *node.all_input_nodes]
               for value in torch.utils._pytree.tree_leaves(n.meta.get("val"))
               if isinstance(value, torch.Tensor) for size in value.shape)


def _same(graph, node):
    node.replace_all_uses_with(node.args[0])
    graph.erase_node(node)


def _cast(graph, node):
    source, dtype = node.args[0], node.meta["val"].dtype
    if source.meta["val"].dtype == dtype:
        _same(graph, node)
    else:
        _call(node, _ATEN._to_copy.default, (source,), dtype=dtype)


def _dropout(graph, node):
    given = _given(node)
    if given["p"] == 0 or not given["train"]:
        _same(graph, node)


def _reshape(_, node):
    _call(node, _ATEN.reshape.default,
          (node.args[0], list(node.meta["val"].shape)))


def _reverse(_, node):
    dims = list(range(node.meta["val"].dim()))[::-1]
    _call(node, _ATEN.permute.default, (node.args[0], dims))


def _split(_, node):
    given = _given(node)
    source, dim = given["self"], given.get("dim", 0)
    size = -(-source.meta["val"].shape[dim] // given["chunks"])
    _call(node, _ATEN.split.Tensor, (source, size, dim))


def _given(node):
    names = (argument.name for argument in node.target._schema.arguments)
    return {**dict(zip(names, node.args)), **node.kwargs}


def _call(node, target, args, **kwargs):
    node.target, node.args, node.kwargs = target, args, kwargs


_FORMS = {
    "aten.to.dtype": _cast, "aten.to.dtype_layout": _cast,
    "aten.to.device": _cast, "aten.to.other": _cast,
    "aten.type_as.default": _cast, "aten.contiguous.default": _same,
    "aten.dropout.default": _dropout, "aten.reshape.default": _reshape,
    "aten.flatten.using_ints": _reshape, "aten.unflatten.int": _reshape,
    "aten.view_as.default": _reshape, "aten.reshape_as.default": _reshape,
    "aten.numpy_T.default": _reverse, "aten.chunk.default": _split,
}
