"""What the DICOM node costs beside the model: seconds a study, memory, associations at once.

    bin/python -m benchmarks.pacs [--quick] [--model FOLDER]

A study is 3 series of 24 slices of 256 x 256 pixels; three slices of each series are shown with
their heat. (a) From stable to answered, with a model server that answers at once: the node's own
time. (b) The same with the model of FOLDER, the folder of its versions, in the embedded server, as
`mri serve` runs it. (c) 20 senders at once, each with a study, on loopback. (d) The node's memory
over many studies of a series of 8 slices, to an archive that keeps nothing. Each in a process of
its own. The last line is one JSON object.
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt

from benchmarks.processes import run_alone
from components.child_process import start
from components.free_ports import free_ports
from imaging.dicom.uids import derived_uid
from serving.client import Client, ServingError
from serving.pacs.config import PacsConfig
from serving.pacs.headers import read_header
from serving.pacs.node import Node
from serving.pacs.objects import encoded

_SIDE, _SLICES, _SERIES = 256, 24, 3
_SENDERS, _START_SECONDS = 20, 300
_ANSWERED = ("answered", "delivered")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer studies")
    parser.add_argument("--model", type=Path, help="the folder of a model's versions")
    arguments = parser.parse_args()
    repeats, studies = (3, 40) if arguments.quick else (10, 500)
    print(f"{os.cpu_count()} processors; medians of {repeats} studies")
    figures: dict[str, Any] = {}
    with _instant() as address:
        figures |= run_alone(_answering, "own", address, "brain_mri", repeats).figures
        figures |= run_alone(_associations, address).figures
        figures |= run_alone(_memory, address, studies).figures
    if arguments.model is not None:
        with _served(arguments.model) as address:
            name = arguments.model.absolute().name
            figures |= run_alone(_answering, "with_model", address, name, repeats).figures
    print(json.dumps(figures))


def _answering(row: str, address: str, name: str, repeats: int) -> dict[str, Any]:
    """(a), (b): one study after the other, each alone."""
    wall, cpu = [], []
    with tempfile.TemporaryDirectory() as folder:
        clock = _Clock()
        node = Node(_settings(Path(folder), address, name), clock)
        for number in range(repeats + 1):  # the first one opens connections, and does not count
            for one in _study(number, _SERIES, _SLICES):
                _keep(node, one)
            clock.now += 61
            before, used = time.monotonic(), time.process_time()
            while sum(node.spool.journal.counts()[state] for state in _ANSWERED) <= number:
                node.work()
            wall.append(time.monotonic() - before)
            cpu.append(time.process_time() - used)
        node.close()
    found = {f"{row}_s": statistics.median(wall[1:]), f"{row}_cpu_s": statistics.median(cpu[1:])}
    print(
        f"stable to answered, {row.replace('_', ' ')}: {found[f'{row}_s']:.2f} s, of which the "
        f"node's processor {found[f'{row}_cpu_s']:.2f} s",
        flush=True,
    )
    return found


def _associations(address: str) -> dict[str, Any]:
    """(c): senders in threads of one process, which also is the node's."""
    studies = [_study(number, 1, _SLICES) for number in range(_SENDERS)]
    with tempfile.TemporaryDirectory() as folder:
        node = Node(_settings(Path(folder), address, "brain_mri"))
        node.listener.start()
        before = time.monotonic()
        with ThreadPoolExecutor(_SENDERS) as threads:
            sent = threads.map(lambda one: _send(node.listener.port, one), studies)
            statuses = [status for each in sent for status in each]
        seconds = time.monotonic() - before
        node.listener.stop()
        kept = sum(node.spool.journal.size(one.key) for one in node.spool.journal.studies())
        node.close()
    found = {"senders": _SENDERS, "images_per_s": kept / seconds, "kept": kept}
    said = dict(Counter(f"{status:04X}" if status >= 0 else "aborted" for status in statuses))
    print(
        f"{_SENDERS} senders at once: {kept} images kept in {seconds:.1f} s, "
        f"{found['images_per_s']:.0f} a second; statuses {said}",
        flush=True,
    )
    return found


def _memory(address: str, studies: int) -> dict[str, Any]:
    """(d): from image to delivered answer."""
    with tempfile.TemporaryDirectory() as folder, _archive() as port:
        clock, held = _Clock(), []
        node = Node(_settings(Path(folder), address, "brain_mri", port), clock)
        before = time.monotonic()
        for number in range(studies):
            for one in _study(number, 1, 8):
                _keep(node, one)
            clock.now += 61
            while node.work() | node.deliver():
                pass
            held.append(_resident_megabytes())
        seconds = time.monotonic() - before
        assert node.spool.journal.counts()["delivered"] == studies
        node.close()
    tenth = studies // 10
    first, last = statistics.mean(held[tenth : 2 * tenth]), statistics.mean(held[-tenth:])
    found = {"studies": studies, "memory_mb": last, "memory_growth_mb": last - first}
    print(
        f"{studies} studies in {seconds:.0f} s: {first:.0f} MB in the second tenth of them, "
        f"{last:.0f} MB in the last",
        flush=True,
    )
    return found


