"""The one error that a user sees: what was given, where, and what is valid."""


class InputError(ValueError):
    """Bad input: the command line prints it on one line and exits with 2.

    Write the message as *what was given, where (file, line, row), what is valid*.
    """
