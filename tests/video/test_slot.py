from __future__ import annotations

import threading

from vision.video.slot import LatestSlot, Numbered


def test_the_newest_item_and_nothing_twice():
    slot = LatestSlot()
    assert slot.newest() is None
    assert slot.wait(timeout=0) is None
    for item in "abc":
        slot.put(item)
    assert slot.wait(timeout=0) == Numbered(3, "c")
    assert slot.newest(after=3) is None
    assert slot.wait(after=3, timeout=0) is None
    slot.renew()
    assert slot.newest(after=3) == Numbered(4, "c")


def test_an_empty_slot_has_nothing_to_renew():
    slot = LatestSlot()
    slot.renew()
    assert slot.newest() is None


def test_a_cleared_slot_has_nothing_until_the_next_item():
    slot = LatestSlot()
    slot.put("a")
    slot.clear()
    assert (slot.newest(), slot.wait(timeout=0)) == (None, None)
    slot.renew()
    assert slot.newest() is None
    slot.put("b")
    assert slot.wait(timeout=0) == Numbered(2, "b")


def test_who_waits_is_woken_by_an_item_and_by_the_end():
    slot, taken = LatestSlot(), []
    first = threading.Event()

    def take():
        taken.append(slot.wait())
        first.set()
        taken.append(slot.wait(after=1))

    thread = threading.Thread(target=take)
    thread.start()
    slot.put("a")
    assert first.wait(10)
    slot.close()
    thread.join(10)
    assert not thread.is_alive()
    assert taken == [Numbered(1, "a"), None]
