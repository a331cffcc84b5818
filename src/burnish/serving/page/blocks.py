"""The page itself, as an application made with Gradio.

Importing Gradio takes seconds, so this module, `panels` and `wiring` are imported when the page is
first opened, and by nothing else. Answers are shown as HTML of our own; programs ask the named
endpoints, which give plain values.
"""

from collections.abc import Sequence
from importlib.resources import files

import gradio as gr
from fastapi import FastAPI
from gradio.events import api
from starlette.middleware.cors import CORSMiddleware

from burnish.serving.page.asks import PATH, Asker
from burnish.serving.page.endpoints import endpoints
from burnish.serving.page.panels import Shown, panel
from burnish.serving.page.wiring import safely

_WAITING = 64  # events that may wait for a turn; each then waits in the model's queue
_AT_ONCE = 16  # events of one kind at work
_SESSIONS = 256


def build(shown: Sequence[Shown], asker: Asker) -> FastAPI:
    """Return the page as an application, at its own path.

    Args:
        shown: the models, the first as the one meant without a name.
        asker: asks them.
    """
    with gr.Blocks(analytics_enabled=False, title="Burnish") as blocks:
        _add_endpoints(shown, asker)  # first, for later events of the same name get another
        if len(shown) == 1:
            panel(shown[0], asker)
        else:
            with gr.Tabs():
                for one in shown:
                    with gr.Tab(one.facts.name):
                        panel(one, asker)
    blocks.queue(max_size=_WAITING, default_concurrency_limit=_AT_ONCE)
    blocks.state_session_capacity = _SESSIONS
    app = FastAPI(openapi_url=None)
    # Where its parent has this middleware Gradio leaves out its own, which lets any page ask.
    app.add_middleware(CORSMiddleware, allow_origins=())
    gr.mount_gradio_app(
        app,
        blocks,
        path=PATH,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        allowed_paths=[],
        theme=gr.themes.Base(
            font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
        ),
        css=(files("burnish.serving.page") / "page.css").read_text("utf-8"),
    )
    return app


def _add_endpoints(shown: Sequence[Shown], asker: Asker) -> None:
    """Offer what the models can do to programs; nothing that none of them can."""
    surfaces = {one.surface for one in shown}
    for made in endpoints(asker, surfaces):
        api(safely(made), api_name=made.__name__)
