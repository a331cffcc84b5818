"""Whether there is a page, and how it is put together when it is first opened."""

import os
from importlib.util import find_spec
from typing import Any

from burnish.serving.keys import KeyRing
from burnish.serving.models import Models
from burnish.serving.page.asks import Asker
from burnish.serving.page.runs import told_of
from burnish.serving.settings import Settings


def why_off(settings: Settings, keys: KeyRing) -> str | None:
    """Return why there is no page; None where there is one."""
    if not settings.page:
        return "off: --no-page"
    if len(keys):
        return "off: with --keys, for a browser sends none"
    if find_spec("gradio") is None:
        return "off: needs pip install 'burnish[page]'"
    return None


def build_page(models: Models, asker: Asker) -> Any:
    """Return the page over the models that are served now."""
    # Gradio reads them when it is imported: nothing of this page is told to anybody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from burnish.serving.page.blocks import build
    from burnish.serving.page.panels import Shown

    facts = [models.served[name].facts for name in models.names]
    shown = [Shown(facts=one, told=told_of(one.reference)) for one in facts]
    return build(shown, asker)
