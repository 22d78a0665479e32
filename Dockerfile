# The job and Airflow in one image; docker-compose.yml says what each service runs in it.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
RUN python -m venv /opt/venv
# Not empty: with NVIDIA's libraries, for machines with a graphics card.
ARG GPU=
COPY requirements-runtime.txt requirements-gpu.txt /build/
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
    -r /build/requirements-runtime.txt ${GPU:+-r /build/requirements-gpu.txt}
# After the pins, which change less often and take long.
COPY pyproject.toml /build/
COPY recommender_job /build/recommender_job
COPY sql /build/sql
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /build

FROM ${BASE_IMAGE}
# OpenMP, which `implicit` looks for in the system.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
# Named volumes take over the owner of the folders that they are mounted on.
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/recommender recommender \
    && mkdir -p /var/lib/recommender/airflow /var/lib/recommender/logs /var/lib/recommender/metrics \
        /var/lib/recommender/runs \
    && chown -R recommender:recommender /var/lib/recommender
COPY --from=build /opt/venv /opt/venv
COPY dags /opt/recommender/dags
COPY docs/runbook.md docs/table-contract.md /opt/recommender/docs/
COPY plugins /opt/recommender/plugins
COPY scripts /opt/recommender/scripts
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /opt/recommender/config
USER recommender
# compose names the command of each service.
CMD ["recommender-job", "--help"]
