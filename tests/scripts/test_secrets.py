"""The file of secrets: made once, for its owner only, and refused when it lacks something."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recommender_job.errors import ConfigurationError
from scripts.stack import secrets
from scripts.stack.compose import ROOT, variables


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_a_first_use_makes_every_secret_for_the_owner_only(file: Path) -> None:
    before = os.umask(0)
    try:
        assert secrets.ensure(file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    values = secrets.read(file)
    assert len(secrets.names()) == 11
    assert set(values) == set(secrets.names())
    assert len(set(values.values())) == 11, "no two alike"
    assert all(len(base64.urlsafe_b64decode(value)) == 32 for value in values.values()), "as Fernet asks for"


def test_two_files_have_nothing_in_common(file: Path, tmp_path: Path) -> None:
    secrets.ensure(file)
    secrets.ensure(tmp_path / "other")
    assert set(secrets.read(file).values()).isdisjoint(secrets.read(tmp_path / "other").values())


def test_a_file_that_is_there_is_left_alone(file: Path) -> None:
    secrets.ensure(file)
    file.write_text(file.read_text() + "AIRFLOW_PORT=9999\n")
    before = file.read_bytes()
    assert not secrets.ensure(file)
    assert file.read_bytes() == before
    assert secrets.read(file)["AIRFLOW_PORT"] == "9999"


@pytest.mark.parametrize("left", ["", "JOB_PASSWORD=", "JOB_PASSWORD=   ", "# JOB_PASSWORD=x"])
def test_a_missing_secret_is_named(file: Path, left: str) -> None:
    secrets.ensure(file)
    file.write_text("\n".join(left if line.startswith("JOB_P") else line for line in file.read_text().splitlines()))
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="no value for JOB_PASSWORD") as raised:
        secrets.ensure(file)
    assert "scripts.stack secret" in raised.value.action
    assert file.read_bytes() == before


@pytest.mark.parametrize("value", ["with@sign", "a/b", "dollar$1", "'quoted'", "two words", "a:b", "ñ"])
def test_a_secret_that_a_url_would_not_take_is_refused_and_not_shown(file: Path, value: str) -> None:
    secrets.ensure(file)
    lines = [f"WEBSITE_PASSWORD={value}" if line.startswith("WEB") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError, match="WEBSITE_PASSWORD") as raised:
        secrets.read(file)
    assert value not in str(raised.value)


def test_a_line_that_sets_nothing_is_named_and_not_shown(file: Path) -> None:
    secrets.ensure(file)
    file.write_text("hunter2\n" + file.read_text())
    with pytest.raises(ConfigurationError, match="Line 1 of") as raised:
        secrets.read(file)
    assert "hunter2" not in str(raised.value)


def test_no_file_says_which_command_writes_it(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no") as raised:
        secrets.read(file)
    assert "make up" in raised.value.action


def test_the_command_line_makes_them_and_shows_none(file: Path) -> None:
    folder = {"STACK_ENV_FILE": str(file), "SETTINGS_FOLDER": str(file.parent)}
    environment = {**os.environ, **folder, "PYTHONPATH": str(ROOT)}
    shown = ""
    for command in ("secrets", "secrets", "passwords"):
        done = subprocess.run(
            [sys.executable, "-m", "scripts.stack", command],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        shown += done.stdout + done.stderr
    assert shown.count("Made new secrets") == 1
    assert str(file) in shown
    assert not [name for name, value in secrets.read(file).items() if value in shown]


def test_every_line_of_the_template_can_be_uncommented_as_it_is(file: Path) -> None:
    """What it says is then what is the case without it, and no explanation becomes a part of a value."""
    file.write_text(re.sub(r"^# (?=\w+=)", "", (ROOT / ".env.example").read_text(), flags=re.M))
    shown = {name: value for name, value in secrets.parsed(file).items() if value}
    assert len(shown) == 15
    assert set(shown) <= set(variables()), "each has an effect"
    text = (ROOT / "docker-compose.yml").read_text()
    for name, value in shown.items():
        assert f"${{{name}:-{value}}}" in text, name


def test_git_and_the_image_leave_the_file_out() -> None:
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert not [name for name in let_through if name.startswith((".", "*"))]
