"""The function of --module PACKAGE.MODULE:FACTORY."""
import importlib
import os
import sys

from autotp.importing.errors import ImportFailure, users_line


def factory(text):
    package, _, name = text.partition(":")
    if not package or not name:
        raise ImportFailure(f"--module {text}: write package.module:factory")
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(package)
    except Exception as error:  # whatever stands in the user's module
        line = users_line(error)
        raise ImportFailure(f"--module {text}: {type(error).__name__}: {error}"
                            + (f"\n  at {line}" if line else "")) from error
    made = getattr(found, name, None)
    if not callable(made):
        raise ImportFailure(f"--module {text}: {package} has no {name}()")
    return made
