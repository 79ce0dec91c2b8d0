"""Experts as one operation of the program.

Transformers lets one say how the experts of a layer are computed. Here they
become a call of an operator that torch.export keeps as it is, and the program
file gets the operation `experts` of coordinator/program/operation.h. Experts of
another form stay the grouped products that Transformers makes of them.
"""
import functools

import torch
from torch.nn import functional

from autotp.importing import merged

_GELU_TANH = functools.partial(functional.gelu, approximate="tanh")
KINDS = {"silu": functional.silu, "gelu": functional.gelu,
         "gelu_tanh": _GELU_TANH, "relu": functional.relu,
         "sigmoid": torch.sigmoid}
NAME = "autotp"  # of this implementation
_PROBES = torch.linspace(-6, 6, 97)


@torch.library.custom_op("autotp::experts", mutates_args=())
def operator(x: torch.Tensor, weights: torch.Tensor, chosen: torch.Tensor,
             gate_up: torch.Tensor, down: torch.Tensor,
             kind: str) -> torch.Tensor:
    """x [N, C], weights and chosen [N, K], gate_up [E, 2I, C], down [E, C, I]."""
    gates, ups = gate_up.chunk(2, dim=1)
    return compute(x, weights, chosen, list(gates), list(ups), list(down), kind)


OPERATOR = torch.ops.autotp.experts.default


@operator.register_fake
def _(x, weights, chosen, gate_up, down, kind):
    return torch.empty_like(x)


def compute(x, weights, chosen, gates, ups, downs, kind):
    """The operation, as the program means it."""
    out = torch.zeros_like(x)
    for e, (gate, up, down) in enumerate(zip(gates, ups, downs)):
        of_expert = (weights * (chosen == e)).sum(-1, keepdim=True)
        inner = KINDS[kind](functional.linear(x, gate)) * functional.linear(
            x, up)
        out = out + of_expert.to(x.dtype) * functional.linear(inner, down)
    return out


def arguments(translator, node):
    """Inputs and attributes of the operation for a call of OPERATOR."""
    x, weights, chosen, gate_up, down, kind = node.args
    inputs = [translator.input(n) for n in (x, weights, chosen)]
    for run in merged.matrices(translator, gate_up, 2) + merged.matrices(
            translator, down, 1):
        inputs += run
    return inputs, {"kind": kind, "count": down.meta["val"].shape[0]}


def _kind(module):
    """What the gate of a module of experts is, if it has the common form."""
    from transformers.integrations import moe
    plain = (module.has_gate and not module.has_bias and module.is_concatenated
             and not module.is_transposed
             and not getattr(module, "has_post_expert_norm", False)
             and type(module)._apply_gate is moe._default_apply_gate)
    return activation_kind(module.act_fn) if plain else None


def activation_kind(function):
    """Which of KINDS a function is, known by what it computes; or None."""
    made = function(_PROBES)
    for kind, known in KINDS.items():
        if torch.allclose(made, known(_PROBES), atol=1e-6):
            return kind
    return None


def _forward(module, hidden_states, top_k_index, top_k_weights):
    from transformers.integrations import moe
    kind = module.autotp_kind
    if kind is None:
        return moe.grouped_mm_experts_forward(module, hidden_states,
                                              top_k_index, top_k_weights)
    return operator(hidden_states, top_k_weights, top_k_index,
                    module.gate_up_proj, module.down_proj, kind)


def use_in(model):
    """Has the experts of a Transformers model computed by `operator`."""
    try:
        from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS
    except ImportError:  # before 5 experts are modules as any other
        return
    ALL_EXPERTS_FUNCTIONS.register(NAME, _forward)
    try:
        model.set_experts_implementation(NAME)
    except (AttributeError, ValueError):
        return  # a model without experts
    for module in model.modules():
        if hasattr(module, "is_concatenated"):
            module.autotp_kind = _kind(module)
