"""Messages to a chat's webhook and by e-mail. What fails here hides nothing else, and shows no address."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from recommender_job.operating import NotifyConfig

#: Seconds that a chat service may take.
TIMEOUT = 10.0


def post(url: str, text: str, *, timeout: float = TIMEOUT) -> None:
    """Sends a text to a webhook, as `{"text": …}`.

    Args:
        url: Of the webhook; it may hold a secret.
        text: What to tell.
        timeout: Seconds until it gives up.

    Raises:
        httpx.HTTPError, httpx.InvalidURL: It cannot be reached, or answers with an error.
    """
    import httpx

    httpx.post(url, json={"text": text}, timeout=timeout).raise_for_status()


def send(
    config: NotifyConfig, subject: str, text: str, mail: Callable[[Sequence[str], str | None, str, str], None]
) -> list[str]:
    """Tells everybody whom the configuration names.

    Args:
        config: Whom, and how.
        subject: One line.
        text: The message.
        mail: Sends an e-mail: recipients, sender, subject, HTML.

    Returns:
        A line for each way that did not work, without addresses or secrets; empty when all did.
    """
    troubles = []

    def attempt(way: str, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # a notice must not fail the task that it tells of
            # Only the kind of error: its text may hold the webhook's address or the mail account.
            code = getattr(getattr(error, "response", None), "status_code", None)
            troubles.append(f"No notice by {way}: {type(error).__name__}{f' {code}' if code else ''}.")

    if config.webhook_url is not None:
        url = config.webhook_url.get_secret_value()
        attempt("webhook", lambda: post(url, f"{subject}\n{text}" if subject else text))
    if config.email_to:
        page = f"<pre>{html.escape(text)}</pre>"
        attempt("e-mail", lambda: mail(config.email_to, config.email_from, subject, page))
    return troubles
