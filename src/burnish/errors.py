"""Every error Burnish raises on purpose.

Each says four things: a code, what is wrong with the values, where (file, row or key), and
what to do. The base class makes it impossible to leave one out. `exit_code` is what the
command line returns: 1 a gate said no, 2 the input is wrong, 3 the environment lacks something.
"""

from typing import Any, ClassVar


class BurnishError(Exception):
    """Base class: says what is wrong, where, and what to do next."""

    code: ClassVar[str] = "BN000"
    exit_code: ClassVar[int] = 2
    # What was known of the rows before: each Finding and LedgerEntry; set by who knows them.
    findings: tuple[Any, ...] = ()
    entries: tuple[Any, ...] = ()

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        return f"[{self.code}] {self.what}\n  where: {self.where}\n  fix:   {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a trip between processes; the default drops keyword arguments."""
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(kind: type[BurnishError], what: str, where: str, fix: str) -> BurnishError:
    return kind(what, where=where, fix=fix)


class GateError(BurnishError):
    """A gate of the recipe said no."""

    code = "BN001"
    exit_code = 1


class RecipeError(BurnishError):
    """The recipe file cannot be used as written."""

    code = "BN101"


class UnknownPluginError(BurnishError):
    """No plug-in of that family has that name."""

    code = "BN102"


class UsageError(BurnishError):
    """The arguments of a command do not fit together."""

    code = "BN103"


class DataNotFoundError(BurnishError):
    """A data file, folder or hub data set is not there."""

    code = "BN201"


class DataFormatError(BurnishError):
    """A data file cannot be read as what its name says it is."""

    code = "BN202"


class ColumnError(BurnishError):
    """A column the recipe names is missing or holds the wrong type."""

    code = "BN204"


class EmptyDataError(BurnishError):
    """No rows, or none left."""

    code = "BN205"


class LabelError(BurnishError):
    """Labels are unknown, of one class only, or do not fit the task."""

    code = "BN206"


class CheckError(BurnishError):
    """Data checks whose action is `error` found something."""

    code = "BN207"


class SplitError(BurnishError):
    """The rows cannot be split as asked."""

    code = "BN208"


class SignalError(BurnishError):
    """A signal or a formula of signals is none, or cannot be read from the rows."""

    code = "BN209"


class ModelNotFoundError(BurnishError):
    """A model is not there, or the hub cannot be reached."""

    code = "BN301"
    exit_code = 3


class UnsafeModelError(BurnishError):
    """A model folder holds code or pickled weights, which are never loaded."""

    code = "BN302"


class ModelFormatError(BurnishError):
    """A model folder is damaged, or not the model it claims to be."""

    code = "BN303"


class ModelTaskError(BurnishError):
    """A model does not fit the task or the method."""

    code = "BN304"


class MissingPackageError(BurnishError):
    """An optional package is needed and not installed."""

    code = "BN401"
    exit_code = 3


class StorageError(BurnishError):
    """A file cannot be written: no permission, no space, not a folder."""

    code = "BN402"
    exit_code = 3


class TrackerError(BurnishError):
    """A tracking server or store cannot be used."""

    code = "BN403"
    exit_code = 3


class HardwareError(BurnishError):
    """This machine cannot do what the recipe asks for."""

    code = "BN404"
    exit_code = 3


class TrainingError(BurnishError):
    """Training cannot go on: the loss is not a number, or no step was possible."""

    code = "BN501"


class CheckpointError(BurnishError):
    """A checkpoint is absent, damaged, or of another run."""

    code = "BN502"


class RunFolderError(BurnishError):
    """A folder is not a run, or one of its files is missing or damaged."""

    code = "BN601"


class PredictionError(BurnishError):
    """Prediction files cannot be scored or compared: other rows, unknown labels, no rows."""

    code = "BN602"


class ParityError(BurnishError):
    """An exported model answers otherwise than the one that was judged."""

    code = "BN603"
    exit_code = 1


class RequestError(BurnishError):
    """A request to a server cannot be read, or cannot be answered as it is written."""

    code = "BN701"
    status = 422  # of HTTP; set to another where the request is broken in another way
    kind: str | None = None  # what other APIs call such an error


class AccessError(BurnishError):
    """A request came without a key that the server knows."""

    code = "BN702"


class UnknownModelError(BurnishError):
    """A server has no model of that name."""

    code = "BN703"


class OverCapacityError(BurnishError):
    """A server has more to do than it takes on, or is about to stop; ask again later."""

    code = "BN704"
    exit_code = 3
    retry_after_s = 1  # whole seconds until it is worth asking again


class RateLimitError(OverCapacityError):
    """A key has asked more often than it may; ask again later."""

    code = "BN705"


class DeadlineError(BurnishError):
    """A server did not get to the answer in the time it gives itself."""

    code = "BN706"
    exit_code = 3


class ServerError(BurnishError):
    """A server cannot be started: the address is taken, or a file it needs is wrong."""

    code = "BN707"
    exit_code = 3
