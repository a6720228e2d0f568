# SPDX-License-Identifier: Apache-2.0
"""From the events of a trace to what :func:`uvtrace.check.pcie.explain.explain` reasons about."""

from __future__ import annotations

from dataclasses import dataclass

from uvtrace.check.pcie.execution import Message
from uvtrace.check.pcie.explain import MOST_MESSAGES, Explanation, explain, orders
from uvtrace.check.pcie.messages import End, Events
from uvtrace.check.pcie.ordering import Passing, Transaction, judge
from uvtrace.errors import UvtraceError


@dataclass
class _Life:
    """One message: its indices among the events."""

    first: int
    issued: int
    delivered: int | None


def explain_delivery(events: Events, i: int) -> Explanation:
    """Why the delivery that event ``i`` tells of breaks the ordering rules.

    Args:
        events: a part of a trace that holds the issue of every message concerned.
        i: index of the delivery among them.

    Returns:
        The conflict; messages are named by the position of the first record that tells of them.

    Raises:
        UvtraceError: it breaks none, or its issue is not among the events.
    """
    lives = [life for life in _lives(events) if events.channel[life.first] == events.channel[i]]
    own = next((life for life in lives if life.delivered == i), None)
    if own is None:
        raise UvtraceError("the issue of this message is not known", where=_where(events, i))
    ahead = [
        life
        for life in lives
        if life.issued < own.issued and (life.delivered is None or life.delivered > i)
    ]
    if len(ahead) >= MOST_MESSAGES:
        # Among so many only those that it must not have passed can be to the point.
        ahead = [life for life in ahead if _is_forbidden(events, own, life)][: MOST_MESSAGES - 1]
    under_way = [*ahead, own]
    issued = [_name(events, life) for life in under_way]
    # What never arrived would arrive after everything that did.
    late = sorted(ahead, key=lambda life: (life.delivered is None, life.delivered, life.issued))
    delivered = [_name(events, life) for life in (own, *late)]
    messages = [_as_message(events, life) for life in under_way]
    return explain(messages, orders(issued, delivered))


def _lives(events: Events) -> list[_Life]:
    """Every message whose issue is known, in the order of issue."""
    lives: list[_Life] = []
    under_way: dict[tuple[int, ...], list[_Life]] = {}
    for i in range(len(events)):
        end, key = End(int(events.end[i])), _key(events, i)
        if end == End.ALL_DROPPED:
            function = events.messages.function[i]
            for other in [k for k in under_way if k[1] == function]:
                _drop(lives, under_way.pop(other))
        elif end == End.DROPPED:
            _drop(lives, under_way.pop(key, [])[:1])
        elif End.ISSUED in end:
            life = _Life(i, i, i if End.DELIVERED in end else None)
            lives.append(life)
            if End.DELIVERED not in end:
                under_way.setdefault(key, []).append(life)
        elif under_way.get(key):
            under_way[key].pop(0).delivered = i
    return lives


def _drop(lives: list[_Life], dropped: list[_Life]) -> None:
    for life in dropped:
        lives.remove(life)


def _key(events: Events, i: int) -> tuple[int, ...]:
    """What both ends of a message have in common."""
    messages = events.messages
    columns = (events.channel, messages.function, messages.tag, events.form, events.address)
    return tuple(int(column[i]) for column in columns)


def _name(events: Events, life: _Life) -> str:
    return str(int(events.position[life.first]))


def _as_message(events: Events, life: _Life) -> Message:
    messages, i = events.messages, life.first
    # A tag is a function's own: no two functions share a transaction.
    tag = int(messages.tag[i])
    return Message(
        name=_name(events, life),
        channel=str(int(events.channel[i])),
        transaction=Transaction(int(messages.transaction[i])),
        facts=int(messages.facts[i]),
        sender=int(messages.sender[i]),
        tag=tag and (tag << 16 | int(messages.function[i])),
    )


def _is_forbidden(events: Events, later: _Life, earlier: _Life) -> bool:
    passing, _ = judge(events.messages.take(later.first), events.messages.take(earlier.first))
    return int(passing) == Passing.MUST_NOT


def _where(events: Events, i: int) -> str:
    return f"record {int(events.position[i])}"
