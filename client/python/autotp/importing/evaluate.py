"""Values of a graph that depend on no input and no parameter."""
import torch
from torch.export.graph_signature import InputKind

from autotp.importing.capture import BFLOAT16_BY_NAME, COMPUTE_DTYPE
from autotp.importing.random_numbers import is_random


def _on_cpu(value):
    """The same argument for a run on the CPU, in fp32."""
    if isinstance(value, torch.device):
        return torch.device("cpu")
    if value is COMPUTE_DTYPE:
        return torch.float32
    if value is BFLOAT16_BY_NAME:
        return torch.bfloat16
    if isinstance(value, (list, tuple)):
        return type(value)(_on_cpu(v) for v in value)
    return value


class Constants:
    """`value(node)`: the tensor of a node that is constant, else None."""

    def __init__(self, captured):
        self.values = {}
        program = captured.program
        kinds = {s.arg.name: s for s in program.graph_signature.input_specs
                 if hasattr(s.arg, "name")}
        for node in program.graph.nodes:
            if node.op == "placeholder":
                spec = kinds.get(node.name)
                if spec is not None and spec.kind in (
                        InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
                    tensor = captured.constants.get(spec.target)
                    if tensor is not None:
                        self.values[node] = _widened(tensor)
            elif node.op == "call_function":
                self._run(node)

    def _run(self, node):
        if is_random(node.target):
            return
        if any(n not in self.values for n in node.all_input_nodes):
            return
        if "_assert" in str(node.target):
            return
        take = lambda n: self.values[n]
        args = _on_cpu(torch.fx.node.map_arg(node.args, take))
        kwargs = {k: _on_cpu(torch.fx.node.map_arg(v, take))
                  for k, v in node.kwargs.items()}
        try:
            with torch.no_grad():
                self.values[node] = node.target(*args, **kwargs)
        except (RuntimeError, TypeError, NotImplementedError):
            return  # it stays an operation of the program

    def value(self, node):
        found = self.values.get(node)
        return found if isinstance(found, torch.Tensor) else None


def _widened(tensor):
    return tensor.float() if tensor.dtype is COMPUTE_DTYPE else tensor
