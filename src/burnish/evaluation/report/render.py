"""Make `report.html` from the files of a run folder.

The page is one file without scripts, fonts or pictures from elsewhere; a content security
policy inside it forbids all three, so even a text that slipped through could do nothing.
Every value from data passes through Jinja's autoescape.

Called by `pipeline.nodes.evaluate` and `burnish report`; needs no model and no network.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from burnish.evaluation.report import words
from burnish.evaluation.report.runfiles import Absent, RunFiles, read_run
from burnish.evaluation.report.sections import (
    calibration,
    classes,
    cost,
    curves,
    data,
    errors,
    reproduce,
    slices,
    systems,
    verdict,
)
from burnish.runfolder import RunFolder, write_text

View = Callable[[RunFiles], Mapping[str, Any]]

# One row a section: anchor (also the template's name), title, the function that fills it.
SECTIONS: tuple[tuple[str, str, View], ...] = (
    ("verdict", "Verdict", verdict.view),
    ("systems", "Systems compared", systems.view),
    ("curves", "Training", curves.view),
    ("classes", "Label by label", classes.view),
    ("calibration", "Confidence", calibration.view),
    ("slices", "Slices", slices.view),
    ("errors", "Worst errors", errors.view),
    ("data", "Data", data.view),
    ("cost", "Cost", cost.view),
    ("reproduce", "Reproduce", reproduce.view),
)

# Control characters cannot stand in HTML and lone surrogates cannot be encoded; a text may
# hold both. They become visible stand-ins.
_STAND_INS = (
    {c: 0x2400 + c for c in range(0x20) if chr(c) not in "\t\n\r"}
    | {0x7F: 0x2421}
    | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
    | dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
)


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
    sections = [(key, title, _shown(view, run)) for key, title, view in SECTIONS]
    html = _environment().get_template("page.html.j2").render(run=run, sections=sections)
    return html.translate(_STAND_INS)


def _shown(view: View, run: RunFiles) -> Mapping[str, Any]:
    try:
        return view(run)
    except Absent as why:
        return {"absent": str(why)}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("burnish.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words.FILTERS)
    return environment