class _Clock:
    """The time, as it is set."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def _settings(folder: Path, address: str, name: str, port: int = 1) -> PacsConfig:
    return PacsConfig.model_validate(
        {
            "spool": folder / "spool",
            "listen": {"allowed": ["SENDER"], "port": 0},
            "model": {"server": address, "name": name},
            "destinations": [
                {"name": "archive", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port}
            ],
        }
    )


def _study(number: int, series: int, slices: int) -> list[Dataset]:
    """MR series of textured heads; the pixels of all studies are the same."""
    found = []
    for index in range(series):
        uid = derived_uid("benchmark series", str(number), str(index))
        for place in range(slices):
            one = copy.deepcopy(_IMAGES[place % len(_IMAGES)])
            one.SOPInstanceUID = derived_uid("benchmark image", uid, str(place))
            one.StudyInstanceUID = derived_uid("benchmark study", str(number))
            one.SeriesInstanceUID = uid
            one.InstanceNumber = place + 1
            one.ImagePositionPatient = [-120, -120, 5 * place]
            one.file_meta = FileMetaDataset()
            one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
            one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
            found.append(one)
    return found


def _images() -> list[Dataset]:
    random = np.random.default_rng(0)
    rows, columns = np.ogrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    found = []
    for _ in range(_SLICES):
        texture = random.integers(400, 2000, (64, 64)).repeat(_SIDE // 64, 0)
        texture = texture.repeat(_SIDE // 64, 1) + random.integers(0, 60, (_SIDE, _SIDE))
        one = Dataset()
        one.SOPClassUID, one.Modality, one.Manufacturer = MRImageStorage, "MR", "benchmark"
        one.PatientName = one.PatientID = "benchmark"
        one.PatientBirthDate = one.ReferringPhysicianName = one.AccessionNumber = ""
        one.PatientSex, one.StudyID = "O", "1"
        one.StudyDate, one.StudyTime = "20240101", "120000"
        one.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness = [0.94, 0.94], 5
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.Rows = one.Columns = _SIDE
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 12, 11
        one.PixelRepresentation = 0
        one.PixelData = np.where(rows**2 + columns**2 < 0.7, texture, 0).astype("<u2").tobytes()
        found.append(one)
    return found


_IMAGES = _images()


def _keep(node: Node, image: Dataset) -> None:
    content = encoded(image)
    node.spool.add(read_header(content), content)


def _send(port: int, images: list[Dataset]) -> list[int]:
    entity = AE(ae_title="SENDER")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _START_SECONDS
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title="BRAIN_MRI")
    if not association.is_established:
        return [-1] * len(images)
    statuses = []
    for one in images:
        ended = not association.is_established
        statuses.append(-1 if ended else association.send_c_store(one).get("Status", -1))
    association.release()
    return statuses


@contextmanager
def _archive() -> Iterator[int]:
    """Takes everything and keeps nothing; its port."""
    entity = AE(ae_title="ARCHIVE")
    for kind in (ComprehensiveSRStorage, SecondaryCaptureImageStorage):
        entity.add_supported_context(kind)
    handlers = [(evt.EVT_C_STORE, lambda _: 0x0000)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def _instant() -> Iterator[str]:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.instant_model", str(port)]
    with _process(command, f"http://127.0.0.1:{port}", "brain_mri") as address:
        yield address


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    port, rest = free_ports(2)
    name = folder.absolute().name
    command = [
        *(sys.executable, "-m", "serving.server", f"--port={port}", f"--rest_api_port={rest}"),
        *(f"--model_name={name}", f"--model_base_path={folder.absolute()}", "--enable_batching"),
    ]
    with _process(command, f"127.0.0.1:{port}", name) as address:
        yield address


@contextmanager
def _process(command: list[str], address: str, name: str) -> Iterator[str]:
    process = start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _START_SECONDS
        with Client(address, model=name, attempts=1, timeout=10) as client:
            while not _is_available(client):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{' '.join(command)} does not serve the model {name}.")
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def _is_available(client: Client) -> bool:
    try:
        return any(one.state == "AVAILABLE" for one in client.status())
    except ServingError:
        return False


def _resident_megabytes() -> float:
    """This process' memory, in MB of 10^6 bytes; Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
