"""Hugging Face's Trainer with PEFT adapters, as a contestant of `train_generator`.

It takes rate, schedule, clipping and decay from the very recipe that Burnish trains by.
"""

from typing import Any

from contest import Figures, Spec, peak_mb, trainer_arguments, trainer_clock
from pairs import LABELS_LEFT_OUT, Tokens, peer_parts, peer_tokens, recipe, rows

SPEED = "samples_per_s"


def training_recipe(spec: Spec) -> Any:
    """Return the recipe that both sides train by."""
    training = {name: spec[name] for name in ("epochs", "learning_rate", "batch_size", "threads")}
    return recipe(
        spec,
        method={"kind": "lora"} | spec["lora"],
        training=training | {"keep": "last", "precision": spec["precision"]},
    )


def figures(spec: Spec, seconds: float, tokens: int) -> Figures:
    """Return speed and peak memory of one contestant; tokens without padding, of one epoch."""
    return {
        SPEED: round(spec["rows"] * spec["epochs"] / seconds, 3),
        "tokens_per_s": round(tokens * spec["epochs"] / seconds, 1),
        "seconds": round(seconds, 2),
        "peak_mb": round(peak_mb()),
    }


def peer(spec: Spec) -> Figures:
    """Train with Trainer and PEFT and return the figures."""
    import torch
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import DataCollatorForSeq2Seq

    from burnish.training.methods.lora import linear_layers

    torch.set_num_threads(spec["threads"])
    torch.set_float32_matmul_precision(spec["matmul"])
    model, tokenizer = peer_parts(spec)
    train, held_out = (peer_tokens(part, spec["task"], tokenizer) for part in rows(spec))
    collate = DataCollatorForSeq2Seq(tokenizer, model=model)
    torch.manual_seed(0)
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM if spec["task"] == "causal" else TaskType.SEQ_2_SEQ_LM,
        r=spec["lora"]["rank"],
        lora_alpha=spec["lora"]["alpha"],
        lora_dropout=spec["lora"]["dropout"],
        target_modules=linear_layers(model),
    )
    adapted = get_peft_model(model, config)
    trainer, clock = peer_trainer(spec, adapted, train, collate)
    trainer.train()
    told = figures(spec, clock.seconds, sum(map(row_tokens, train))) | {
        "trained_weights": adapted.get_nb_trainable_parameters()[0],
        "steps": trainer.state.global_step,
    }
    with adapted.disable_adapter():
        before = held_out_loss(adapted, held_out, collate, spec["task"])
    after = held_out_loss(adapted, held_out, collate, spec["task"])
    return told | {"loss_before": before, "loss_after": after}


def row_tokens(row: Tokens) -> int:
    """Return the tokens of a row, the answer's included, as Burnish counts them."""
    own = len(row["input_ids"])
    return own if LABELS_LEFT_OUT in row["labels"] else own + len(row["labels"])


def peer_trainer(spec: Spec, model: Any, train: list[Tokens], collate: Any) -> tuple[Any, Any]:
    """Return a Trainer ready to run, and the clock that it will set."""
    import torch
    import transformers

    from burnish.training.optim import rate_factor

    kind = "" if spec["task"] == "causal" else "Seq2Seq"
    training = training_recipe(spec).training
    steps = max(1, round(-(-len(train) // spec["batch_size"]) * spec["epochs"]))
    optimizer = torch.optim.AdamW(
        [one for one in model.parameters() if one.requires_grad],
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_factor(step, steps, training)
    )
    arguments = trainer_arguments(
        kind,
        num_train_epochs=spec["epochs"],
        per_device_train_batch_size=spec["batch"],
        gradient_accumulation_steps=spec["batch_size"] // spec["batch"],
        max_grad_norm=training.gradient_clip,
        bf16=spec["bf16"],
        train_sampling_strategy=spec["sampling"],
    )
    clock = trainer_clock()
    trainer = getattr(transformers, f"{kind}Trainer")(
        model,
        arguments,
        train_dataset=train,
        data_collator=collate,
        optimizers=(optimizer, schedule),
        callbacks=[clock],
        # By itself T5 takes the mean of each accumulated batch, and Trainer adds them up.
        compute_loss_func=mean_over_step if spec["task"] == "seq2seq" else None,
    )
    return trainer, clock


def mean_over_step(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the loss of a batch as its share of the mean over the tokens of the step."""
    from torch.nn.functional import cross_entropy

    summed = cross_entropy(
        outputs.logits.flatten(0, 1), labels.flatten(), reduction="sum", ignore_index=-100
    )
    return summed / num_items_in_batch


def held_out_loss(model: Any, held_out: list[Tokens], collate: Any, task: str) -> float:
    """Return the mean loss of the tokens of all answers in nats, one row at a time."""
    import torch

    model.eval()
    total = count = 0.0
    with torch.inference_mode():
        for row in held_out:
            batch = dict(collate([row]))
            labels = batch.pop("labels")[0]
            logits = model(**batch).logits[0]
            if task == "causal":
                logits, labels = logits[:-1], labels[1:]
            total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            count += int((labels != LABELS_LEFT_OUT).sum())
    return total / count
