"""What is wrong with the user's model or command, in words for the user."""
import traceback

_LIBRARIES = ("torch/", "autotp/importing")


class ImportFailure(Exception):
    """The message says what failed, quotes the reason, and what to do."""


def users_line(error):
    """The last line of the traceback that is not a library's own."""
    return _last_of_others(traceback.extract_tb(error.__traceback__))


def calling_line():
    """The same of the code that runs now."""
    return _last_of_others(traceback.extract_stack())


def _last_of_others(frames):
    for frame in reversed(frames):
        if not any(folder in frame.filename for folder in _LIBRARIES):
            return f"{frame.filename}:{frame.lineno}: {frame.line}"
    return ""
