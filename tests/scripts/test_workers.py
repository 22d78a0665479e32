"""Workers as `.env` asks for them: what is refused, and what each of them has for itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from recommender_job.errors import ConfigurationError
from scripts.stack import secrets, settings, workers
from scripts.stack.__main__ import make_files
from scripts.stack.processes import Processes

WANTED = {"COMPOSE_PROFILES": "workers", "AIRFLOW_EXECUTOR": "CeleryExecutor", "RUNS_URL": "s3://bucket/runs"}
AIRFLOW = ["airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"]


@pytest.fixture
def values(tmp_path: Path) -> dict[str, str]:
    """What `.env` says where two workers are wanted."""
    (tmp_path / "settings.env").write_text("AWS_ACCESS_KEY_ID=key\n")
    made = {name: f"value-of-{name}" for name in secrets.names()}
    return {**made, **WANTED, "WORKERS": "2", "SETTINGS_FOLDER": str(tmp_path)}


def test_without_the_profile_nothing_is_different(values: dict[str, str], tmp_path: Path) -> None:
    for name in (*WANTED, "REDIS_PASSWORD"):
        del values[name]
    workers.check(values)
    native = workers.native(values, tmp_path)
    assert list(native) == ["postgres", "init", *AIRFLOW]
    assert native["airflow-scheduler"].environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"REDIS_PASSWORD": ""}, "REDIS_PASSWORD"),
        ({"AIRFLOW_EXECUTOR": ""}, "AIRFLOW_EXECUTOR is LocalExecutor"),
        ({"COMPOSE_PROFILES": ""}, "no worker would run"),
        ({"RUNS_URL": ""}, "RUNS_URL is not set"),
        ({"RUNS_URL": "/data/runs"}, "RUNS_URL is /data/runs"),
    ],
)
def test_what_cannot_work_is_named_with_the_line_to_add(
    values: dict[str, str], changes: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named) as told:
        workers.check({**values, **changes})
    assert re.search(r"Add a line (such as )?[A-Z_]+=\S+ to \.env", told.value.action)
    assert "value-of" not in str(told.value)


@pytest.mark.parametrize("number", ["0", "two", "65", "-1"])
def test_a_number_of_workers_that_is_none_is_refused(values: dict[str, str], tmp_path: Path, number: str) -> None:
    with pytest.raises(ConfigurationError, match="WORKERS is"):
        workers.native({**values, "WORKERS": number}, tmp_path)


def test_a_machine_is_either_the_main_one_or_a_worker(values: dict[str, str], tmp_path: Path) -> None:
    beside = {**values, "MAIN_HOST": "main.example", "WORKER_HOST": "second.example"}
    workers.check(beside, elsewhere=True)
    with pytest.raises(ConfigurationError, match=r"the main machine is main\.example") as told:
        workers.native(beside, tmp_path)
    assert "make up-worker" in told.value.action
    for name in ("MAIN_HOST", "WORKER_HOST", "COMPOSE_PROFILES"):
        with pytest.raises(ConfigurationError, match=name):
            workers.check({**beside, name: ""}, elsewhere=True)


def test_a_worker_elsewhere_makes_no_secrets_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_ENV_FILE", str(tmp_path / "env"))
    with pytest.raises(ConfigurationError, match="There is no"):
        make_files(elsewhere=True)
    assert not (tmp_path / "env").exists()


def test_without_redis_the_next_step_installs_it(
    values: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(ConfigurationError, match="no `redis-server`") as told:
        workers.native(values, tmp_path)
    assert "install-tools.sh redis-server" in told.value.action


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="Debian's redis-server; `make tools`")
def test_workers_on_one_machine_have_nothing_in_common(values: dict[str, str], tmp_path: Path) -> None:
    native = workers.native(values, tmp_path)
    assert list(native) == ["postgres", "redis", "init", *AIRFLOW, "airflow-worker-1", "airflow-worker-2"]
    first, second = native["airflow-worker-1"], native["airflow-worker-2"]
    assert first.ports == {8793: "WORKER_LOG_PORT"}
    assert second.ports == {8803: "WORKER_LOG_PORT"}
    assert native["airflow-scheduler"].ports == {8974: "SCHEDULER_HEALTH_PORT"}, "it serves no logs of tasks"
    assert not set(first.folders) & set(second.folders)
    assert all(tmp_path / "workers" / "2" in folder.parents for folder in second.folders)
    assert first.command != second.command
    assert (first.environment["WORKER_NAME"], second.environment["WORKER_NAME"]) == ("worker-1", "worker-2")
    for name in (
        "AIRFLOW_HOME",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "RECOMMENDER_HOME",
        "MPLCONFIGDIR",
        "NUMBA_CACHE_DIR",
    ):
        assert first.environment[name] != second.environment[name], name
    for service in (first, second, native["airflow-scheduler"]):
        assert service.environment["RECOMMENDER_RUNS_URL"] == "s3://bucket/runs"
        assert service.environment["AWS_ACCESS_KEY_ID"] == "key"
        assert service.environment["AIRFLOW__CELERY__BROKER_URL"] == (
            "redis://:value-of-REDIS_PASSWORD@127.0.0.1:6379/0"
        )
    assert "value-of" not in " ".join([*native["redis"].command, *native["redis"].health, *first.command])


def test_a_worker_elsewhere_finds_the_main_machine(values: dict[str, str], tmp_path: Path) -> None:
    elsewhere = workers.services({**values, "MAIN_HOST": "main.example"}, tmp_path)["airflow-worker"].environment
    assert elsewhere["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://main.example:8080/execution/"
    for name in ("AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__RESULT_BACKEND", "RECOMMENDER_DATABASE_URL"):
        assert "@main.example:" in elsewhere[name], name
    assert "@main.example:" in elsewhere["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_keys_of_the_store_do_not_belong_into_the_file_of_secrets(values: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"AWS_SECRET_ACCESS_KEY in .* has no effect") as told:
        settings.refuse_misplaced({**values, "AWS_SECRET_ACCESS_KEY": "hidden"}, tmp_path / ".env")
    assert "settings.env" in told.value.action
    assert "hidden" not in str(told.value)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="Debian's redis-server; `make tools`")
def test_the_queue_wants_its_password_and_shows_it_to_nobody(
    values: dict[str, str], tmp_path: Path, free_ports: Callable[[], dict[str, str]]
) -> None:
    port = free_ports()["REDIS_PORT"]
    service = workers.native({**values, "REDIS_PORT": port}, tmp_path)["redis"]
    queue = Processes(service, tmp_path)
    queue.start()
    try:
        subprocess.run(
            ["timeout", "20", "sh", "-c", f"until redis-cli -p {port} ping >/dev/null; do sleep 0.1; done"], check=True
        )
        assert queue.healthy()
        with redis.Redis(port=int(port)) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.keys()
        with redis.Redis(port=int(port), password=values["REDIS_PASSWORD"]) as client:
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
        for process in queue.all():
            assert values["REDIS_PASSWORD"] not in " ".join(process.cmdline())
        assert values["REDIS_PASSWORD"] not in queue.log.read_text()
    finally:
        queue.stop()
    assert not queue.healthy()


def test_the_queue_does_not_start_without_a_password(values: dict[str, str], tmp_path: Path) -> None:
    """Which a compose file cannot insist on for one profile alone."""
    service = workers.services({**values, "REDIS_PASSWORD": ""}, tmp_path)["redis"]
    done = subprocess.run(service.command, env=service.environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "REDIS_PASSWORD is missing in .env" in done.stderr


def test_a_file_of_secrets_of_before_there_were_workers_still_does(tmp_path: Path) -> None:
    file = tmp_path / "env"
    secrets.ensure(file)
    assert secrets.read(file)["REDIS_PASSWORD"]
    file.write_text(re.sub(r"^REDIS_PASSWORD=.*\n", "", file.read_text(), flags=re.M))
    assert "REDIS_PASSWORD" not in secrets.read(file)
