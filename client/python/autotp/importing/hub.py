"""A model by its name: from the hub's cache on this machine, or fetched."""
import os

from autotp.importing.errors import ImportFailure

_SMALL = ["*.json", "*.txt", "*.model", "*.jinja"]


def folder_of(name, output, trust_remote_code, with_weights, progress):
    """The folder of `name`, which is one or a model of the hub."""
    if os.path.isdir(name):
        return name
    parts = name.split("/")
    if len(parts) > 2 or not all(parts) or name.startswith("."):
        raise ImportFailure(f"{name}: no such folder; give the model's folder, "
                            "with config.json, or its name on the hub")
    if not output:
        raise ImportFailure(f"--model {name} is no folder; as the name of a "
                            "model on the hub it needs --output")
    from huggingface_hub import snapshot_download
    patterns = _SMALL + (["*.py"] if trust_remote_code else []) + (
        ["*.safetensors"] if with_weights else [])
    options = {"repo_id": name, "allow_patterns": patterns}
    try:
        found = snapshot_download(**options, local_files_only=True)
        if _complete(found, with_weights):
            progress(f"{name} as it is in {found}")
            return found
    except Exception:  # not there, or no valid name: the hub says what
        pass
    try:
        progress(f"fetching {name} from the hub, " +
                 ("weights too" if with_weights else "without weights"))
        return snapshot_download(**options)
    except Exception as error:  # of the network, the hub, the file system
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ImportFailure(
            f"{name} is no folder, not in the hub's cache on this machine, and "
            f"not to be fetched: {type(error).__name__}: {reason}\n  give a "
            "folder with config.json") from error


def _complete(folder, with_weights):
    names = os.listdir(folder)
    return "config.json" in names and (not with_weights or any(
        n.endswith(".safetensors") for n in names))
