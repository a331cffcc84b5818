"""Reports a run to MLflow: parameters, metrics, system use, files, data sets and the model.

Metrics are appended to a buffer and sent in batches from a thread; everything else is sent
before the call returns. Numbers that are not finite are left out and told of: no store keeps
them in a form that charts can show.

Called by the pipeline through `tracking.guard`. The model itself is in `model`.
"""

import getpass
import json
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from burnish.errors import TrackerError
from burnish.recipe.evaluation import Tracking
from burnish.tracking.base import DatasetInfo, ModelInfo, RunInfo, Status
from burnish.tracking.courier import Courier
from burnish.tracking.mlflow.model import keep_model
from burnish.tracking.mlflow.store import Store, open_store, restrained, store_errors
from burnish.tracking.params import written
from burnish.tracking.system import SystemSampler

_log = logging.getLogger(__name__)

# MLflow's limits; beyond them it refuses the whole batch.
_PARAMS_IN_BATCH = 100
_METRICS_IN_BATCH = 1000
_LONGEST_PARAM = 6000
_LONGEST_KEY = 250
_LONGEST_DIGEST = 36
_NOT_IN_KEYS = re.compile(r"[^\w\-. /:]", re.ASCII)
_CUT = " … (cut; whole in params.json)"
_LAST_METRICS_WAIT_S = 90.0
# What is not sent by then is sent later, or again by the run that goes on; whoever ends a run by
# a signal gives it half a minute, and the checkpoint comes after.
_FLUSH_WAIT_S = 5.0
_SYSTEM = "system/"


def from_recipe(tracking: Tracking, _folder: Path) -> "MlflowTracker":
    """Return a tracker for `tracking.uri`; the store is opened by `start`."""
    return MlflowTracker(tracking.uri, system_metrics=tracking.system_metrics)


