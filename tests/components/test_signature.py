"""A signed version: what verifies it, and each way in which it is no longer what was signed."""

import json
import shutil
from pathlib import Path

import pytest
from signing_keys import make_key, openssl

from components.errors import UsageError
from components.signature import (
    CERTIFICATE_VARIABLE,
    KEY_VARIABLE,
    PASSWORD_VARIABLE,
    SIGNATURE_FILE,
    SignatureError,
    Signer,
    check_trusted,
    verify,
)

pytest.importorskip("model_signing", reason="model-signing needs Python 3.11 or later")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys; a root, and a certificate of the first key under it."""
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder, "ours")
    make_key(folder, "theirs")
    encrypted = ["-aes256", "-passout", "pass:secret", "-out", "encrypted.pem"]
    openssl("ec", "-in", "ours.pem", *encrypted, at=folder)
    openssl("genrsa", "-out", "rsa.pem", "2048", at=folder)
    for name in ("root", "other"):
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}"),
            *("-days", "2"),
            at=folder,
        )
    openssl("req", "-new", "-key", "ours.pem", "-subj", "/CN=modeller", "-out", "a.csr", at=folder)
    (folder / "usage").write_text("keyUsage=critical,digitalSignature\n")
    openssl(
        *("x509", "-req", "-in", "a.csr", "-CA", "root.crt", "-CAkey", "root.key", "-days", "1"),
        *("-CAcreateserial", "-extfile", "usage", "-out", "ours.crt"),
        at=folder,
    )
    return folder


@pytest.fixture
def version(keys: Path, tmp_path: Path) -> Path:
    """A signed version, which got its name after it was signed."""
    staged = tmp_path / ".7.tmp"
    for name in ("saved_model.pb", "variables/variables.index", "assets.extra/report.html"):
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / name).write_text(name)
    Signer(str(keys / "ours.pem")).sign(staged)
    return staged.rename(tmp_path / "7")


def test_what_was_signed_is_verified_wherever_it_lies(keys: Path, version: Path) -> None:
    """A copy elsewhere, under another name, is still what was signed."""
    copy = version.parent / "elsewhere"
    shutil.copytree(version, copy)
    signed = verify(copy, keys / "ours.pub")
    assert signed.files == 3
    assert signed.by.startswith("key sha256:")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: _write(v / "saved_model.pb", "x"), "changed: saved_model.pb"),
        (
            lambda v: _write(v / "assets.extra/report.html", "x"),
            "changed: assets.extra/report.html",
        ),
        (lambda v: (v / "saved_model.pb").unlink(), "missing: saved_model.pb"),
        (
            lambda v: (v / "saved_model.pb").rename(v / "graph.pb"),
            "missing: saved_model.pb; added: graph.pb",
        ),
        (lambda v: _write(v / "assets/vocabulary", "x"), "added: assets/vocabulary"),
        (lambda v: _write(v / ".git/config", "x"), "added: .git/config"),
        (lambda v: (v / "link").symlink_to("/etc/hosts"), "a link"),
        (lambda v: (v / SIGNATURE_FILE).unlink(), "is not signed"),
        (lambda v: _write(v / SIGNATURE_FILE, "{}"), "damaged"),
        (lambda v: _write(v / SIGNATURE_FILE, ""), "damaged"),
        (lambda v: _write(v / SIGNATURE_FILE, "[" * 100_000), "damaged"),
        (lambda v: _write(v / SIGNATURE_FILE, "x" * (2**24 + 1)), "too large"),
        (lambda v: _resign(v), "damaged or somebody else's"),
    ],
)
def test_what_is_not_what_was_signed_is_refused(change, words, keys: Path, version: Path) -> None:
    """The reason names the files."""
    change(version)
    with pytest.raises(SignatureError) as refused:
        verify(version, keys / "ours.pub")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def _resign(version: Path) -> None:
    """Changes what the signature is over, and leaves the signature."""
    file = version / SIGNATURE_FILE
    bundle = json.loads(file.read_text())
    bundle["dsseEnvelope"]["payload"] = bundle["dsseEnvelope"]["payload"][:-8] + "AAAAAAA="
    file.write_text(json.dumps(bundle))


def test_another_key_is_refused(keys: Path, version: Path) -> None:
    """A foreign key, a foreign certificate, and a foreign signature."""
    for trusted in ("theirs.pub", "root.crt"):
        with pytest.raises(SignatureError, match="somebody else"):
            verify(version, keys / trusted)
    Signer(str(keys / "theirs.pem")).sign(version)
    with pytest.raises(SignatureError, match="somebody else"):
        verify(version, keys / "ours.pub")


def test_a_certificate_tells_who_signed(keys: Path, version: Path) -> None:
    """It is verified by the authority's certificate, and by no other's."""
    Signer(str(keys / "ours.pem"), certificate=keys / "ours.crt").sign(version)
    assert verify(version, keys / "root.crt").by == "certificate CN=modeller"
    with pytest.raises(SignatureError, match="somebody else"):
        verify(version, keys / "other.crt")


def test_a_key_may_be_encrypted_or_stand_in_the_variable(
    keys: Path, version: Path, tmp_path: Path
) -> None:
    """In each form it signs, and its public half can be written."""
    for variables in (
        {KEY_VARIABLE: str(keys / "encrypted.pem"), PASSWORD_VARIABLE: "secret"},
        {KEY_VARIABLE: (keys / "ours.pem").read_text()},
    ):
        signer = Signer.from_environment(variables)
        assert signer is not None
        signer.sign(version)
        signer.write_trusted(tmp_path / "trusted.pem")
        assert verify(version, tmp_path / "trusted.pem").files == 3
    assert Signer.from_environment({KEY_VARIABLE: ""}) is None


@pytest.mark.parametrize(
    "variables",
    [
        {KEY_VARIABLE: "nowhere.pem"},
        {KEY_VARIABLE: "."},
        {KEY_VARIABLE: "encrypted.pem"},
        {KEY_VARIABLE: "encrypted.pem", PASSWORD_VARIABLE: "wrong"},
        {KEY_VARIABLE: "rsa.pem"},
        {KEY_VARIABLE: "ours.pub"},
        {KEY_VARIABLE: "-----BEGIN PRIVATE KEY-----\nnothing\n"},
        {KEY_VARIABLE: "theirs.pem", CERTIFICATE_VARIABLE: "ours.crt"},
        {KEY_VARIABLE: "ours.pem", CERTIFICATE_VARIABLE: "nowhere.crt"},
        {KEY_VARIABLE: "ours.pem", CERTIFICATE_VARIABLE: "ours.pub"},
    ],
)
def test_a_key_that_cannot_sign_is_said_at_once(
    variables: dict[str, str], keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, which does not hold the key or the password."""
    monkeypatch.chdir(keys)
    with pytest.raises(UsageError) as refused:
        Signer.from_environment(variables)
    assert len(str(refused.value).splitlines()) == 1
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize("trusted", ["nowhere.pub", ".", "ours.pem", "rsa.pem", "usage"])
def test_a_file_that_cannot_be_trusted_is_said_at_once(
    trusted: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private key, above all: it does not belong on a server."""
    monkeypatch.chdir(keys)
    with pytest.raises(UsageError, match=trusted):
        check_trusted(Path(trusted))
