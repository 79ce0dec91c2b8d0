"""Hugging Face folders: how their models are made and what they are fed."""
import json
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


def _class_of(config):
    """The class that has a loss: the config's own choice, else causal."""
    import transformers
    for name in config.architectures or []:
        found = getattr(transformers, name, None)
        if found is not None:
            return found
    return transformers.AutoModelForCausalLM


def make_model(config, trust_remote_code):
    """The model without memory for its weights, and their initialization."""
    import transformers
    from transformers.utils import logging
    logging.set_verbosity_error()
    kind = _class_of(config)
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
    except (ImportError, ValueError, AttributeError, TypeError) as error:
        raise ImportFailure(f"{kind.__name__} cannot be made: {error}"
                            ) from error
    experts.use_in(model)
    return model, filled


def example_inputs(model, micro_batch, sequence_length):
    """Keyword arguments of the forward: two tensors, never the same one."""
    shape = (micro_batch, sequence_length)
    given = {"input_ids": torch.zeros(shape, dtype=torch.long),
             "labels": torch.ones(shape, dtype=torch.long)}
    import inspect
    if "use_cache" in inspect.signature(model.forward).parameters:
        given["use_cache"] = False
    return given


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


def initializer_range(config):
    return float(getattr(config.get_text_config(), "initializer_range", 0.02)
                 or 0.02)


def weight_files(folder):
    return sorted(name for name in os.listdir(folder)
                  if name.endswith(".safetensors")
                  or name == "model.safetensors.index.json")


def config_text(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        return json.load(file)
