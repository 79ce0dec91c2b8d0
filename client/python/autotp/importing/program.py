"""Writes a captured graph as AutoTP's program file: plain JSON.

Node by node (writer.py has the form). Constants that are recognised are
written anew; what nothing needs is left out.
"""
import json
import math
import operator

import torch
from torch.export.graph_signature import InputKind

from autotp.importing import experts, merged, recognise
from autotp.importing.capture import COMPUTE_DTYPE
from autotp.importing.complex_numbers import Pairs, is_complex
from autotp.importing.errors import ImportFailure
from autotp.importing.evaluate import Constants
from autotp.importing.random_numbers import Masks
from autotp.importing.writer import Writer

FORMAT = "autotp-program"
VERSION = 1

_DROPPED = {"device", "layout", "pin_memory", "memory_format"}
# Written where a number stands for a tensor.
_SCALAR_FORMS = {
    "aten.add.Tensor": "aten.add.Scalar",
    "aten.sub.Tensor": "aten.sub.Scalar",
    "aten.mul.Tensor": "aten.mul.Scalar",
    "aten.div.Tensor": "aten.div.Scalar",
}
_NO_NUMBERS = ("\n  a program has one shape for all data: keep numbers in "
               "tensors (masks, torch.where) instead of Python's")
_VIEWS = ("aten.view.default", "aten._unsafe_view.default")

