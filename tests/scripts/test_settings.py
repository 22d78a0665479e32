"""The file of further settings: made once, for its owner only, and read as every compose reads it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recommender_job.config import load_config
from recommender_job.errors import ConfigurationError
from scripts.stack import secrets, settings
from scripts.stack.compose import ROOT


def test_a_first_use_makes_it_for_the_owner_only_and_sets_nothing(tmp_path: Path) -> None:
    values = {"SETTINGS_FOLDER": str(tmp_path)}
    before = os.umask(0)
    try:
        assert settings.ensure(values)
    finally:
        os.umask(before)
    file = tmp_path / "settings.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert settings.read(file) == {}
    file.write_text("RECOMMENDER_TOP_N=5\n")
    assert not settings.ensure(values)
    assert settings.read(file) == {"RECOMMENDER_TOP_N": "5"}


def test_every_line_of_the_template_is_a_setting_once_it_is_uncommented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.env"
    file.write_text(re.sub(r"^# (?=\w+=)", "", settings.TEMPLATE.read_text("utf-8"), flags=re.M))
    values = settings.read(file)
    assert len(values) == 12
    assert not [value for value in values.values() if " " in value], "explanations have lines of their own"
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    notify = load_config().notify
    assert notify.email_to == ("ops@example.org", "ana@example.org")
    assert notify.webhook_url is not None
    assert "AIRFLOW_CONN_" + notify.smtp_connection.upper() in values


@pytest.mark.parametrize("value", ["'quoted'", '"quoted"', "pa$word", "a\\b", "4  # tasks", "# 4"])
def test_a_value_that_composes_read_differently_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    file = tmp_path / "settings.env"
    file.write_text(f"RECOMMENDER_NOTIFY__WEBHOOK_URL={value}\n")
    with pytest.raises(ConfigurationError, match="RECOMMENDER_NOTIFY__WEBHOOK_URL in") as raised:
        settings.read(file)
    assert value not in str(raised.value)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose reads the file; `make tools`")
def test_compose_reads_the_values_that_are_let_through_as_we_do(tmp_path: Path) -> None:
    import yaml

    file = tmp_path / "settings.env"
    file.write_text(
        '# comment\n\n  SPACED = a b \nEMPTY=\nURL=https://u:p%24@h:1/x?a=b&c=d#e\nJSON=["a", 1]\nEQUALS=a=b==\n'
        "LETTERS=ni\u00f1a\n"
    )
    (tmp_path / "compose.yml").write_text("services: {a: {image: x, env_file: settings.env}}\nversion: '3.9'\n")
    done = subprocess.run(
        ["docker-compose", "--file", tmp_path / "compose.yml", "config"], capture_output=True, text=True, check=True
    )
    read = yaml.safe_load(done.stdout)["services"]["a"]["environment"]
    assert settings.read(file) == {name: str(value) for name, value in read.items()}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no folder .*/typo"):
        settings.ensure({"SETTINGS_FOLDER": str(tmp_path / "typo")})
    with pytest.raises(ConfigurationError, match=r"There is no .*settings\.env"):
        settings.read(tmp_path / "settings.env")


def stack(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    files = {"STACK_ENV_FILE": str(tmp_path / ".env"), "SETTINGS_FOLDER": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "scripts.stack", *command],
        env={**os.environ, **files},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_the_command_before_make_up_makes_both_files_and_refuses_what_would_be_ignored(tmp_path: Path) -> None:
    first = stack(tmp_path, "secrets")
    assert (first.returncode, first.stderr) == (0, "")
    assert f"Made {tmp_path}/settings.env" in first.stdout
    assert stack(tmp_path, "secrets").stdout == ""
    env_file = tmp_path / ".env"
    secret = env_file.read_text()
    env_file.write_text(secret + "RECOMMENDER_NOTIFY__WEBHOOK_URL=https://chat/T0K3N\nCOMPOSE_PROJECT_NAME=mine\n")
    told = stack(tmp_path, "secrets")
    assert told.returncode == 1
    assert "RECOMMENDER_NOTIFY__WEBHOOK_URL in" in told.stderr
    assert f"Move that line to {tmp_path}/settings.env" in told.stderr
    env_file.write_text(secret)
    (tmp_path / "settings.env").write_text("AIRFLOW__CORE__EXECUTOR=CeleryExecutor\n")
    told = stack(tmp_path, "secrets")
    assert told.returncode == 1
    assert "AIRFLOW__CORE__EXECUTOR" in told.stderr
    assert not [name for name, value in secrets.read(env_file).items() if value in told.stderr + first.stdout]


def test_git_and_the_image_leave_it_out() -> None:
    assert "/config/settings.env" in (ROOT / ".gitignore").read_text().splitlines()
    # Nothing of that folder is let through to the image.
    assert not [line for line in (ROOT / ".dockerignore").read_text().splitlines() if "config" in line]
