"""Whole folders: what ingest writes of their looks, and what the gate says of it."""

import pytest
from ingesting import ingest
from looking import folder_of_looks

from components.gate.checks import check_report
from components.gate.config import GateConfig
from components.ingest.config import IngestConfig
from components.ingest.evidence.find import find_evidence
from components.ingest.folder import list_images
from components.ingest.survey import survey
from pipeline.engines import LOCAL_BEAM

pytestmark = pytest.mark.long


def _sources(report, **settings):
    found = check_report(report, None, GateConfig(**settings))
    return [finding for finding in found if finding.name == "source"]


def test_classes_that_differ_by_contrast_alone_are_named_by_the_gate(tmp_path):
    report = ingest(folder_of_looks(tmp_path / "in", balanced=False), tmp_path / "out").report
    [finding] = _sources(report)
    assert finding.severity == "warn"
    assert "The head's levels alone distinguish glioma from the rest" in finding.found
    assert "all are notumor: a model cannot know" in finding.found
    [stopping] = _sources(report, severity={"source": "stop"})
    assert stopping.severity == "stop"


def test_the_same_folder_with_contrasts_balanced_is_not(tmp_path):
    report = ingest(folder_of_looks(tmp_path / "in", balanced=True), tmp_path / "out").report
    assert len(report.evidence.looks) > 1
    assert report.evidence.told
    assert _sources(report) == []


def test_levels_alone_tell_healthy_heads_of_the_public_images(tmp_path, real_images):
    for folder in sorted((real_images / "Training").iterdir()):
        (tmp_path / "in" / folder.name).mkdir(parents=True)
        for file in sorted(folder.iterdir())[::12]:
            (tmp_path / "in" / folder.name / file.name).symlink_to(file.resolve())
    listing, scratch = list_images(tmp_path / "in"), tmp_path / "scratch"
    scratch.mkdir()
    config = IngestConfig()
    found = survey(listing, config, LOCAL_BEAM, scratch)
    evidence = find_evidence(found, config, range(len(found.records)))
    assert evidence.told["notumor"].accuracy >= 0.88
    assert evidence.told["notumor"].auc >= 0.85
    assert len(evidence.looks) > 3
    assert "notumor" in evidence.telling()
