"""autotp-import: any PyTorch model becomes what `autotp train` takes.

Writes a program file (a graph of operations, names of parameters, constants)
beside config.json and the weights. Nothing of it is needed where training
runs. With a Hugging Face folder no weights are loaded.
"""
import argparse
import hashlib
import importlib
import logging
import os
import shutil
import sys
import time
import warnings

from autotp.importing.errors import ImportFailure

PROGRAM_FILE = "autotp_program.json"
CONSTANTS_FILE = "autotp_program.constants"
SHORTEST = 11  # tokens, and a size that few models have


class Progress:
    """One line per stage, with its time."""

    def __init__(self, quiet=False):
        self.quiet, self.start = quiet, time.monotonic()

    def __call__(self, text):
        if not self.quiet:
            print(f"[{time.monotonic() - self.start:5.1f} s] {text}",
                  file=sys.stderr, flush=True)


def write_atomically(path, data):
    partial = path + ".partial"
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_program(folder, document, constants):
    """The program file and its constants; the file comes last, whole."""
    from autotp.importing.program import to_json
    from safetensors.torch import save
    path = os.path.join(folder, CONSTANTS_FILE)
    if constants:
        write_atomically(path, save({name: tensor.contiguous()
                                     for name, tensor in constants.items()}))
    elif os.path.exists(path):
        os.remove(path)
    text = to_json(document)
    document = dict(document,
                    digest=hashlib.sha256(text.encode()).hexdigest())
    write_atomically(os.path.join(folder, PROGRAM_FILE),
                     to_json(document).encode())
    return len(text)


def document_of(body, facts, class_name, micro_batch, sequence_length):
    """`micro_batch` is a number, or None for any; `sequence_length` the
    shortest and the longest."""
    import torch
    from autotp.importing.program import FORMAT, VERSION
    return {"format": FORMAT, "version": VERSION, "name": facts["model_type"],
            "origin": {"class": class_name, "torch": torch.__version__},
            "micro_batch": micro_batch or 0,
            "sequence_length": list(sequence_length), **facts, **body}


def place_files(source, target, names):
    """Weights are linked, small files copied."""
    os.makedirs(target, exist_ok=True)
    if os.path.samefile(source, target):
        return
    for name in names:
        path = os.path.join(target, name)
        if os.path.lexists(path):
            os.remove(path)
        if name.endswith(".safetensors"):
            os.symlink(os.path.abspath(os.path.join(source, name)), path)
        else:
            shutil.copyfile(os.path.join(source, name), path)


def import_folder(options, progress):
    progress("loading torch and transformers")
    from autotp.importing import capture, huggingface, merged, program
    from autotp.importing import stored_names
    config = huggingface.read_config(options.model, options.trust_remote_code)
    progress(f"making {config.model_type} without weights")
    model, filled = huggingface.make_model(config, options.trust_remote_code)
    facts = huggingface.facts(config, model)
    names = stored_names.stored_names(model, options.model)
    parts = merged.parts_of(model)

    def written(batch, tokens):
        inputs = huggingface.example_inputs(model, batch, tokens)
        captured = capture.capture(model, (), inputs, filled, names,
                                   parts)
        return program.write_program(captured, {n: n for n in inputs})

    longest = options.sequence_length
    if options.micro_batch:
        progress("exporting")
        body, constants = written(options.micro_batch, longest)
        sizes = (options.micro_batch, (longest, longest))
    else:
        body, constants, sizes = any_sizes(written, longest, progress)
    output = options.output or options.model
    small = [n for n in sorted(os.listdir(options.model))
             if n.endswith((".json", ".txt", ".model", ".jinja"))
             and n != PROGRAM_FILE]
    place_files(options.model, output,
                small + [n for n in huggingface.weight_files(options.model)
                         if n not in small])
    document = document_of(body, facts, type(model).__name__, *sizes)
    return output, document, constants


