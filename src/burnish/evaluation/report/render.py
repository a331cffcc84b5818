"""Make `report.html` from the files of a run folder.

The page is one file without scripts, fonts or pictures from elsewhere; a content security
policy inside it forbids all three, so even a text that slipped through could do nothing.
Every value from data passes through Jinja's autoescape.

Called by `pipeline.nodes.evaluate` and `burnish report`; needs no model and no network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.evaluation.report.runfiles import Absent, RunFiles, read_run
from burnish.evaluation.report.sections import (
    calibration,
    classes,
    cost,
    curves,
    data,
    errors,
    labels,
    likely,
    masks,
    reproduce,
    side_by_side,
    slices,
    systems,
    verdict,
    worst,
    writing,
)
from burnish.evaluation.report.template import filled
from burnish.evaluation.spaces import is_any, is_labels, is_plain, is_texts
from burnish.files import write_text
from burnish.records import LabelSpace, Space
from burnish.runfolder import RunFolder

View = Callable[[RunFiles], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page."""

    key: str  # anchor, and the template's name
    title: str
    view: View  # fills the template
    applies: Callable[[Space], bool] = is_any  # of which kinds of answers it can tell


SECTIONS: tuple[Section, ...] = (
    Section("verdict", "Verdict", verdict.view),
    Section("systems", "Systems compared", systems.view),
    Section("side-by-side", "Answers side by side", side_by_side.view, is_texts),
    Section("curves", "Training", curves.view),
    Section("classes", "Label by label", classes.view, is_labels),
    Section("calibration", "Confidence", calibration.view, is_labels),
    Section("writing", "Length and repetition", writing.view, is_texts),
    Section("slices", "Slices", slices.view),
    Section("errors", "Worst errors", errors.view, is_labels),
    Section("labels", "Labels in doubt", labels.view, is_labels),
    Section("worst", "Worst and best answers", worst.view, is_texts),
    Section("masks", "Before and after", masks.view, is_plain),
    Section("likely", "Text by text", likely.view, is_plain),
    Section("data", "Data", data.view),
    Section("cost", "Cost", cost.view),
    Section("reproduce", "Reproduce", reproduce.view),
)

# What a run is taken for whose manifest does not tell what it answers with.
_UNTOLD = LabelSpace(names=(), multi_label=True)


def render(folder: RunFolder) -> Path:
    """Write the report of a finished run, whole or not at all, and return its path.

    Raises:
        RunFolderError: BN601, a required file is missing, or one that is there is damaged.
        PredictionError: BN602, predictions name labels or rows that the run does not have.
        StorageError: BN402, the page cannot be written.
    """
    write_text(folder.report, page(read_run(folder)))
    return folder.report


def page(run: RunFiles) -> str:
    """Return the report of a run as one HTML document."""
    sections = [
        (section.key, section.title, _shown(section.view, run))
        for section in SECTIONS
        if section.applies(run.space or _UNTOLD)
    ]
    return filled("page.html.j2", run=run, sections=sections)


def _shown(view: View, run: RunFiles) -> Mapping[str, Any]:
    try:
        return view(run)
    except Absent as why:
        return {"absent": str(why)}
