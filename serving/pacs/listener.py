"""The C-STORE listener: an image is on the disk before it is acknowledged."""

import logging
from typing import Any

from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from components.errors import PipelineError
from serving.pacs.commitment import Commitments
from serving.pacs.config import KeepConfig, ListenConfig
from serving.pacs.headers import UnreadableHeaderError, read_header
from serving.pacs.monitoring import NodeMetrics
from serving.pacs.spool import DifferentError, FullError, Spool
from serving.pacs.tls import server_context

STORED = (MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)
"""What may be sent; everything else is refused when an association is negotiated."""
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
)
OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND, DIFFERENT = 0xA700, 0xA900, 0xC000, 0xC001
"""Statuses of PS3.4 B.2.3; the last one is of the range that a node may define."""
_TIMEOUT = 60
_LONGEST_PDU = 1 << 20
"""Bytes; the node asks for PDUs of 16 KiB, and a request for an association is no longer."""

log = logging.getLogger(__name__)


class Listener:
    """A listener in threads of its own, from `start` to `stop`.

    Attributes:
        commitments: What was asked for storage commitment.
    """

    def __init__(
        self, config: ListenConfig, keep: KeepConfig, spool: Spool, metrics: NodeMetrics
    ) -> None:
        """Prepares it; nothing listens yet.

        Raises:
            PipelineError: A certificate cannot be used.
        """
        self._config, self._keep, self._spool, self._metrics = config, keep, spool, metrics
        self._tls = server_context(config.tls) if config.tls else None
        self.commitments = Commitments(config, keep, spool)
        self._server: Any = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begins to listen.

        Raises:
            PipelineError: The address cannot be listened at.
        """
        config = self._config
        entity = AE(ae_title=config.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = [*config.allowed]
        entity.maximum_associations = config.associations
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT
        entity.add_supported_context(Verification)
        for kind in STORED:
            entity.add_supported_context(kind, [*SYNTAXES])
        if config.commitment:
            entity.add_supported_context(StorageCommitmentPushModel)
        handlers = [
            (evt.EVT_CONN_OPEN, self._bound),
            (evt.EVT_N_ACTION, self.commitments.request),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_REJECTED, lambda _: self._metrics.association("rejected")),
            (evt.EVT_ACCEPTED, lambda _: self._metrics.association("accepted")),
            (evt.EVT_ABORTED, lambda _: self._metrics.association("aborted")),
        ]
        try:
            self._server = entity.start_server(
                (config.host, config.port),
                block=False,
                evt_handlers=handlers,
                ssl_context=self._tls,
            )
        except OSError as error:
            raise PipelineError(
                f"Nothing can listen at {config.host}:{config.port} ({error.strerror}): choose "
                "another listen.port."
            ) from error
        log.info("%s listens at %s:%d", config.ae_title, config.host, self.port)

    def stop(self) -> None:
        """Ends it, and all associations with it."""
        if self._server is not None:
            self._server.shutdown()

    def _bound(self, event: Any) -> None:
        """Ends a connection by which more comes than may be held in memory."""
        association = event.assoc
        socket = association.dul.socket
        receive, most = socket.recv, self._keep.instance_bytes

        def received(size: int) -> bytearray:
            message = association.dimse.message
            held = 0 if message is None or message.data_set is None else message.data_set.tell()
            if size > _LONGEST_PDU or held > most:
                raise OSError("too much is sent")  # by which pynetdicom closes the connection
            content: bytearray = receive(size)
            return content

        socket.recv = received

    def _store(self, event: Any) -> int:
        status = self._stored(event)
        self._metrics.image(status)
        return status

    def _stored(self, event: Any) -> int:
        """Keeps an image; the status tells the sender what became of it."""
        try:
            content = event.encoded_dataset()
            if len(content) > self._keep.instance_bytes:
                return OUT_OF_RESOURCES
            header = read_header(content)
            request = event.request
            if (header.instance, str(header.dataset.get("SOPClassUID", ""))) != (
                request.AffectedSOPInstanceUID,
                request.AffectedSOPClassUID,
            ):
                return MISMATCH
            self._spool.add(header, content)
        except UnreadableHeaderError as error:
            log.warning("an image is refused: %s", error)
            return CANNOT_UNDERSTAND
        except DifferentError as error:
            log.warning("study %s: an image is refused: %s", self._spool.key(header.study), error)
            return DIFFERENT
        except FullError as error:
            log.error("an image is refused: %s", error)
            return OUT_OF_RESOURCES
        return 0x0000
