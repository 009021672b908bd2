"""The command line, in all its spellings."""

import pytest

from components.errors import UsageError
from serving.server.flags import Flags, parse_flags

BASE = "--model_base_path=/m"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), {}),
        (("--port=1", "--rest_api_port", "2"), {"port": 1, "rest_api_port": 2}),
        (("-port=1",), {"port": 1}),
        (("--enable_batching",), {"enable_batching": True}),
        (("--enable_batching", "true"), {"enable_batching": True}),
        (("--enable_batching", "--port=1"), {"enable_batching": True, "port": 1}),
        (("--enable_model_warmup=false",), {"enable_model_warmup": False}),
        (("--enable_model_warmup=0",), {"enable_model_warmup": False}),
        (("--model_name=",), {"model_name": ""}),
        (("--model_name", "a=b"), {"model_name": "a=b"}),
        (("--file_system_poll_wait_seconds=-1",), {"file_system_poll_wait_seconds": -1}),
        (("--file_system_poll_wait_seconds", "-1"), {"file_system_poll_wait_seconds": -1}),
        (("--request_log_sampling=0.5",), {"request_log_sampling": 0.5}),
        (("--port=1", "--port=2"), {"port": 2}),
    ],
)
def test_spellings(arguments, expected):
    flags, without_effect = parse_flags([BASE, *arguments])
    assert flags == Flags(model_base_path="/m", **expected)
    assert without_effect == ()


def test_flags_of_tensorflow_serving_that_change_nothing_here():
    flags, without_effect = parse_flags([BASE, "--flush_filesystem_caches=false"])
    assert (flags, without_effect) == (Flags(model_base_path="/m"), ("flush_filesystem_caches",))


def test_channel_arguments():
    flags, _ = parse_flags([BASE, "--grpc_channel_arguments=a.b_ms=-2,c=grpclb,d=x=y"])
    assert flags.channel_arguments == [("a.b_ms", -2), ("c", "grpclb"), ("d", "x=y")]


@pytest.mark.parametrize("name", ["request_log_rows", "request_log_seconds"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_log_file_of_no_rows_or_seconds(name, number):
    with pytest.raises(UsageError, match=f"--{name} must be 1 or more, not {number}"):
        parse_flags([BASE, f"--{name}={number}"])


@pytest.mark.parametrize("share", ["1.1", "-0.1", "nan"])
def test_a_share_that_is_none(share):
    with pytest.raises(UsageError, match="a share between 0 and 1"):
        parse_flags([BASE, f"--request_log_sampling={share}"])
