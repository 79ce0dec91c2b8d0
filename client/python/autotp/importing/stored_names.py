"""What files call a model's parameters, where that is not their modules' name.

Transformers renames some tensors as it reads them (gpt_neox's `embed_out` is
`lm_head` in memory) and back as it writes them. Its own rules are asked, on
the names in the folder; without weights there, on those it would write.
"""
import os

_SHAPED = ".safetensors"


def stored_names(model, folder):
    """Name of a parameter or buffer in `model` -> its name in files; without
    those that are the same."""
    if not hasattr(model, "state_dict") or not _knows_renamings():
        return {}
    keys = file_keys(folder)
    found = _from_files(model, keys) if keys else _as_saved(model)
    return {name: stored for name, stored in found.items() if name != stored}


def file_keys(folder):
    """Names of all tensors in the folder's safetensors files."""
    from safetensors import safe_open
    keys = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(_SHAPED):
            with safe_open(os.path.join(folder, name), "pt") as file:
                keys += file.keys()
    return keys


def _knows_renamings():
    try:
        import transformers.conversion_mapping  # noqa: F401
        import transformers.core_model_loading  # noqa: F401
    except ImportError:
        return False
    return True


def _from_files(model, keys):
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import (WeightConverter,
                                                 WeightRenaming,
                                                 rename_source_key)
    transforms = get_model_conversion_mapping(model)
    renamings = [t for t in transforms if isinstance(t, WeightRenaming)]
    converters = [t for t in transforms if isinstance(t, WeightConverter)]
    state, prefix = model.state_dict(), model.base_model_prefix
    found = {}
    for key in sorted(keys):
        name, converter = rename_source_key(key, renamings, converters)
        if converter is not None:  # several tensors, or another shape
            continue
        if name in state:
            found[name] = key
        elif f"{prefix}.{name}" in state:  # saved without its head
            found[f"{prefix}.{name}"] = f"{prefix}.{key}"
    return found


def _as_saved(model):
    from transformers.core_model_loading import revert_weight_conversion
    state = model.state_dict()
    names = {id(tensor): name for name, tensor in state.items()}
    return {names[id(tensor)]: stored
            for stored, tensor in revert_weight_conversion(model,
                                                           state).items()
            if id(tensor) in names}
