"""What is wrong with the user's model or command, in words for the user."""


class ImportFailure(Exception):
    """The message says what failed, quotes the reason, and what to do."""
