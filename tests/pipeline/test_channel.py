"""A channel between two threads: who waits, what is dropped, how it ends."""

from __future__ import annotations

import threading

import pytest

from exdnet_plugin.pipeline.channel import Channel


def test_the_oldest_is_dropped_and_counted_and_nobody_waits() -> None:
    channel = Channel[int](3, "oldest")
    for item in range(10):
        assert channel.put(item)
    channel.end()
    assert list(channel) == [7, 8, 9]
    assert channel.dropped == 7


def test_without_dropping_the_producer_waits() -> None:
    channel, put = Channel[int](2), []

    def produce() -> None:
        for item in range(5):
            channel.put(item)
            put.append(item)
        channel.end()

    producer = threading.Thread(target=produce)
    producer.start()
    producer.join(0.2)
    assert put == [0, 1]
    assert list(channel) == [0, 1, 2, 3, 4]
    producer.join()
    assert channel.dropped == 0


def test_clearing_lets_the_producer_go_on() -> None:
    channel = Channel[int](2)
    channel.put(1)
    channel.put(2)
    assert channel.clear() == 2
    assert channel.put(3)
    channel.end()
    assert list(channel) == [3]


def test_an_error_comes_behind_the_items_before_it() -> None:
    channel = Channel[int](3)
    channel.put(1)
    channel.end(OSError("gone"))
    items = iter(channel)
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_a_consumer_that_has_gone_is_told() -> None:
    channel = Channel[int](1)
    channel.close()
    assert not channel.put(1)
