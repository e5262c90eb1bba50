"""Downloads that a job can do without: what one that failed means for the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from vertebra.errors import OfflineError, WeightsError
from vertebra.fitting.offers import Offer
from vertebra.fitting.pretrained import CacheError, fetch
from vertebra.weights.transport import UnreliableError


class Fetching:
    """What may still be downloaded, of weights that nobody asked for within ``seconds`` in all (None: they were asked
    for, and their loading fetches them, however long it takes).

    One that its server has not, or gives with other bytes, rules out itself alone.  A server that cannot be reached or
    does not deliver is asked no more; and none is, where the cache cannot be written.
    """

    def __init__(self, seconds: float | None, say: Callable[[str], None]) -> None:
        self.unasked = seconds is not None
        self.seconds = math.inf if seconds is None else seconds
        self.until = time.monotonic() + self.seconds
        self.say = say
        self.tried: set[tuple[str, str]] = set()
        self.away: set[str] = set()
        """The projects (torchvision, timm) whose server is asked no more."""
        self.over = False

    def may(self, offer: Offer) -> bool:
        """Whether its weights are here, or their download may be tried; that time is up is said once."""
        if offer.at_hand or (offer.name, offer.source) in self.tried:
            return True
        if self.over or _project(offer) in self.away:
            return False
        if self.tried and time.monotonic() >= self.until:
            self.over = True
            self.say(f"no more weights are fetched: the {self.seconds:.0f} s for it are over")
        return not self.over

    def fetch(self, offer: Offer) -> None:
        """Bring weights that nobody asked for into the cache.

        Raises WeightsError where they cannot be had, or not in the time that is left.
        """
        if self.unasked and not offer.at_hand and (offer.name, offer.source) not in self.tried:
            self.tried.add((offer.name, offer.source))
            fetch(offer, max(self.until - time.monotonic(), 1.0))

    def left_out(self, offer: Offer, error: WeightsError) -> str:
        """The line that says what this fault leaves out; the rest of it is not tried again."""
        also = ""
        if not offer.at_hand and isinstance(error, OfflineError | UnreliableError):
            self.away.add(_project(offer))
            also = f", and nothing more is fetched from {_project(offer)}'s server"
        elif not offer.at_hand and isinstance(error, CacheError):
            self.over = True
            also = ", and nothing more is fetched"
        return f"{offer.name} is left out{also}: {error}"


def _project(offer: Offer) -> str:
    return offer.source.partition(":")[0]
