import os
import select
import signal
import subprocess
import sys

import pytest
from descendants import LIMIT

from components import child_process
from components.child_process import end, last_line, start

DEAF = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
sys.stdin.read()
"""


def test_a_process_that_does_not_listen_is_killed():
    command = [sys.executable, "-c", DEAF]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as deaf:
        deaf.stdout.readline()
        end(deaf, within=0.2)
        assert deaf.returncode == -signal.SIGKILL


def test_the_last_line_with_words_is_what_it_said(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 10_000 + b"\n  the reason \xff\n\n \n")
    assert last_line(log) == "the reason \N{REPLACEMENT CHARACTER}"
    log.write_bytes(b"\n\n")
    assert last_line(log) == ""


@pytest.fixture(params=["kernel", "watched"])
def way(request, monkeypatch) -> str:
    """On Linux, and as it is where the kernel cannot be asked."""
    monkeypatch.setattr(child_process, "_WAY", request.param)
    return request.param


_PARENT = """
import sys, threading, time
from components import child_process
child_process._WAY, held = sys.argv[1], int(sys.argv[2])
child = child_process.start(["sh", "-c", sys.argv[3], "sh", *sys.argv[4:]], pass_fds=[held])
print(child.pid, flush=True)
sys.stdin.read()
"""


def _is_closed(descriptor: int) -> bool:
    """Whether all that could write to a pipe have ended."""
    readable, _, _ = select.select([descriptor], [], [], LIMIT)
    return bool(readable) and os.read(descriptor, 1) == b""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_when_its_parent_is_killed(way, number):
    reads, writes = os.pipe()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", _PARENT, way, str(writes), "exec tail -f /dev/null"]
    with subprocess.Popen(command, pass_fds=[writes], **pipes) as parent:
        os.close(writes)
        parent.stdout.readline()
        parent.send_signal(number)
        assert _is_closed(reads)
    os.close(reads)
    assert parent.returncode == -number


def test_a_child_that_is_late_ends_at_once(way, tmp_path):
    """Its parent has died before the kernel, or the watcher, was told of it."""
    reads, writes = os.pipe()
    lifeline, held = os.pipe()
    marker = tmp_path / "marker"
    words = [way, "1", str(int(signal.SIGKILL)), str(lifeline), str(writes)]
    command = [sys.executable, "-I", str(child_process._LEASH), *words, "touch", str(marker)]
    done = subprocess.run(command, pass_fds=[writes, lifeline], check=False)
    for descriptor in (reads, writes, lifeline, held):
        os.close(descriptor)
    assert done.returncode == 1
    assert not marker.exists()


def test_a_child_is_the_program_itself(way):
    child = start(["sh", "-c", 'echo "$$ $1"; exit 7', "sh", "a b'\n"], stdout=subprocess.PIPE)
    said, _ = child.communicate()
    assert said.decode() == f"{child.pid} a b'\n\n"
    assert child.returncode == 7


def test_a_child_inherits_what_it_is_passed_and_what_tells_a_watcher_of_its_end(way):
    reads, writes = os.pipe()
    options = {"pass_fds": [writes], "stdout": subprocess.PIPE}
    script = ["sh", "-c", "ls /proc/$$/fd"]
    plain = subprocess.run(script, check=True, **options).stdout.split()
    listed, _ = start(script, **options).communicate()
    os.close(writes)
    assert str(writes).encode() in plain
    assert len(listed.split()) - len(plain) == (way == "watched")
    assert _is_closed(reads), "the watcher ends with the program"
    os.close(reads)


def test_a_child_inherits_no_signal_that_python_ignores(way):
    child = start(["sh", "-c", "cat /proc/$$/status"], stdout=subprocess.PIPE, text=True)
    said, _ = child.communicate()
    [mask] = [line.split()[1] for line in said.splitlines() if line.startswith("SigIgn")]
    assert not int(mask, 16) & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))


def test_a_child_that_ends_by_a_signal_says_so(way):
    child = start(["sh", "-c", "kill -9 $$"])
    assert child.wait() == -signal.SIGKILL


def test_what_cannot_be_started_is_an_error_as_of_popen(way, tmp_path):
    program = tmp_path / "program"
    with pytest.raises(FileNotFoundError) as caught:
        start([str(program)])
    assert caught.value.filename == str(program)
    with pytest.raises(FileNotFoundError):
        start(["no-such-program-at-all"])
    program.write_bytes(b"no program")
    program.chmod(0o755)
    with pytest.raises(OSError, match="Exec format error"):
        start([str(program)])


def test_no_descriptor_is_left_behind(way):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        start(["true"]).wait()
    with pytest.raises(FileNotFoundError):
        start(["/nowhere/at/all"])
    assert len(os.listdir("/proc/self/fd")) == before
