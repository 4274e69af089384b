"""Keys of a SecretBox: what is refused as one, and where the local stage keeps its own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.adapters.local.secret_box import FernetBox
from shared.errors import ConfigInvalid
from tests.contract.test_secret_box import key


@pytest.mark.parametrize(
    "keys", ["", " , ", "short", "é" * 44, f"{key()},short"], ids=["", "commas", "short", "letters", "one"]
)
def test_keys_that_are_none_are_refused_without_being_shown(keys: str):
    with pytest.raises(ConfigInvalid, match="MILLRACE_ENCRYPTION_KEYS") as caught:
        FernetBox(keys)

    assert not keys.strip(" ,") or keys not in str(caught.value)


def test_the_key_in_the_folder_is_made_once_and_private(tmp_path: Path):
    folder = tmp_path / "data"
    sealed = FernetBox.of_folder(folder).encrypt("secret")

    assert FernetBox.of_folder(folder).decrypt(sealed) == "secret"
    assert (folder / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret.key"]


def test_a_newer_key_goes_on_a_line_above(tmp_path: Path):
    sealed = FernetBox.of_folder(tmp_path).encrypt("old")
    file, new = tmp_path / "secret.key", key()
    file.write_text(f"{new}\n{file.read_text()}")

    assert FernetBox.of_folder(tmp_path).decrypt(sealed) == "old"
    assert FernetBox(new).decrypt(FernetBox.of_folder(tmp_path).encrypt("new")) == "new"


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path):
    with ThreadPoolExecutor(16) as pool:
        boxes = list(pool.map(lambda _: FernetBox.of_folder(tmp_path), range(16)))

    sealed = boxes[0].encrypt("secret")
    assert {box.decrypt(sealed) for box in boxes} == {"secret"}
