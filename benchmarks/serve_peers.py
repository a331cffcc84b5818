"""Plain endpoints that `benchmarks/serve.py` compares with, as their users write them.

Run by that benchmark: `serve_peers.py WHO MODEL PORT TASK`.
"""

import sys
from pathlib import Path
from threading import Lock
from typing import Any

Request = dict[str, str]


def folder_of(model: str) -> str:
    """Return the model folder of a run folder, or the folder itself."""
    inner = Path(model) / "model"
    return str(inner if inner.is_dir() else model)


def pipeline(model: str) -> Any:
    """Return a plain endpoint over a transformers pipeline, which threads of FastAPI share."""
    import transformers
    from fastapi import FastAPI

    app = FastAPI()
    classify = transformers.pipeline("text-classification", model=folder_of(model))
    function = "sigmoid" if is_multi_label(classify.model) else "softmax"

    @app.post("/predict")
    def predict(asked: Request) -> dict[str, Any]:
        found = classify(asked["input"], top_k=None, truncation=True, function_to_apply=function)
        return {"scores": {one["label"]: one["score"] for one in found}}

    return app


def is_multi_label(model: Any) -> bool:
    """Whether each label has a probability of its own."""
    return bool(model.config.problem_type == "multi_label_classification")


def generate(model: str, task: str) -> Any:
    """Return a plain endpoint that writes one answer after the other in fp32."""
    import torch
    from fastapi import FastAPI
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    from burnish.training.facts import read_task

    folder = folder_of(model)
    loader = AutoModelForCausalLM if task == "causal" else AutoModelForSeq2SeqLM
    writer = loader.from_pretrained(folder, dtype="float32").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    wanted = read_task(Path(folder)).writing
    app, turn = FastAPI(), Lock()

    @app.post("/predict")
    def predict(asked: Request) -> dict[str, Any]:
        if task == "causal":
            ids = tokenizer.apply_chat_template(
                [{"role": "user", "content": asked["input"]}],
                add_generation_prompt=True,
                return_tensors="pt",
                return_dict=True,
            )["input_ids"]
        else:
            ids = tokenizer(asked["input"], return_tensors="pt")["input_ids"]
        with turn, torch.inference_mode():
            found = writer.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=wanted.max_new_tokens if wanted else None,
                do_sample=False,
            )[0]
        fresh = found[ids.shape[1] :] if task == "causal" else found
        return {"text": tokenizer.decode(fresh, skip_special_tokens=True).strip()}

    return app


def run(who: str, model: str, port: int, task: str) -> None:
    """Serve until the process is told to stop."""
    import uvicorn

    app = pipeline(model) if who == "pipeline" else generate(model, task)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
