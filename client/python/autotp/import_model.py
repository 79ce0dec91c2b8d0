"""autotp-import: any PyTorch model becomes what `autotp train` takes.

Writes a program file (a graph of operations, names of parameters, constants)
beside config.json and the weights. Nothing of it is needed where training
runs. With a Hugging Face folder no weights are loaded.
"""
import argparse
import gc
import logging
import sys
import time
import warnings

from autotp.importing.errors import ImportFailure


class Progress:
    """One line per stage, with its time."""

    def __init__(self, quiet=False):
        self.quiet, self.start = quiet, time.monotonic()

    def __call__(self, text):
        if not self.quiet:
            print(f"[{time.monotonic() - self.start:5.1f} s] {text}",
                  file=sys.stderr, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="autotp-import",
        description="Turns any PyTorch model that torch.export can export "
        "into a folder that `autotp train` and `autotp plan` take.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", metavar="DIR_OR_NAME",
                        help="Hugging Face model folder, or a name on the hub")
    source.add_argument("--module", metavar="PACKAGE.MODULE:FACTORY",
                        help="a function of yours that returns the module and "
                        "a dictionary of example inputs")
    parser.add_argument("--output", metavar="DIR",
                        help="folder to write; default: the model's own")
    parser.add_argument("--micro-batch", type=int,
                        help="sequences in a micro-batch; default: any")
    parser.add_argument("--sequence-length", type=int,
                        help="the most tokens in a sequence; default 2048, or "
                        "as many as a module's example inputs have")
    parser.add_argument("--input", metavar="NAME:SIZES:TYPE", action="append",
                        default=[], help="what the forward reads, once for "
                        "each input: labels:B:int, pixel_values:B,3,32,32:float"
                        " (B: micro-batch, T: tokens; int, float, bool); "
                        "default: by the model's class")
    parser.add_argument("--loss", metavar="NAME",
                        help="which output is the loss, by its name or number; "
                        "default: the first")
    parser.add_argument("--seed", type=int, default=0,
                        help="of the weights of a module that has none yet")
    parser.add_argument("--weights", action="store_true",
                        help="fetch the weights too, of a name on the hub")
    parser.add_argument("--trust-remote-code", action="store_true",
                        help="run the Python code that lies in the folder")
    parser.add_argument("--check", action="store_true",
                        help="compare loss and gradients of the written "
                        "program with the module's own, in PyTorch")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    if options.micro_batch is not None and options.micro_batch < 1 or \
            options.sequence_length is not None and options.sequence_length < 2:
        parser.error("--micro-batch has to be at least 1 and "
                     "--sequence-length at least 2")
    if options.module and (options.input or options.weights):
        parser.error("--input and --weights are for --model; a module's "
                     "factory gives its inputs and its weights")
    if options.module and not options.output:
        parser.error("--module needs --output")
    return options


def _import(options, progress):
    progress("loading PyTorch" + ("" if options.module else
                                  " and Transformers"))
    if options.module:
        from autotp.importing import custom
        return custom.import_factory(options, progress)
    from autotp.importing import folder
    return folder.import_folder(options, progress)


def _sizes(document):
    """For which sizes the program is."""
    batch = document["micro_batch"]
    shortest, longest = document["sequence_length"]
    text = f"micro-batches of {batch}" if batch else "any micro-batch"
    if longest:
        text += f", {shortest} to {longest} tokens"
    return "for " + text


def main(arguments=None):
    options = parse(arguments)
    progress = Progress(options.quiet)
    # Of PyTorch's parts about one another, not of the model.
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("torch").setLevel(logging.ERROR)
    try:
        imported = _import(options, progress)
        from autotp.importing import files
        size = files.write_program(imported)
        document = imported.document
        progress(f"{imported.folder}: {len(document['nodes'])} operations, "
                 f"{len(document['parameters'])} parameters, {size} bytes; "
                 + _sizes(document))
        if options.check:
            from autotp.importing import check
            progress("checking one step against PyTorch")
            print(check.compare(options, imported), file=sys.stderr)
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


def command():
    code = main()
    gc.freeze()  # to go over a large graph once more takes seconds
    return code


if __name__ == "__main__":
    sys.exit(command())