class _Translator:
    def __init__(self, captured, input_names, writer):
        self.captured, self.writer = captured, writer
        self.input_names = input_names
        self.constants = Constants(captured)
        self.pairs, self.masks = Pairs(self), Masks(self)
        self.part = 0  # of complex values, while a node is written for both
        self.ids = {}  # fx node -> id, or list of ids
        self.by_name = {}  # parameter -> id
        program = captured.program
        self.specs = {s.arg.name: s
                      for s in program.graph_signature.input_specs
                      if hasattr(s.arg, "name")}

    def run(self, loss_index):
        graph = self.captured.program.graph
        for node in graph.nodes:
            if node.op == "placeholder":
                self.placeholder(node)
        for node in graph.nodes:
            if node.op == "call_function":
                self.function(node)
            elif node.op == "get_attr":
                raise ImportFailure(
                    f"the graph holds a sub-graph ({node.target}); control "
                    "flow is not supported")
            elif node.op == "output":
                outputs = list(node.args[0])
                if loss_index >= len(outputs) or not isinstance(
                        outputs[loss_index], torch.fx.Node):
                    raise ImportFailure(
                        "the module returns no loss; return it first, or "
                        "name it with --loss")
                loss = self.input(outputs[loss_index])
                if self.writer.values[loss][1] != []:
                    raise ImportFailure(
                        "the loss has shape "
                        f"{self.writer.values[loss][1]}; it has to be one "
                        "number: return its mean")
                self.writer.loss = loss

    def placeholder(self, node):
        spec = self.specs[node.name]
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor):
            return
        if spec.kind is InputKind.USER_INPUT:
            name = self.input_names.get(node.name, node.name)
            self.ids[node] = self.writer.value(
                name, value.shape, self.writer.kind_of(value.dtype))
            self.writer.inputs.append(self.ids[node])

    def name_of(self, node):
        target = self.specs[node.name].target
        return self.captured.names.get(target, target)

    def parameter(self, node):
        name = self.name_of(node)
        if name not in self.captured.shapes:
            raise ImportFailure(
                f"the forward makes a tensor ({name}) whose numbers are "
                "not known without memory; make it a buffer of the module")
        if name in self.captured.parts and name not in self.by_name:
            self.by_name[name] = merged.put_together(self, node)
        if name not in self.by_name:
            value = node.meta["val"]
            frozen = name not in self.captured.trained
            self.by_name[name] = self.writer.parameter(
                name, list(value.shape), self.writer.kind_of(value.dtype),
                frozen)
        return self.by_name[name]

    def input(self, node):
        """The id of what `node` makes; constants are written when needed."""
        if is_complex(node):
            return self.pairs.part(node, self.part)
        if node in self.ids:
            return self.ids[node]
        value = self.constants.value(node)
        if value is not None:
            value = value.to("cpu")
            if value.dtype is torch.bfloat16:
                value = value.float()
            hints = [v for v in self.captured.constants.values()]
            meta = node.meta.get("val")
            made = recognise.constant(self.writer, value, hints)
            if made is None and node.op == "placeholder":
                made = recognise.stored(self.writer, value,
                                        self.specs[node.name].target)
            if made is None and node.op != "placeholder":
                made = recognise.stored(self.writer, value,
                                        f"constant.{node.name}")
            if made is None:
                made = self.computed(node)
            elif meta is not None and meta.dtype is COMPUTE_DTYPE and \
                    self.writer.values[made][2] == "float32":
                made = self.writer.call("aten._to_copy.default", [made],
                                        list(value.shape), "float",
                                        dtype="float32")
            self.ids[node] = made
            return made
        if node.op == "placeholder":
            self.ids[node] = self.parameter(node)
            return self.ids[node]
        return self.emit(node)

    def function(self, node):
        if node in self.constants.values:
            return  # when something needs it
        if node.target is operator.getitem:
            self.ids[node] = self.ids[node.args[0]][node.args[1]]
            return
        if str(node.target) in ("aten._assert_tensor_metadata.default",
                                "aten._assert_scalar.default"):
            return
        if node.target is torch.ops.aten.copy.default:
            self.ids[node] = self.copied(node)
            return
        if node.target is experts.OPERATOR:
            self.ids[node] = self.experts(node)
            return
        if not self.masks.emit(node) and not self.pairs.emit(node):
            self.emit(node)

    def experts(self, node):
        inputs, attributes = experts.arguments(self, node)
        self.writer.scope = self.scope(node)
        value = node.meta["val"]
        made = self.writer.value(node.name, value.shape,
                                 self.writer.kind_of(value.dtype))
        self.writer.node("experts", inputs, [made], attributes)
        return made

    def copied(self, node):
        """What `copy` leaves: its source, in the form of its target."""
        value, source = node.meta["val"], self.input(node.args[1])
        shape, kind = list(value.shape), self.writer.kind_of(value.dtype)
        if self.writer.values[source][1] != shape:
            source = self.writer.call("aten.expand.default", [source], shape,
                                      size=shape)
        if self.writer.values[source][2] != kind:
            source = self.writer.call("aten._to_copy.default", [source], shape,
                                      kind, dtype=self.writer.dtype_of(
                                          value.dtype))
        return source

    def computed(self, node):
        """A constant that is not known by what it holds, nor stored."""
        if node.target is not operator.getitem:
            return self.emit(node)
        whole, place = node.args
        if whole not in self.ids:
            self.emit(whole)
        return self.ids[whole][place]

    def emit(self, node):
        made = self.call(node)
        many = isinstance(node.meta["val"], (list, tuple))
        self.ids[node] = made if many else made[0]
        return self.ids[node]

    def call(self, node, part=0):
        """The ids of what `node` makes; of that part, where it is complex."""
        if not isinstance(node.target, torch._ops.OpOverload) or \
                node.target.namespace != "aten":
            raise ImportFailure(
                f"the operation {node.target} is no ATen operation" +
                self.place(node) + "; write it with operations of PyTorch")
        writer, self.part = self.writer, part
        writer.scope = self.scope(node)
        operation, inputs, attributes = self.arguments(node)
        value = node.meta["val"]
        outputs = []
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if not isinstance(one, torch.Tensor):
                raise ImportFailure(
                    f"the result of {node.target} is a number that depends on "
                    "the data" + self.place(node) + _NO_NUMBERS)
            if any(not isinstance(d, int) for d in one.shape):
                raise ImportFailure(
                    f"the result of {node.target} has a size that depends on "
                    "the data" + self.place(node) + _NO_NUMBERS)
            dtype = torch.float32 if one.is_complex() else one.dtype
            outputs.append(writer.value(node.name, one.shape,
                                        writer.kind_of(dtype)))
        self.part = 0
        writer.node(operation, inputs, outputs, attributes)
        return outputs

    def arguments(self, node):
        schema = node.target._schema.arguments
        given = dict(zip((a.name for a in schema), node.args))
        given.update(node.kwargs)
        operation = str(node.target)
        inputs, attributes, tensors = [], {}, []
        numbers = {a.name for a in schema if "Tensor" in str(a.type)
                   and isinstance(given.get(a.name), (int, float))}
        if numbers == {"other"} and operation in _SCALAR_FORMS:
            operation, tensor_like = _SCALAR_FORMS[operation], set()
        else:
            tensor_like = numbers
        for argument in schema:
            name, kind = argument.name, str(argument.type)
            value = given.get(name, argument.default_value)
            if "Tensor" in kind and name not in numbers | tensor_like:
                if "List" in kind or isinstance(value, (list, tuple)):
                    ids = [-1 if v is None else self.input(v)
                           for v in value or []]
                else:
                    ids = [-1 if value is None else self.input(value)]
                inputs += ids
                tensors.append(len(ids))
            elif name in tensor_like:
                dtype = node.meta["val"].dtype
                inputs.append(self.writer.call(
                    "aten.full.default", [], [], self.writer.kind_of(dtype),
                    size=[], fill_value=value,
                    dtype=self.writer.dtype_of(dtype)))
                tensors.append(1)
            elif name not in _DROPPED and name in given and \
                    value != argument.default_value and value is not None:
                attributes[name] = self.attribute(value, kind)
        if operation in _VIEWS:  # memory is laid out as it comes
            operation = "aten.reshape.default"
            attributes["shape"] = attributes.pop("size")
        attributes["tensors"] = tensors
        return operation, inputs, attributes

    def attribute(self, value, kind):
        if isinstance(value, torch.dtype):
            return self.writer.dtype_of(
                torch.float32 if value.is_complex else value)
        if isinstance(value, (bool, str)):
            return value
        if isinstance(value, (list, tuple)):
            return [self.attribute(v, kind) for v in value]
        if isinstance(value, float) or kind == "float":
            value = float(value)
            return value if math.isfinite(value) else {"number": str(value)}
        if isinstance(value, int):
            return max(-(1 << 63), min(value, (1 << 63) - 1))
        raise ImportFailure(f"an argument {value!r} is not supported")

    @staticmethod
    def scope(node):
        """The path of the module that calls it."""
        stack = node.meta.get("nn_module_stack")
        if not stack:
            return ""
        path = list(stack.values())[-1][0]
        return path.removeprefix("L['self'].").removeprefix("L['self']")

    @staticmethod
    def place(node):
        """Module and line of a node, to end a message with."""
        lines = (node.meta.get("stack_trace") or "").strip().splitlines()
        files = [i for i, line in enumerate(lines) if "File" in line]
        scope = _Translator.scope(node)
        return (f", in {scope}" if scope else "") + (
            "\n  at " + ": ".join(l.strip() for l in lines[files[-1]:])
            if files else "")


def write_program(captured, input_names, loss_index=0, all_float=False):
    """The body of a program file, and the constants to store beside it."""
    writer = Writer(captured, all_float)
    _Translator(captured, input_names, writer).run(loss_index)
    _sweep(writer)
    body = {"inputs": writer.inputs, "values": writer.values,
            "parameters": writer.parameters, "nodes": writer.nodes,
            "loss": writer.loss}
    return body, writer.stored


def _sweep(writer):
    """Leaves out nodes and constants that the loss does not need."""
    needed = {writer.loss}
    kept = []
    for node in reversed(writer.nodes):
        if any(v in needed for v in node["out"]):
            kept.append(node)
            needed.update(v for v in node["in"] if v >= 0)
    writer.nodes = kept[::-1]
    unread = {p["name"] for p in writer.parameters
              if p.get("stored") and p["value"] not in needed}
    writer.parameters = [p for p in writer.parameters
                         if p["name"] not in unread]
    for name in unread:
        del writer.stored[name]


def to_json(document):
    return json.dumps(document, separators=(",", ":"), allow_nan=False)
