"""What a forward is fed: named tensors for B sequences (or rows) of T tokens.

Of a class of Transformers by what it is for, as its name says; else as the
user says (`--input NAME:SIZES:TYPE`). They are the columns of the data.
"""
import inspect
from dataclasses import dataclass

import torch

from autotp.importing.errors import ImportFailure

_TYPES = {"int": torch.long, "float": torch.float32, "bool": torch.bool}


@dataclass(frozen=True)
class Input:
    name: str
    sizes: tuple  # numbers, "B", "T"
    type: str  # of _TYPES

    def shape(self, batch, tokens):
        return [{"B": batch, "T": tokens}.get(d, d) for d in self.sizes]

    def __str__(self):
        return f"{self.name}:{','.join(map(str, self.sizes))}:{self.type}"


def parse(text):
    """NAME:SIZES:TYPE, as in labels:B:int or pixel_values:B,3,32,32:float."""
    name, _, rest = text.partition(":")
    sizes, _, kind = rest.partition(":")
    parts = [p.strip() for p in sizes.split(",")]
    wrong = [p for p in parts if p not in ("B", "T") and not p.isdigit()]
    if not name or wrong or parts[0] != "B" or kind not in _TYPES:
        raise ImportFailure(
            f"--input {text}: write NAME:SIZES:TYPE; sizes begin with B (the "
            "micro-batch), go on with numbers or T (the tokens of a sequence) "
            f"and have commas between them; a type is {', '.join(_TYPES)}; for "
            "example labels:B:int")
    return Input(name, tuple(p if p in "BT" else int(p) for p in parts), kind)


_TOKENS = ("B", "T")
_IDS = Input("input_ids", _TOKENS, "int")
_MASK = Input("attention_mask", _TOKENS, "int")
_EVERY = Input("labels", _TOKENS, "int")  # a label for each token
_ONE = Input("labels", ("B",), "int")

# What the end of a class's name says.
_TASKS = (
    (("ForCausalLM", "LMHeadModel"), (_IDS, _EVERY)),
    (("ForMaskedLM", "ForTokenClassification", "ForPreTraining",
      "WithLMHead", "ForConditionalGeneration"), (_IDS, _MASK, _EVERY)),
    (("ForSequenceClassification", "ForNextSentencePrediction"),
     (_IDS, _MASK, _ONE)),
    (("ForQuestionAnswering",),
     (_IDS, _MASK, Input("start_positions", ("B",), "int"),
      Input("end_positions", ("B",), "int"))),
    (("ForImageClassification",), (None, _ONE)),
)


def of_model(model, config):
    """The inputs of a class of Transformers."""
    name = type(model).__name__
    taken = inspect.signature(model.forward).parameters
    for ends, inputs in _TASKS:
        if name.endswith(ends):
            break
    else:
        inputs = (_IDS, _EVERY)
    found = []
    for one in inputs:
        if one is None:
            one = _pixels(config)
        elif one == _ONE:
            one = _label(config)
        if one is not None and (one.name in taken or one is not _MASK):
            found.append(one)
    missing = [i.name for i in found if i.name not in taken]
    if missing or model.main_input_name not in [i.name for i in found]:
        raise ImportFailure(
            f"what {name} reads is not known: its forward takes "
            f"{', '.join(list(taken)[:12])}; say it with --input "
            "NAME:SIZES:TYPE for each, for example --input "
            "pixel_values:B,3,224,224:float --input labels:B:int")
    return found


def _pixels(config):
    size = getattr(config, "image_size", None)
    channels = getattr(config, "num_channels", None)
    if channels is None or size is None:
        return None
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    return Input("pixel_values", ("B", int(channels), int(height), int(width)),
                 "float")


def _label(config):
    """One label, several yes or no, or a number: as the config says."""
    kind = getattr(config, "problem_type", None)
    count = int(getattr(config, "num_labels", 2))
    if kind == "multi_label_classification":
        return Input("labels", ("B", count), "float")
    if kind == "regression" or (kind is None and count == 1):
        return Input("labels", ("B",) if count == 1 else ("B", count), "float")
    return _ONE


def examples(inputs, batch, tokens, floats):
    """A tensor for each input, its floats of that type; no two are one."""
    return {i.name: torch.ones(
        i.shape(batch, tokens),
        dtype=floats if i.type == "float" else _TYPES[i.type])
            for i in inputs}


def random(inputs, batch, tokens, config, class_name):
    """Values that a model of that class can read."""
    vocabulary = int(getattr(config.get_text_config(), "vocab_size", 2))
    classes = int(getattr(config, "num_labels", 2))
    made = {}
    for one in inputs:
        shape = one.shape(batch, tokens)
        if one.type == "float":
            made[one.name] = torch.rand(shape)
            continue
        if one.name.endswith("input_ids"):
            limit = vocabulary
        elif one.name == "labels":
            limit = vocabulary if "T" in one.sizes and not class_name.endswith(
                "ForTokenClassification") else classes
        elif one.name.endswith("positions"):
            limit = max(tokens, 1)
        else:
            limit = 2
        values = torch.randint(0, limit, shape)
        if one.name.endswith("attention_mask"):
            values = torch.ones_like(values)
            values[0, -2:] = 0
        made[one.name] = values.to(_TYPES[one.type])
    return made


def has_tokens(inputs):
    return any("T" in i.sizes for i in inputs)


def of_examples(tensors):
    """The inputs that a user's example tensors are: their first dimension is
    the micro-batch, and those as long as the input_ids' are of tokens. With
    them, the sizes of the example."""
    types = {t: name for name, t in _TYPES.items()}
    batch = {t.shape[0] for t in tensors.values()
             if isinstance(t, torch.Tensor) and t.dim() > 0}
    if len(batch) != 1 or not all(
            isinstance(t, torch.Tensor) and t.dim() > 0
            for t in tensors.values()):
        raise ImportFailure(
            "the example inputs have to be tensors with one common first "
            "dimension, the micro-batch; they are " + ", ".join(
                f"{k}{list(t.shape) if isinstance(t, torch.Tensor) else ''}"
                for k, t in tensors.items()))
    ids = tensors.get("input_ids")
    tokens = ids.shape[1] if ids is not None and ids.dim() > 1 else 0
    found = []
    for name, tensor in tensors.items():
        kind = types.get(tensor.dtype)
        if kind is None:
            kind = "float" if tensor.is_floating_point() else "int"
        found.append(Input(name, ("B", *(
            "T" if tokens and d == tokens else d for d in tensor.shape[1:])),
            kind))
    return found, batch.pop(), tokens
