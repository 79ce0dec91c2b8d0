"""A module becomes a flat, functional ATen graph, without its weights.

Parameters live on the meta device and so does everything that is traced; the
buffers that a module computes for itself keep their values aside, since masks
and rotary tables are recognised by value (recognise.py).
"""
import contextlib
import warnings
from dataclasses import dataclass, field

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from autotp.importing import gradients
from autotp.importing.errors import ImportFailure, calling_line, users_line
from autotp.importing.functional import functional

# The stand-in for the type that a job computes in; fp32 stays fp32.
COMPUTE_DTYPE = torch.bfloat16
# The stand-in for bfloat16 where the code says so by name: it rounds whatever
# the job computes in.
BFLOAT16_BY_NAME = torch.float16


@dataclass
class Captured:
    program: torch.export.ExportedProgram
    names: dict  # any name of a parameter or buffer -> its first name
    aliases: dict  # first name -> its other names
    shapes: dict  # first name -> shape
    trained: set  # first names
    constants: dict  # buffers that no file stores, and constants: values
    initialization: dict = field(default_factory=dict)
    stored_names: dict = field(default_factory=dict)  # first name -> in files
    rounds: bool = False  # constants may be of BFLOAT16_BY_NAME
    parts: dict = field(default_factory=dict)  # of merged ones (merged.py)

    def file_names(self, name):
        """What files call a parameter, then its other names."""
        every = [name] + self.aliases.get(name, [])
        stored = [self.stored_names.get(n, n) for n in every]
        return stored + [n for n in every if n not in stored]


class _Initializations(TorchDispatchMode):
    """Notes what fills each tensor last."""

    def __init__(self):
        super().__init__()
        self.filled = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name
        if args and isinstance(args[0], torch.Tensor):
            rest = list(args[1:]) + list((kwargs or {}).values())
            numbers = [x for x in rest if isinstance(x, (int, float))]
            if name in ("aten::normal_", "aten::uniform_", "aten::fill_",
                        "aten::zero_"):
                self.filled[id(args[0])] = (name[6:-1], numbers)
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def parameters_on_meta():
    """Parameters that modules register lose their memory; buffers keep it."""
    register = torch.nn.Module.register_parameter

    def on_meta(module, name, parameter):
        if parameter is not None and parameter.device.type != "meta":
            parameter = torch.nn.Parameter(
                torch.empty_like(parameter, device="meta"),
                requires_grad=parameter.requires_grad)
        register(module, name, parameter)

    torch.nn.Module.register_parameter = on_meta
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = register


def build(make):
    """Calls `make` without memory for parameters; the module, and what
    initializes its parameters: name -> (kind, numbers)."""
    notes = _Initializations()
    with parameters_on_meta(), notes:
        module = make()
    filled = {}
    for name, parameter in module.named_parameters():
        if id(parameter) in notes.filled:
            filled[name] = notes.filled[id(parameter)]
    return module, filled


def _stored_buffers(module):
    stored = set(module.state_dict(keep_vars=True).keys())
    return {name for name, _ in module.named_buffers(remove_duplicate=False)
            if name in stored}


def keep_constants(module, source):
    """Values of the buffers that no file stores, from `source`, which is the
    module itself or the same one in fp32."""
    stored = _stored_buffers(source)
    module._autotp_constants = {
        name: tensor.detach().clone()
        for name, tensor in source.named_buffers()
        if name not in stored and tensor.device.type != "meta"}


def _without_lists(index, device):
    """An index whose lists of integers are slices, where one is alone and of
    one number, or tensors."""
    parts = index if isinstance(index, tuple) else (index,)
    alone = sum(isinstance(p, (list, torch.Tensor)) for p in parts) == 1

    def part(p):
        if not isinstance(p, list) or not all(type(i) is int for i in p):
            return p
        if alone and len(p) == 1:
            return slice(p[0], p[0] + 1 or None)
        return torch.tensor(p, device="cpu").to(device)

    parts = tuple(part(p) for p in parts)
    return parts if isinstance(index, tuple) else parts[0]


def _register_tensors(module):
    """Tensors that a module keeps as plain attributes become buffers."""
    for owner in module.modules():
        for name, value in list(vars(owner).items()):
            if isinstance(value, torch.Tensor) and not name.startswith("_"):
                delattr(owner, name)
                owner.register_buffer(name, value, persistent=False)


