"""What can go wrong, said in one sentence: what, where, what to do."""


class AnalysisError(Exception):
    """Base of every error the workbench raises on purpose; the command line shows its text and no traceback."""

    exit_code = 1


class InputError(AnalysisError):
    """Bad input or usage: a file, a row, an option. Exit code 2."""

    exit_code = 2


class DataError(InputError):
    """A table or file of a data folder cannot be used as it is."""


class ConfigError(InputError):
    """An import configuration names something that does not exist or cannot be."""


class ParameterError(InputError):
    """A notebook or command parameter is unknown, of the wrong type or out of range."""


class Refused(AnalysisError):
    """The data cannot carry the answer asked for; the text says why and what it would take."""
