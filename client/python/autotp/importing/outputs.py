"""Which of a module's outputs is the loss."""
import torch

from autotp.importing.errors import ImportFailure


def leaf_of(outputs, name):
    """The index of the loss among all tensors of `outputs`: the first, or the
    one with that name or number."""
    if name is None:
        return 0
    if hasattr(outputs, "items"):
        members = dict(outputs.items())
    elif hasattr(outputs, "_fields"):
        members = dict(zip(outputs._fields, outputs))
    elif isinstance(outputs, (tuple, list)):
        members = {str(i): one for i, one in enumerate(outputs)}
    else:
        members = {"0": outputs}
    leaf = 0
    for index, (key, value) in enumerate(members.items()):
        count = len(torch.utils._pytree.tree_leaves(value))
        if name in (key, str(index)) and count == 1:
            return leaf
        leaf += count
    raise ImportFailure(f"--loss {name}: the outputs are "
                        f"{', '.join(members)}; give one of these names, or "
                        "its number")


def loss_index(program, name):
    """The same, of an exported program."""
    spec = program.call_spec.out_spec
    leaves = list(range(spec.num_leaves))
    return leaf_of(torch.utils._pytree.tree_unflatten(leaves, spec), name)
