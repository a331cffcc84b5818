"""What `serving.vllm_steps` uses of vLLM 0.33, over a model of transformers on the processor.

vLLM runs on GPUs only. The names, arguments and results are those of its `EngineArgs`,
`LLMEngine`, `SamplingParams` and `RequestOutput`; several requests are stepped together, one
token each a step, and a request ends by its limit, an end token or an abort.
"""

from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM


class OutputKind(Enum):
    CUMULATIVE = 0
    DELTA = 1


@dataclass(kw_only=True)
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    max_tokens: int | None = 16
    stop_token_ids: list[int] | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    output_kind: OutputKind = OutputKind.CUMULATIVE


@dataclass(kw_only=True)
class EngineArgs:
    model: str
    dtype: str
    max_model_len: int | None
    max_logprobs: int
    gpu_memory_utilization: float
    trust_remote_code: bool
    disable_log_stats: bool


@dataclass
class Open:
    tokens: list[int]
    params: SamplingParams
    written: int = 0


@dataclass
class LLMEngine:
    model: Any
    args: EngineArgs
    open: dict[str, Open] = field(default_factory=dict)
    aborted: list[str] = field(default_factory=list)
    most_at_once: int = 0
    fails: Exception | None = None
    is_shut: bool = False

    @classmethod
    def from_engine_args(cls, args: EngineArgs) -> "LLMEngine":
        model = AutoModelForCausalLM.from_pretrained(args.model).eval()
        cls.latest = cls(model, args)
        return cls.latest

    @property
    def engine_core(self) -> Any:
        return SimpleNamespace(shutdown=lambda: setattr(self, "is_shut", True))

    @property
    def model_config(self) -> Any:
        longest = self.args.max_model_len or self.model.config.max_position_embeddings
        return SimpleNamespace(max_model_len=longest)

    def add_request(self, name: str, prompt: dict[str, Any], params: SamplingParams) -> None:
        assert isinstance(name, str)
        assert params.output_kind is OutputKind.DELTA
        assert not params.detokenize
        if params.temperature < 0:
            raise ValueError("temperature must be non-negative")
        self.open[name] = Open(list(prompt["prompt_token_ids"]), params)

    def abort_request(self, names: list[str]) -> None:
        for name in names:
            self.open.pop(name, None)
            self.aborted.append(name)

    @torch.inference_mode()
    def step(self) -> list[Any]:
        if self.fails:
            err, self.fails = self.fails, None
            raise err
        self.most_at_once = max(self.most_at_once, len(self.open))
        return [self._stepped(name, one) for name, one in list(self.open.items())]

    def _stepped(self, name: str, one: Open) -> Any:
        logprobs = self.model(torch.tensor([one.tokens])).logits[0].float().log_softmax(-1)
        first, told = one.written == 0, one.params.prompt_logprobs
        prompt = None
        if first and told is not None:
            prompt = [
                None,
                *(
                    places(row, token, told)
                    for row, token in zip(logprobs, one.tokens[1:], strict=False)
                ),
            ]
        token = int(logprobs[-1].argmax())
        one.written += 1
        odds = one.params.logprobs
        part = SimpleNamespace(
            token_ids=[token],
            logprobs=None if odds is None else [places(logprobs[-1], token, odds)],
        )
        one.tokens.append(token)
        finished = token in (one.params.stop_token_ids or ()) or one.written >= (
            one.params.max_tokens or 16
        )
        if finished:
            del self.open[name]
        return SimpleNamespace(
            request_id=name, outputs=[part], prompt_logprobs=prompt, finished=finished
        )


def places(row: torch.Tensor, token: int, count: int) -> dict[int, Any]:
    likely = {*row.topk(count).indices.tolist(), token}
    return {one: SimpleNamespace(logprob=float(row[one])) for one in likely}


def module() -> ModuleType:
    """Return a module that stands in for the package."""
    found = ModuleType("vllm")
    found.EngineArgs, found.LLMEngine = EngineArgs, LLMEngine  # type: ignore[attr-defined]
    found.SamplingParams = SamplingParams  # type: ignore[attr-defined]
    found.TokensPrompt = dict  # type: ignore[attr-defined]
    return found