def any_sizes(written, longest, progress):
    """The program for any micro-batch and up to `longest` tokens, if the
    model has one; else for a fixed length, or a fixed micro-batch too."""
    from autotp.importing import flexible
    progress(f"exporting for {longest} tokens")
    body, constants = written(2, longest)
    # A window that is longer than the shortest is not seen there.
    shorter = [t for t in (SHORTEST, longest // 2 - 1) if SHORTEST <= t]
    for tokens in [t for t in shorter if t < longest] + [longest]:
        progress(f"exporting for {tokens} tokens and another micro-batch")
        other, other_constants = written(3, tokens)
        try:
            if other_constants.keys() != constants.keys() or any(
                    not bool((constants[k] == other_constants[k]).all())
                    if constants[k].shape == other_constants[k].shape
                    else True for k in constants):
                raise flexible.Differs("the constants")
            merged = flexible.merge(body, other, (2, longest), (3, tokens))
        except flexible.Differs as differs:
            progress(f"not of one form: {differs}")
            continue
        return merged, constants, (None, (tokens, longest))
    progress("only for micro-batches of 2; give --micro-batch for another")
    return body, constants, (2, (longest, longest))


def _factory(text):
    package, _, name = text.partition(":")
    if not package or not name:
        raise ImportFailure(f"--module {text}: write package.module:factory")
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(package)
    except ImportError as error:
        raise ImportFailure(f"--module {text}: {error}") from error
    factory = getattr(found, name, None)
    if not callable(factory):
        raise ImportFailure(f"--module {text}: {package} has no {name}()")
    return factory


def import_module(options, progress):
    progress("loading torch and the module")
    from autotp.importing import custom
    return custom.import_factory(_factory(options.module), options, progress)


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="autotp-import",
        description="Turns any PyTorch model that torch.export can export "
        "into a folder that `autotp train` and `autotp plan` take.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", metavar="DIR",
                        help="Hugging Face model folder")
    source.add_argument("--module", metavar="PACKAGE.MODULE:FACTORY",
                        help="a function of yours that returns the module and "
                        "a dictionary of example inputs")
    parser.add_argument("--output", metavar="DIR",
                        help="folder to write; default: the model's own")
    parser.add_argument("--micro-batch", type=int,
                        help="sequences in a micro-batch; default: any")
    parser.add_argument("--sequence-length", type=int, default=2048,
                        help="the most tokens in a sequence; default 2048")
    parser.add_argument("--loss", metavar="NAME",
                        help="which output is the loss; default: the first")
    parser.add_argument("--seed", type=int, default=0,
                        help="of the weights of a module that has none yet")
    parser.add_argument("--trust-remote-code", action="store_true",
                        help="run the Python code that lies in the folder")
    parser.add_argument("--check", action="store_true",
                        help="compare loss and gradients of the written "
                        "program with the module's own, in PyTorch")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    if (options.micro_batch or 1) < 1 or options.sequence_length < 2:
        parser.error("--micro-batch has to be at least 1 and "
                     "--sequence-length at least 2")
    if options.module and not options.output:
        parser.error("--module needs --output")
    return options


def main(arguments=None):
    options = parse(arguments)
    progress = Progress(options.quiet)
    # Of PyTorch's parts about one another, not of the model.
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("torch").setLevel(logging.ERROR)
    try:
        run = import_folder if options.model else import_module
        output, document, constants = run(options, progress)
        size = write_program(output, document, constants)
        progress(f"{output}: {len(document['nodes'])} operations, "
                 f"{len(document['parameters'])} parameters, {size} bytes")
        if options.check:
            from autotp.importing import check
            progress("checking one step against PyTorch")
            print(check.compare(options, output), file=sys.stderr)
    except ImportFailure as error:
        print(f"autotp-import: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"autotp-import: {error}; install torch, transformers and "
              "safetensors beside this package", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"autotp-import: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
