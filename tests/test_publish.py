"""The output folder: checked first, replaced whole, locked, nothing outside it."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from analysis.errors import InputError
from analysis.reporting import publish
from analysis.reporting.manifest import Receipt, digest, intact, read_receipt
from analysis.reporting.publish import RECEIPT, Busy, LocalStore


def report(text: str, *more: str) -> dict[str, bytes]:
    """A report with its receipt."""
    files = {name: f"{name} {text}".encode() for name in ("report.html", "report.pdf", *more)}
    receipt = Receipt("t", "T", text, "2026-11-16", None, {name: digest(each) for name, each in files.items()})
    return {**files, RECEIPT: receipt.to_bytes()}


@pytest.fixture(params=["exchange", "one by one"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A folder that can exchange folders in one step, and one that cannot."""
    if request.param == "one by one":
        monkeypatch.setattr(publish, "_swap", lambda one, other: False)
    made = LocalStore(tmp_path / "out")
    made.prepare()
    return made


def test_a_report_replaces_the_one_before(store: LocalStore) -> None:
    store.publish("north", report("old", "summary.json"))
    (store.folder / "north" / "notes.txt").write_text("mine")
    store.publish("north", report("new"))
    assert sorted(path.name for path in (store.folder / "north").iterdir()) == [
        "notes.txt", "receipt.json", "report.html", "report.pdf",
    ]  # fmt: skip
    assert store.read("north/report.pdf") == b"report.pdf new"
    receipt = read_receipt(store, "north")
    assert receipt is not None and receipt.fingerprint == "new" and intact(store, "north", receipt)
    assert [path.name for path in store.folder.iterdir()] == ["north"]


def test_the_summary_mail_of_an_earlier_report_goes_with_it(store: LocalStore) -> None:
    store.publish("north", {"report.html": b"one", RECEIPT: b'{"outputs": {"report.html": "x"}}'})
    for name in ("mail.txt", "mail.html", "notes.txt"):
        store.write(f"north/{name}", b"about report one")
    store.publish("north", {"report.html": b"two", RECEIPT: b'{"outputs": {"report.html": "y"}}'})
    assert store.read("north/mail.txt") is None and store.read("north/mail.html") is None
    assert store.read("north/notes.txt") == b"about report one"


def test_files_put_one_by_one_have_no_receipt_until_all_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_swap", lambda one, other: False)
    store = LocalStore(tmp_path / "out")
    store.prepare()
    store.publish("north", report("old"))
    real, put = Path.replace, []

    def cut(self: Path, target: Path) -> Path:
        if len(put) == 1:
            raise OSError(errno.EIO, "the machine went down")
        put.append(target.name)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", cut)
    with pytest.raises(OSError, match="went down"):
        store.publish("north", report("new"))
    assert put == ["report.html"] and store.read(f"north/{RECEIPT}") is None  # a mixture, and it says so


def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    """While a report is replaced over and over, whoever opens the folder finds one version, all of it."""
    store = LocalStore(tmp_path / "out")
    store.prepare()
    pages = [dict.fromkeys(("report.html", "report.pdf"), bytes([65 + n]) * 1_000_000) for n in range(20)]
    store.publish("north", pages[0])
    if not publish._swap(store.folder / "north", store.folder / "north"):
        pytest.skip("this file system cannot exchange folders")
    seen: list[set[bytes]] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            handle = os.open(store.folder / "north", os.O_RDONLY)  # as a reader who stays in the folder
            try:
                contents = set()
                for name in ("report.html", "report.pdf"):
                    file = os.open(name, os.O_RDONLY, dir_fd=handle)
                    contents.add(os.read(file, 2_000_000))
                    os.close(file)
                seen.append(contents)
            except FileNotFoundError:
                continue  # the folder opened was the old one and is being removed; look again
            finally:
                os.close(handle)

    watcher = threading.Thread(target=look)
    watcher.start()
    for page in pages * 3:
        store.publish("north", page)
    done.set()
    watcher.join()
    assert len(seen) > 20
    assert all(len(contents) == 1 and len(next(iter(contents))) == 1_000_000 for contents in seen)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_a_write_that_fails_leaves_the_old_report(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    store.publish("north", report("old"))
    real = publish._write_flushed

    def fail(path: Path, content: bytes) -> None:
        real(path, content[: len(content) // 2])
        if path.name == "report.pdf":
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(publish, "_write_flushed", fail)
    with pytest.raises(OSError, match=os.strerror(error)):
        store.publish("north", report("new"))
    receipt = read_receipt(store, "north")
    assert receipt is not None and receipt.fingerprint == "old" and intact(store, "north", receipt)
    assert [path.name for path in store.folder.iterdir()] == ["north"]


def test_a_single_file_is_replaced_whole(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("index.html", b"old")

    def fail(path: Path, content: bytes) -> None:
        path.write_bytes(b"ha")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(publish, "_write_flushed", fail)
    with pytest.raises(OSError, match="full"):
        store.write("index.html", b"new")
    assert store.read("index.html") == b"old" and len(list(store.folder.iterdir())) == 1


@pytest.mark.parametrize(
    "name", ["../x", "a/../x", "/etc/x", "a/b/c", "north/../../x", "..", "", "north/", "A/x", "con/x", "a\\b", "a\x00b"]
)
def test_a_name_outside_the_folder_is_refused(store: LocalStore, name: str) -> None:
    with pytest.raises(InputError, match="does not name a file inside"):
        store.write(name, b"x")
    with pytest.raises(InputError):
        store.read(name)


def test_a_receipt_tells_a_changed_file(store: LocalStore) -> None:
    store.publish("north", report("old"))
    receipt = read_receipt(store, "north")
    assert receipt is not None
    (store.folder / "north" / "report.pdf").write_bytes(b"report.pdf older")
    assert not intact(store, "north", receipt)
    for damage in (b"", b"{}", b"[1]", b"null", b'{"version": 1, "slug": 3}', b"\xff\xfe"):
        (store.folder / "north" / RECEIPT).write_bytes(damage)
        assert read_receipt(store, "north") is None


def test_a_link_or_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a link to"):
        LocalStore(tmp_path / "link").prepare()
    with pytest.raises(InputError, match="is a file"):
        LocalStore(tmp_path / "file").prepare()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_linked_team_folder_is_refused(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "out")
    store.prepare()
    (tmp_path / "elsewhere").mkdir()
    (store.folder / "north").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        store.prepare(["north"])
    with pytest.raises(InputError, match="is a link"):
        store.publish("north", report("new"))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_one_batch_at_a_time(tmp_path: Path) -> None:
    first, second = LocalStore(tmp_path / "out"), LocalStore(tmp_path / "out")
    first.prepare()
    with first.lock(), pytest.raises(Busy, match="Another batch"), second.lock():
        pass
    with second.lock():
        pass


def test_the_second_batch_may_wait(tmp_path: Path) -> None:
    first, second = LocalStore(tmp_path / "out"), LocalStore(tmp_path / "out")
    first.prepare()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with first.lock():
            held.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    threading.Timer(0.2, release.set).start()
    with second.lock(wait_s=30):
        assert release.is_set()
    holder.join()


def test_leftovers_of_a_killed_batch_are_cleared(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "out")
    store.prepare()
    (store.folder / ".staging-99-north").mkdir()
    with store.lock():
        assert not (store.folder / ".staging-99-north").exists()


def test_a_receipt_holds_no_clock(tmp_path: Path) -> None:
    fields = json.loads(Receipt("t", "T", "f", "2026-11-16").to_bytes())
    assert set(fields) == {"version", "team_id", "name", "fingerprint", "as_of", "previous_as_of", "outputs"}
