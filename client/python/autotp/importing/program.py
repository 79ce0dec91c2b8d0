"""Writes a captured graph as AutoTP's program file: plain JSON.

Values have ids; nodes name an operation as torch.export prints it, and give
tensor arguments as inputs, all others as attributes under the names of the
operation's schema (proto/autotp/v1/program.proto has the rules). Constants
that are recognised are written anew; what nothing needs is left out.
"""
import json
import math
import operator

import torch
from torch.export.graph_signature import InputKind

from autotp.importing import experts, merged, recognise
from autotp.importing.capture import COMPUTE_DTYPE
from autotp.importing.errors import ImportFailure
from autotp.importing.evaluate import Constants

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
_VIEWS = ("aten.view.default", "aten._unsafe_view.default")
_KINDS = {torch.bool: "bool", torch.int64: "index", torch.int32: "index",
          COMPUTE_DTYPE: "float", torch.float32: "float32",
          torch.float64: "float32"}
_DTYPES = {torch.bool: "bool", torch.int64: "int64", torch.int32: "int64",
           COMPUTE_DTYPE: "float32", torch.float32: "float32",
           torch.float64: "float32"}


class Writer:
    """The program under construction."""

    def __init__(self, captured, all_float=False):
        self.captured = captured
        self.all_float = all_float  # fp32 is the module's compute type
        self.values, self.nodes, self.parameters = [], [], []
        self.inputs, self.loss = [], None
        self.stored = {}  # name -> tensor
        self.scope = ""
        self._tables = {}

    def kind_of(self, dtype):
        if dtype not in _KINDS:
            raise ImportFailure(f"values of type {dtype} are not supported; "
                                "compute in float32 or bfloat16")
        kind = _KINDS[dtype]
        return "float" if self.all_float and kind == "float32" else kind

    def dtype_of(self, dtype):
        if dtype not in _DTYPES:
            raise ImportFailure(f"values of type {dtype} are not supported; "
                                "compute in float32 or bfloat16")
        return _DTYPES[dtype]

    def value(self, name, shape, kind):
        self.values.append([name, [int(d) for d in shape], kind])
        return len(self.values) - 1

    def node(self, operation, inputs, outputs, attributes):
        self.nodes.append({"op": operation, "in": inputs, "out": outputs,
                           "attrs": attributes, "scope": self.scope})

    def call(self, operation, inputs, shape, kind=None, /, **attributes):
        """A node with one output and Tensor arguments only; its id."""
        if kind is None:
            kind = self.values[inputs[0]][2]
        out = self.value(operation.split(".")[1], shape, kind)
        attributes["tensors"] = [1] * len(inputs)
        self.node(operation, inputs, [out], attributes)
        return out

    def rotary_table(self, frequencies, length, scale):
        # A sine tells its scale less exactly than the cosine beside it.
        key = (tuple(frequencies), length, round(scale, 5))
        if key not in self._tables:
            shape = [length, 2 * len(frequencies)]
            out = [self.value(n, shape, "float32") for n in ("cos", "sin")]
            attributes = {"inv_freq": [float(f) for f in frequencies],
                          "length": length}
            if scale != 1.0:
                attributes["scale"] = scale
            self.node("rotary_table", [], out, attributes)
            self._tables[key] = out
        return self._tables[key]

    def stored_constant(self, name, tensor):
        if name in self.stored:
            name = f"{name}.{len(self.stored)}"
        kind = self.kind_of(tensor.dtype)
        if kind in ("index", "bool"):  # files hold numbers
            self.stored[name] = tensor.float()
            made = self.parameter(name, list(tensor.shape), "float32", True)
            return self.call("aten._to_copy.default", [made],
                             list(tensor.shape), kind,
                             dtype=self.dtype_of(tensor.dtype))
        self.stored[name] = tensor.float()
        return self.parameter(name, list(tensor.shape), kind, True)

    def parameter(self, name, shape, kind, frozen, part=None):
        """Parameter `name`, or a part of it that files hold by itself."""
        out = self.value(part or name, shape, kind)
        first, *others = [part] if part else self.captured.file_names(name)
        entry = {"name": first, "value": out, "shape": shape,
                 "frozen": frozen}
        if name in self.stored:
            entry["stored"] = True
        if others:
            entry["aliases"] = others
        if name in self.captured.initialization:
            entry["init"] = list(self.captured.initialization[name])
        self.parameters.append(entry)
        return out


class _Translator:
    def __init__(self, captured, input_names, writer):
        self.captured, self.writer = captured, writer
        self.input_names = input_names
        self.constants = Constants(captured)
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
        if node in self.ids:
            return self.ids[node]
        value = self.constants.value(node)
        if value is not None:
            value = value.to("cpu")
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
            writer = self.writer
            inputs, attributes = experts.arguments(self, node)
            writer.scope = _scope(node)
            value = node.meta["val"]
            self.ids[node] = writer.value(node.name, value.shape,
                                          writer.kind_of(value.dtype))
            writer.node("experts", inputs, [self.ids[node]], attributes)
            return
        self.emit(node)

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
        if not isinstance(node.target, torch._ops.OpOverload) or \
                node.target.namespace != "aten":
            raise ImportFailure(
                f"the operation {node.target} is no ATen operation" +
                _place(node))
        writer = self.writer
        writer.scope = _scope(node)
        operation, inputs, attributes = self.arguments(node)
        value = node.meta["val"]
        many = isinstance(value, (list, tuple))
        outputs = []
        for one in value if many else [value]:
            if not isinstance(one, torch.Tensor):
                raise ImportFailure(
                    f"the result of {node.target} is a number that depends on "
                    "the data" + _place(node))
            if any(not isinstance(d, int) for d in one.shape):
                raise ImportFailure(
                    f"the result of {node.target} has a size that depends on "
                    "the data" + _place(node))
            outputs.append(writer.value(node.name, one.shape,
                                        writer.kind_of(one.dtype)))
        writer.node(operation, inputs, outputs, attributes)
        self.ids[node] = outputs if many else outputs[0]
        return self.ids[node]

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
            return self.writer.dtype_of(value)
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


def _scope(node):
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return ""
    path = list(stack.values())[-1][0]
    return path.removeprefix("L['self'].").removeprefix("L['self']")


def _place(node):
    trace = node.meta.get("stack_trace") or ""
    lines = [line.strip() for line in trace.splitlines() if "File" in line]
    scope = _scope(node)
    return (f", in {scope}" if scope else "") + (
        f"; {lines[-1]}" if lines else "")


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
