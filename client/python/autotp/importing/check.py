"""Runs a program file with PyTorch and compares it with the module's own step.

A plain interpreter of the file, operation by operation: what it computes is
what the file says, so a difference is an error of the import.
"""
import json
import os

import torch

from autotp.importing import experts, merged
from autotp.importing.errors import ImportFailure
from autotp.importing.fixed_draws import FixedDraws
from autotp.importing.flexible import resolve

_DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}
TOLERANCE = 1e-4


def _operator(name):
    _, packet, overload = name.split(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


def _attribute(value, type_name):
    if isinstance(value, dict):
        return float(value["number"])
    if isinstance(value, str) and type_name != "str":
        return _DTYPES.get(value, value)
    return value


def _call(node, values):
    operator = _operator(node["op"])
    attributes = dict(node["attrs"])
    counts, inputs = list(attributes.pop("tensors")), list(node["in"])
    args = {}
    for argument in operator._schema.arguments:
        kind = str(argument.type)
        if "Tensor" in kind:
            if not counts:
                continue
            taken = [inputs.pop(0) for _ in range(counts.pop(0))]
            tensors = [None if v < 0 else values[v] for v in taken]
            args[argument.name] = tensors if "List" in kind else tensors[0]
        elif argument.name in attributes:
            args[argument.name] = _attribute(attributes[argument.name], kind)
    return operator(**args)


def _rotary_table(node, _):
    attributes = node["attrs"]
    frequencies = torch.tensor(attributes["inv_freq"], dtype=torch.float32)
    angles = torch.outer(torch.arange(attributes["length"]).float(),
                         frequencies)
    angles = torch.cat([angles, angles], dim=-1)
    scale = attributes.get("scale", 1.0)
    return angles.cos() * scale, angles.sin() * scale


def _alibi_table(node, _):
    attributes = node["attrs"]
    slopes = torch.tensor(attributes["slopes"], dtype=torch.float32)
    if attributes.get("rounded"):
        slopes = slopes.bfloat16()
    made = slopes[:, None] * torch.arange(attributes["length"])
    return [made.float() * attributes.get("scale", 1.0)]


def _experts(node, values):
    x, weights, chosen, *matrices = [values[v] for v in node["in"]]
    count = node["attrs"]["count"]
    runs = [matrices[i * count:(i + 1) * count] for i in range(3)]
    return experts.compute(x, weights, chosen, *runs, node["attrs"]["kind"])


def _histogram(node, values):
    of = values[node["in"][0]]  # PyTorch counts floats alone on a CPU
    return _call(node, {node["in"][0]: of.float()}).to(of.dtype)


def _grouped_product(node, values):
    offsets = node["in"][2]  # a file has one kind of integers
    return _call(node, {**values, offsets: values[offsets].int()})


_OWN = {"rotary_table": _rotary_table, "alibi_table": _alibi_table,
        "experts": _experts,
        "aten.histc.default": _histogram,
        "aten._grouped_mm.default": _grouped_product}


def run(document, tensors, inputs):
    """The loss, from parameters by name and inputs by name."""
    values = {}
    for id_ in document["inputs"]:
        values[id_] = inputs[document["values"][id_][0]]
    for parameter in document["parameters"]:
        values[parameter["value"]] = tensors[parameter["name"]]
    for node in document["nodes"]:
        made = _OWN.get(node["op"], _call)(node, values)
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        values.update(zip(node["out"], made))
    return values[document["loss"]]


def _module(options, taken, batch, tokens):
    from autotp.importing import custom
    torch.manual_seed(options.seed)
    module, tensors = custom.make(options.module)
    return module, custom.resized(tensors, taken, batch, tokens)


def _model(options, taken, batch, tokens):
    from autotp.importing import files, huggingface, inputs
    config = huggingface.read_config(options.model, options.trust_remote_code)
    if getattr(config.get_text_config(), "attn_logit_softcapping", None):
        config._attn_implementation = "eager"
    kind = huggingface.class_of(config)
    trusted = {"trust_remote_code": options.trust_remote_code} if hasattr(
        kind, "from_config") else {}
    torch.manual_seed(options.seed)
    if files.weight_files(options.model):
        model = kind.from_pretrained(options.model, config=config,
                                     dtype=torch.float32, **trusted)
    else:
        make = kind.from_config if trusted else kind._from_config
        model = make(config, dtype=torch.float32, **trusted)
    given = inputs.random(taken, batch, tokens, config, type(model).__name__)
    return model, {**given, **huggingface.switches(model)}


def _named(model):
    """Every parameter with its gradient; merged ones in parts too."""
    named = {}
    parts = merged.parts_of(model)
    for name, tensor in model.named_parameters(remove_duplicate=False):
        named[name] = (tensor.detach(), tensor.grad)
        if name in parts:
            pieces = [merged.apart(parts[name], t) for t in named[name]
                      if t is not None]
            for part in pieces[0]:
                named[part] = (pieces[0][part], pieces[1][part]
                               if len(pieces) > 1 else None)
    return named


def _differences(model, given, document, tensors, loss_index, seed):
    """The program's loss; the largest difference from the module's own step,
    and where it is."""
    model.zero_grad(set_to_none=True)
    torch.manual_seed(seed)  # of dropout
    loss = torch.utils._pytree.tree_leaves(model(**given))[loss_index]
    loss.backward()
    named = _named(model)
    mine = {}  # name in the module -> in the file
    tensors = dict(tensors)
    for parameter in document["parameters"]:
        name = parameter["name"]
        for other in [name] + parameter.get("aliases", []):
            if other in named:
                mine[other] = name
                tensors[name] = named[other][0].clone().requires_grad_(
                    not parameter["frozen"])
            elif other in tensors:
                tensors[name] = tensors[other]
    torch.manual_seed(seed)
    got = run(document, tensors, given)
    got.backward()
    worst = abs(float(got.detach() - loss.detach())) / max(
        1.0, abs(float(loss.detach())))
    where, scale = "the loss", max(
        float(g.norm()) for _, g in named.values() if g is not None)
    for name, (tensor, wanted) in named.items():
        if wanted is None or name not in mine:
            continue
        gradient = tensors[mine[name]].grad
        if gradient is None:
            gradient = torch.zeros_like(tensor)
        error = float((gradient - wanted).norm()) / (
            float(wanted.norm()) + 1e-4 * scale)
        if not error <= worst:
            worst, where = error, f"the gradient of {name}"
    return float(got.detach()), worst, where


def _compare_at(options, imported, batch, tokens):
    from safetensors.torch import load_file
    make = _module if options.module else _model
    model, given = make(options, imported.inputs, batch, tokens)
    model.train()
    tensors = dict(model.named_buffers())
    constants = os.path.join(imported.folder, "autotp_program.constants")
    if os.path.exists(constants):
        tensors.update(load_file(constants))
    with open(os.path.join(imported.folder, "autotp_program.json"),
              encoding="utf-8") as file:
        document = resolve(json.load(file), batch, tokens)
    arguments = (model, given, document, tensors, imported.loss_index,
                 options.seed)
    loss, worst, where = _differences(*arguments)
    if not worst <= TOLERANCE:  # other draws of the same masks?
        with FixedDraws():
            loss, worst, where = _differences(*arguments)
    sizes = f"{batch} x {tokens}" if tokens else f"{batch}"
    if not worst <= TOLERANCE:
        raise ImportFailure(f"the program differs from the module by {worst:.1e}"
                            f" in {where} (at {sizes})")
    return (f"loss {loss:.6f} at {sizes}; largest difference from PyTorch "
            f"{worst:.1e}, in {where}")


def compare(options, imported):
    """Text about the largest differences, at the largest and the smallest
    size; ImportFailure if one is too large."""
    batch = imported.document["micro_batch"]
    shortest, longest = imported.document["sequence_length"]
    said = [_compare_at(options, imported, batch or 2, longest)]
    if not batch:
        said.append(_compare_at(options, imported, 3, shortest))
    return "\n".join(said)