class MlflowTracker:
    """One MLflow run. Methods raise TrackerError (BN403) when the store fails."""

    def __init__(
        self, uri: str, *, system_metrics: bool = True, system_every_s: float = 10.0
    ) -> None:
        self.uri = uri
        self.run_id: str | None = None
        self._system_every_s = system_every_s if system_metrics else None
        self._store: Store | None = None
        self._resumed = False
        self._courier: Courier[Any] | None = None
        self._sampler: SystemSampler | None = None
        self._not_finite: Counter[str] = Counter()  # metric → values left out
        self._kept: set[tuple[str, int]] = set()  # key, step of values not to be sent again
        self._cleanup = ExitStack()

    @property
    def reference(self) -> str:
        """`runs:/<id>`; empty before `start`."""
        return f"runs:/{self.run_id}" if self.run_id else ""

    def start(self, run: RunInfo) -> None:
        """Open the store, the experiment and a run in it, or go on with `run.run_id`."""
        if self._store is not None:
            raise TrackerError("a run is open already", where=self.uri, fix="call `finish` first")
        self._cleanup.enter_context(restrained())
        try:
            store = open_store(self.uri)
            with store_errors(self.uri, "no run can be opened"):
                if run.run_id:
                    store.client.update_run(run.run_id, status="RUNNING")
                self.run_id = run.run_id or _opened(store, run)
                samples = self._look_up(store, self.run_id) if run.run_id else 0
        except BaseException:
            self._cleanup.close()
            raise
        self._store, self._resumed = store, run.run_id is not None
        self._courier = Courier(self._send)
        if self._system_every_s is not None:
            self._sampler = SystemSampler(
                lambda sample, number: self.log_metrics(sample, step=number),
                every_s=self._system_every_s,
                first=samples,
            )
            self._sampler.start()

    def log_params(self, params: Mapping[str, str | int | float | bool | None]) -> None:
        """Record settings; if a value is too long for MLflow, all go whole into params.json too.

        MLflow never changes a parameter. In a resumed run those it has are left as they are.
        """
        store, run_id = self._open()
        from mlflow.entities import Param

        whole = {_key(name): written(value) for name, value in params.items()}
        with store_errors(self.uri, "parameters are not kept"):
            known = store.client.get_run(run_id).data.params if self._resumed else {}
            fresh = [Param(key, _cut(value)) for key, value in whole.items() if key not in known]
            for first in range(0, len(fresh), _PARAMS_IN_BATCH):
                store.client.log_batch(run_id, params=fresh[first : first + _PARAMS_IN_BATCH])
            if any(len(value) > _LONGEST_PARAM for value in whole.values()):
                store.client.log_dict(run_id, dict(params), "params.json")

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Leave numbers to be sent within seconds; those not finite are counted and left out."""
        self._open()
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        for name in (name for name in metrics if name not in finite):
            if name not in self._not_finite:
                told = "metric %s is %s at step %d: left out of MLflow"
                _log.warning(told, name, metrics[name], step)
            self._not_finite[name] += 1
        if self._courier is not None:
            values = [Metric(_key(n), v, now_ms, step) for n, v in finite.items()]
            self._courier.put([one for one in values if (one.key, step) not in self._kept])

    def flush(self) -> None:
        """Send what waits; what takes longer than a few seconds goes on being sent."""
        self._open()
        if self._courier is not None:
            with store_errors(self.uri, "metrics are not kept"):
                self._courier.flush(timeout_s=_FLUSH_WAIT_S)

    def go_on(self, history: Sequence[tuple[int, Mapping[str, float]]], *, step: int) -> None:
        """Send what the run lacks up to the checkpoint; what it has beyond is not sent again."""
        for at, metrics in history if self._resumed else []:
            if at <= step:
                self.log_metrics(metrics, step=at)

    def log_file(self, path: Path, *, folder: str = "") -> None:
        """Copy a file, or what a folder holds, into `folder` of the run's artifacts."""
        store, run_id = self._open()
        with store_errors(self.uri, f"{path} is not kept"):
            if path.is_dir():
                store.client.log_artifacts(run_id, str(path), folder or path.name)
            elif path.exists():
                store.client.log_artifact(run_id, str(path), folder or None)
            else:
                raise FileNotFoundError(f"there is no {path}")

    def log_dataset(self, dataset: DatasetInfo) -> None:
        """Record a split as an MLflow data set used in the context of its name."""
        store, run_id = self._open()
        from mlflow.entities import Dataset, DatasetInput, InputTag

        kinds = dataset.columns.items()
        columns = [{"name": name, "type": kind, "required": True} for name, kind in kinds]
        entity = Dataset(
            name=f"{Path(dataset.source).name or dataset.source}:{dataset.split}",
            digest=dataset.digest[:_LONGEST_DIGEST],  # MLflow's limit; the profile has all of it
            source_type="local" if Path(dataset.source).exists() else "code",
            source=json.dumps({"uri": dataset.source}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": dataset.rows, "sha256": dataset.digest}),
        )
        with store_errors(self.uri, f"data set {dataset.split} is not kept"):
            used = DatasetInput(entity, [InputTag("mlflow.data.context", dataset.split)])
            store.client.log_inputs(run_id, [used])

    def log_model(self, model: ModelInfo) -> None:
        """Keep the model in MLflow's models-from-code form, and register it if it has a name."""
        store, run_id = self._open()
        with store_errors(self.uri, "the model is not kept"):
            keep_model(store.client, run_id, model)

    def finish(self, status: Status) -> None:
        """Send what waits and close the run; a second call does nothing.

        Raises:
            TrackerError: BN403, metrics or the status could not be sent; the run's threads have
                ended all the same.
        """
        if self._store is None or self.run_id is None:
            return
        client = self._store.client
        try:
            if self._sampler is not None:
                self._sampler.stop()
            with store_errors(self.uri, "the run is not closed"):
                try:
                    if self._courier is not None:
                        self._courier.close(timeout_s=_LAST_METRICS_WAIT_S)
                finally:
                    if self._not_finite:
                        told = json.dumps(self._not_finite)
                        client.set_tag(self.run_id, "burnish.not_finite", told)
                    client.set_terminated(self.run_id, status)
        finally:
            self._store = None
            self._cleanup.close()

    def _look_up(self, store: Store, run_id: str) -> int:
        """Note which values a run has; return the number of its next system sample."""

        def steps(key: str) -> list[int]:
            return [one.step for one in store.client.get_metric_history(run_id, key)]

        keys = sorted(store.client.get_run(run_id).data.metrics)
        system = [key for key in keys if key.startswith(_SYSTEM)]
        for key in keys:
            if key not in system:
                self._kept.update((key, step) for step in steps(key))
        return max(steps(system[0])) + 1 if system else 0

    def _open(self) -> tuple[Store, str]:
        if self._store is None or self.run_id is None:
            raise TrackerError("no run is open", where=self.uri, fix="call `start` first")
        return self._store, self.run_id

    def _send(self, metrics: list[Any]) -> None:
        """Send what has gathered, in the courier's thread."""
        store, run_id = self._open()
        with store_errors(self.uri, f"{len(metrics)} metric values are not kept"):
            for first in range(0, len(metrics), _METRICS_IN_BATCH):
                store.client.log_batch(run_id, metrics[first : first + _METRICS_IN_BATCH])


def _opened(store: Store, run: RunInfo) -> str:
    """Make a run, and its experiment where there is none; return the run's id."""
    tags = {
        "mlflow.user": _user(),
        "mlflow.source.name": "burnish",
        "mlflow.source.type": "LOCAL",
        "burnish.folder": str(run.folder.absolute()),
        **run.tags,
    }
    if run.description:
        tags["mlflow.note.content"] = run.description
    made = store.client.create_run(_experiment(store, run.experiment), tags=tags, run_name=run.name)
    return str(made.info.run_id)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user id has no name
        return "unknown"


def _experiment(store: Store, name: str) -> str:
    """Return the id of the experiment of that name, made if need be."""
    from mlflow.exceptions import MlflowException

    found = store.client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(store.client.create_experiment(name, artifact_location=store.artifacts))
        except MlflowException as err:
            # Another process may have made it between the two calls.
            found = store.client.get_experiment_by_name(name)
            if found is None:
                raise err from None
    if found.lifecycle_stage != "active":
        raise TrackerError(
            f"experiment {name!r} was deleted",
            where=store.uri,
            fix="choose another `tracking.experiment`, or run "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}`",
        )
    return str(found.experiment_id)


def _key(name: str) -> str:
    """Return a name MLflow accepts: other characters become `_`, the length is bounded."""
    return _NOT_IN_KEYS.sub("_", name)[:_LONGEST_KEY]


def _cut(value: str) -> str:
    is_long = len(value) > _LONGEST_PARAM
    return value[: _LONGEST_PARAM - len(_CUT)] + _CUT if is_long else value
