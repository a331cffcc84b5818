"""The table of trackers, and the one a run reports to."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from burnish.recipe.evaluation import Tracking
from burnish.registry import Registry
from burnish.tracking.base import Tracker
from burnish.tracking.guard import GuardedTracker

TrackerFactory = Callable[[Tracking, Path], Tracker]

TRACKERS: Registry[TrackerFactory] = Registry(
    "tracker",
    {
        "mlflow": "burnish.tracking.mlflow:from_recipe",
        "tensorboard": "burnish.tracking.tensorboard:from_recipe",
    },
    where="recipe key `tracking.trackers`",
)


def make(tracking: Tracking, folder: Path) -> GuardedTracker:
    """Return every tracker the recipe names, guarded; none is opened before `start`.

    Args:
        tracking: the recipe's section.
        folder: the run folder, for trackers that keep something there.

    Raises:
        UnknownPluginError: BN102, a name is not registered: the recipe is wrong, so it is told.
    """
    guard = GuardedTracker({})
    for name in tracking.trackers:
        guard.add(name, partial(_made, name, tracking, folder))
    return guard


def _made(name: str, tracking: Tracking, folder: Path) -> Tracker:
    return TRACKERS.get(name)(tracking, folder)