def _to_meta(module):
    """As module.to("meta"), but what is one tensor stays one."""
    made = {}

    def moved(tensor):
        if tensor is None or tensor.device.type == "meta":
            return tensor
        if id(tensor) not in made:
            empty = torch.empty_like(tensor, device="meta")
            if isinstance(tensor, torch.nn.Parameter):
                empty = torch.nn.Parameter(empty, tensor.requires_grad)
            made[id(tensor)] = (tensor, empty)  # its id stays taken
        return made[id(tensor)][1]

    for owner in module.modules():
        for tensors in (owner._parameters, owner._buffers):
            for name, tensor in tensors.items():
                tensors[name] = moved(tensor)


class _KeptNumbers(TorchFunctionMode):
    """What a forward writes as numbers keeps its values, which meta would
    lose: tensors are made of them on the CPU, and x[..., [2], :] is a slice.
    `rounds`: something is made a bfloat16 by name."""

    def __init__(self):
        super().__init__()
        self.rounds = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and not isinstance(
                args[0], torch.Tensor):
            device = kwargs.pop("device", None) or "meta"
            return func(*args, **kwargs, device="cpu").to(device)
        if func is torch.Tensor.new_tensor:
            like, data = args
            kwargs.setdefault("dtype", like.dtype)
            device = kwargs.pop("device", like.device)
            return torch.tensor(data, **kwargs, device="cpu").to(device)
        if func is torch.Tensor.bfloat16 and args[0].dtype is torch.float32:
            self.rounds = True
            return args[0].to(BFLOAT16_BY_NAME)
        if func is torch.Tensor.__getitem__:
            args = (args[0], _without_lists(args[1], args[0].device))
        return func(*args, **kwargs)


def capture(module, args, kwargs, initialization=None, stored_names=None,
            parts=None):
    """Exports the forward of `module`, in training mode. Its memory is gone
    then."""
    _register_tensors(module)
    names, aliases, shapes, trained, first = {}, {}, {}, set(), {}
    for name, tensor in list(module.named_parameters(remove_duplicate=False)) \
            + list(module.named_buffers(remove_duplicate=False)):
        own = first.setdefault(id(tensor), name)
        names[name] = own
        if own != name:
            aliases.setdefault(own, []).append(name)
            continue
        shapes[name] = list(tensor.shape)
        if isinstance(tensor, torch.nn.Parameter) and tensor.requires_grad:
            trained.add(name)
    if not hasattr(module, "_autotp_constants"):  # they are about to be lost
        keep_constants(module, module)
    constants = dict(module._autotp_constants)
    _to_meta(module)
    module.train()
    args, kwargs = torch.utils._pytree.tree_map_only(
        torch.Tensor, lambda t: t.to("meta"), (args, kwargs))
    kept = _KeptNumbers()
    functions = {}
    try:
        with torch.device("meta"), kept, \
                gradients.noting_functions(functions, calling_line):
            program = torch.export.export(module, args, kwargs, strict=False)
        gradients.detach_regions(program.graph_module)
        program = functional(program)
    except Exception as error:  # the export's own reason, whatever it is
        line = users_line(error)
        reason = str(error).strip().split("\n\n", maxsplit=1)[0]
        raise ImportFailure(
            f"torch.export cannot export {type(module).__name__}: "
            f"{type(error).__name__}: {reason}" +
            (f"\n  at {line}" if line else "") +
            "\n  shapes and branches must not depend on the data") from error
    gradients.compare_functions(functions, warnings.warn)
    if program.graph_signature.buffers_to_mutate:
        changed = sorted(program.graph_signature.buffers_to_mutate.values())
        raise ImportFailure(
            f"the forward changes its buffers ({', '.join(changed[:4])}); "
            "keep them as they are: BatchNorm with track_running_stats=False, "
            "or left in eval() by the module's train(); in a factory of yours "
            "(--module) where the class is another's")
    constants.update({name: tensor for name, tensor in program.constants.items()
                      if isinstance(tensor, torch.Tensor)
                      and tensor.device.type != "meta"})
    return Captured(program, names, aliases, shapes, trained, constants,
                    initialization or {}, stored_names or {}, kept.rounds,
                    parts or {})
