"""Tensors that Transformers merges as it reads files.

Models on the hub store every expert's matrices apart; in memory all experts of
a layer are one tensor. Transformers' own conversion mapping, read backwards,
tells what each is made of. Programs have the parts, under the files' names.
"""


def parts_of(model):
    """Name of a merged parameter [experts, rows, columns] -> names in files:
    of each equal run of the rows, of each expert."""
    try:
        from transformers.conversion_mapping import (
            get_model_conversion_mapping)
        from transformers.core_model_loading import (
            PrefixChange, WeightConverter, apply_renamings)
    except ImportError:  # before 5 a model has the experts of its files
        return {}
    if not hasattr(model, "base_model_prefix"):
        return {}
    mapping = [each.reverse_transform() for each in reversed(
        get_model_conversion_mapping(model, add_legacy=False))
        if not isinstance(each, PrefixChange)]  # weights are found with both
    renamings = [e for e in mapping if not isinstance(e, WeightConverter)]
    parts = {}
    for converter in mapping:
        if not isinstance(converter, WeightConverter):
            continue
        for name, tensor in model.named_parameters():
            runs = _runs(name, tensor, converter)
            if runs and name not in parts:
                parts[name] = [[apply_renamings(part, renamings)
                                for part in run] for run in runs]
    return parts


def _runs(name, tensor, converter):
    """The names before other renamings, if saving takes `tensor` apart."""
    first, matched = converter.rename_source_key(name)
    targets = converter.target_patterns
    steps = [(type(step).__name__, getattr(step, "dim", None))
             for step in converter.operations]
    wanted = [("Chunk", 1)] * (len(targets) > 1) + [("SplitModulelist", 0)]
    if matched is None or steps != wanted or tensor.dim() != 3 or \
            tensor.shape[1] % len(targets):
        return []
    return [[first.replace(targets[0], target, 1).replace("*", str(e), 1)
             for e in range(tensor.shape[0])] for target in targets]


def matrices(translator, node, count):
    """Ids of what a parameter [experts, rows, columns] is made of: `count`
    equal runs of the rows, each for all experts."""
    writer, value = translator.writer, node.meta["val"]
    experts, rows, columns = value.shape
    shape = [rows // count, columns]
    runs = _stored_parts(translator, node, shape)
    if len(runs) == count:
        return runs
    runs = [[] for _ in range(count)]
    whole = translator.input(node)
    for e in range(experts):
        one = writer.call("aten.select.int", [whole], [rows, columns], dim=0,
                          index=e)
        for p, run in enumerate(runs):
            run.append(writer.call(
                "aten.slice.Tensor", [one], shape, dim=0, start=p * shape[0],
                end=(p + 1) * shape[0]))
    return runs


def put_together(translator, node):
    """The id of a parameter that files hold in parts."""
    writer, shape = translator.writer, list(node.meta["val"].shape)
    _, rows, columns = shape
    count = len(translator.captured.parts[translator.name_of(node)])
    runs = _stored_parts(translator, node, [rows // count, columns])
    experts = [pieces[0] if count == 1 else _of_list(
        writer, "aten.cat.default", pieces, [rows, columns])
        for pieces in zip(*runs)]
    return _of_list(writer, "aten.stack.default", experts, shape)


def _of_list(writer, operation, pieces, shape):
    made = writer.call(operation, list(pieces), shape)
    writer.nodes[-1]["attrs"]["tensors"] = [len(pieces)]
    return made


def _stored_parts(translator, node, shape):
    if node.op != "placeholder":
        return []
    name, captured = translator.name_of(node), translator.captured
    key = (name, "parts")
    if key not in translator.by_name:
        kind = translator.writer.kind_of(node.meta["val"].dtype)
        translator.by_name[key] = [[translator.writer.parameter(
            name, shape, kind, name not in captured.trained, part)
            for part in run] for run in captured.parts.get(name, [])]
    return translator.by_name[key]


def apart(runs, tensor):
    """Views of a merged tensor, or of its gradient, by their names."""
    return {name: piece for run, rows in zip(runs, tensor.chunk(
        len(runs), dim=1)) for name, piece in zip(run, rows)}
