"""The cache of compiled code: never of other sources, and whatever happens to its folder the function runs and one sentence says so."""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import pwd
import shutil
import sys
import threading
import time
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock, Timeout
from numba.core import config

import edge6g_env
from edge6g_env import _cache, _code_store, _entry, _jit

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")


def _double(x):
    return 2 * x


def _triple(x):
    return 3 * x


def compiles(function=_double, x=7.0) -> bool:
    """Whether a new process, as far as numba can tell, compiles the function at its first call; the result is always right."""
    compiled = _jit.njit(function)
    assert compiled(x) == function(x)
    hits, misses = (sum(counts.values()) for counts in (compiled.stats.cache_hits, compiled.stats.cache_misses))
    assert hits + misses == 1
    return misses == 1


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder, in a process that has said nothing yet."""
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(_cache._INHERITED, raising=False)
    monkeypatch.setattr(_cache, "_said", set())
    monkeypatch.setattr(_cache.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    _cache._temporary_folder.cache_clear()
    yield tmp_path / "cache"
    _cache._temporary_folder.cache_clear()
    os.environ.pop(_cache._INHERITED, None)


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.code"))


def sentences(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_what_was_compiled_is_found_again(place: Path, capsys):
    assert [compiles(), compiles(), compiles(x=7), compiles(x=7), compiles(_triple)] == [True, False, True, False, True]
    assert len(kept(place)) == 3  # two signatures of one function, one of another
    assert sentences(capsys) == []


@pytest.mark.parametrize("damage", ["empty", "truncated", "one bit", "no pickle"])
def test_a_damaged_file_is_compiled_anew(place: Path, capsys, damage: str):
    compiles()
    (path,) = kept(place)
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[len(content) // 2] ^= 1
    data = b"not a pickle"
    path.write_bytes(
        {
            "empty": b"",
            "truncated": bytes(content[: len(content) // 2]),
            "one bit": bytes(content),
        }.get(damage, _code_store._HEAD.pack(hashlib.sha256(data).digest(), len(data)) + data)
    )
    if damage in ("empty", "truncated"):
        assert not _jit.is_cached("test_cache._double")
    assert compiles()
    (line,) = sentences(capsys)
    assert line.startswith(f"edge6g: {path} ")
    assert line.endswith("compiled anew")
    assert not compiles()
    assert _jit.is_cached("test_cache._double")
    assert not _jit.is_cached("test_cache._nothing")


@pytest.mark.parametrize("kind", ["file", "below a file", "/proc"])
def test_without_a_place_it_compiles_into_a_temporary_folder_and_says_so_once(place: Path, capsys, monkeypatch, kind):
    place.write_text("mine")
    wanted = {"file": place, "below a file": place / "deeper", "/proc": Path("/proc/edge6g")}[kind]
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(wanted))
    before = sorted(Path(__file__).parent.rglob("*"))
    assert [compiles(), compiles(_triple), compiles()] == [True, True, False]
    (line,) = sentences(capsys)
    assert line.startswith(f"edge6g: {wanted} cannot be written (")
    assert "temporary folder" in line
    assert len(kept(place.parent / "temporary")) == 2
    assert sorted(Path(__file__).parent.rglob("*")) == before  # nothing beside the sources
    assert place.read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("anywhere", [False, True])
def test_a_full_disk_is_one_sentence(place: Path, capsys, monkeypatch, number: int, anywhere: bool):
    write = _code_store.write_bytes_atomic

    def fail(path: Path, data: bytes) -> None:
        if anywhere or path.is_relative_to(place):
            raise OSError(number, os.strerror(number), str(path))
        write(path, data)

    monkeypatch.setattr(_code_store, "write_bytes_atomic", fail)
    assert [compiles(), compiles(_triple), compiles()] == [True, True, anywhere]
    (line,) = sentences(capsys)
    assert os.strerror(number) in line
    assert ("is not kept" in line) == anywhere


def test_a_full_device_leaves_nothing_behind(place: Path, monkeypatch):
    """The writer itself: where the disk ends within the file the old one stays, and no part of the new one."""
    target = place / "file"
    _code_store.write_bytes_atomic(target, b"old")
    real = Path.open
    full = Path("/dev/full")
    monkeypatch.setattr(Path, "open", lambda path, mode="r": real(full if "w" in mode else path, mode))
    with pytest.raises(OSError, match="No space"):
        _code_store.write_bytes_atomic(target, b"new")
    assert [(path.name, path.read_bytes()) for path in place.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize("chosen", ["", "~/cache"])
@pytest.mark.parametrize("release", ["raises", "leaves a ~"])
def test_no_home_and_an_unknown_user(place: Path, capsys, monkeypatch, chosen: str, release: str):
    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("EDGE6G_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setenv("EDGE6G_CACHE_DIR", chosen)
    monkeypatch.chdir(place.parent)
    if release == "leaves a ~":
        monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, appauthor: Path("~/.cache") / name)
    assert [compiles(), compiles()] == [True, False]
    (line,) = sentences(capsys)
    assert "no home folder" in line
    assert "EDGE6G_CACHE_DIR" in line
    assert not (place.parent / "~").exists()
    assert len(kept(place.parent / "temporary")) == 1


def test_a_relative_place_is_below_the_working_directory_and_one_of_xdg_is_none(place: Path, monkeypatch):
    monkeypatch.chdir(place.parent)
    monkeypatch.setenv("HOME", "/home/me")
    places = []
    for chosen, base in (("here/cache", ""), ("~/cache", ""), ("", "/base"), ("", "base"), ("", "")):
        monkeypatch.setenv("EDGE6G_CACHE_DIR", chosen)
        monkeypatch.setenv("XDG_CACHE_HOME", base)
        places.append(str(_cache.cache_root()))
    own = "/home/me/.cache/edge6g"
    assert places == [f"{place.parent}/here/cache", "/home/me/cache", "/base/edge6g", own, own]


def test_a_place_that_vanishes_is_made_again(place: Path, capsys):
    compiles()
    shutil.rmtree(place)
    assert [compiles(_triple), compiles(), compiles()] == [True, True, False]
    assert len(kept(place)) == 2
    assert sentences(capsys) == []


def test_a_closed_stderr_stops_nothing(place: Path, monkeypatch):
    place.write_text("a file")
    with open(os.devnull) as unwritable:
        for stream in (None, unwritable):
            monkeypatch.setattr(sys, "stderr", stream)
            monkeypatch.setattr(_cache, "_said", set())
            compiles(_double if stream is None else _triple)
    assert "place" in _cache._said


def test_sources_edited_under_a_running_process_touch_no_code_on_disk(place: Path, capsys, monkeypatch):
    compiles()
    monkeypatch.setattr(_jit, "_source_hash", lambda: "of the edited ones")
    assert [compiles(), compiles(_triple)] == [True, True]
    assert len(kept(place)) == 1
    (line,) = sentences(capsys)
    assert "sources have changed" in line


@pytest.mark.parametrize("part", ["constant", "function"])
def test_an_edit_in_another_module_of_ones_own_is_seen(place: Path, monkeypatch, tmp_path, part: str):
    """The fault of numba's own cache, outside of the package too."""
    monkeypatch.syspath_prepend(str(tmp_path))
    other, own = tmp_path / "edge6g_test_other.py", tmp_path / "edge6g_test_own.py"
    own.write_text(
        "import edge6g_test_other as other\nfrom edge6g_env._jit import njit\n\n\n"
        "@njit\ndef first(x):\n    return second(x)\n\n\n@njit\ndef second(x):\n    return other.f(x) + other.C\n"
    )

    def result(value: int, constant: int) -> tuple[float, int]:
        other.write_text(
            "from edge6g_env._jit import njit_inner\n\n"
            f"C = {constant}\n\n\n@njit_inner\ndef f(x):\n    return {value} * x\n"
        )
        for name in (other.stem, own.stem):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        first = importlib.import_module(own.stem).first
        return first(1.0), sum(first.stats.cache_hits.values())

    assert [result(2, 10), result(2, 10)] == [(12.0, 0), (12.0, 1)]
    assert result(*((2, 30) if part == "constant" else (4, 10))) == ((32.0, 0) if part == "constant" else (14.0, 0))


