"""Which earlier data a run's data are compared with."""

from pathlib import Path

from tfx import types
from tfx.dsl.components.common import resolver

from components.gate.verdict import PASSING, REPORT_ID, STATISTICS_ID
from components.ingest.report import IngestReport


class LastPassedStrategy(resolver.ResolverStrategy):
    """Resolves the last data that the gate let pass before the candidate was there.

    Data of the same folder are preferred. The candidate's own content, ingested before, is left
    out. Because nothing newer than the candidate counts, the same candidate finds the same previous
    data again, and its verdict is answered from cache.
    """

    def resolve_artifacts(
        self,
        store: object,  # noqa: ARG002 - TFX's
        input_dict: dict[str, list[types.Artifact]],
    ) -> dict[str, list[types.Artifact]] | None:
        """Chooses the previous data.

        Args:
            store: The metadata store.
            input_dict: `candidate_statistics` and `candidate_report` (one each), `statistics`,
                `report` and `verdict` (all there are).

        Returns:
            The candidate, and of the rest one each, or none of any.
        """
        [candidate] = input_dict["candidate_statistics"]
        report = IngestReport.read(Path(input_dict["candidate_report"][0].uri))
        statistics = {artifact.id: artifact for artifact in input_dict["statistics"]}
        reports = {artifact.id: artifact for artifact in input_dict["report"]}
        # Judged anew, for instance with a finding accepted, data have more than one verdict.
        latest = {
            verdict.get_int_custom_property(STATISTICS_ID): verdict
            for verdict in sorted(input_dict["verdict"], key=lambda verdict: verdict.id)
        }
        earlier = [
            verdict
            for statistics_id, verdict in latest.items()
            if statistics_id < candidate.id
            and statistics_id in statistics
            and verdict.get_int_custom_property(REPORT_ID) in reports
            and verdict.get_string_custom_property("outcome") in PASSING
            and verdict.get_string_custom_property("fingerprint") != report.fingerprint
        ]
        chosen = max(
            earlier,
            key=lambda verdict: (
                verdict.get_string_custom_property("source") == report.source,
                verdict.get_int_custom_property(STATISTICS_ID),
            ),
            default=None,
        )
        return {
            "candidate_statistics": input_dict["candidate_statistics"],
            "candidate_report": input_dict["candidate_report"],
            "statistics": _named(statistics, chosen, STATISTICS_ID),
            "report": _named(reports, chosen, REPORT_ID),
            "verdict": [chosen] if chosen else [],
        }


def _named(
    artifacts: dict[int, types.Artifact], verdict: types.Artifact | None, name: str
) -> list[types.Artifact]:
    return [artifacts[verdict.get_int_custom_property(name)]] if verdict else []
