"""The node between a sender, a model server and an archive, all on loopback."""

import logging
from contextlib import contextmanager
from itertools import count

import pacs
import pytest
from pacs import finish, receive, states, texts
from prometheus_client import generate_latest
from pydicom.uid import ComprehensiveSRStorage, RLELossless, SecondaryCaptureImageStorage

from components.errors import PipelineError
from serving.pacs import node as node_module
from serving.pacs import reading, spool
from serving.pacs.config import PacsConfig
from serving.pacs.journal import Journal, State
from serving.pacs.node import Node

pytestmark = pytest.mark.long


def test_a_study_is_answered_with_a_report_and_captures(node, archive, clock):
    series = pacs.mr_series(3)
    receive(node, series)
    node.work()
    assert states(node) == [State.RECEIVED]  # it may not be complete
    finish(node, clock)
    assert states(node) == [State.DELIVERED]
    [report] = archive.of_class(ComprehensiveSRStorage)
    [capture] = archive.of_class(SecondaryCaptureImageStorage)
    for answer in (report, capture):
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
            assert answer[keyword].value == series[0][keyword].value
        assert answer.SeriesInstanceUID != series[0].SeriesInstanceUID
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    named = {one.ReferencedSOPInstanceUID for one in evidence.ReferencedSOPSequence}
    assert named == {one.SOPInstanceUID for one in series}
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID in named
    said = " ".join(texts(report))
    assert "Decision support, not a diagnosis." in said
    assert "Series 1: glioma (glioma 0.750, notumor 0.250)." in said
    assert "Mean of the probabilities" in said
    assert "version 7" in said
    assert capture.pixel_array[-90:].max() > 200  # something is written below the picture


def test_what_the_model_doubts_is_in_the_report(node, archive, clock, model):
    model.row |= {"refer": True, "reasons": "the model is not sure", "in_distribution": False}
    receive(node, pacs.mr_series())
    finish(node, clock)
    [report] = archive.of_class(ComprehensiveSRStorage)
    said = " ".join(texts(report))
    assert "refer to a reader. the model is not sure" in said
    assert "does not look like a brain MRI" in said


def test_the_same_input_and_version_give_the_same_uids(tmp_path, server, archive, clock, model):
    found = []
    for version, folder in ((7, "a"), (7, "b"), (8, "c")):
        model.version = version
        node = Node(pacs.settings(tmp_path / folder, server, archive.port), clock)
        receive(node, pacs.mr_series())
        finish(node, clock)
        found.append({one.instance for one in node.spool.journal.deliveries(_only(node))})
        node.close()
    assert found[0] == found[1]
    assert not found[0] & found[2]
    assert archive.arrivals.keys() == found[0] | found[2]


def _only(node: Node) -> str:
    [study] = node.spool.journal.studies()
    return study.key


def test_a_study_that_grows_is_answered_again_for_all_of_it(node, archive, clock):
    series = pacs.mr_series(4)
    receive(node, series[:2])
    finish(node, clock)
    receive(node, series[:2])  # sent again: nothing new
    finish(node, clock)
    assert len(archive.of_class(ComprehensiveSRStorage)) == 1
    receive(node, series[2:])
    assert states(node) == [State.RECEIVED]
    finish(node, clock)
    reports = archive.of_class(ComprehensiveSRStorage)
    assert len(reports) == 2
    sizes = [
        len(one.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
            .ReferencedSOPSequence)
        for one in reports
    ]  # fmt: skip
    assert sizes == [2, 4]
    assert set(archive.arrivals.values()) == {1}


