"""A stack of two small services: their order, starting twice, and what a person is told when something is wrong."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recommender_job.errors import ConfigurationError, TransientError
from scripts.stack import compose, secrets, settings
from scripts.stack.stack import Stack
from tests.scripts.test_processes import until

SMALL = """
services:
  init:
    command: ["sh", "-c", "echo $$MESSAGE; exit ${CODE:-0}"]
    environment: {MESSAGE: from-init, AIRFLOW_PORT: "${AIRFLOW_PORT:-8080}"}
    volumes: ["runs:/var/lib/recommender/runs"]
  worker:
    env_file: ${SETTINGS_FOLDER:-./config}/settings.env
    command: ["sh", "-c", "touch /var/lib/recommender/runs/made; sleep 60"]
    environment: {HERE: "/var/lib/recommender/runs"}
    volumes: ["runs:/var/lib/recommender/runs"]
    expose: ["${AIRFLOW_PORT:-8080}"]
    healthcheck: {test: ["CMD", "sh", "-c", "test -d $$HERE"]}
    depends_on: {init: {condition: service_completed_successfully}}
"""


@pytest.fixture
def small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_ports: Callable[[], dict[str, str]]
) -> Iterator[Callable[..., Stack]]:
    """Makes a stack of two small services."""
    monkeypatch.setattr(compose, "FILE", tmp_path / "small.yml")
    compose.FILE.write_text(SMALL)
    made: list[Stack] = []

    secrets.ensure(tmp_path / "env")

    def build(**settings: str) -> Stack:
        given = {**free_ports(), "SETTINGS_FOLDER": str(tmp_path), **settings}
        made.append(Stack(tmp_path / "home", tmp_path / "env", given))
        return made[-1]

    yield build
    for stack in made:
        stack.stop()


def test_what_settings_env_says_reaches_the_service_and_no_other(
    small: Callable[..., Stack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "of-the-caller")
    (tmp_path / "settings.env").write_text(
        "# a comment\nRECOMMENDER_NOTIFY__WEBHOOK_URL=https://chat/T0K3N?a=b#c\nAIRFLOW__METRICS__STATSD_ON=True\n"
    )
    stack = small()
    stack.start()
    (command, *_) = stack.processes("worker")
    told = {name: value for name, value in command.environ().items() if name.startswith(("RECOMMENDER", "AIRFLOW__"))}
    assert told == {
        "RECOMMENDER_NOTIFY__WEBHOOK_URL": "https://chat/T0K3N?a=b#c",
        "AIRFLOW__METRICS__STATSD_ON": "True",
    }
    assert "RECOMMENDER_NOTIFY__WEBHOOK_URL" not in stack.environment("init")
    assert "T0K3N" not in repr(stack.services["worker"].service)


def test_a_line_of_settings_env_that_could_have_no_effect_is_refused(
    small: Callable[..., Stack], tmp_path: Path
) -> None:
    (tmp_path / "settings.env").write_text("HERE=elsewhere\n")
    with pytest.raises(ConfigurationError, match=r"HERE in .* has no effect: docker-compose\.yml sets it"):
        small()


def test_a_stack_starts_twice_and_stops_once(small: Callable[..., Stack]) -> None:
    stack = small()
    stack.start()
    before = stack.processes("worker")[0]
    stack.start()
    assert stack.processes("worker")[0] == before
    assert "from-init" in stack.log("init").read_text()
    assert stack.environment("worker")["HERE"] == str(stack.home / "runs")
    stack.kill("worker")
    assert not stack.healthy("worker")
    stack.restart("worker")
    assert stack.healthy("worker")
    assert stack.stop() == ["worker"]
    assert stack.stop() == []
    assert (stack.home / "runs").is_dir()


def test_what_has_changed_is_started_anew_and_nothing_else(
    small: Callable[..., Stack], free_ports: Callable[[], dict[str, str]]
) -> None:
    ports = free_ports()
    small(**ports).start()
    same = small(**ports)
    before = same.processes("worker")[0]
    same.start()
    assert same.processes("worker")[0] == before
    compose.FILE.write_text(SMALL.replace("{HERE:", "{NEW: one, HERE:"))
    changed = small(**ports)
    changed.start()
    assert not before.is_running()
    assert changed.processes("worker")[0].environ()["NEW"] == "one"


def test_a_command_by_hand_leaves_the_log_of_the_service_alone(
    small: Callable[..., Stack], capfd: pytest.CaptureFixture[str]
) -> None:
    stack = small()
    stack.run("init")
    stack.run("init", "sh", "-c", "echo by-hand $MESSAGE")
    assert stack.log("init").read_text() == "from-init\n"
    assert capfd.readouterr().out == "by-hand from-init\n"


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("AIRFLOW_PORT", "8080   the port", "AIRFLOW_PORT is '8080   the port', which is no port"),
        ("AIRFLOW_ADDRESS", "192.168.1.5", "AIRFLOW_ADDRESS cannot be 192.168.1.5"),
    ],
)
def test_a_setting_that_cannot_be_is_named(small: Callable[..., Stack], setting: str, value: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        small(**{setting: value})


def test_a_folder_of_settings_that_compose_would_take_for_a_volume_is_refused(
    small: Callable[..., Stack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose.FILE.write_text(SMALL.replace('["runs:', '["${SETTINGS_FOLDER:-./config}:/opt/recommender/config", "runs:'))
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    (tmp_path / "their" / "settings").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="begins with neither"):
        small(SETTINGS_FOLDER="their/settings")


def test_what_a_crash_left_on_a_port_does_not_keep_the_stack_from_starting(small: Callable[..., Stack]) -> None:
    listen = "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', PORT)); s.listen(); time.sleep(60)"
    compose.FILE.write_text(
        SMALL.replace("touch /var/lib/recommender/runs/made; sleep 60", f'exec {sys.executable} -c \\"$$LISTEN\\"')
        .replace("{HERE:", f'{{LISTEN: "{listen.replace("PORT", "${AIRFLOW_PORT}")}", HERE:')
        .replace("test -d $$HERE", "true")
    )
    stack = small()
    stack.start()
    (worker,) = stack.processes("worker")
    port = next(iter(stack.services["worker"].service.ports))
    with socket.socket() as probe:
        until(lambda: probe.connect_ex(("127.0.0.1", port)) == 0)
    keeper = stack.services["worker"].leader()
    assert keeper is not None
    keeper.kill()
    until(lambda: stack.services["worker"].leader() is None)
    stack.start()
    assert worker not in stack.processes("worker") != []


def test_a_failing_init_stops_the_start_and_names_its_log(small: Callable[..., Stack]) -> None:
    stack = small(CODE="3")
    with pytest.raises(ConfigurationError, match="init ended with exit code 3") as raised:
        stack.start()
    assert str(stack.log("init")) in raised.value.action
    assert stack.processes("worker") == []


def test_a_taken_port_is_named_with_what_sets_it(small: Callable[..., Stack]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = small(AIRFLOW_PORT=str(port))
        with pytest.raises(
            ConfigurationError, match=f"Port {port} of 127.0.0.1, which worker needs, is taken"
        ) as raised:
            stack.start()
    assert "set AIRFLOW_PORT" in raised.value.action
    assert not stack.log("init").exists(), "nothing was begun"


def test_a_service_that_never_gets_healthy_names_its_log(small: Callable[..., Stack]) -> None:
    stack = small()
    stack.services["worker"].start()
    with pytest.raises(TransientError, match=r"worker is not healthy after 0 s") as raised:
        stack.wait_healthy("worker", 0.3)
    assert str(stack.log("worker")) in raised.value.action
    stack.kill("worker")
    with pytest.raises(TransientError, match="worker has ended"):
        stack.wait_healthy("worker")
