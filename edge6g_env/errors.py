"""The one base class of what a user can mend: bad scenarios, names, folders, checkpoints, arguments of a command."""


class UserError(ValueError):
    """Its message is a whole sentence that says what is wrong, where, and what would be right; the command line prints just that.

    Everything else that is raised is a bug of ours, a `ValueError` of a library too, and shows its traceback.
    """


class ArgumentError(UserError, TypeError):
    """A keyword argument that a call does not take: a `TypeError` too, since makers of other libraries try again without it."""
