"""What an exported graph says of gradients: nothing, so it is put there.

Regions without gradients (torch.no_grad) are sub-graphs, whose results are
detached before they become part of the graph. A torch.autograd.Function has
a backward of its own, which no graph has: it has to be the forward's gradient.
"""
import contextlib

import torch

from autotp.importing.errors import ImportFailure

_TOLERANCE = 1e-4
_MOST_COMPARED = 1 << 22  # numbers of an argument


def detach_regions(module):
    """Detaches, in a graph module, what its regions without gradients make."""
    for node in list(module.graph.nodes):
        if node.op != "call_function":
            continue
        regions = [a for a in node.args if isinstance(a, torch.fx.Node)
                   and a.op == "get_attr"
                   and isinstance(_attribute(module, a.target),
                                  torch.fx.GraphModule)]
        name = getattr(node.target, "__name__", str(node.target))
        for region in regions:
            inner = _attribute(module, region.target)
            detach_regions(inner)
            if name == "wrap_with_set_grad_enabled" and node.args[0] is False:
                _detach_results(inner)


def _attribute(module, target):
    for part in target.split("."):
        module = getattr(module, part)
    return module


def _detach_results(module):
    output = next(n for n in module.graph.nodes if n.op == "output")

    def detached(node):
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor) or not (
                value.is_floating_point() or value.is_complex()):
            return node
        with module.graph.inserting_before(output):
            made = module.graph.call_function(
                torch.ops.aten.detach.default, (node,))
        made.meta.update(node.meta)
        return made

    output.args = torch.fx.node.map_arg(output.args, detached)
    module.recompile()


@contextlib.contextmanager
def noting_functions(calls, line_of):
    """Notes which torch.autograd.Function is called: class -> (arguments,
    line)."""
    apply = torch.autograd.Function.__dict__["apply"]

    def noting(function, *args, **kwargs):
        calls.setdefault(function, (args, line_of()))
        return apply.__func__(function, *args, **kwargs)

    torch.autograd.Function.apply = classmethod(noting)
    try:
        yield
    finally:
        torch.autograd.Function.apply = apply


def compare_functions(calls, warn):
    """Is each one's backward the gradient of its forward? What can't be told
    is a warning."""
    for function, (args, line) in calls.items():
        where = f"\n  at {line}" if line else ""
        try:
            same = _agrees(function, args)
        except Exception as error:  # a user's function, of random numbers
            warn(f"the backward of {function.__name__} can't be compared with "
                 f"the gradient of its forward ({error}); it is trained with "
                 f"the latter{where}")
            continue
        if not same:
            raise ImportFailure(
                f"{function.__name__} has a backward that is not the gradient "
                "of its forward, and an exported graph has only the latter"
                f"{where}\n  write it with operations and detach(): for "
                "example x + (f(x) - x).detach() for a straight-through "
                "gradient")


class _Context:
    """For a forward that runs as any other function."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def _example(argument):
    if not isinstance(argument, torch.Tensor):
        return argument
    if argument.numel() > _MOST_COMPARED:
        raise ValueError("its arguments are too large")
    shape = tuple(int(d) for d in argument.shape)
    if not argument.is_floating_point():
        return torch.zeros(shape, dtype=argument.dtype)
    return torch.randn(shape).requires_grad_(argument.requires_grad)


def _agrees(function, args):
    def gradients(call):
        torch.manual_seed(0)
        made = [_example(a) for a in args]
        inputs = [a for a in made if isinstance(a, torch.Tensor)
                  and a.requires_grad]
        if not inputs:
            return []
        results = torch.utils._pytree.tree_leaves(call(made))
        results = [r for r in results if isinstance(r, torch.Tensor)
                   and r.requires_grad]
        if not results:
            return [torch.zeros_like(i) for i in inputs]
        total = sum((r * torch.randn_like(r)).sum() for r in results)
        if not bool(total.isfinite()):
            raise ValueError("its results are not finite")
        return torch.autograd.grad(total, inputs, allow_unused=True,
                                   materialize_grads=True)

    if function.setup_context is torch.autograd.function._SingleLevelFunction \
            .setup_context:
        forward = lambda made: function.forward(_Context(), *made)
    else:
        forward = lambda made: function.forward(*made)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        own = gradients(lambda made: function.apply(*made))
        plain = gradients(forward)
    return all(float((a - b).norm()) <= _TOLERANCE * (1 + float(b.norm()))
               for a, b in zip(own, plain))
