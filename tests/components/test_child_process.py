import signal
import subprocess
import sys

from components.child_process import end, last_line

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
