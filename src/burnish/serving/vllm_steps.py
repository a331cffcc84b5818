"""One thread that steps vLLM for all who want something written.

The only module that imports vllm. It batches by itself: a request joins while others are being
written, and leaves when it ends. Tokens are handed to whoever asked as they come, and that one
says when it has enough. vLLM's reports of its use to its makers are off.

Called by `serving.vllm_engine`.
"""

import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from burnish.errors import MissingPackageError, ModelFormatError, ServerError

_SHARE = 0.45  # of the GPU's memory: a new version is loaded while the old one still answers
_MOST_LIKELIEST = 20  # tokens of which the odds are told in each place

Odds = Mapping[int, float]  # token → logprob, of the likeliest in a place and the one there


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What vLLM has newly written for one request."""

    tokens: Sequence[int]
    odds: Sequence[Odds]  # of each token, where they were asked for
    prompt_odds: Sequence[Odds | None]  # of the prompt's, with the first step; the first has none
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be written."""

    prompt: Sequence[int]
    take: Callable[[Step], bool]  # is given each step, on vLLM's thread; whether that is enough
    settings: Mapping[str, Any]  # of vllm.SamplingParams
    done: "Future[None]" = field(default_factory=Future)


class Stepper:
    """A model in vLLM, and the thread that steps it."""

    def __init__(self, folder: Path, *, dtype: str, longest: int | None) -> None:
        """Load the model of a folder.

        Args:
            folder: in the form of transformers, without adapters.
            dtype: of weights and sums: float32 or bfloat16.
            longest: tokens of prompt and answer; None: as the model's configuration says.

        Raises:
            MissingPackageError: BN401, vLLM is not installed.
            ModelFormatError: BN303, vLLM cannot open the model, or has no room for it.
        """
        self._vllm = _package()
        arguments = self._vllm.EngineArgs(
            model=str(folder),
            dtype=dtype,
            max_model_len=longest,
            max_logprobs=_MOST_LIKELIEST,
            gpu_memory_utilization=_SHARE,
            trust_remote_code=False,
            disable_log_stats=True,
        )
        try:
            self._engine = self._vllm.LLMEngine.from_engine_args(arguments)
        except Exception as err:  # (its errors share no class)
            raise ModelFormatError(
                f"vLLM cannot open the model: {type(err).__name__}: {err}",
                where=str(folder),
                fix="serve it without `--engine vllm`, or free memory of the GPU",
            ) from err
        self.longest = int(self._engine.model_config.max_model_len)  # tokens, answer included
        self._new_only = type(self._vllm.SamplingParams().output_kind).DELTA
        self._stopped = False
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._open: dict[str, Order] = {}
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self._run, name="burnish-vllm", daemon=True)
        self._thread.start()

    def begin(self, order: Order) -> None:
        """Have an order written; its future tells the end, and what vLLM, or `take`, raised."""
        self._orders.put(order)
        if self._stopped:
            self._refuse_all()

    def close(self) -> None:
        """Stop the thread and let the GPU's memory go; nothing may be at work."""
        self._orders.put(None)
        self._thread.join()
        self._engine.engine_core.shutdown()

    def _run(self) -> None:
        try:
            while self._admit():
                try:
                    for output in self._engine.step():
                        self._hand_on(output)
                except Exception as err:  # noqa: BLE001  (raised again, for whom it concerns)
                    self._fail(err)
        finally:
            self._stopped = True
            self._refuse_all()

    def _refuse_all(self) -> None:
        """Tell all who wait, or come, after the end that nothing will be written."""
        with suppress(Empty):
            while True:
                if order := self._orders.get_nowait():
                    self._open[str(next(self._numbers))] = order
        orders, self._open = self._open, {}
        for order in orders.values():
            order.done.set_exception(
                ServerError("vLLM has stopped", where="the server", fix="start it anew")
            )

    def _admit(self) -> bool:
        """Take in what was ordered, waiting where nothing is at work; False: it is to stop."""
        try:
            while True:
                order = self._orders.get_nowait() if self._open else self._orders.get()
                if order is None:
                    return False
                self._begin(order)
        except Empty:
            return True

    def _begin(self, order: Order) -> None:
        name = str(next(self._numbers))
        try:
            settings = self._vllm.SamplingParams(
                **order.settings,
                detokenize=False,  # as the torch engine does it, by `serving.pieces`
                output_kind=self._new_only,
            )
            prompt = self._vllm.TokensPrompt(prompt_token_ids=list(order.prompt))
            self._engine.add_request(name, prompt, settings)
        except Exception as err:  # noqa: BLE001
            order.done.set_exception(err)
        else:
            self._open[name] = order

    def _hand_on(self, output: Any) -> None:
        order = self._open.get(output.request_id)
        if order is None:
            return
        found = output.outputs[0]
        step = Step(
            tokens=list(found.token_ids),
            odds=[_odds(one) or {} for one in found.logprobs or ()],
            prompt_odds=[_odds(one) for one in output.prompt_logprobs or ()],
            ended=output.finished,
        )
        try:
            enough = order.take(step)
        except Exception as err:  # noqa: BLE001
            self._end(output, err)
        else:
            if enough or step.ended:
                self._end(output, None)

    def _end(self, output: Any, err: Exception | None) -> None:
        order = self._open.pop(output.request_id)
        if err is None:
            order.done.set_result(None)
        else:
            order.done.set_exception(err)
        if not output.finished:
            self._engine.abort_request([output.request_id])

    def _fail(self, err: Exception) -> None:
        """Tell all who wait that a step failed, and begin anew without them."""
        orders, self._open = self._open, {}
        for order in orders.values():
            order.done.set_exception(err)
        self._engine.abort_request(list(orders))


def check_package() -> None:
    """Raise MissingPackageError (BN401) where vLLM is not installed."""
    _package()


def _odds(place: Mapping[int, Any] | None) -> Odds | None:
    if place is None:
        return None
    ordered = sorted(place.items(), key=lambda one: -one[1].logprob)
    return {token: float(told.logprob) for token, told in ordered}


def _package() -> Any:
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    try:
        import vllm
    except ImportError as err:
        raise MissingPackageError(
            f"the engine needs the package {err.name or 'vllm'}",
            where="option --engine vllm",
            fix="pip install vllm on a machine with a GPU, or leave the option out",
        ) from err
    return vllm
