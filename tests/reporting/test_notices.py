"""Notices, to a real webhook and to mail: each sent once, and silent about addresses when it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from recommender_job.config import load_config
from recommender_job.operating import NotifyConfig
from recommender_job.reporting.notices import post, send
from tests.sinks import HookSink, serving

SECRET = "T0K3N"


@pytest.fixture
def hook() -> Iterator[HookSink]:
    with serving(HookSink()) as sink:
        yield sink


def notify(**settings: Any) -> NotifyConfig:
    return load_config({f"notify.{key}": value for key, value in settings.items()}).notify


class Mails(list[tuple[Any, ...]]):
    def __call__(self, to: Sequence[str], sender: str | None, subject: str, page: str) -> None:
        self.append((tuple(to), sender, subject, page))


def refuse(*message: Any) -> None:
    raise RuntimeError(f"the server at {SECRET} says no")


def test_nobody_is_told_unless_somebody_is_named() -> None:
    mails = Mails()
    assert send(notify(), "subject", "text", mails) == []
    assert mails == []


def test_everybody_gets_the_same_text(hook: HookSink) -> None:
    mails = Mails()
    url = f"http://127.0.0.1:{hook.port}/{SECRET}"
    config = notify(webhook_url=url, email_to=("a@x.org", "b@x.org"), email_from="night@x.org")
    assert send(config, "It failed", "WHY <all> & more\nDO it", mails) == []
    assert hook.texts == ["It failed\nWHY <all> & more\nDO it"]
    page = "<pre>WHY &lt;all&gt; &amp; more\nDO it</pre>"
    assert mails == [(("a@x.org", "b@x.org"), "night@x.org", "It failed", page)]


def test_what_fails_is_a_line_without_an_address_and_the_other_way_is_used(hook: HookSink) -> None:
    hook.status = 403
    url = f"http://127.0.0.1:{hook.port}/{SECRET}"
    mails = Mails()
    told = send(notify(webhook_url=url, email_to=("a@x.org",)), "s", "t", mails)
    assert told == ["No notice by webhook: HTTPStatusError 403."]
    assert len(mails) == 1
    hook.status = 200
    told = send(notify(webhook_url=url, email_to=("a@x.org",)), "s", "t", refuse)
    assert told == ["No notice by e-mail: RuntimeError."]
    assert hook.texts[-1] == "s\nt"


@pytest.mark.parametrize("url", [f"http://127.0.0.1:1/{SECRET}", f"no://{SECRET}", f"http://[{SECRET}"])
def test_a_webhook_that_is_not_there_is_no_error(url: str) -> None:
    (line,) = send(notify(webhook_url=url), "s", "t", refuse)
    assert line.startswith("No notice by webhook: ")
    assert SECRET not in line


def test_a_webhook_that_does_not_answer_is_given_up(hook: HookSink) -> None:
    import socket

    import httpx

    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(httpx.TimeoutException):
        post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", "t", timeout=0.2)
