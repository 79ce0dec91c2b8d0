"""A program for every size that it is good for: exported twice, at other
micro-batches and lengths, and merged where the two are of one form."""
from autotp.importing import flexible

SHORTEST = 11  # tokens, and a size that few models have
BATCHES = (2, 3)
DEFAULT_LENGTH = 2048


def any_sizes(written, longest, progress, batches=BATCHES):
    """`written(batch, tokens)` gives a body and constants. The body for any
    micro-batch and up to `longest` tokens (0: there are none), if there is one;
    else for a fixed length, or a fixed micro-batch too. Returns body, constants,
    and (micro-batch or None, (shortest, longest))."""
    batch, other_batch = batches
    progress(f"exporting for {longest} tokens" if longest else "exporting")
    body, constants = written(batch, longest)
    for tokens in _lengths(longest):
        progress((f"exporting for {tokens} tokens" if longest else "exporting")
                 + f" and micro-batches of {other_batch}")
        try:
            other, other_constants = written(other_batch, tokens)
            merged = flexible.merge(
                body, other, (batch, longest), (other_batch, tokens))
            flexible.compare_constants(constants, other_constants)
        except flexible.Differs as differs:
            progress(f"not of one form: {differs}")
            continue
        return merged, constants, (None, (tokens, longest))
    progress(f"only for micro-batches of {batch}; give --micro-batch for "
             "another")
    return body, constants, (batch, (longest, longest))


def _lengths(longest):
    """The lengths to try, the shortest first: a window that is longer than a
    sequence is not seen in it."""
    shorter = [t for t in (SHORTEST, longest // 2 - 1)
               if SHORTEST <= t < longest]
    if not shorter and longest > 4:
        shorter = [longest - 1]
    return shorter + [longest]
