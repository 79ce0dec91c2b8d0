"""A Hugging Face folder, or a model's name, becomes a folder to train."""
from autotp.importing import (capture, files, hub, huggingface, inputs,
                              merged, outputs, program, rope, sizes,
                              stored_names)


def import_folder(options, progress):
    source = hub.folder_of(options.model, options.output,
                           options.trust_remote_code, options.weights, progress)
    named, options.model = source != options.model, source
    config = huggingface.read_config(source, options.trust_remote_code)
    progress(f"making {config.model_type} without weights")
    model, filled = huggingface.make_model(config, options.trust_remote_code)
    progress(f"{type(model).__name__} of "
             f"{sum(p.numel() for p in model.parameters()):,} parameters")
    facts = huggingface.facts(config, model)
    names = stored_names.stored_names(model, source)
    parts = merged.parts_of(model)
    taken = ([inputs.parse(text) for text in options.input]
             or inputs.of_model(model, config))
    progress("its inputs: " + " ".join(map(str, taken)))
    extra = huggingface.switches(model)
    found = {}

    def written(batch, tokens):
        rope.settle(model, tokens)
        given = inputs.examples(taken, batch, tokens, capture.COMPUTE_DTYPE)
        captured = capture.capture(model, (), {**given, **extra}, filled, names,
                                   parts)
        found["loss"] = outputs.loss_index(captured.program, options.loss)
        return program.write_program(captured, {n: n for n in given},
                                     found["loss"])

    longest = options.sequence_length or sizes.DEFAULT_LENGTH
    if not inputs.has_tokens(taken):
        longest = 0
    if options.micro_batch:
        progress("exporting")
        body, constants = written(options.micro_batch, longest)
        range_ = (options.micro_batch, (longest, longest))
    else:
        body, constants, range_ = sizes.any_sizes(written, longest, progress)
    output = options.output or source
    files.place_model(source, output)
    if not files.weight_files(source):
        progress(_without_weights(files.pickled_files(source), named))
    document = files.document_of(body, facts, type(model).__name__, *range_)
    return files.Imported(output, document, constants, taken, found["loss"])


def _without_weights(pickled, named):
    if pickled:
        return (f"the weights are in {pickled[0]}, which is not read: convert "
                "them by AutoModel.from_pretrained(FOLDER).save_pretrained("
                "FOLDER), or train with --init random")
    return "there are no weights; train with --init random" + (
        ", or import with --weights" if named else "")
