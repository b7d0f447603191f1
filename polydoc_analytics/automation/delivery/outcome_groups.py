"""Deliveries that ended alike: one answer that hit many receivers is told once, with their number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from polydoc_analytics.automation.delivery.messages import Delivery


@dataclass
class OutcomeGroup:
    """Deliveries to one target that have one state and got one answer."""

    target: str
    state: str
    answer: str
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def receivers(self) -> str:
        """The receiver, or how many there are."""
        count = len(self.deliveries)
        return self.deliveries[0].receiver if count == 1 else f"{count:,} receivers"

    @property
    def tries(self) -> int:
        """The greatest number of tries to one receiver."""
        return max(len(delivery.tries) for delivery in self.deliveries)

    @property
    def next_try_at(self) -> str | None:
        """When the first of them is tried again; None where none is."""
        return min((delivery.next_try_at for delivery in self.deliveries if delivery.next_try_at), default=None)

    def sentence(self, *, with_state: bool = True) -> str:
        """Word the group: ``chat: failed: answered 500 (12 receivers)``."""
        many = f" ({self.receivers})" if len(self.deliveries) > 1 else ""
        return ": ".join([self.target, *([self.state] if with_state else []), f"{self.answer}{many}"])


def by_outcome(deliveries: Iterable[Delivery]) -> list[OutcomeGroup]:
    """Group deliveries by target, state and last answer, in which their own receiver does not count."""
    groups: dict[tuple[str, str, str], OutcomeGroup] = {}
    for delivery in deliveries:
        answer = delivery.tries[-1].answer if delivery.tries else ""
        key = answer.replace(delivery.receiver, "…") if delivery.receiver else answer
        group = groups.setdefault(
            (delivery.target, delivery.state, key), OutcomeGroup(delivery.target, delivery.state, answer)
        )
        group.deliveries.append(delivery)
        if len(group.deliveries) > 1:
            group.answer = key
    return list(groups.values())
