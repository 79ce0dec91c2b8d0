"""Rotary frequencies that Transformers chooses by the sequence's length.

rope_type "dynamic" and "longrope" look at the data's positions in the forward,
which an export cannot; a program is for known lengths, so they are chosen
before, by the functions that Transformers itself would call.
"""
_SETTLED = "settled"


def settle(model, tokens):
    """Sets the frequencies of `model` for sequences of `tokens` tokens."""
    for name, module in model.named_modules():
        if not hasattr(module, "rope_type") or not hasattr(module, "config"):
            continue
        kinds = getattr(module, "_autotp_rope_type", module.rope_type)
        module._autotp_rope_type = kinds
        if isinstance(kinds, dict):
            module.rope_type = {
                layer: _settled(model, name, module, kind, layer, tokens)
                for layer, kind in kinds.items()}
        else:
            module.rope_type = _settled(model, name, module, kinds, None,
                                        tokens)


def _settled(model, name, module, kind, layer, tokens):
    if not isinstance(kind, str) or not (
            "dynamic" in kind or kind == "longrope"):
        return kind
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    parameters = module.config.rope_parameters
    if layer is not None:
        parameters = parameters[layer]
    prefix = f"{name}.{layer}_" if layer is not None else f"{name}."
    constants = model._autotp_constants
    frequencies = constants[prefix + "original_inv_freq"]
    # Up to the lengths of pre-training, those that the module was made with.
    if kind == "longrope":
        limit = parameters["original_max_position_embeddings"]
        length = limit + 1
    else:
        limit = module.original_max_seq_len
        length = tokens
    if tokens > limit:
        frequencies, scale = ROPE_INIT_FUNCTIONS[kind](
            module.config, "cpu", seq_len=length,
            **({"layer_type": layer} if layer is not None else {}))
        if kind != "longrope":
            module.attention_scaling = scale
    constants[prefix + "inv_freq"] = frequencies
    return _SETTLED
