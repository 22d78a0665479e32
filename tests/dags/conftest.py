"""Airflow writes a configuration file into its home when it is imported: not into the developer's."""

from __future__ import annotations

import os

from tests.folders import made_for_this_process

os.environ["AIRFLOW_HOME"] = made_for_this_process("airflow-home-")
