"""Renews the node's credential at half of its life, and whenever the control plane asks for it.

The former credential works for some minutes longer, so an answer that is lost costs nothing but another attempt.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime

from nodeagent import enrolment
from nodeagent.credential import Credential
from nodeagent.enrolment import EnrolmentError
from nodeagent.settings import Settings

log = logging.getLogger(__name__)

LONGEST_SLEEP_SECONDS = 3600.0
"""The clock may be set, and the file exchanged (`nodeagent rotate`): the time is looked at anew this often."""
FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 600.0


class Renewal:
    def __init__(self, settings: Settings, credential: Credential, renewed: Callable[[], None]) -> None:
        """``renewed`` is called when the file holds a new credential."""
        self._settings = settings
        self._credential = credential
        self._renewed = renewed
        self._asked = asyncio.Event()

    def ask(self) -> None:
        if not self._credential.renewable:
            log.warning(
                "the control plane asks for a new credential, but this one was given from outside: renew it there"
            )
            return
        self._asked.set()

    async def run(self) -> None:
        """For ever."""
        retry = FIRST_RETRY_SECONDS
        while True:
            await self._due()
            try:
                await asyncio.to_thread(self._renew)
            except (EnrolmentError, OSError, ValueError) as error:
                log.warning("the node's credential could not be renewed: %s; trying again in %.0f s", error, retry)
                await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, hides nothing
                retry = min(retry * 2, LONGEST_RETRY_SECONDS)
                self._asked.set()
            else:
                retry = FIRST_RETRY_SECONDS
                log.info("the node's credential was renewed")
                self._renewed()

    async def _due(self) -> None:
        """Return when it is to be renewed."""
        while not self._asked.is_set():
            at = self._credential.content.renew_at
            left = (at - datetime.now(UTC)).total_seconds() if at is not None else LONGEST_SLEEP_SECONDS
            if left <= 0:
                break
            try:
                async with asyncio.timeout(min(left, LONGEST_SLEEP_SECONDS)):
                    await self._asked.wait()
            except TimeoutError:
                continue
        self._asked.clear()

    def _renew(self) -> None:
        answer = enrolment.renew(self._settings.server, self._settings.ca_file, token=self._credential.token)
        self._credential.replace(answer["token"], answer["expires"])
