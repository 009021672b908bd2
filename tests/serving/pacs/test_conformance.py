"""The conformance statement says what the code does."""

from pathlib import Path

import fake_server
import pacs
import pytest
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.uid import UID, ComprehensiveSRStorage, MRImageStorage, SecondaryCaptureImageStorage
from pynetdicom import AE
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from serving.pacs import commitment, listener, report
from serving.pacs.delivery import SENT
from serving.pacs.headers import read_header
from serving.pacs.node import Node
from serving.pacs.objects import encoded

pytestmark = pytest.mark.long
_PAGE = (Path(__file__).parents[3] / "docs" / "conformance.md").read_text(encoding="utf-8")


def table(first: str) -> list[list[str]]:
    """The rows of the table whose head begins with these words."""
    lines = _PAGE.partition(f"\n| {first}")[2].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_services_are_those_that_are_negotiated():
    said = {uid: (name, scu, scp) for _, name, uid, scu, scp in table("Network service")}
    taken = [Verification, *listener.STORED, StorageCommitmentPushModel]
    expected = {uid: (UID(uid).name, "no", "yes") for uid in taken}
    expected |= {uid: (UID(uid).name, "yes", "no") for uid in SENT}
    assert said == expected


def test_transfer_syntaxes_are_those_that_are_accepted():
    said = [(name, uid) for name, uid in table("Accepted transfer syntax")]
    assert said == [(uid.name, uid) for uid in listener.SYNTAXES]


def test_statuses_are_those_that_are_answered():
    of = {
        "C-STORE": [0, listener.OUT_OF_RESOURCES, listener.MISMATCH, listener.CANNOT_UNDERSTAND,
                    listener.DIFFERENT],
        "N-ACTION": [0, commitment.PROCESSING_FAILURE, commitment.NO_SUCH_OBJECT,
                     commitment.INVALID, commitment.NO_SUCH_ACTION, commitment.NOT_AUTHORIZED,
                     commitment.LIMITED],
        "FailureReason": [commitment.PROCESSING_FAILURE, commitment.NO_SUCH_OBJECT,
                          commitment.CONFLICT],
    }  # fmt: skip
    for first, statuses in of.items():
        assert [row[0] for row in table(first)] == [f"{one:04X}" for one in statuses]


def test_an_association_is_as_it_is_said():
    said = dict(table("Association |"))
    assert said["Largest PDU received"] == f"{AE().maximum_pdu_size:,} bytes"
    most = listener.ListenConfig(allowed=["SENDER"]).associations
    assert f", {most} by default" in said["Accepted at once"]


def test_private_codes_are_those_of_the_report():
    said = [row[:2] for row in table("Private code, scheme 99BRAINMRI")]
    codes = [report._TITLE, report._CLASS, report._REFER, report._IS_BRAIN]
    codes += [report._concept("Probability of ", "NAME"), report._concept("", "NAME")]
    assert said == [[one.value, one.meaning] for one in codes]
    assert {one.scheme_designator for one in codes} == {"99BRAINMRI"}


Made = dict[str, Dataset]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Made, Made]:
    """A source and what is made of it, by SOP class: of a study that says much, and of another."""
    much = {
        "StudyDescription": "Head", "IssuerOfPatientID": "H", "BodyPartExamined": "BRAIN",
        "TimezoneOffsetFromUTC": "+0100",
    }  # fmt: skip
    return tuple(answered(tmp_path_factory.mktemp("node"), more) for more in (much, {}))


def answered(folder: Path, elements: dict[str, str]) -> Made:
    clock = pacs.Clock()
    with fake_server.running(pacs.Model()) as server, pacs.archive() as archive:
        node = Node(pacs.settings(folder, server.address, archive.port), clock)
        [image] = pacs.mr_series(1, **elements)
        content = encoded(image)
        node.spool.add(read_header(content), content)
        clock.now += 61
        while node.work() | node.deliver():
            pass
        node.close()
        return {one.SOPClassUID: one for one in (image, *archive.stored.values())}


@pytest.mark.parametrize(
    ("column", "kind"), [(2, ComprehensiveSRStorage), (3, SecondaryCaptureImageStorage)]
)
def test_attributes_are_those_of_the_objects(made, column, kind):
    rows = [row for row in table("Attribute") if row[column]]
    for name, tag in (row[:2] for row in rows):
        number = tag_for_keyword(name.strip("[]"))
        assert tag == f"({number >> 16:04X},{number & 0xFFFF:04X})", name
    found = [{one.keyword for one in each[kind]} for each in made]
    assert found[0] | found[1] == {row[0].strip("[]") for row in rows}
    assert found[0] & found[1] == {row[0] for row in rows if not row[0].startswith("[")}
    for each in made:
        for name in (row[0].strip("[]") for row in rows if row[column] == "copied"):
            assert each[kind].get(name) == each[MRImageStorage].get(name), name


def test_a_capture_made_again_is_the_same(made):
    capture = made[0][SecondaryCaptureImageStorage]
    assert capture.DateOfSecondaryCapture == capture.ContentDate
    assert capture.TimeOfSecondaryCapture == capture.ContentTime
