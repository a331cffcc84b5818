"""Fine-tune on questions and replies from your own code, with Hamilton's own driver.

    python examples/hamilton_graph.py [--data DATA.json] [--model MODEL] [KEY=VALUE ...]

DATA.json is a list of objects with `question` and `reply`; KEY=VALUE sets keys of the recipe,
such as `method=lora` or `training.batch_size=8`. Without data: made-up orders in a coffee bar.
Without a model: the one of `pip install 'burnish[starter-lm]'`, some minutes on two cores.
"""

import argparse
import json
from itertools import product
from typing import Any

from hamilton import driver

from burnish.pipeline import nodes, picture
from burnish.pipeline.driver import Progress

OUTPUTS = [
    "save_best_models",
    "finetuned_model_on_validation_set",
    "training_and_validation_set_metrics",
    "hold_out_set_predictions",
]
ASKED = ("Could I have {}?", "{}, please!", "My friend wants {} and nothing else.", "Hi! {} to go.")
THINGS = ("a latte", "two mochas", "one green tea", "some cocoa", "an iced coffee", "a flat white")
EXTRAS = ("", " with oat milk", " with extra sugar and cinnamon on top")


def made_up_orders() -> list[dict[str, str]]:
    return [
        {"question": asked.format(thing + extra), "reply": f"Sure, {thing}{extra} it is."}
        for asked, thing, extra in product(ASKED, THINGS, EXTRAS)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    parser.add_argument("--model", default="HuggingFaceTB/SmolLM2-135M-Instruct")
    parser.add_argument("settings", nargs="*", type=setting, metavar="KEY=VALUE")
    asked = parser.parse_args()
    inputs = {
        "input_text_key": "question",
        "output_text_key": "reply",
        "model_id": asked.model,
        "random_state": 0,
        "train_size": 0.8,
        "validation_size": 0.1,
        "num_train_epochs": 1,
        "settings": dict(asked.settings),
    }
    rows = {"data_path": asked.data} if asked.data else {"rows": made_up_orders()}

    trained = build("base").execute(OUTPUTS, inputs=inputs | rows)
    print(json.dumps(trained["training_and_validation_set_metrics"], indent=2))
    print(trained["hold_out_set_predictions"].select("input", "answer"))

    # The same outputs once more from what was saved; nothing is trained.
    run_folder = trained["save_best_models"].parent
    again = build("presaved").execute(OUTPUTS[::-1], inputs={"run_folder": run_folder})
    same = again["hold_out_set_predictions"].equals(trained["hold_out_set_predictions"])
    print("saved in", run_folder, "- the same answers:", same)
    print("picture:", picture.draw(run_folder / "graph", outputs=OUTPUTS))


def build(start: str) -> Any:
    builder = driver.Builder().with_modules(nodes).with_config({"start": start})
    return builder.with_adapters(Progress()).build()


def setting(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


if __name__ == "__main__":
    main()
