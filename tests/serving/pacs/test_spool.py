"""What is in the spool is never lost, and never more than it may be."""

import sqlite3
import threading
from collections.abc import Iterator

import pacs
import pytest
from pydicom.uid import RLELossless

from serving.pacs import spool as spool_module
from serving.pacs.config import KeepConfig
from serving.pacs.headers import read_header
from serving.pacs.journal import Delivery, Journal, State
from serving.pacs.objects import encoded
from serving.pacs.spool import DifferentError, FullError, Spool


@pytest.fixture
def spool(tmp_path) -> Iterator[Spool]:
    made = Spool(tmp_path / "new" / "spool", KeepConfig(bytes=100_000), pacs.Clock())
    yield made
    made.journal.close()


def add(spool: Spool, *datasets) -> list[bool]:
    contents = [encoded(one) for one in datasets]
    return [spool.add(read_header(one), one) for one in contents]


def test_a_study_that_grew_since_it_was_looked_at_is_not_removed(spool):
    series = pacs.mr_series(2)
    add(spool, series[0])
    [seen] = spool.journal.studies()
    add(spool, series[1])
    assert not spool.remove(seen)
    assert len(spool.images(seen.key)) == 2
    assert all(one.is_file() for one in spool.images(seen.key))


def test_a_study_that_a_person_began_again_is_not_removed(spool):
    add(spool, *pacs.mr_series(1))
    [study] = spool.journal.studies()
    spool.journal.move(study, State.FAILED, "for the test")
    [seen] = spool.journal.studies()
    spool.journal.retry(seen.key, [])
    assert not spool.remove(seen)
    assert spool.images(seen.key)[0].is_file()


def test_an_image_that_comes_while_its_study_is_removed_is_kept(spool, monkeypatch):
    series = pacs.mr_series(2)
    add(spool, series[0])
    [seen] = spool.journal.studies()
    write, removing = spool_module.write_whole, []

    def written(path, content):
        write(path, content)
        removing.append(threading.Thread(target=spool.remove, args=(seen,)))
        removing[0].start()
        removing[0].join(0.2)  # it may not end yet; where it does, the file is gone by now

    monkeypatch.setattr(spool_module, "write_whole", written)
    assert add(spool, series[1]) == [True]
    removing[0].join()
    assert all(one.is_file() for one in spool.images(seen.key))
    assert len(spool.images(seen.key)) == 2


def test_the_same_image_compressed_in_another_way_is_there_already(spool):
    [image], [packed] = pacs.mr_series(1), pacs.mr_series(1)
    packed.compress(RLELossless, generate_instance_uid=False)
    assert add(spool, image, packed, image) == [True, False, False]
    [other] = pacs.mr_series(1, PatientID="another")
    other.compress(RLELossless, generate_instance_uid=False)
    with pytest.raises(DifferentError):
        add(spool, other)


def test_the_limit_holds_for_images_and_what_was_made_of_them(spool):
    [first], [second] = pacs.mr_series(1), pacs.mr_series(1, study="2")
    add(spool, first)
    [study] = spool.journal.studies()
    (spool.folder_of(study.key) / "answer.json").write_bytes(bytes(95_000))
    for _ in range(2):  # what is counted again is not counted twice
        spool.made(study.key)
    with pytest.raises(FullError, match="the spool holds 100,000 bytes"):
        add(spool, second)
    spool.journal.close()
    again = Spool(spool.folder, KeepConfig(bytes=100_000), pacs.Clock())
    with pytest.raises(FullError):
        add(again, second)
    assert again.remove(study)
    assert add(again, second) == [True]
    again.journal.close()


@pytest.mark.parametrize("broken", ["digest", "size", "add"])
def test_a_journal_that_fails_refuses_and_takes_up_no_room(spool, monkeypatch, broken):
    def fails(*_):
        raise sqlite3.OperationalError("disk I/O error")

    [image] = pacs.mr_series(1, ImageComments="x" * 60_000)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, broken, fails)
        for _ in range(2):  # two of them would be more than the limit
            with pytest.raises(FullError, match="the journal cannot be written"):
                add(spool, image)
    assert add(spool, image) == [True]


def test_new_folders_are_on_the_disk_with_their_parents(tmp_path, monkeypatch):
    synced, sync = [], spool_module._sync

    def noted(folder):
        synced.append(folder)
        sync(folder)

    monkeypatch.setattr(spool_module, "_sync", noted)
    spool = Spool(tmp_path / "new" / "spool", KeepConfig(), pacs.Clock())
    add(spool, *pacs.mr_series(1))
    study = spool.images(spool.journal.studies()[0].key)[0].parent
    wanted = {tmp_path, tmp_path / "new", spool.folder, spool.folder / "studies", study}
    assert wanted <= {*synced}
    spool.journal.close()


def test_what_was_sent_while_its_study_grew_is_not_sent_again(spool):
    series = pacs.mr_series(2)
    add(spool, series[0])
    journal = spool.journal
    [study] = journal.studies()
    journal.answer(study, [("1.2.3", "answers/1.2.3.dcm")], ["archive"])
    [sending] = journal.due("archive", 0)
    add(spool, series[1])  # withdraws it, but it is on its way
    journal.sent(sending)
    [study] = journal.studies()
    assert study.state is State.RECEIVED
    journal.answer(study, [("1.2.3", "answers/1.2.3.dcm")], ["archive"])
    assert journal.due("archive", 0) == []
    assert journal.studies()[0].state is State.DELIVERED


def dead(journal: Journal) -> list[Delivery]:
    return [one for one in journal.dead() if "no destination is called gone" in one.reason]


def test_answers_for_a_destination_that_is_no_more_are_dead_letters(spool):
    add(spool, *pacs.mr_series(1))
    journal = spool.journal
    [study] = journal.studies()
    journal.answer(study, [("1.2.3", "1"), ("1.2.4", "2")], ["archive", "gone"])
    for one in journal.due("archive", 0):
        journal.sent(one)
    assert journal.retire(["archive", "gone"]) == 0
    assert journal.studies()[0].state is State.ANSWERED
    assert journal.retire(["archive"]) == len(dead(journal)) == 2
    assert journal.studies()[0].state is State.FAILED
    journal.retry(study.key, ["archive"])  # a person agrees that nobody is to have them
    assert journal.studies()[0].state is State.DELIVERED
    assert journal.dead() == []
