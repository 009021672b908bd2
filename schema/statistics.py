"""How the statistics that the schema is compared with are computed."""

from typing import TYPE_CHECKING

from schema import SCHEMA_FILE

if TYPE_CHECKING:
    import tensorflow_data_validation as tfdv

STATISTICS_FILE = "FeatureStats.pb"
"""A split's statistics, as StatisticsGen names the file."""


def statistics_options() -> "tfdv.StatsOptions":
    """Options for StatisticsGen.

    Image-domain statistics tell from an image's first bytes what format it has. Nothing is decoded,
    so a damaged image cannot make them fail. Statistics list values, and the names of files may
    name patients: what the schema does not know, `image/filename` among it, has none.

    Returns:
        TFDV's options, the schema left to StatisticsGen.
    """
    import tensorflow_data_validation as tfdv

    schema = tfdv.load_schema_text(str(SCHEMA_FILE))
    return tfdv.StatsOptions(
        feature_allowlist=[feature.name for feature in schema.feature],
        enable_semantic_domain_stats=True,
        num_histogram_buckets=20,  # for the eye
        num_quantiles_histogram_buckets=10,  # for drift: its thresholds were measured with ten
    )
