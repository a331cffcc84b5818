"""What must be minded about scores, whatever they are."""

from burnish.recipe.recipe import Recipe


def choosing_caveats(recipe: Recipe, judged: str, choosing: str | None) -> list[str]:
    """Return what to mind where the judged rows chose the epoch or the thresholds too."""
    tunes = recipe.task.tunes_thresholds
    if judged != choosing or not (tunes or recipe.training.keep == "best"):
        return []
    has_thresholds = recipe.task.asked == "labels"
    chosen = "the epoch or the thresholds" if has_thresholds else "the epoch"
    return [
        f"The {judged} rows also chose {chosen}, so these numbers "
        "flatter the tuned model; give test rows, or set `split.tune: 0.1`."
    ]
