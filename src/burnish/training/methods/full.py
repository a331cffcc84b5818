"""Train the model's own weights: all of them, or the upper layers and the head."""

from typing import Any

from burnish.errors import ModelTaskError
from burnish.recipe.training import FullMethod
from burnish.training.methods import TrainingMethod
from burnish.training.packing import anatomy, layers, plain


def prepare(model: Any, options: FullMethod) -> Any:
    """Mark which weights move and return the model.

    Raises:
        ModelTaskError: BN304, more layers to freeze than there are, or they cannot be told
            apart in this architecture.
    """
    model.requires_grad_(True)
    if options.freeze:
        if anatomy(model) is None:
            raise ModelTaskError(
                f"the layers of {model.config.model_type!r} are not known",
                where="recipe key `method.freeze`",
                fix="set `method.freeze: 0`, or `method.freeze_embeddings: true`",
            )
        stack = layers(model)
        if options.freeze > len(stack):
            raise ModelTaskError(
                f"{options.freeze} layers to freeze, the model has {len(stack)}",
                where="recipe key `method.freeze`",
                fix=f"set `method.freeze: {len(stack)}` or less",
            )
        for part in frozen_parts(model, options.freeze):
            part.requires_grad_(False)
    elif options.freeze_embeddings:
        model.get_input_embeddings().requires_grad_(False)
    return model


def frozen_parts(model: Any, freeze: int) -> list[Any]:
    """Return the modules that stay as they are: embeddings and the lowest `freeze` layers."""
    body = plain(model).base_model
    embeddings = [body.embeddings]
    if hasattr(body, "embeddings_project"):
        embeddings.append(body.embeddings_project)
    return embeddings + list(layers(model)[:freeze])


def merge(model: Any) -> Any:
    """Return the model; its weights are its own."""
    return model


METHOD = TrainingMethod(prepare, merge)
