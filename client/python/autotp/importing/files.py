"""The folder that an import leaves: the program file, its constants, and what
lay beside the model. Files appear whole or not at all."""
import os
import shutil
from dataclasses import dataclass

import torch

from autotp.importing.program import FORMAT, VERSION, to_json

PROGRAM_FILE = "autotp_program.json"
CONSTANTS_FILE = "autotp_program.constants"
_SMALL = (".json", ".txt", ".model", ".jinja", ".py")


@dataclass
class Imported:
    folder: str
    document: dict
    constants: dict
    inputs: list  # of inputs.Input
    loss_index: int = 0


def document_of(body, facts, class_name, micro_batch, sequence_length):
    """`micro_batch` is a number, or None for any; `sequence_length` the
    shortest and the longest."""
    return {"format": FORMAT, "version": VERSION, "name": facts["model_type"],
            "origin": {"class": class_name, "torch": torch.__version__},
            "micro_batch": micro_batch or 0,
            "sequence_length": list(sequence_length), **facts, **body}


def write_atomically(path, data):
    partial = path + ".partial"
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_program(imported):
    """The program file comes last; its size."""
    from safetensors.torch import save
    path = os.path.join(imported.folder, CONSTANTS_FILE)
    if imported.constants:
        write_atomically(path, save({
            name: tensor.contiguous()
            for name, tensor in imported.constants.items()}))
    elif os.path.exists(path):
        os.remove(path)
    text = to_json(imported.document).encode()
    write_atomically(os.path.join(imported.folder, PROGRAM_FILE), text)
    return len(text)


def weight_files(folder):
    return sorted(name for name in os.listdir(folder)
                  if name.endswith(".safetensors")
                  or name == "model.safetensors.index.json")


def pickled_files(folder):
    return sorted(name for name in os.listdir(folder)
                  if name.endswith((".bin", ".pt", ".pth"))
                  and name not in ("training_args.bin", "optimizer.pt"))


def place_model(source, target):
    """What lies in a model's folder, in another: weights are linked, small
    files copied."""
    os.makedirs(target, exist_ok=True)
    if os.path.samefile(source, target):
        return
    weights = weight_files(source)
    small = [n for n in sorted(os.listdir(source))
             if n.endswith(_SMALL) and n not in weights and n != PROGRAM_FILE]
    for name in weights + small:
        path = os.path.join(target, name)
        if os.path.lexists(path):
            os.remove(path)
        if name.endswith(".safetensors"):
            os.symlink(os.path.abspath(os.path.join(source, name)), path)
        else:
            shutil.copyfile(os.path.join(source, name), path)
