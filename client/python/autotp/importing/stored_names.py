"""How files hold a model's parameters.

Transformers renames some as it loads them, and keeps the experts of a layer in
one tensor that files hold apart. Its own conversion mapping, read backwards,
tells both; programs, checkpoints and exports then have the names of the files.
"""
import os
from dataclasses import dataclass, field

WEIGHTS = "model.safetensors"


@dataclass
class Stored:
    """One parameter, in files."""
    name: str
    # A merged one, [experts, rows, columns]: the names of what it is made of,
    # parts[p][e] holding the p-th equal run of the rows of expert e.
    parts: list = field(default_factory=list)

    def apart(self, tensor):
        """Views of a tensor of this parameter, by their names in files."""
        if not self.parts:
            return {self.name: tensor}
        return {name: piece for p, run in enumerate(
            tensor.chunk(len(self.parts), dim=1))
            for name, piece in zip(self.parts[p], run)}


def names_of(model, folder=None):
    """Parameters and buffers of a Transformers model -> Stored; `folder` is
    where its weights lie, which may have been saved in either way."""
    renamings, converters = _reversed_mapping(model)
    there = files_names(folder) if folder else set()
    tensors = dict(model.named_parameters(remove_duplicate=False))
    tensors.update(model.named_buffers(remove_duplicate=False))
    return {name: _stored(name, tensor, renamings, converters, there)
            for name, tensor in tensors.items()}


def files_names(folder):
    """The tensors in a folder's safetensors files."""
    from safetensors import safe_open
    names = set()
    for file in sorted(os.listdir(folder)):
        if file.endswith(".safetensors"):
            with safe_open(os.path.join(folder, file), "pt") as opened:
                names.update(opened.keys())
    return names


def _reversed_mapping(model):
    """What Transformers does to names and tensors as it saves the model."""
    try:
        from transformers.conversion_mapping import (
            get_model_conversion_mapping)
        from transformers.core_model_loading import (
            PrefixChange, WeightConverter)
    except ImportError:  # before 5 a model has the names of its files
        return [], []
    if not hasattr(model, "base_model_prefix"):
        return [], []
    mapping = [each.reverse_transform() for each in reversed(
        get_model_conversion_mapping(model, add_legacy=False))
        if not isinstance(each, PrefixChange)]  # weights are found with both
    return ([e for e in mapping if not isinstance(e, WeightConverter)],
            [e for e in mapping if isinstance(e, WeightConverter)])


def _renamed(name, renamings):
    for renaming in renamings:
        name, _ = renaming.rename_source_key(name)
    return name


def _stored(name, tensor, renamings, converters, there):
    for converter in converters:
        first, matched = converter.rename_source_key(name)
        if matched is None:
            continue
        targets = [first.replace(converter.target_patterns[0], target, 1)
                   for target in converter.target_patterns]
        if _splits(converter, tensor, len(targets)):
            return Stored(_renamed(name, renamings), [
                [_renamed(target.replace("*", str(e), 1), renamings)
                 for e in range(tensor.shape[0])] for target in targets])
        break  # files hold it in a form of another kind, or as it is
    new = _renamed(name, renamings)
    return Stored(name if name in there and new not in there else new)


def _splits(converter, tensor, parts):
    """Does saving take the tensor apart by experts, and their rows?"""
    steps = [(type(step).__name__, getattr(step, "dim", None))
             for step in converter.operations]
    wanted = [("Chunk", 1)] * (parts > 1) + [("SplitModulelist", 0)]
    return (steps == wanted and tensor.dim() == 3
            and tensor.shape[1] % parts == 0)
