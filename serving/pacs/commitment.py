"""Storage commitment: who sent images asks which are safe, and is told (PS3.4 annex J).

A request is a file in the spool before it is acknowledged. The answer goes out on an association of
its own, and is tried again until the other side has it, after a restart, too.
"""

import hashlib
import logging
from typing import Any

from pydantic import ValidationError
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pynetdicom import build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from components.strict_config import StrictConfig
from serving.pacs.calling import caller, why_not
from serving.pacs.config import KeepConfig, ListenConfig, RequesterConfig, RetryConfig
from serving.pacs.headers import UnreadableHeaderError, read_header
from serving.pacs.spool import Spool, make_folder, write_whole
from serving.pacs.tls import client_context

NO_SUCH_OBJECT, CONFLICT, PROCESSING_FAILURE = 0x0112, 0x0119, 0x0110
"""Why an image is not committed to (PS3.3 C.14.1.1)."""
INVALID, NO_SUCH_ACTION, NOT_AUTHORIZED, LIMITED = 0x0115, 0x0123, 0x0124, 0x0213
"""Why a request is refused (PS3.7 C)."""
_MOST_WAITING = 10_000

log = logging.getLogger(__name__)


class _Request(StrictConfig):
    """What was asked, as it is kept until it is answered.

    Attributes:
        transaction: TransactionUID.
        requester: AE title of who asked.
        references: SOP class and SOPInstanceUID of each image.
        attempts: How often the answer could not be given.
        due: When it is next tried, seconds since 1970.
    """

    transaction: str
    requester: str
    references: tuple[tuple[str, str], ...]
    attempts: int = 0
    due: float = 0.0


class Commitments:
    """Requests for storage commitment over one spool."""

    def __init__(self, config: ListenConfig, keep: KeepConfig, spool: Spool) -> None:
        """Prepares them.

        Raises:
            PipelineError: A certificate cannot be used.
        """
        self._keep, self._spool, self._title = keep, spool, config.ae_title
        self._folder = spool.folder / "commitments"
        self._requesters = {one.ae_title: one for one in config.commitment}
        self._tls = {
            one.ae_title: (client_context(one.tls), one.host)
            for one in config.commitment
            if one.tls
        }

    def request(self, event: Any) -> tuple[int, None]:
        """Takes an N-ACTION; it is on the disk when this returns 0000.

        Returns:
            Its status, and no action reply.
        """
        requester = str(event.assoc.requestor.ae_title).strip()
        if requester not in self._requesters:
            return NOT_AUTHORIZED, None
        if event.request.RequestedSOPInstanceUID != StorageCommitmentPushModelInstance:
            return NO_SUCH_OBJECT, None
        if event.action_type != 1:
            return NO_SUCH_ACTION, None
        try:
            asked = event.action_information
            transaction = str(asked.TransactionUID)
            references = tuple(
                (str(one.ReferencedSOPClassUID), str(one.ReferencedSOPInstanceUID))
                for one in asked.ReferencedSOPSequence
            )
        except Exception:  # noqa: BLE001 - hostile bytes raise anything
            return INVALID, None
        uids = [transaction, *(uid for both in references for uid in both)]
        if not references or not all(UID(uid).is_valid for uid in uids):
            return INVALID, None
        try:
            make_folder(self._folder)
            waiting = sum(1 for _ in self._folder.glob("*.json"))
            if len(references) > self._keep.instances or waiting >= _MOST_WAITING:
                return LIMITED, None
            self._write(
                _Request(transaction=transaction, requester=requester, references=references)
            )
        except OSError as error:
            log.error("a storage commitment cannot be noted (%s)", error.strerror)
            return PROCESSING_FAILURE, None
        return 0x0000, None

    def report(self, now: float, retry: RetryConfig) -> bool:
        """Answers the requests that are due, each on an association of its own.

        Args:
            now: The time, seconds since 1970.
            retry: When it is tried again if the other side is not there.

        Returns:
            Whether there was any.
        """
        tried = False
        for file in sorted(self._folder.glob("*.json")):
            try:
                request = _Request.model_validate_json(file.read_bytes())
            except ValidationError:
                log.error("a storage commitment is damaged, and removed: it must be asked again")
                file.unlink()
                continue
            if request.due > now:
                continue
            tried = True
            reason = self._told(request)
            if reason is None:
                file.unlink()
                continue
            log.warning("%s is not told of a storage commitment: %s", request.requester, reason)
            attempts = request.attempts + 1
            if attempts >= retry.attempts:
                log.error("%s is not told any more: it must ask again", request.requester)
                file.unlink()
                continue
            due = now + retry.wait(attempts)
            self._write(request.model_copy(update={"attempts": attempts, "due": due}))
        return tried

    def _write(self, request: _Request) -> None:
        name = hashlib.sha256(f"{request.requester} {request.transaction}".encode()).hexdigest()
        write_whole(self._folder / f"{name[:32]}.json", request.model_dump_json().encode())

    def _told(self, request: _Request) -> str | None:
        """Sends the N-EVENT-REPORT; None, or why the other side does not have it."""
        to = self._requesters.get(request.requester)
        if to is None:
            return "listen.commitment names it no more"
        association = self._associate(to)
        if not association.is_established:
            return f"it {why_not(association)}"
        try:
            report = self._report(request)
            status = association.send_n_event_report(
                report, 2 if "FailedSOPSequence" in report else 1,
                StorageCommitmentPushModel, StorageCommitmentPushModelInstance,
            )[0].get("Status")  # fmt: skip
        except ValueError:
            return "it takes no reports"
        except RuntimeError:
            return "the association has ended"
        finally:
            if association.is_established:
                association.release()
        if status is None:
            return "it does not answer"
        return None if status == 0x0000 else f"it answers with status {status:04X}"

    def _associate(self, to: RequesterConfig) -> Any:
        return caller(self._title, [StorageCommitmentPushModel]).associate(
            to.host, to.port, ae_title=to.ae_title, tls_args=self._tls.get(to.ae_title),
            ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
        )  # fmt: skip

    def _report(self, request: _Request) -> Dataset:
        """What is on the disk, and what is not."""
        report = Dataset()
        report.TransactionUID = request.transaction
        safe, failed = [], []
        for kind, instance in request.references:
            one = Dataset()
            one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = kind, instance
            reason = self._missing(kind, instance)
            if reason is None:
                safe.append(one)
            else:
                one.FailureReason = reason
                failed.append(one)
        if safe:
            report.ReferencedSOPSequence = Sequence(safe)
        if failed:
            report.FailedSOPSequence = Sequence(failed)
        return report

    def _missing(self, kind: str, instance: str) -> int | None:
        """Why an image is not committed to; None if it is on the disk."""
        found = self._spool.journal.find_image(instance)
        if found is None:
            return NO_SUCH_OBJECT
        study, name = found
        try:
            header = read_header(self._spool.folder_of(study) / name)
        except FileNotFoundError:
            return NO_SUCH_OBJECT
        except (OSError, UnreadableHeaderError):
            return PROCESSING_FAILURE
        return None if str(header.dataset.get("SOPClassUID")) == kind else CONFLICT