def test_what_grows_without_a_new_slice_to_read_is_not_sent_again(node, archive, clock):
    receive(node, pacs.mr_series())
    finish(node, clock)
    receive(node, pacs.mr_series(series="2", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    finish(node, clock)
    assert states(node) == [State.DELIVERED]
    assert set(archive.arrivals.values()) == {1}


def test_two_patients_under_one_study_fail_with_the_reason(node, archive, clock):
    receive(node, pacs.mr_series())
    receive(node, pacs.mr_series(series="2", PatientID="another"))
    finish(node, clock)
    [study] = node.spool.journal.studies()
    assert study.state is State.FAILED
    assert "different patients" in study.reason
    assert not archive.stored


def test_without_a_fitting_series_nothing_is_answered(node, archive, clock):
    receive(node, pacs.mr_series(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    finish(node, clock)
    [study] = node.spool.journal.studies()
    assert (study.state, study.reason) == (State.SKIPPED, "rule 'default': it is a localizer")
    assert not archive.stored


def test_a_study_waits_while_no_version_is_served(node, archive, clock, model):
    model.version = None
    receive(node, pacs.mr_series())
    finish(node, clock)
    [study] = node.spool.journal.studies()
    assert (study.state, study.attempts) == (State.STABLE, 1)
    assert study.reason == "the model server serves no version"
    model.version = 9
    finish(node, clock, 3600)
    [study] = node.spool.journal.studies()
    assert (study.state, study.model) == (State.DELIVERED, "9")


def test_an_archive_that_is_down_gets_everything_once_when_it_is_back(tmp_path, server, clock):
    with pacs.archive() as gone:
        pass
    node = Node(pacs.settings(tmp_path, server, gone.port), clock)
    for number in range(5):
        receive(node, pacs.mr_series(study=str(number)))
    for _ in range(6):
        finish(node, clock, 600)
    assert states(node) == [State.ANSWERED] * 5
    with pacs.archive(gone.port) as back:
        finish(node, clock, 3600)
        assert states(node) == [State.DELIVERED] * 5
        assert len(back.of_class(ComprehensiveSRStorage)) == 5
        assert set(back.arrivals.values()) == {1}
    node.close()


def test_an_archive_that_refuses_ends_in_dead_letters_which_a_retry_sends(
    tmp_path, server, archive, clock
):
    archive.status = 0xA700
    node = Node(
        pacs.settings(tmp_path, server, archive.port, retry={"attempts": 3, "first": 1}), clock
    )
    receive(node, pacs.mr_series())
    for _ in range(4):
        finish(node, clock)
    journal = node.spool.journal
    [study] = journal.studies()
    assert study.state is State.FAILED
    assert {one.reason for one in journal.dead()} == {
        "archive: it refuses the object with status A700"
    }
    assert {one.attempts for one in journal.dead()} == {3}
    archive.status = 0x0000
    journal.retry(study.key, ["archive"])
    finish(node, clock)
    assert states(node) == [State.DELIVERED]
    assert len(archive.stored) == 2
    node.close()


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_names_in_any_character_set_are_answered_unchanged(node, archive, clock, charset, name):
    receive(node, pacs.mr_series(SpecificCharacterSet=charset, PatientName=name))
    finish(node, clock)
    [report] = archive.of_class(ComprehensiveSRStorage)
    assert str(report.PatientName) == name


def test_compressed_and_private_are_read_like_others(node, archive, clock):
    series = pacs.mr_series()
    for one in series:
        one.compress(RLELossless)
        one.private_block(0x0019, "SECRET MAKER", create=True).add_new(1, "LO", "Geheimnis")
    receive(node, series)
    finish(node, clock)
    [report] = archive.of_class(ComprehensiveSRStorage)
    assert "2 of 2 slices were judged" in " ".join(texts(report))
    assert not any(one.tag.is_private for one in report)


def test_images_without_patient_and_date_leave_those_empty(node, archive, clock):
    absent = ("PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyTime")
    receive(node, pacs.mr_series(**dict.fromkeys(absent)))
    finish(node, clock)
    [report] = archive.of_class(ComprehensiveSRStorage)
    assert not any(report[keyword].value for keyword in absent)


def test_values_that_no_object_may_hold_are_left_empty(node, archive, clock):
    odd = {"PatientSex": "U", "PatientBirthDate": "19500000", "StudyTime": "noon"}
    series = pacs.mr_series()
    for one in series:
        for keyword, value in odd.items():
            setattr(one, keyword, value)
    receive(node, series)
    finish(node, clock)
    [report] = archive.of_class(ComprehensiveSRStorage)
    assert not any(report[keyword].value for keyword in odd)


def test_what_an_archive_has_already_counts_as_delivered(node, archive, clock):
    archive.status = 0x0111
    receive(node, pacs.mr_series())
    finish(node, clock)
    assert states(node) == [State.DELIVERED]


def test_two_nodes_never_work_on_one_spool(node):
    with node.spool.exclusively(), pytest.raises(PipelineError, match="Another node works on"):
        node.run()


def test_paths_in_the_settings_start_at_their_file(tmp_path, server, archive):
    tls = {"certificate": "node.pem", "ca": "/etc/ca.pem"}
    settings = pacs.settings(tmp_path, server, archive.port).model_dump(mode="json")
    settings |= {"spool": "spool", "model": {"folder": "models"}}
    settings["listen"]["tls"] = settings["destinations"][0]["tls"] = tls
    found = PacsConfig.model_validate(settings).below(tmp_path)
    assert (found.spool, found.model.folder) == (tmp_path / "spool", tmp_path / "models")
    for placed in (found.listen.tls, found.destinations[0].tls):
        assert (placed.certificate, placed.key) == (tmp_path / "node.pem", None)
        assert str(placed.ca) == "/etc/ca.pem"


def test_a_damaged_slice_leaves_the_others(node, archive, clock):
    series = pacs.mr_series(3)
    series[1].PixelData = series[1].PixelData[:100]
    receive(node, series)
    finish(node, clock)
    [report] = archive.of_class(ComprehensiveSRStorage)
    assert "2 of 3 slices were judged" in " ".join(texts(report))


def test_nothing_of_a_patient_is_in_a_log_a_metric_or_a_file_name(
    node, archive, clock, model, caplog
):
    caplog.set_level(logging.DEBUG)
    series = pacs.mr_series()
    receive(node, series)
    receive(node, pacs.mr_series(study="2", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    model.version = None
    finish(node, clock)
    model.version = 7
    archive.status = 0xA700
    finish(node, clock, 3600)
    archive.status = 0
    finish(node, clock, 3600)

    seen = caplog.text + generate_latest(node.metrics.registry).decode()
    seen += "\n".join(str(path) for path in node.spool.folder.rglob("*"))
    uids = [series[0][f"{of}InstanceUID"].value for of in ("Study", "Series", "SOP")]
    assert "is answered by model 7" in seen
    assert not [text for text in (*pacs.PRIVATE, *uids) if text in seen]


def test_an_old_study_is_removed_and_an_unfinished_one_is_not(node, archive, clock, model):
    receive(node, pacs.mr_series())
    receive(node, pacs.mr_series(study="3"))
    receive(node, pacs.mr_series(study="3", series="2", PatientID="another"))
    finish(node, clock)
    model.version = None
    receive(node, pacs.mr_series(study="2"))
    finish(node, clock, 8 * 86_400)
    assert states(node) == [State.STABLE, State.FAILED]
    finish(node, clock, 90 * 86_400)
    [left] = node.spool.journal.studies()
    assert left.state is State.STABLE
    assert [one.name for one in (node.spool.folder / "studies").iterdir()] == [left.key]


class Killed(BaseException):
    """The process is gone."""


class Fuse:
    """Kills at the point of a number; what is counted are commits and files, before and after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        writing, whole = Journal._writing, spool.write_whole

        @contextmanager
        def killed_writing(journal):
            with writing(journal) as base:
                yield base
                self.burn()
            self.burn()

        def killed_whole(path, content):
            self.burn()
            whole(path, content)
            self.burn()

        monkeypatch.setattr(Journal, "_writing", killed_writing)
        for module in (spool, reading, node_module):
            monkeypatch.setattr(module, "write_whole", killed_whole)

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


def test_killed_at_any_point_each_answer_is_delivered_exactly_once(
    tmp_path, server, clock, monkeypatch
):
    fuse = Fuse(monkeypatch)
    series = pacs.mr_series()
    for point in count(1):
        with pacs.archive() as archive:
            settings = pacs.settings(tmp_path / str(point), server, archive.port)
            fuse.left, was_killed, acknowledged = point, False, 0
            for _ in range(3):
                node = None
                try:
                    node = Node(settings, clock)
                    node.spool.sweep()
                    while acknowledged < len(series):  # a sender sends until it is answered
                        receive(node, [series[acknowledged]])
                        acknowledged += 1
                    finish(node, clock)
                except Killed:
                    was_killed = True
                    continue
                finally:
                    if node is not None:
                        node.close()
                break
            node = Node(settings, clock)
            assert states(node) == [State.DELIVERED], point
            node.close()
            assert len(archive.of_class(ComprehensiveSRStorage)) == 1, point
            assert len(archive.of_class(SecondaryCaptureImageStorage)) == 1, point
        if not was_killed:
            break
    assert point > 25  # there are so many
