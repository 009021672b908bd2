"""Signatures over all files of a model version, in OpenSSF's model-signing format.

A signature shows that the holder of a key signed exactly these files. If a file is changed,
removed, renamed or added later, verification fails. The files include the graph, the report, and
the card with the digests of data and code.
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import PipelineError, UsageError, path_error
from components.servable import EXTRAS
from components.whole_file import whole_file

KEY_VARIABLE = "MRI_SIGNING_KEY"
"""A private key on an elliptic curve in PEM, or a file with one: versions are signed with it."""
PASSWORD_VARIABLE = "MRI_SIGNING_PASSWORD"  # noqa: S105 - a variable's name
"""What the key is encrypted with."""
CERTIFICATE_VARIABLE = "MRI_SIGNING_CERTIFICATE"
"""A file with the key's certificate in PEM, and after it those between it and the root."""

SIGNATURE_FILE = f"{EXTRAS}/model.sig"
"""In a version's folder. TensorFlow Serving passes over it."""

_LARGEST = 16 * 2**20
"""Bytes of a signature, or of a key: versions have some twenty files."""
_PEM = "-----BEGIN"


class SignatureError(PipelineError):
    """A version is not what was signed, or not by whom it should be."""


@dataclass(frozen=True)
class Signer:
    """Signs versions.

    Attributes:
        key: A private key in PEM, or the path of a file with one.
        password: What it is encrypted with.
        certificate: A file with the key's certificate, and those between it and the root.
    """

    key: str
    password: str | None = None
    certificate: Path | None = None

    @staticmethod
    def from_environment(variables: Mapping[str, str] = os.environ) -> "Signer | None":
        """What the environment names.

        Args:
            variables: The environment.

        Returns:
            The signer; None where no key is named, and versions are not signed.

        Raises:
            UsageError: The key or certificate cannot be used, or model-signing is not installed.
        """
        key = variables.get(KEY_VARIABLE)
        if not key:
            return None
        certificate = variables.get(CERTIFICATE_VARIABLE)
        signer = Signer(
            key,
            variables.get(PASSWORD_VARIABLE) or None,
            Path(certificate) if certificate else None,
        )
        signer.check()
        return signer

    def check(self) -> None:
        """Finds out whether anything can be signed.

        Raises:
            UsageError: As in `from_environment`.
        """
        with tempfile.TemporaryDirectory() as empty:
            self.sign(Path(empty))

    def sign(self, version: Path) -> None:
        """Signs all files of a version; a signature that is there already is replaced.

        Args:
            version: Its folder.

        Raises:
            UsageError: The key or certificate cannot be used, or model-signing is not installed.
            OSError: The signature cannot be written.
        """
        modules = _model_signing()
        with self._key_file() as key:
            config = modules.signing.Config().set_hashing_config(_hashing(modules))
            try:
                if self.certificate is None:
                    # As bytes, whatever its signature says: cryptography takes nothing else.
                    password: Any = self._password()
                    config.use_elliptic_key_signer(private_key=key, password=password)
                else:
                    config.use_certificate_signer(
                        private_key=key,
                        signing_certificate=self.certificate,
                        certificate_chain=[self.certificate],
                    )
            except OSError as error:
                raise UsageError(
                    f"The certificate in {self.certificate} cannot be read: {error.strerror}."
                ) from error
            except Exception as error:  # whatever its libraries say of a key
                raise UsageError(
                    f"The key of {KEY_VARIABLE} cannot be used for signing: {_told(error)}. Give a "
                    "private key on the curve P-256, P-384 or P-521 in PEM"
                    f"{', and its own certificate' if self.certificate else ''}."
                ) from error
            signature = version / SIGNATURE_FILE
            signature.parent.mkdir(exist_ok=True)
            # Made elsewhere: what lies in the folder is signed.
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder) / "made"
                config.sign(version, made)
                with whole_file(signature) as unfinished:
                    unfinished.write_bytes(made.read_bytes())

    def write_trusted(self, file: Path) -> None:
        """Writes what verifies versions that this signer signed, as `verify` takes it.

        Args:
            file: The public key, or the certificate's chain, in PEM.
        """
        if self.certificate is not None:
            file.write_bytes(self.certificate.read_bytes())
            return
        from cryptography.hazmat.primitives import serialization

        with self._key_file() as key:
            private = serialization.load_pem_private_key(key.read_bytes(), self._password())
        file.write_bytes(
            private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def _password(self) -> bytes | None:
        return self.password.encode() if self.password else None

    @contextmanager
    def _key_file(self) -> Iterator[Path]:
        """The key as a file, which the library wants."""
        if not self.key.startswith(_PEM):
            yield _readable(Path(self.key), f"The key of {KEY_VARIABLE}")
            return
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # for its owner alone
            file.write(self.key)
            file.flush()
            yield Path(file.name)


@dataclass(frozen=True)
class Signed:
    """What a valid signature says.

    Attributes:
        files: How many files were signed.
        by: Whose key it was: `key sha256:...`, or the certificate's subject.
    """

    files: int
    by: str


def verify(version: Path, trusted: Path) -> Signed:
    """Checks that a version's files are those that were signed, and who signed them.

    Args:
        version: Its folder.
        trusted: A file in PEM: the signer's public key, or certificates of authorities, one of
            which must have vouched for the signer's.

    Returns:
        What was signed.

    Raises:
        SignatureError: The signature is missing, damaged or somebody else's, or a file was
            changed, removed, renamed or added.
        UsageError: The file in `trusted` cannot be used, or model-signing is not installed.
    """
    config = _verifying(trusted)
    signature = version / SIGNATURE_FILE
    if not signature.is_file():
        raise SignatureError(f"{version} is not signed: it has no {SIGNATURE_FILE}.")
    if signature.stat().st_size > _LARGEST:
        raise SignatureError(f"The signature of {version} is damaged: it is too large.")
    try:
        config.verify(version, signature)
    except Exception as error:  # a damaged one raises what its parser does
        raise SignatureError(_refusal(version, error)) from error
    bundle = json.loads(signature.read_bytes())
    return Signed(len(_files(bundle)), _signer(bundle))


def check_trusted(trusted: Path) -> None:
    """Finds out whether anything can be verified.

    Args:
        trusted: As for `verify`.

    Raises:
        UsageError: The file cannot be used, or model-signing is not installed.
    """
    _verifying(trusted)


def _verifying(trusted: Path) -> Any:
    """What verifies with a file of trusted keys."""
    modules = _model_signing()
    config = modules.verifying.Config().set_hashing_config(_hashing(modules))
    text = _text(_readable(trusted, "The file of trusted keys"))
    try:
        if "BEGIN CERTIFICATE" in text:
            return config.use_certificate_verifier(certificate_chain=[trusted])
        return config.use_elliptic_key_verifier(public_key=trusted)
    except Exception as error:  # whatever its libraries say of a key
        raise UsageError(
            f"{trusted} holds neither a public key on an elliptic curve nor certificates in PEM: "
            f"{_told(error)}."
        ) from error


@dataclass(frozen=True)
class _Modules:
    hashing: Any
    signing: Any
    verifying: Any


def _model_signing() -> _Modules:
    try:
        from model_signing import hashing, signing, verifying
    except ImportError as error:
        raise UsageError(
            "Signatures need the package model-signing: install this project with the extra "
            "`signing`, for Python 3.11 or later."
        ) from error
    return _Modules(hashing, signing, verifying)


def _hashing(modules: _Modules) -> Any:
    """All files count, git's too, but for the signature; links are refused."""
    return modules.hashing.Config().set_ignored_paths(
        paths=[SIGNATURE_FILE], ignore_git_paths=False
    )


def _refusal(version: Path, error: Exception) -> str:
    """Why a signature was refused, in a sentence."""
    said = str(error)
    if said.startswith("Signature mismatch"):  # so what it holds was signed by whom it should be
        bundle = json.loads((version / SIGNATURE_FILE).read_bytes())
        changes = "; ".join(_changes(version, _files(bundle)))
        return f"{version} is not what was signed: {changes}."
    if "symlink" in said:
        return f"{version} is not what was signed: it holds a link to a file elsewhere."
    if said.startswith("Key mismatch") or "certificate" in said.lower():
        return f"{version} was signed by somebody else: {_told(error)}."
    if isinstance(error, OSError):
        return f"{version} cannot be read: {error.strerror}."
    return f"The signature of {version} is damaged or somebody else's: {_told(error)}."


def _changes(version: Path, signed: Mapping[str, str]) -> Iterator[str]:
    there = {
        file.relative_to(version).as_posix(): file for file in version.rglob("*") if file.is_file()
    }
    there.pop(SIGNATURE_FILE, None)
    found = {
        "changed": [name for name in signed.keys() & there if _sha256(there[name]) != signed[name]],
        "missing": list(signed.keys() - there),
        "added": list(there.keys() - signed),
    }
    for what, names in found.items():
        if names:
            yield f"{what}: {', '.join(sorted(names))}"


def _files(bundle: Mapping[str, Any]) -> dict[str, str]:
    """Names and sha256 of what was signed."""
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    return {one["name"]: one["digest"] for one in payload["predicate"]["resources"]}


def _signer(bundle: Mapping[str, Any]) -> str:
    material = bundle["verificationMaterial"]
    if "publicKey" in material:
        return f"key sha256:{material['publicKey']['hint']}"
    from cryptography import x509

    [first, *_] = material["x509CertificateChain"]["certificates"]
    # The library encodes twice.
    der = base64.b64decode(first["rawBytes"])
    certificate = x509.load_der_x509_certificate(
        der if der[:1] == b"\x30" else base64.b64decode(der)
    )
    return f"certificate {certificate.subject.rfc4514_string()}"


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _readable(file: Path, what: str) -> Path:
    try:
        if not file.is_file():
            raise UsageError(f"{what} cannot be read: {file} is not a file.")
        with file.open("rb") as handle:
            handle.read(1)
    except OSError as error:
        raise path_error(error)(f"{what} cannot be read: {error.strerror}: {file}.") from error
    return file


def _text(file: Path) -> str:
    with file.open("rb") as handle:
        return handle.read(_LARGEST).decode("utf-8", "replace")


def _told(error: Exception) -> str:
    """The first line of what an error says, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".")[:200] if lines else type(error).__name__
