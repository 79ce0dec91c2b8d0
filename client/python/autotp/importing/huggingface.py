"""Hugging Face folders: how their models are made and what they are fed."""
import inspect
import os

import torch

from autotp.importing import experts
from autotp.importing.capture import COMPUTE_DTYPE, build, keep_constants
from autotp.importing.errors import ImportFailure


def read_config(folder, trust_remote_code):
    from transformers import AutoConfig
    if not os.path.isdir(folder):
        raise ImportFailure(f"{folder}: no such folder; give the model's "
                            "folder, with config.json")
    if not os.path.exists(os.path.join(folder, "config.json")):
        raise ImportFailure(f"{folder}: has no config.json; give the folder "
                            "that save_pretrained() wrote")
    try:
        return AutoConfig.from_pretrained(
            folder, local_files_only=True,
            trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        hint = ("; if you trust the code in this folder, give "
                "--trust-remote-code" if "trust_remote_code" in str(error)
                else "")
        raise ImportFailure(f"{folder}: {reason}{hint}") from error


def class_of(config):
    """The class that has a loss: the config's own choice, else causal. Where
    the class lies in the folder, the way to it that config.json names."""
    import transformers
    wanted = config.architectures or []
    for name in wanted:
        found = getattr(transformers, name, None)
        if found is not None:
            return found
    ways = {way: str(where).split(".")[-1] for way, where in
            (getattr(config, "auto_map", None) or {}).items()
            if way.startswith("AutoModel") and hasattr(transformers, way)}
    for way, name in ways.items():
        if name in wanted:
            return getattr(transformers, way)
    if ways and "AutoModelForCausalLM" not in ways:
        return getattr(transformers, sorted(ways)[-1])
    return transformers.AutoModelForCausalLM


def make_model(config, trust_remote_code):
    """The model without memory for its weights, and their initialization."""
    import transformers
    from transformers.utils import logging
    logging.set_verbosity_error()
    kind = class_of(config)
    # Soft caps are not in torch's fused attention.
    text = config.get_text_config()
    if getattr(text, "attn_logit_softcapping", None):
        config._attn_implementation = "eager"
    for part in (config, text):  # not every forward takes it as an argument
        if getattr(part, "use_cache", False):
            part.use_cache = False

    def make(dtype=COMPUTE_DTYPE):
        if hasattr(kind, "from_config"):
            return kind.from_config(config, dtype=dtype,
                                    trust_remote_code=trust_remote_code)
        return kind._from_config(config, dtype=dtype)

    try:
        model, filled = build(make)
        # Constants must not be rounded to the stand-in for the compute type.
        keep_constants(model, build(lambda: make(torch.float32))[0])
    except Exception as error:  # whatever the class says of its config
        raise ImportFailure(f"{kind.__name__} cannot be made: {error}"
                            ) from error
    experts.use_in(model)
    return model, filled


def switches(model):
    """Arguments of the forward that are no data."""
    taken = inspect.signature(model.forward).parameters
    return {"use_cache": False} if "use_cache" in taken else {}


def facts(config, model):
    """What plans say of a model beside its program."""
    text = config.get_text_config()
    heads = int(getattr(text, "num_attention_heads", 0) or 0)
    width = getattr(text, "head_dim", None)
    hidden = int(getattr(text, "hidden_size", 0) or 0)
    return {
        "model_type": config.model_type,
        "base_model_prefix": model.base_model_prefix,
        "vocabulary_size": int(getattr(text, "vocab_size", 0) or 0),
        "attention_heads": heads,
        "key_value_heads": int(
            getattr(text, "num_key_value_heads", None) or heads),
        "head_width": int(width or (hidden // heads if heads else 0)),
        "tp_plan": dict(getattr(model, "tp_plan", None) or {}),
    }
