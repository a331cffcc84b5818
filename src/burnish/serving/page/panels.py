"""What a reader can do with a model: one panel for each kind, and the rows of its run."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import gradio as gr

from burnish.records import LabelSpace, TextSpace
from burnish.serving.engine import Facts
from burnish.serving.growing import Written
from burnish.serving.page import markup
from burnish.serving.page.asks import MOST_TOKENS, MOST_WORDS_A_MASK, Asker
from burnish.serving.page.endpoints import plain_turns
from burnish.serving.page.runs import Example, Told, chosen
from burnish.serving.page.wiring import on

_MASKED_WORDS = 60  # of a text shown with a mask in it
_LABEL = 90  # characters of an example's button

_WHICH = {"every row": "all", "tuned differs from base": "changed", "tuned is wrong": "wrong"}

_Panel = tuple[gr.Textbox, list[Any]]  # where the text goes, and what is answered to it
Surface = Literal["classify", "fill", "chat", "write", "go_on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A model as the page shows it."""

    facts: Facts
    told: Told

    @property
    def surface(self) -> Surface:
        """What a reader can do with it."""
        space = self.facts.space
        if isinstance(space, LabelSpace):
            return "classify"
        if isinstance(space, TextSpace):
            return "chat" if self.facts.kind == "causal-lm" else "write"
        return "go_on" if self.facts.writes else "fill"


def panel(shown: Shown, asker: Asker) -> None:
    """Lay out one model: what can be asked, rows of its run, what the run found."""
    facts, told = shown.facts, shown.told
    version = f"{facts.kind}, version <code>{escape(facts.version)}</code>"
    gr.HTML(
        f"<h1>{escape(facts.name)}</h1><p>{version}, {facts.precision} on {facts.device}</p>",
        elem_classes="bn-head",
    )
    make = {
        "classify": _classify,
        "fill": _fill,
        "chat": _chat,
        "write": _write,
        "go_on": _go_on,
    }[shown.surface]
    text, answers = make(shown, asker)
    if told.examples:
        _examples(shown, text, answers)
    if told.verdict:
        with gr.Accordion("What the run found", open=False, elem_classes="bn-out"):
            gr.HTML(markup.verdict(told))
    if told.card:
        with gr.Accordion("Model card", open=False):
            gr.Markdown(told.card, sanitize_html=True)


def _classify(shown: Shown, asker: Asker) -> _Panel:
    facts = shown.facts
    if not isinstance(facts.space, LabelSpace):
        raise TypeError("only a classifier gives labels")

    async def answer(given: str) -> str:
        return markup.labels(await asker.one(facts.name, given), asker.facts(facts.name))

    async def count(given: str, label: str) -> str:
        named = None if label == likeliest else label
        return markup.words(given, *await asker.words(facts.name, given, named))

    likeliest = "the likeliest label"
    text = gr.Textbox(label="Text", lines=4, max_lines=14, placeholder="Write or paste a text")
    button = gr.Button("Classify", variant="primary")
    found = gr.HTML(elem_classes="bn-out")
    with gr.Accordion("Which words count", open=False):
        label = gr.Dropdown([likeliest, *facts.space.names], value=likeliest, label="For")
        ask = gr.Button("Leave out word after word")
        counted = gr.HTML(elem_classes="bn-out")
    on([button.click], answer, text, found)
    on([ask.click], count, [text, label], counted)
    return text, [found, counted]


def _fill(shown: Shown, asker: Asker) -> _Panel:
    facts = shown.facts

    async def answer(given: str, top_k: int) -> str:
        found = await asker.one(facts.name, given, top_k=int(top_k))
        return markup.fills(found) if found.prediction.fills else markup.likelihood(found)

    text = gr.Textbox(label=f"Text with {facts.mask} for each hidden word", lines=3, max_lines=14)
    with gr.Row():
        add = gr.Button(f"Add {facts.mask}")
        button = gr.Button("Fill", variant="primary")
    top_k = gr.Slider(1, MOST_WORDS_A_MASK, value=5, step=1, label="Words for each mask")
    found = gr.HTML(elem_classes="bn-out")
    on([button.click], answer, [text, top_k], found)

    async def added(given: str) -> str:
        return f"{given.rstrip()} {facts.mask}".lstrip()

    on([add.click], added, text, text)
    return text, [found]


def _write(shown: Shown, asker: Asker) -> _Panel:
    async def answer(given: str) -> tuple[str, str]:
        found = await asker.one(shown.facts.name, given)
        whole = "" if found.prediction.scores["complete"] else "The limit of length was reached. "
        note = f"<p class='bn-note'>{whole}</p>" if whole else ""
        return found.prediction.answer[0], note + markup.cut(found.cut_tokens)

    text = gr.Textbox(label="Text", lines=8, max_lines=20, placeholder="Write or paste a text")
    button = gr.Button("Write", variant="primary")
    written = gr.Textbox(label="Answer", lines=3, max_lines=20, interactive=False)
    note = gr.HTML(elem_classes="bn-out")
    on([button.click], answer, text, [written, note])
    return text, [written, note]


