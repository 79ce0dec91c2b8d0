"""A module of the user's own, with example inputs."""
import json
import os

import torch

from autotp.importing import capture, program
from autotp.importing.errors import ImportFailure


def _made(factory):
    made = factory()
    if not (isinstance(made, tuple) and len(made) == 2
            and isinstance(made[0], torch.nn.Module)
            and isinstance(made[1], dict)):
        raise ImportFailure("the factory has to return the module and a "
                            "dictionary of example inputs: "
                            "(module, {\"x\": tensor, ...})")
    return made


def _loss_index(module, inputs, name):
    """Which of the flat outputs is called `name`."""
    if name is None:
        return 0
    with torch.no_grad():
        output = module(**inputs)
    items = output.items() if hasattr(output, "items") else ()
    place = 0
    for key, value in items:
        if key == name:
            return place
        place += len(torch.utils._pytree.tree_leaves(value))
    raise ImportFailure(f"--loss {name}: the module returns "
                        f"{', '.join(k for k, _ in items) or 'no dictionary'}")


def _vocabulary(body):
    """Rows of the table that input_ids index: what token files may hold."""
    inputs = {body["values"][v][0]: v for v in body["inputs"]}
    ids = inputs.get("input_ids")
    return min((body["values"][node["in"][0]][1][0] for node in body["nodes"]
                if node["op"] == "aten.embedding.default"
                and node["in"][1] == ids), default=0)


def import_factory(factory, options, progress):
    """Exports the factory's module; its weights go into a file."""
    from safetensors.torch import save_file
    torch.manual_seed(options.seed)
    module, inputs = _made(factory)
    name = type(module).__name__
    index = _loss_index(module, inputs, options.loss)
    batch = {t.shape[0] for t in inputs.values()
             if isinstance(t, torch.Tensor) and t.dim() > 0}
    if len(batch) != 1:
        raise ImportFailure("the example inputs need one common first "
                            f"dimension, the micro-batch; they have {batch}")
    os.makedirs(options.output, exist_ok=True)
    seen, weights = set(), {}
    for key, tensor in module.state_dict().items():
        if tensor.data_ptr() in seen and tensor.numel():
            continue
        seen.add(tensor.data_ptr())
        weights[key] = tensor.detach().clone().contiguous()
    progress("exporting")
    captured = capture.capture(module, (), inputs)
    progress("writing the program")
    body, constants = program.write_program(
        captured, {key: key for key in inputs}, index, all_float=True)
    path = os.path.join(options.output, "model.safetensors")
    save_file(weights, path + ".partial", metadata={"format": "pt"})
    os.replace(path + ".partial", path)
    config = os.path.join(options.output, "config.json")
    if not os.path.exists(config):
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"model_type": name.lower(), "architectures": [name]},
                      file, indent=2)
            file.write("\n")
    ids = inputs.get("input_ids")
    length = ids.shape[1] if ids is not None and ids.dim() > 1 else 0
    facts = {"model_type": name.lower(),
             "vocabulary_size": _vocabulary(body)}
    plan = getattr(module, "tp_plan", None)
    if isinstance(plan, dict):
        facts["tp_plan"] = {str(k): str(v) for k, v in plan.items()}
    from autotp import import_model
    document = import_model.document_of(body, facts, name, batch.pop(),
                                        (length, length))
    return options.output, document, constants