CLONE = """
from edge6g_env.radio import link
link.noise_dbm(1e6, 5.0)
print(sum(link.noise_dbm.stats.cache_hits.values()), link.__file__)
"""


def test_a_second_clone_with_equal_sources_finds_the_code(place: Path, tmp_path, python):
    found = []
    for name in ("first", "second"):
        package = tmp_path / name / "edge6g_env"
        shutil.copytree(edge6g_env.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
        os.utime(package / "radio" / "link.py", (1e9, 1e9 + len(found)))
        hits, path = python(CLONE, root=tmp_path / name, EDGE6G_CACHE_DIR=str(place)).split()
        assert path.startswith(str(package))
        found.append(hits)
    assert found == ["0", "1"]


def test_only_old_versions_of_ours_are_dropped(place: Path):
    folder, old = place / "numba", time.time() - 1e6
    names = [f"{number:016x}" for number in range(6)]
    for number, name in enumerate([*names, "mine_0123", "notes"]):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (old + number, old + number))
    os.utime(folder / names[0])  # used today
    _jit._drop_old_versions(folder / ("f" * 16))
    left = {path.name for path in folder.iterdir()}
    newest = [names[0], *names[:0:-1]][: _jit._KEPT_VERSIONS - 1]
    assert left == {*newest, "mine_0123", "notes"}


def test_who_compiles_does_it_alone(place: Path):
    """Of threads and processes that begin with an empty cache at once."""
    inside, most = [], []

    def compile_it() -> None:
        with _cache.one_at_a_time("test"):
            inside.append(None)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=compile_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


@pytest.mark.parametrize("cached", [True, False])
def test_the_simulator_is_compiled_alone_and_loaded_by_all_at_once(place: Path, monkeypatch, cached):
    held = []

    def run(*_: object) -> None:
        try:
            with FileLock(place / ".compiling.lock", timeout=0):
                held.append(False)
        except Timeout:
            held.append(True)

    place.mkdir()
    monkeypatch.setattr(_entry.kernel, "run", run)
    monkeypatch.setattr(_jit, "is_cached", lambda _: cached)
    _entry.run_of(None)
    assert held == [not cached]


def test_without_a_place_for_a_lock_it_goes_on(place: Path):
    place.write_text("mine")
    done = []
    with _cache.one_at_a_time("test"):
        done.append(True)
    assert done
