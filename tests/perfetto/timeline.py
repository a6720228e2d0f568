# SPDX-License-Identifier: Apache-2.0
"""Reads a timeline with Perfetto's own classes, and insists on what its trace processor expects.

Nothing may be used before it was told: tracks, parents, interned texts. The slices of a track are
properly nested, and all are closed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb


@dataclass
class Slice:
    """A slice, or with ``ends == begins`` and ``is_instant`` an instant."""

    track: str
    group: str
    name: str
    begins: int
    ends: int
    about: dict[str, Any]
    depth: int = 0
    flows: tuple[int, ...] = ()
    is_instant: bool = False


@dataclass
class Timeline:
    """What the UI would show."""

    slices: list[Slice] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    counters: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    clocks: dict[int, int] = field(default_factory=dict)

    def named(self, name: str) -> list[Slice]:
        """The slices and instants of a name."""
        return [each for each in self.slices if each.name == name]

    def on(self, track: str) -> list[Slice]:
        """The slices and instants of a track."""
        return [each for each in self.slices if each.track == track]


def read_timeline(data: bytes) -> Timeline:
    """Parse and check a timeline."""
    trace = pb.Trace()
    assert trace.ParseFromString(data) == len(data)
    told, reader = Timeline(), _Reader()
    for number, packet in enumerate(trace.packet):
        assert packet.trusted_packet_sequence_id == 1
        assert bool(packet.sequence_flags & 1) == (number == 0)
        reader.read(packet, told)
    reader.build(told)
    return told


class _Reader:
    def __init__(self) -> None:
        self.names: dict[int, tuple[str, str]] = {}
        self.texts: dict[tuple[str, int], str] = {}
        self.events: dict[int, list[tuple[int, int, Any]]] = defaultdict(list)
        self.count = 0

    def read(self, packet: Any, told: Timeline) -> None:
        if packet.HasField("clock_snapshot"):
            told.clocks = {each.clock_id: each.timestamp for each in packet.clock_snapshot.clocks}
        if packet.HasField("interned_data"):
            self._intern(packet.interned_data)
        if packet.HasField("track_descriptor"):
            self._describe(packet.track_descriptor, told)
        if packet.HasField("track_event"):
            event = packet.track_event
            assert event.track_uuid in self.names, "a track that was not told of"
            assert packet.HasField("timestamp")
            if event.name_iid:
                assert ("event_names", event.name_iid) in self.texts
            for each in event.debug_annotations:
                assert ("debug_annotation_names", each.name_iid) in self.texts
            self.events[event.track_uuid].append((packet.timestamp, self.count, event))
            self.count += 1

    def _intern(self, data: Any) -> None:
        for table in ("event_names", "debug_annotation_names"):
            for each in getattr(data, table):
                assert each.name
                self.texts[table, each.iid] = each.name
        for each in data.debug_annotation_string_values:
            self.texts["values", each.iid] = each.str.decode()

    def _describe(self, one: Any, told: Timeline) -> None:
        assert one.uuid
        assert one.uuid not in self.names, "a track that was told of twice"
        if one.HasField("process"):
            assert one.process.pid > 0
            told.groups.append(one.process.process_name)
            self.names[one.uuid] = one.process.process_name, one.process.process_name
            return
        assert one.name
        assert one.parent_uuid in self.names, "a parent that was not told of"
        self.names[one.uuid] = one.name, self.names[one.parent_uuid][1]

    def build(self, told: Timeline) -> None:
        for uuid, events in self.events.items():
            track, group = self.names[uuid]
            open_: list[Slice] = []
            # The trace processor sorts by time, and keeps the file's order where times are equal.
            for time_ns, _, event in sorted(events, key=lambda each: each[:2]):
                if event.type == pb.TrackEvent.TYPE_COUNTER:
                    told.counters[group].append((time_ns, event.counter_value))
                elif event.type == pb.TrackEvent.TYPE_SLICE_END:
                    assert open_, f"{track}: an end without a beginning"
                    open_.pop().ends = time_ns
                else:
                    made = self._slice(event, track, group, time_ns, len(open_))
                    told.slices.append(made)
                    if not made.is_instant:
                        open_.append(made)
            assert not open_, f"{track}: {open_[-1].name} has no end"

    def _slice(self, event: Any, track: str, group: str, time_ns: int, depth: int) -> Slice:
        is_instant = event.type == pb.TrackEvent.TYPE_INSTANT
        assert is_instant or event.type == pb.TrackEvent.TYPE_SLICE_BEGIN
        about = {}
        for each in event.debug_annotations:
            which = each.WhichOneof("value")
            value = getattr(each, which)
            name = self.texts["debug_annotation_names", each.name_iid]
            about[name] = self.texts["values", value] if which == "string_value_iid" else value
        return Slice(
            track=track,
            group=group,
            name=self.texts["event_names", event.name_iid],
            begins=time_ns,
            ends=time_ns,
            about=about,
            depth=depth,
            flows=tuple(event.flow_ids or event.terminating_flow_ids),
            is_instant=is_instant,
        )


def tracks_of(timeline: Timeline) -> Counter[str]:
    """How much there is on each track, by name."""
    return Counter(each.track for each in timeline.slices)
