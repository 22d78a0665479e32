"""examples/kubernetes: the pod template is what the executor and the image ask for, and holds no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender_job.config import ENV_PREFIX, load_config

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "kubernetes"
POD: dict[str, Any] = yaml.safe_load((FOLDER / "pod-template.yaml").read_text("utf-8"))
(BASE,) = POD["spec"]["containers"]
ENVIRONMENT = {entry["name"]: entry for entry in BASE["env"]}


def test_it_is_a_pod_whose_container_the_executor_finds() -> None:
    assert (POD["apiVersion"], POD["kind"]) == ("v1", "Pod")
    assert BASE["name"] == "base"
    assert POD["spec"]["restartPolicy"] == "Never", "Airflow retries"
    assert "command" not in BASE
    assert "args" not in BASE


def test_it_runs_as_the_images_own_account() -> None:
    account = re.search(r"useradd --uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert account is not None
    assert POD["spec"]["securityContext"]["runAsUser"] == int(account[1])
    assert POD["spec"]["securityContext"]["runAsNonRoot"] is True


def test_every_secret_comes_from_the_one_that_the_readme_names() -> None:
    secret = {name for name in ENVIRONMENT if re.search(r"KEY|SECRET|PASSWORD|DATABASE_URL", name)}
    assert secret == {name for name, entry in ENVIRONMENT.items() if "valueFrom" in entry}
    readme = (FOLDER / "README.md").read_text()
    for name in secret:
        reference = ENVIRONMENT[name]["valueFrom"]["secretKeyRef"]
        assert f"the secret `{reference['name']}`" in readme
        assert f"`{reference['key']}`" in readme


def test_every_setting_of_the_job_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in ENVIRONMENT.items():
        if name.startswith(ENV_PREFIX):
            monkeypatch.setenv(name, entry.get("value", "postgresql://job@database/recommender"))
    config = load_config()
    assert config.database_url is not None
    assert config.runs == "s3://bucket/runs", "a pod's own disk is gone with it"


def test_every_setting_of_airflow_is_one_that_the_stack_runs_with() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    used = compose["x-environment"]
    names = [name for name in ENVIRONMENT if name.startswith("AIRFLOW")]
    assert len(names) >= 7
    assert set(names) <= set(used)
    for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__API_AUTH__JWT_ISSUER"):
        assert ENVIRONMENT[name]["value"] == used[name]


def test_what_is_mounted_is_there_and_bounded() -> None:
    assert {volume["name"] for volume in POD["spec"]["volumes"]} == {mount["name"] for mount in BASE["volumeMounts"]}
    assert set(BASE["resources"]) == {"requests", "limits"}
    assert {"cpu", "memory", "ephemeral-storage"} <= set(BASE["resources"]["requests"])
    assert "memory" in BASE["resources"]["limits"]
