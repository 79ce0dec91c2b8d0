"""A module of the user's own, with example inputs."""
import json
import os

import torch

from autotp.importing import capture, files, inputs, outputs, program, sizes
from autotp.importing.errors import ImportFailure, users_line
from autotp.importing.factory import factory


def make(text):
    """The module and its example inputs."""
    try:
        made = factory(text)()
    except ImportFailure:
        raise
    except Exception as error:
        line = users_line(error)
        raise ImportFailure(f"--module {text}: {type(error).__name__}: {error}"
                            + (f"\n  at {line}" if line else "")) from error
    if not (isinstance(made, tuple) and len(made) == 2
            and isinstance(made[0], torch.nn.Module)
            and isinstance(made[1], dict)):
        raise ImportFailure("the factory has to return the module and a "
                            "dictionary of example inputs: "
                            "(module, {\"x\": tensor, ...})")
    return made


def _vocabulary(body):
    """Rows of the table that input_ids index: what token files may hold."""
    taken = {body["values"][v][0]: v for v in body["inputs"]}
    ids = taken.get("input_ids")
    return min((body["values"][node["in"][0]][1][0] for node in body["nodes"]
                if node["op"] == "aten.embedding.default"
                and node["in"][1] == ids), default=0)


def resized(tensors, taken, batch, tokens):
    """The example inputs, repeated or shortened to other sizes."""
    made = {}
    for one in taken:
        tensor = tensors[one.name]
        for d, size in enumerate(one.shape(batch, tokens)):
            if size != tensor.shape[d]:
                rows = torch.arange(size) % tensor.shape[d]
                tensor = tensor.index_select(d, rows.to(tensor.device))
        made[one.name] = tensor
    return made


def _save_weights(module, path):
    from safetensors.torch import save_file
    seen, weights = set(), {}
    for key, tensor in module.state_dict().items():
        if tensor.data_ptr() in seen and tensor.numel():
            continue
        seen.add(tensor.data_ptr())
        weights[key] = tensor.detach().clone().contiguous()
    save_file(weights, path + ".partial", metadata={"format": "pt"})
    os.replace(path + ".partial", path)


def import_factory(options, progress):
    """Exports the factory's module; its weights go into a file."""
    torch.manual_seed(options.seed)
    module, tensors = make(options.module)
    name = type(module).__name__
    taken, batch, length = inputs.of_examples(tensors)
    longest = options.sequence_length or length if length else 0
    os.makedirs(options.output, exist_ok=True)
    weights = os.path.join(options.output, "model.safetensors")
    _save_weights(module, weights + ".new")
    found = {}

    def written(batch, tokens):
        given = resized(tensors, taken, batch, tokens)
        captured = capture.capture(module, (), given)
        found["loss"] = outputs.loss_index(captured.program, options.loss)
        return program.write_program(captured, {k: k for k in given},
                                     found["loss"], all_float=True)

    try:
        if options.micro_batch:
            progress("exporting")
            body, constants = written(options.micro_batch, longest)
            range_ = (options.micro_batch, (longest, longest))
        else:
            body, constants, range_ = sizes.any_sizes(
                written, longest, progress, (batch, batch + 1))
    except BaseException:
        os.remove(weights + ".new")
        raise
    os.replace(weights + ".new", weights)
    config = os.path.join(options.output, "config.json")
    if not os.path.exists(config):
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"model_type": name.lower(), "architectures": [name]},
                      file, indent=2)
            file.write("\n")
    facts = {"model_type": name.lower(), "vocabulary_size": _vocabulary(body)}
    plan = getattr(module, "tp_plan", None)
    if isinstance(plan, dict):
        facts["tp_plan"] = {str(k): str(v) for k, v in plan.items()}
    document = files.document_of(body, facts, name, *range_)
    return files.Imported(options.output, document, constants, taken,
                          found["loss"])
