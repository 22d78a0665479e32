"""`docker-compose.yml`: what every service must have, and that nothing secret stands in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender_job.config import ENV_PREFIX, load_config
from recommender_job.errors import ConfigurationError
from scripts.stack import secrets
from scripts.stack.compose import ROOT, Service, services, substitute, variables

DESCRIBED: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = DESCRIBED["services"]
AIRFLOW = ["airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"]
WORKER = "airflow-worker"
SETTING = "RECOMMENDER_NOTIFY__WEBHOOK_URL"
VALUES = {name: f"value-of-{name}" for name in secrets.names()}


@pytest.fixture
def values(tmp_path: Path) -> dict[str, str]:
    """What `.env` says, with a file of settings that holds one."""
    (tmp_path / "settings.env").write_text(f"{SETTING}=https://chat.example/hooks?a=b\n")
    return {**VALUES, "SETTINGS_FOLDER": str(tmp_path)}


@pytest.fixture
def native(values: dict[str, str], tmp_path: Path) -> dict[str, Service]:
    return services(values, tmp_path)


def test_the_services_are_those_of_a_whole_airflow() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["postgres", "init", *AIRFLOW]
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["workers"]} == {"redis", WORKER}


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "init"])
def test_a_service_that_stays_is_checked_and_started_again(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert service["logging"]["options"]["max-size"]


def test_a_worker_waits_for_the_queue_too_and_nobody_else_does() -> None:
    assert SERVICES[WORKER]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "init": {"condition": "service_completed_successfully"},
        "redis": {"condition": "service_healthy"},
    }
    assert [name for name, service in SERVICES.items() if "redis" in service.get("depends_on", {})] == [WORKER]


@pytest.mark.parametrize("name", AIRFLOW)
def test_airflow_waits_for_the_database_and_for_init(name: str) -> None:
    conditions = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
    assert conditions == {"postgres": "service_healthy", "init": "service_completed_successfully"}


def test_init_waits_for_the_database_and_runs_once() -> None:
    assert SERVICES["init"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["init"]["restart"] == "no"


def test_every_secret_is_insisted_on_and_none_has_a_value_here() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in set(secrets.names()) - set(secrets.OPTIONAL):
        uses = re.findall(rf"\$\{{{name}\b[^}}]*\}}", text)
        assert uses, name
        assert all(use.startswith(f"${{{name}:?") for use in uses), uses
    for service in SERVICES.values():
        for key, value in service["environment"].items():
            if re.search(r"PASSWORD(?!S_FILE)|SECRET|FERNET|AUTH$", key):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}|\$\{REDIS_PASSWORD:-\}", value), key
    assert not re.search(r"//\w+:(?!\$)[^@\s/]+@", text), "a password in a URL"


def test_the_superuser_and_the_people_are_known_to_init_only() -> None:
    private = {"POSTGRES_PASSWORD", "AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_OPS_PASSWORD", "AIRFLOW_LOOKER_PASSWORD"}
    for name in [*AIRFLOW, WORKER]:
        used = set(re.findall(r"\$\{(\w+)", " ".join(map(str, SERVICES[name]["environment"].values()))))
        assert not used & (private | {"WEBSITE_PASSWORD"}), name
    assert SERVICES["airflow-scheduler"]["environment"]["RECOMMENDER_DATABASE_URL"].startswith("postgresql://job:")


def test_no_secret_is_an_argument(native: dict[str, Service]) -> None:
    for service in native.values():
        shown = " ".join([*service.command, *service.health, repr(service)])
        assert not [name for name, value in VALUES.items() if value in shown], service.name


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose reads the file; `make tools`")
def test_the_check_of_the_file_passes_on_a_clean_checkout(tmp_path: Path) -> None:
    """Without `.env` and `settings.env`, which a first start makes."""
    for name in ("docker-compose.yml", ".env.example", "config/settings.env.example", "scripts/check-compose.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [tmp_path / "scripts" / "check-compose.sh", "docker-compose"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["init", *AIRFLOW, WORKER])
def test_every_setting_of_the_job_is_one(
    name: str, native: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in native[name].environment.items():
        if key.startswith(ENV_PREFIX):
            monkeypatch.setenv(key, value)
    config = load_config()
    assert config.runs == str(native[name].environment["RECOMMENDER_RUNS_URL"])
    assert config.database_url is not None


def test_hosts_and_paths_become_those_of_this_machine(native: dict[str, Service], tmp_path: Path) -> None:
    assert native["airflow-scheduler"].environment["RECOMMENDER_DATABASE_URL"] == (
        "postgresql://job:value-of-JOB_PASSWORD@127.0.0.1:5433/recommender"
    )
    environment = native["init"].environment
    assert environment["RECOMMENDER_DATABASE_URL"] == (
        "postgresql://postgres:value-of-POSTGRES_PASSWORD@127.0.0.1:5433/recommender"
    ), "the account is named like the host, and stays"
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8080/execution/"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1", "not on every address of this machine"
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(ROOT / "dags")
    assert environment["RECOMMENDER_RUNS_URL"] == str(tmp_path / "runs")
    assert environment["RECOMMENDER_HOME"] == str(tmp_path)
    assert native["init"].command == ("python", str(ROOT / "scripts" / "init.py"))
    assert environment["RECOMMENDER_METRICS__TEXTFILE"] == str(tmp_path / "metrics")
    assert native["init"].folder == tmp_path
    assert set(native["init"].folders) == {tmp_path / name for name in ("airflow", "logs", "metrics", "runs")}
    everything = " ".join(
        text for service in native.values() for text in [*service.environment.values(), *service.command]
    )
    assert not re.search(r"/opt/recommender|/var/lib/recommender|@postgres|//airflow-", everything)


def test_the_text_file_for_prometheus_goes_where_it_is_collected(values: dict[str, str], tmp_path: Path) -> None:
    moved = services({**values, "METRICS_FOLDER": "/var/lib/node_exporter/textfile"}, tmp_path)["airflow-scheduler"]
    assert moved.environment["RECOMMENDER_METRICS__TEXTFILE"] == "/var/lib/node_exporter/textfile"
    assert tmp_path / "metrics" not in moved.folders


@pytest.mark.parametrize("name", ["init", *AIRFLOW, WORKER])
def test_settings_env_is_for_whoever_runs_the_job_or_airflow(name: str, native: dict[str, Service]) -> None:
    assert native[name].environment[SETTING] == "https://chat.example/hooks?a=b"
    assert SETTING not in native["postgres"].environment


def test_without_a_folder_of_settings_it_lies_beside_the_example() -> None:
    assert substitute(SERVICES["init"]["env_file"], {}) == "./config/settings.env"


def test_ports_are_known_with_what_sets_them(values: dict[str, str], tmp_path: Path) -> None:
    moved = services({**values, "AIRFLOW_PORT": "9000", "AIRFLOW_ADDRESS": "0.0.0.0"}, tmp_path)
    assert moved["airflow-api-server"].ports == {9000: "AIRFLOW_PORT"}
    assert moved["airflow-scheduler"].ports == {8974: "SCHEDULER_HEALTH_PORT", 8793: "WORKER_LOG_PORT"}
    assert moved["postgres"].ports == {5433: "POSTGRES_PORT"}
    assert (
        moved["airflow-triggerer"]
        .environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
        .startswith("http://127.0.0.1:9000/")
    )
    assert moved["airflow-api-server"].environment["AIRFLOW__API__HOST"] == "0.0.0.0"
    assert "http://127.0.0.1:9000/api/v2/monitor/health" in moved["airflow-api-server"].health


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("${SET}/${SET:-b}", "a/a"),
        ("${UNSET:-b} ${EMPTY:-b} ${EMPTY}${UNSET}", "b b "),
        ("$$SET $${SET} 5$", "$SET ${SET} 5$"),
        ("${SET:?is missing}", "a"),
    ],
)
def test_variables_mean_what_they_mean_to_compose(text: str, meaning: str) -> None:
    assert substitute(text, {"SET": "a", "EMPTY": ""}) == meaning


@pytest.mark.parametrize("values", [{}, {"JOB_PASSWORD": ""}])
def test_a_variable_that_must_be_there_is_named(values: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"JOB_PASSWORD is missing\."):
        substitute("${JOB_PASSWORD:?is missing}", values)


def test_every_variable_is_explained() -> None:
    template = (ROOT / ".env.example").read_text()
    internal = {"IMAGE", "SCHEDULER_HEALTH_PORT", "TRIGGERER_LOG_PORT", "WORKER_LOG_PORT", "WORKER_NAME"}
    assert {name for name in variables() if not re.search(rf"^#?.*\b{name}=", template, re.M)} == internal


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose reads the file; `make tools`")
@pytest.mark.parametrize("port", [None, "9000"])
def test_compose_reads_the_file_as_we_do(values: dict[str, str], tmp_path: Path, port: str | None) -> None:
    values |= {"AIRFLOW_PORT": port} if port else {}
    file = tmp_path / "env"
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    done = subprocess.run(
        ["docker-compose", "--env-file", file, "--file", ROOT / "docker-compose.yml", "config"],
        env={"PATH": os.environ["PATH"]},  # what a developer has set goes before the file
        capture_output=True,
        text=True,
        check=True,
    )
    read = yaml.safe_load(done.stdout)["services"]
    assert set(read) == set(SERVICES)
    for name, service in SERVICES.items():
        ours = {key: substitute(value, values) for key, value in service["environment"].items()}
        further = {} if "env_file" not in service else {SETTING: "https://chat.example/hooks?a=b"}
        assert read[name]["environment"] == {**further, **ours}
        if "healthcheck" in service:
            assert read[name]["healthcheck"]["test"] == [
                substitute(part, values) for part in service["healthcheck"]["test"]
            ]
