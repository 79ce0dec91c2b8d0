"""autotp-tokenize: text or JSONL becomes token files for `autotp train`.

Documents are read one at a time, so files may be larger than memory. The
output is written under another name and renamed when it is whole.
"""
import argparse
import array
import json
import os
import sys

IGNORED_LABEL = -100
HEADER_NUMBERS = 256  # of 4 bytes: magic, version, number of tokens, zeros
MAGIC = {2: 20240520, 4: 20240801}  # by the bytes of a token
TYPE_CODE = {2: "H", 4: "I"}


class InputError(Exception):
    """The user's input is wrong; the message says where and what."""


def read_documents(path, lines=False, text_key="text"):
    """Yields (prompt, completion) of every document of a file."""
    with open(path, encoding="utf-8") as file:
        if path.endswith((".jsonl", ".json")):
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield read_line(f"{path}:{number}", line, text_key)
        elif lines:
            for line in file:
                if line.strip():
                    yield "", line.rstrip("\n")
        else:
            text = file.read()
            if text:
                yield "", text


def read_line(place, line, text_key):
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f'{place}: not an object; write {{"{text_key}": ...}}')
    if isinstance(value.get(text_key), str):
        return "", value[text_key]
    prompt, completion = value.get("prompt", ""), value.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise InputError(
            f'{place}: has neither "{text_key}" nor "prompt" and "completion"; '
            "--text-key names another key")
    return prompt, completion


class Encoder:
    """A model folder's tokenizer, and how a document becomes ids."""

    def __init__(self, tokenizer, append_end=True):
        self.tokenizer = tokenizer
        self.end = tokenizer.eos_token_id if append_end else None
        if append_end and self.end is None:
            raise InputError("the tokenizer has no end-of-text token; give "
                             "--no-end")

    def encode(self, prompt, completion):
        """Ids of a document, and how many of them are the prompt's."""
        ids = self.tokenizer.encode(prompt + completion)
        count = 0
        if prompt:
            # Tokens that both have in common belong to the prompt.
            alone = self.tokenizer.encode(prompt)
            while (count < len(alone) and count < len(ids) and
                   alone[count] == ids[count]):
                count += 1
        if self.end is not None and (not ids or ids[-1] != self.end):
            ids = ids + [self.end]
        return ids, count


class StreamWriter:
    """Tokens one after the other, with llm.c's header."""

    def __init__(self, file, largest_id):
        self.file = file
        self.width = 2 if largest_id < 1 << 16 else 4
        self.count = 0
        file.write(bytes(4 * HEADER_NUMBERS))

    def add(self, ids, _):
        tokens = array.array(TYPE_CODE[self.width], ids)
        if sys.byteorder == "big":
            tokens.byteswap()
        self.file.write(tokens.tobytes())
        self.count += len(ids)

    def finish(self):
        if self.count >= 1 << 31:
            raise InputError(f"{self.count} tokens are more than one file's "
                             "header can say; write several files")
        header = array.array("i", [MAGIC[self.width], 1, self.count])
        if sys.byteorder == "big":
            header.byteswap()
        self.file.seek(0)
        self.file.write(header.tobytes())


class SequenceWriter:
    """One sequence a line, padded or cut to its length, with labels."""

    def __init__(self, file, length, padding):
        self.file, self.length, self.padding = file, length, padding
        self.count = self.cut = 0

    def add(self, ids, prompt):
        self.cut += len(ids) > self.length
        self.count += min(len(ids), self.length)
        ids = ids[:self.length]
        missing = self.length - len(ids)
        labels = [IGNORED_LABEL] * min(prompt, len(ids)) + ids[prompt:]
        line = dict(input_ids=ids + [self.padding] * missing,
                    labels=labels + [IGNORED_LABEL] * missing)
        self.file.write((json.dumps(line) + "\n").encode())

    def finish(self):
        if self.cut:
            print(f"{self.cut} documents were longer than {self.length} "
                  "tokens and were cut", file=sys.stderr)


def make_writer(file, output, tokenizer, sequence_length):
    if output.endswith(".jsonl"):
        if not sequence_length:
            raise InputError("a .jsonl needs --sequence-length")
        padding = tokenizer.pad_token_id
        if padding is None:
            padding = tokenizer.eos_token_id or 0
        return SequenceWriter(file, sequence_length, padding)
    if not output.endswith(".bin"):
        raise InputError(f"{output}: give a name that ends in .bin or .jsonl")
    if sequence_length:
        raise InputError("--sequence-length is for a .jsonl; `autotp train` "
                         "cuts a .bin itself")
    return StreamWriter(file, len(tokenizer) - 1)


def write(inputs, output, tokenizer, sequence_length=None, append_end=True,
          lines=False, text_key="text"):
    """Tokenizes `inputs` into `output`; returns documents and tokens."""
    encoder = Encoder(tokenizer, append_end)
    partial = output + ".partial"
    documents = 0
    try:
        with open(partial, "wb") as file:
            writer = make_writer(file, output, tokenizer, sequence_length)
            for path in inputs:
                for document in read_documents(path, lines, text_key):
                    writer.add(*encoder.encode(*document))
                    documents += 1
            if documents == 0:
                raise InputError("there is no document in the input")
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, output)
    except BaseException:
        if os.path.exists(partial):
            os.remove(partial)
        raise
    return documents, writer.count


def load_tokenizer(folder):
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder; give the model's folder")
    from transformers import AutoTokenizer
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n", maxsplit=1)[0].rstrip(": ")
        raise InputError(f"{folder}: no tokenizer that can be read: {reason}"
                         ) from None


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="autotp-tokenize",
        description="Turns text or JSONL into token files for `autotp train`.")
    parser.add_argument("inputs", nargs="+", metavar="INPUT",
                        help=".txt, or .jsonl with \"text\", or \"prompt\" and "
                        "\"completion\"")
    parser.add_argument("--model", required=True,
                        help="Hugging Face model folder with the tokenizer")
    parser.add_argument("--output", required=True,
                        help="tokens.bin, or sequences.jsonl with labels")
    parser.add_argument("--sequence-length", type=int,
                        help="tokens in a line of a .jsonl")
    parser.add_argument("--lines", action="store_true",
                        help="each line of a text file is a document")
    parser.add_argument("--text-key", default="text",
                        help="key of the text in a JSONL line; default text")
    parser.add_argument("--no-end", action="store_true",
                        help="no end-of-text token after each document")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    try:
        documents, tokens = write(
            options.inputs, options.output, load_tokenizer(options.model),
            options.sequence_length, not options.no_end, options.lines,
            options.text_key)
    except (InputError, OSError, UnicodeDecodeError) as error:
        print(f"autotp-tokenize: {error}", file=sys.stderr)
        return 2
    print(f"{options.output}: {documents} documents, {tokens} tokens",
          file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
