"""The structured report: a Comprehensive SR after TID 1500, made by highdicom.

Classes of a model are words of its own and have no codes that others define: they are coded in the
private scheme `99BRAINMRI`, by their names.
"""

import re
from collections.abc import Mapping, Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from components.disclaimer import DISCLAIMER
from imaging.dicom.uids import derived_uid
from serving.pacs.answer import KeySlice, SeriesAnswer, SliceRecord, StudyAnswer
from serving.pacs.objects import MANUFACTURER, REPORT_SERIES, AnswerUids, stamp

SCHEME = "99BRAINMRI"
_LONGEST_MEANING = 64
_TITLE = CodedConcept("report", SCHEME, "Model report: decision support")
"""Says what none of CID 7021 says, and OHIF shows a report of another title than (126000, DCM) as
text: of that one it shows regions of images, and there are none."""
_REFER = CodedConcept("refer", SCHEME, "Refer to a reader")
_IS_BRAIN = CodedConcept("brain-mri", SCHEME, "Looks like a brain MRI of the training data")
_CLASS = CodedConcept("class", SCHEME, "Likeliest class")


def write_report(
    answer: StudyAnswer, identity: AnswerUids, sources: Mapping[str, Dataset]
) -> ComprehensiveSR:
    """Makes the report of a study.

    Args:
        answer: What the model said.
        identity: Where its UIDs are from.
        sources: The images that were read, without pixels, by their SOPInstanceUID.

    Returns:
        The report, to be written to a file.
    """
    device = ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", answer.model.name),
            name=answer.model.name[:64],
            manufacturer_name=MANUFACTURER,
        ),
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=device),
        procedure_reported=CodedConcept("113091000", "SCT", "Magnetic resonance imaging"),
        imaging_measurements=[
            _group(one, number, answer, identity, sources)
            for number, one in enumerate(answer.series, start=1)
        ],
        title=_TITLE,
    )
    root = content[0]
    for text in _comments(answer):
        root.ContentSequence.append(
            TextContentItem(
                name=codes.DCM.Comment, value=text,
                relationship_type=RelationshipTypeValues.CONTAINS,
            )
        )  # fmt: skip
    root.ContentSequence.extend(_key_images(answer, sources))
    evidence = [sources[one.instance] for series in answer.series for one in series.slices]
    report = ComprehensiveSR(
        evidence=list({id(one): one for one in evidence}.values()),
        content=root,
        series_instance_uid=identity.uid("report series"),
        series_number=REPORT_SERIES,
        sop_instance_uid=identity.uid("report"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
    )
    stamp(report, answer, "Model report: decision support", evidence[0])
    return report


def _group(
    series: SeriesAnswer, number: int, answer: StudyAnswer, identity: AnswerUids,
    sources: Mapping[str, Dataset],
) -> MeasurementsAndQualitativeEvaluations:  # fmt: skip
    """What was said of one series (TID 1501)."""
    model = answer.model
    evaluations = [
        QualitativeEvaluation(_CLASS, _concept("", series.label)),
        QualitativeEvaluation(_REFER, codes.SCT.Yes if series.refer else codes.SCT.No),
    ]
    if series.in_distribution is not None:
        told = codes.SCT.Yes if series.in_distribution else codes.SCT.No
        evaluations.append(QualitativeEvaluation(_IS_BRAIN, told))
    counted = [one for one in series.slices if one.counts] or list(series.slices)
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=identity.uid("tracked", series.uid), identifier=f"Series {number}"
        ),
        finding_type=_CLASS,
        algorithm_id=AlgorithmIdentification(
            name=model.name[:64],
            version=model.version,
            parameters=[
                f"model card SHA-256: {model.card or 'not known'}",
                "pooling: mean over slices inside the head",
            ],
            manufacturer=MANUFACTURER,
        ),
        finding_sites=[FindingSite(codes.SCT.Brain)],
        measurements=[
            Measurement(
                name=_concept("Probability of ", name),
                value=round(min(max(probability, 0.0), 1.0), 6),
                unit=codes.UCUM.NoUnits,
            )
            for name, probability in series.probabilities.items()
        ],
        qualitative_evaluations=evaluations,
        source_images=_images(counted, sources),
    )


def _images(
    slices: Sequence[SliceRecord], sources: Mapping[str, Dataset]
) -> list[SourceImageForMeasurementGroup]:
    frames: dict[str, list[int]] = {}
    for one in slices:
        frames.setdefault(one.instance, []).append(one.frame + 1)
    several = {one.instance for one in slices if one.frames > 1}
    return [
        SourceImageForMeasurementGroup(
            referenced_sop_class_uid=sources[uid].SOPClassUID,
            referenced_sop_instance_uid=uid,
            referenced_frame_numbers=numbers if uid in several else None,
        )
        for uid, numbers in frames.items()
    ]


def _comments(answer: StudyAnswer) -> list[str]:
    found = [DISCLAIMER]
    for number, series in enumerate(answer.series, start=1):
        judged = sum(one.label is not None for one in series.slices)
        shares = ", ".join(f"{name} {p:.3f}" for name, p in series.probabilities.items())
        said = f"Series {number}: {series.label} ({shares}). {series.words}"
        found.append(f"{said} {judged} of {len(series.slices)} slices were judged.")
        if series.in_distribution is False:
            found.append(f"Series {number} does not look like a brain MRI of the training data.")
        if series.refer:
            found.append(f"Series {number}: refer to a reader. {series.reasons}".strip())
        if series.key_slices:
            found.append(f"Series {number}, key slices: {_places(series)}.")
    model = answer.model
    found.append(
        f"Model {model.name}, version {model.version}, card SHA-256 {model.card or 'not known'}."
    )
    return found


def _places(series: SeriesAnswer) -> str:
    order = {(one.instance, one.frame): n for n, one in enumerate(series.slices, start=1)}

    def words(key: KeySlice) -> str:
        return f"slice {order[key.instance, key.frame]} of {len(series.slices)}"

    return ", ".join(words(one) for one in series.key_slices)


def _key_images(answer: StudyAnswer, sources: Mapping[str, Dataset]) -> list[ImageContentItem]:
    """References to the key slices."""
    return [
        ImageContentItem(
            name=codes.DCM.KeyImages,
            referenced_sop_class_uid=sources[key.instance].SOPClassUID,
            referenced_sop_instance_uid=key.instance,
            referenced_frame_numbers=[key.frame + 1] if key.frames > 1 else None,
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
        for series in answer.series
        for key in series.key_slices
    ]


def _concept(before: str, name: str) -> CodedConcept:
    """Codes a model's class."""
    plain = re.sub(r"[^\w .:+-]", " ", name).strip() or "unnamed"
    value = f"{'P-' if before else ''}{plain}"[:_LONGEST_MEANING]
    return CodedConcept(value, SCHEME, f"{before}{plain}"[:_LONGEST_MEANING])
