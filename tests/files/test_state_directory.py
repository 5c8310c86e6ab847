from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stream_gov.contracts import ConfigurationError, DataError, Monitor, UnreadableProfileError
from stream_gov.files import StateDirectory
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile

TEXT = "# ours\nmonitor: houses\nmodel: houses\nwindow:\n  size: 7d\n"
MONITOR = Monitor.from_yaml(TEXT, source="houses.yaml")


def profile(name: str = "houses", revision: int = 1, value: float = 1.0) -> ReferenceProfile:
    batch = RowBatch({"x": [value, 2.0]}, 2)
    return build_profile(
        lambda: [batch], ProfileBuilder(), name=name, revision=revision, model="m", source="", created_ms=0
    )


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "deep" / ".stream-gov")


def test_a_new_directory_is_empty(state):
    assert (state.profile_ids(), state.monitor_names(), state.read_broker_note()) == ([], [], None)
    assert state.next_revision("houses") == 1


def test_profiles_are_kept_by_name_and_revision(state):
    for name, revision in (("houses", 2), ("houses", 10), ("houses", 1), ("cars.v2", 1)):
        state.save_profile(profile(name, revision))

    assert state.profile_ids() == ["cars.v2@1", "houses@1", "houses@2", "houses@10"]
    assert state.next_revision("houses") == 11
    assert state.load_profile("houses").id == "houses@10"
    assert state.load_profile("houses@2").id == "houses@2"
    assert [p.id for p in state.profiles()] == state.profile_ids()


def test_a_profile_is_never_overwritten(state):
    first = profile(value=1.0)
    path = state.save_profile(first)

    with pytest.raises(DataError, match=r"revision 1 of 'houses' is there already, .* save this one as revision 2"):
        state.save_profile(profile(value=5.0))

    assert path.read_bytes() == first.to_bytes()
    assert [p.name for p in state.references.iterdir()] == ["houses@1.sgref"]


def test_without_links_a_profile_is_kept_and_not_overwritten_either(state, monkeypatch):
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    state.save_profile(profile())

    with pytest.raises(DataError, match="is there already"):
        state.save_profile(profile())
    assert [p.name for p in state.references.iterdir()] == ["houses@1.sgref"]


def test_of_many_who_save_one_revision_exactly_one_succeeds(state):
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def save(value: float) -> None:
        start.wait()
        try:
            state.save_profile(profile(value=value))
            outcomes.append("saved")
        except DataError:
            outcomes.append("refused")

    threads = [threading.Thread(target=save, args=(float(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["refused"] * 7 + ["saved"]
    assert state.load_profile("houses").n_rows == 2


def test_a_write_that_fails_leaves_nothing_behind(state, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"houses@1.sgref: it cannot be written: No space left on device; mend that"):
        state.save_profile(profile())

    assert list(state.references.iterdir()) == []
    assert state.next_revision("houses") == 1


def test_a_profile_that_is_not_there_is_named_with_the_nearest(state):
    with pytest.raises(DataError, match=r"there is no reference 'houses'; there are none yet; build one with"):
        state.load_profile("houses")
    state.save_profile(profile())
    with pytest.raises(DataError, match=r"there is no reference 'house'; did you mean `houses`\?; build one"):
        state.load_profile("house")
    with pytest.raises(DataError, match=r"reference 'houses' has no revision 7; there are 1$"):
        state.load_profile("houses@7")
    with pytest.raises(ConfigurationError, match=r"'\.\./x' is no reference; write `name` or `name@revision`"):
        state.load_profile("../x")


def test_a_damaged_profile_names_its_file(state):
    path = state.save_profile(profile())
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(UnreadableProfileError, match=f"^{re.escape(str(path))}: the profile is damaged"):
        state.load_profile("houses")


def test_a_renamed_profile_is_refused(state):
    path = state.save_profile(profile())
    path.rename(path.with_name("homes@1.sgref"))

    with pytest.raises(DataError, match=r"homes@1.sgref: the file holds the profile 'houses@1'; give it back its name"):
        state.load_profile("homes")


def test_other_files_are_passed_over(state):
    state.save_profile(profile())
    for name in ("notes.txt", "houses.sgref", "houses@0.sgref", ".houses@2.sgref.tmp"):
        (state.references / name).write_text("")

    assert state.profile_ids() == ["houses@1"]


def test_a_monitor_keeps_the_comments_of_its_file(state):
    path = state.save_monitor(MONITOR, text=TEXT)

    assert path.read_text() == TEXT
    assert state.load_monitor("houses") == MONITOR


def test_a_monitor_without_a_file_is_written_from_its_values(state):
    state.save_monitor(MONITOR)

    assert state.load_monitors() == [MONITOR]


def test_a_monitor_replaces_one_of_its_name(state):
    state.save_monitor(MONITOR)
    state.save_monitor(MONITOR.model_copy(update={"min_events": 5}))

    assert state.load_monitor("houses").min_events == 5
    assert state.monitor_names() == ["houses"]


def test_a_monitor_can_be_removed(state):
    state.save_monitor(MONITOR)

    assert state.remove_monitor("houses")
    assert not state.remove_monitor("houses")
    assert state.monitor_names() == []


def test_a_wrong_monitor_names_its_file_and_the_remedy(state):
    with pytest.raises(ConfigurationError, match=r"there is no monitor 'houses'; there are none yet; apply one with"):
        state.load_monitor("houses")
    state.save_monitor(MONITOR)
    with pytest.raises(ConfigurationError, match=r"there is no monitor 'housse'; did you mean `houses`\?"):
        state.load_monitor("housse")
    state.monitor_path("houses").write_text("monitor: houses\nmodel: houses\nwindwo: {size: 7d}\n")
    with pytest.raises(ConfigurationError, match=r"houses.yaml: windwo: unknown key; did you mean `window`\?"):
        state.load_monitor("houses")
    state.monitor_path("homes").write_text(TEXT)
    with pytest.raises(ConfigurationError, match=r"homes.yaml: monitor: the file holds the monitor 'houses'; rename"):
        state.load_monitor("homes")
    state.monitor_path("homes").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"homes.yaml: it cannot be read: .*utf-8"):
        state.load_monitor("homes")


def test_the_note_on_the_broker_says_whether_it_runs(state):
    state.write_broker_note("127.0.0.1:9092", os.getpid())

    note = state.running_broker()
    assert note is not None
    assert (note.bootstrap, note.pid) == ("127.0.0.1:9092", os.getpid())


def test_a_note_of_a_dead_process_is_no_running_broker(state):
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    state.write_broker_note("127.0.0.1:9092", child.pid)

    assert state.read_broker_note() is not None
    assert state.running_broker() is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"bootstrap": "x", "pid": "y"}', '{"bootstrap": "x", "pid": 0}'])
def test_a_note_that_makes_no_sense_is_no_running_broker(state, content):
    state.path.mkdir(parents=True)
    state.broker.write_text(content)

    assert state.running_broker() is None


def test_a_broker_removes_only_its_own_note(state):
    state.write_broker_note("127.0.0.1:9092", 4)
    state.remove_broker_note(5)
    assert state.read_broker_note() is not None
    state.remove_broker_note(4)
    assert state.read_broker_note() is None
    state.remove_broker_note(4)
