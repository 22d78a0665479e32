"""An object store that speaks S3, for tests: moto's server, in this process, on a port of its own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config as Settings
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

BUCKET = "store"


@dataclass(frozen=True)
class ObjectStore:
    """A running store with one bucket.

    Args:
        url: Where it answers.
        environment: The variables with which every program finds it.
    """

    url: str
    environment: dict[str, str]

    def keys(self, prefix: str = "") -> list[str]:
        """Names of all objects, ascending, as another client lists them."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def get(self, key: str) -> bytes:
        """An object."""
        return bytes(self._client().get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def put(self, key: str, content: bytes) -> None:
        """Writes an object, as another machine does."""
        self._client().put_object(Bucket=BUCKET, Key=key, Body=content)

    def buckets(self) -> list[str]:
        """Names of all buckets."""
        return [bucket["Name"] for bucket in self._client().list_buckets()["Buckets"]]

    def make_bucket(self) -> None:
        """Makes the bucket."""
        self._client().create_bucket(Bucket=BUCKET)

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_DEFAULT_REGION"],
            config=Settings(retries={"total_max_attempts": 1}),
        )


@contextlib.contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A store with its bucket, empty; whatever another test has left in this process is gone."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "AKIATESTONLY",
            "AWS_SECRET_ACCESS_KEY": "zebra-secret-lantern",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        store = ObjectStore(environment["AWS_ENDPOINT_URL"], environment)
        httpx.post(f"{store.url}/moto-api/reset").raise_for_status()  # all servers of a process share what they keep
        store.make_bucket()
        yield store
    finally:
        server.stop()


def use(store: ObjectStore, patch: pytest.MonkeyPatch) -> None:
    """Lets this process find the store, and no other one."""
    for name, value in store.environment.items():
        patch.setenv(name, value)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    S3FileSystem.clear_instance_cache()  # one that an earlier test has used keeps the address that it had
