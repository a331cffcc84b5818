"""How a saved model is opened without Burnish, as code to paste; part of its model card."""

from collections.abc import Mapping
from typing import Any

from burnish.recipe.task import MASKED, PLAIN_TEXT
from burnish.tasks.base import Writing

_CLASSIFY = """from transformers import pipeline
classify = pipeline("text-classification", model="path/to/this/folder")
classify("some text", top_k=None, truncation=True)"""
_CLASSIFY_ADAPTED = """from peft import AutoPeftModelForSequenceClassification
model = AutoPeftModelForSequenceClassification.from_pretrained(
    "path/to/this/folder", num_labels=LABELS
)"""
_CLASSIFY_ONNX = """import numpy as np
import onnxruntime
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
session = onnxruntime.InferenceSession("path/to/this/folder/model.onnx")
rows = tokenizer(["some text"], padding=True, truncation=True, return_tensors="np")
logits, = session.run(["logits"], {name: rows[name] for name in ("input_ids", "attention_mask")})"""
_WRITE = """from transformers import pipeline
write = pipeline("text-generation", model="path/to/this/folder")
write(INPUT, SEARCH, return_full_text=False)"""
_WRITE_ADAPTED = """from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer, pipeline
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
model = AutoPeftModelForCausalLM.from_pretrained("path/to/this/folder")
write = pipeline("text-generation", model, tokenizer=tokenizer)
write(INPUT, SEARCH, return_full_text=False)"""
_WRITE_GGUF = """from llama_cpp import Llama
model = Llama("path/to/this/folder/model.gguf", n_ctx=0)
model.CALL(INPUT, max_tokens=LONGEST, temperature=0, repeat_penalty=1)"""
_FILL = """from transformers import pipeline
fill = pipeline("fill-mask", model="path/to/this/folder")
fill(f"some {fill.tokenizer.mask_token} text", top_k=5)"""
_FILL_ADAPTED = """from peft import PeftConfig, PeftModel
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline
base = PeftConfig.from_pretrained("path/to/this/folder").base_model_name_or_path
model = PeftModel.from_pretrained(
    AutoModelForMaskedLM.from_pretrained(base), "path/to/this/folder"
).merge_and_unload()
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
fill = pipeline("fill-mask", model, tokenizer=tokenizer)
fill(f"some {tokenizer.mask_token} text", top_k=5)"""
_TURN = """from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
model = AutoModelForSeq2SeqLM.from_pretrained("path/to/this/folder")
asked = tokenizer(INPUT, return_tensors="pt", return_token_type_ids=False)
written = model.generate(**asked, SEARCH)
tokenizer.decode(written[0], skip_special_tokens=True)"""
_TURN_ADAPTED = """from peft import AutoPeftModelForSeq2SeqLM
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
model = AutoPeftModelForSeq2SeqLM.from_pretrained("path/to/this/folder")
asked = tokenizer(INPUT, return_tensors="pt", return_token_type_ids=False)
written = model.generate(**asked, SEARCH)
tokenizer.decode(written[0], skip_special_tokens=True)"""
_TURN_ONNX = """import numpy as np
import onnxruntime
from transformers import AutoConfig, AutoTokenizer
config = AutoConfig.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
encoder = onnxruntime.InferenceSession("path/to/this/folder/encoder.onnx")
decoder = onnxruntime.InferenceSession("path/to/this/folder/decoder.onnx")
asked = dict(tokenizer(INPUT, return_tensors="np", return_token_type_ids=False))
cross, = encoder.run(["cross"], asked)
past, token, written = cross[:, :, :, :0], config.decoder_start_token_id, []
while len(written) < LONGEST and (not written or token != tokenizer.eos_token_id):
    told = {"input_ids": np.array([[token]]), "attention_mask": asked["attention_mask"]}
    logits, fresh = decoder.run(["logits", "fresh"], told | {"cross": cross, "past": past})
    past, token = np.concatenate([past, fresh], axis=3), int(logits[0, -1].argmax())
    written.append(token)
tokenizer.decode(written, skip_special_tokens=True)"""
_SOME = Writing(max_new_tokens=50)  # of a model that was not taught to end an answer
_CODE = {
    ("text-classification", "transformers"): _CLASSIFY,
    ("text-classification", "peft"): _CLASSIFY_ADAPTED,
    ("text-classification", "onnx"): _CLASSIFY_ONNX,
    ("causal-lm", "transformers"): _WRITE,
    ("causal-lm", "peft"): _WRITE_ADAPTED,
    ("causal-lm", "gguf"): _WRITE_GGUF,
    (PLAIN_TEXT, "transformers"): _WRITE,
    (PLAIN_TEXT, "peft"): _WRITE_ADAPTED,
    (PLAIN_TEXT, "gguf"): _WRITE_GGUF,
    (MASKED, "transformers"): _FILL,
    (MASKED, "peft"): _FILL_ADAPTED,
    ("seq2seq", "transformers"): _TURN,
    ("seq2seq", "peft"): _TURN_ADAPTED,
    ("seq2seq", "onnx"): _TURN_ONNX,
}


def opening(task: Mapping[str, Any], form: str, wanted: Writing | None) -> str:
    """Return Python code that opens a folder and answers one text.

    Args:
        task: what burnish.json keeps of it.
        form: transformers, peft, onnx or gguf; one that the kind of task can be saved in.
        wanted: how the task wants answers written, where it wants any.
    """
    search = (wanted or _SOME).as_arguments()
    chats = task["kind"] == "causal-lm" and task["prompt"] is None
    return (
        _CODE[task["kind"], form]
        .replace("LABELS", str(len(task.get("labels", ()))))
        .replace("LONGEST", str(search["max_new_tokens"]))
        .replace("SEARCH", ", ".join(f"{name}={value}" for name, value in search.items()))
        .replace("CALL", "create_chat_completion" if chats else "create_completion")
        .replace("INPUT", _input(task))
    )


def _input(task: Mapping[str, Any]) -> str:
    """Return one input as it was put to the model in the evaluation, as a Python literal."""
    if task["kind"] == "causal-lm":
        if task["prompt"] is not None:
            return repr(task["prompt"].replace("{input}", "some text"))
        said = [("system", task["system"]), ("user", "some text")]
        return repr([{"role": who, "content": what} for who, what in said if what is not None])
    return repr(f"{task.get('prefix', '')}some text")