def _go_on(shown: Shown, asker: Asker) -> _Panel:
    name = shown.facts.name

    async def weigh(given: str) -> str:
        return markup.likelihood(await asker.one(name, given))

    async def write(given: str, limit: int) -> AsyncGenerator[str, None]:
        so_far = given
        async for piece in asker.write(name, given, turns=None, limit=int(limit)):
            so_far += "" if isinstance(piece, Written) else piece
            yield so_far

    text = gr.Textbox(label="Text", lines=4, max_lines=14, placeholder="Begin a text")
    limit = gr.Slider(1, MOST_TOKENS, value=40, step=1, label="Tokens to write")
    with gr.Row():
        ask = gr.Button("How likely is it?")
        button = gr.Button("Go on", variant="primary")
    written = gr.Textbox(label="With what follows", lines=3, max_lines=20, interactive=False)
    found = gr.HTML(elem_classes="bn-out")
    on([button.click], write, [text, limit], written)
    on([ask.click], weigh, text, found)
    return text, [written, found]


def _chat(shown: Shown, asker: Asker) -> _Panel:
    name = shown.facts.name

    async def say(given: str, before: list[Any]) -> AsyncGenerator[tuple[Any, ...], None]:
        turns = [*plain_turns(before), {"role": "user", "content": given}]
        so_far, note = "", ""
        async for piece in asker.write(name, "", turns=turns):
            if isinstance(piece, Written):
                so_far, note = piece.text, markup.cut(piece.cut_tokens)
            else:
                so_far += piece
            yield "", [*turns, {"role": "assistant", "content": so_far}], note

    talk = gr.Chatbot(
        label="Conversation",
        height=360,
        render_markdown=False,
        latex_delimiters=[],
        feedback_options=None,
        buttons=["copy_all"],
        placeholder="The likeliest words are written, as in the evaluation.",
    )
    text = gr.Textbox(label="Message", lines=2, max_lines=10, placeholder="Write a message")
    with gr.Row():
        new = gr.Button("New conversation")
        stop = gr.Button("Stop")
        button = gr.Button("Send", variant="primary")
    note = gr.HTML(elem_classes="bn-out")
    saying = on([button.click, text.submit], say, [text, talk], [text, talk, note])
    stop.click(None, cancels=[saying], api_visibility="private")
    new.click(lambda: ([], ""), None, [talk, note], api_visibility="private")
    return text, []


def _examples(shown: Shown, text: gr.Textbox, answers: list[Any]) -> None:
    """Show judged rows: by a click one is put into the text, its answers side by side."""
    told, facts = shown.told, shown.facts
    examples, noun = told.examples, facts.space.noun
    answered = noun != "text"
    which = [one for one, kind in _WHICH.items() if kind in _kinds(told, noun)]

    def samples(of: str) -> list[Example]:
        return chosen(examples, _WHICH.get(of, "all"))

    def listed(of: str) -> gr.Dataset:
        return gr.Dataset(**_buttons(samples(of)))

    def take(at: int, of: str) -> list[str | None]:
        one = samples(of)[at]
        asked = _masked(one.text, facts.mask) if shown.surface == "fill" else one.text
        told_before = markup.answers(one, noun=noun) if answered else ""
        return [asked, told_before, *[None] * len(answers)]  # which were of another text

    gr.HTML("<h3>Rows of the run that training never saw</h3>", elem_classes="bn-head")
    kind = gr.Radio(which, value=which[0], label="Show", visible=len(which) > 1)
    rows = gr.Dataset(
        components=["textbox"],
        label="Click one",
        type="index",
        layout="gallery",
        samples_per_page=6,
        elem_classes="bn-rows",
        **_buttons(samples(which[0])),
    )
    side = gr.HTML(elem_classes="bn-out")
    kind.change(listed, kind, rows, api_visibility="private")
    rows.click(take, [rows, kind], [text, side, *answers], api_visibility="private")


def _kinds(told: Told, noun: str) -> list[str]:
    """Return by what rows can be chosen; whether a text is wrong is not for a page to say."""
    found = ["all"]
    if noun != "text" and told.compares:
        found.append("changed")
    return [*found, "wrong"] if noun == "label" else found


def _buttons(examples: Sequence[Example]) -> dict[str, Any]:
    texts = [" ".join(one.text.split()) for one in examples]
    shown = [one if len(one) <= _LABEL else f"{one[:_LABEL]}…" for one in texts]
    return {"samples": [[one] for one in shown], "sample_labels": shown}


def _masked(text: str, mask: str | None) -> str:
    """Return the beginning of a text with its longest word hidden."""
    found = text.split()[:_MASKED_WORDS]
    if mask and found:
        longest = max(range(len(found)), key=lambda at: len(found[at]))
        found[longest] = mask
    return " ".join(found)
