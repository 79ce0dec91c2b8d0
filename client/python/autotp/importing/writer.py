"""The program file under construction: values, nodes and parameters.

Values have ids; nodes name an operation as torch.export prints it, and give
tensor arguments as inputs, all others as attributes under the names of the
operation's schema (proto/autotp/v1/program.proto has the rules).
"""
import torch

from autotp.importing.capture import COMPUTE_DTYPE
from autotp.importing.errors import ImportFailure

_KINDS = {torch.bool: "bool", torch.int64: "index", torch.int32: "index",
          COMPUTE_DTYPE: "float", torch.float32: "float32",
          torch.float64: "float32"}
_DTYPES = {torch.bool: "bool", torch.int64: "int64", torch.int32: "int64",
           COMPUTE_DTYPE: "float32", torch.float32: "float32",
           torch.float64: "float32"}


def _unsupported(dtype):
    if dtype is torch.float16:  # or BFLOAT16_BY_NAME
        return ImportFailure("values that the module itself makes 16-bit are "
                             "not supported; leave their type to the job")
    return ImportFailure(f"values of type {dtype} are not supported; compute "
                         "in float32 or bfloat16")


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
            raise _unsupported(dtype)
        kind = _KINDS[dtype]
        return "float" if self.all_float and kind == "float32" else kind

    def dtype_of(self, dtype):
        if dtype not in _DTYPES:
            raise _unsupported(dtype)
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

    def alibi_table(self, slopes, length, scale, rounded):
        out = self.value("alibi", [len(slopes), length], "float32")
        attributes = {"slopes": [float(s) for s in slopes], "length": length}
        if scale != 1.0:
            attributes["scale"] = scale
        if rounded:
            attributes["rounded"] = True
        self.node("alibi_table", [], [out], attributes)
        return out

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
