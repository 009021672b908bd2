"""JSON of any kind over REST: an answer each time, never a crash, never a 500."""

import json
import string

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_server import HANGS, Server

numbers = st.one_of(
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(),
    st.sampled_from([2**24, 2**31, 2**63, 2**64, 1e39, 1e308, 5e-324]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8))
base64 = st.builds(lambda text: {"b64": text}, st.text(string.ascii_letters + "+/=- ", max_size=8))
keys = st.sampled_from(["x", "k", "image_bytes", "inputs", "b64", "any", "int", "string", ""])
values = st.recursive(
    st.one_of(scalars, base64),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(keys, st.text(max_size=3)), inner)
    ),
    max_leaves=12,
)
signatures = st.one_of(
    st.sampled_from(["", "two", "sum", "classify", "regress", "any_shape", "half", "total"]),
    scalars,
)
bodies = st.dictionaries(
    st.sampled_from(["instances", "inputs", "examples", "context", "other"]), values, max_size=3
).flatmap(
    lambda body: st.one_of(
        st.just(body), signatures.map(lambda name: {**body, "signature_name": name})
    )
)
likely = st.builds(
    lambda layout, rows, name: {layout: rows, "signature_name": name},
    st.sampled_from(["instances", "inputs", "examples"]),
    st.lists(st.one_of(values, st.dictionaries(keys, values, max_size=3)), min_size=1, max_size=4),
    signatures,
)
models = st.sampled_from(["half", "bytes", "types", "tf1", "keras", "none", "half/versions/123"])
methods = st.sampled_from(["predict", "classify", "regress"])


def damaged(body: bytes, cut: int, byte: int) -> bytes:
    place = cut % (len(body) + 1)
    return body[:place] + bytes([byte]) + body[place + byte % 3 :]


texts = st.one_of(
    st.one_of(likely, bodies, values).map(lambda body: json.dumps(body).encode()),
    st.builds(
        damaged,
        likely.map(lambda body: json.dumps(body, ensure_ascii=False).encode(errors="replace")),
        st.integers(0, 10_000),
        st.integers(0, 255),
    ),
    st.binary(max_size=64),
)
paths = st.one_of(
    st.builds(lambda model, method: f"/v1/models/{model}:{method}", models, methods),
    st.text(string.printable, max_size=12).map(lambda text: f"/v1/{text}"),
)


def check(server: Server, cases: int) -> int:
    answered = 0
    with httpx.Client(base_url=f"http://127.0.0.1:{server.rest_port}", timeout=HANGS) as client:

        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(path=paths, body=texts)
        def ask(path: str, body: bytes) -> None:
            nonlocal answered
            request = client.build_request("POST", "/", content=body)
            # As a target, so that nothing puts the path right on its way.
            target = path.encode("latin-1", "replace")
            target = bytes(b for b in target if 33 <= b < 127)
            request.extensions["target"] = target or b"/"
            response = client.send(request)
            assert response.status_code in {200, 400, 404, 501}, (path, body, response.text)
            if response.status_code != 404 or target.lower().startswith(b"/v1/"):
                document = json.loads(response.content)
                assert response.status_code == 200 or list(document) == ["error"]
            answered += 1

        ask()
    assert server.process.poll() is None
    assert server.rest("/v1/models/half:predict", {"instances": [2.0]})[0] == 200
    return answered


@pytest.mark.parametrize("cases", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_any_json(server: Server, cases):
    assert check(server, cases) >= cases * 0.9
    assert "failed unexpectedly" not in server.log.read_text()
