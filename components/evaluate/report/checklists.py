"""What CLAIM and TRIPOD+AI ask of a report on a model, and how the card answers.

The items are put in our own words, under their numbers. Sources: A. S. Tejani et al., Checklist for
Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update, Radiology: Artificial Intelligence
6(4); G. S. Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378.
"""

from collections.abc import Mapping
from typing import NamedTuple

from components.strict_config import StrictConfig

UNKNOWN = "unknown"


class Item(NamedTuple):
    """A question, and which facts answer it.

    Attributes:
        number: In its checklist.
        question: What is asked for.
        facts: Keys of the facts that answer it; with none there is no answer.
    """

    number: str
    question: str
    facts: tuple[str, ...] = ()


class Answer(StrictConfig):
    """An item and its answer, or `unknown`."""

    number: str
    question: str
    answer: str


CLAIM = (
    Item("1", "Title names the AI method", ("method",)),
    Item("2", "Summary of design, methods, results and conclusions", ("summary",)),
    Item("3", "Background, intended use and role of the AI", ("intended_use",)),
    Item("4", "Aims and hypotheses", ("aim",)),
    Item("5", "Prospective or retrospective", ("retrospective",)),
    Item("6", "Kind of study", ("study",)),
    Item("7", "Where the data come from", ("data",)),
    Item("8", "Which images were taken, and which not", ("selection",)),
    Item("9", "Preprocessing", ("preprocessing",)),
    Item("10", "Parts of images or of the data that were selected", ("subsets",)),
    Item("11", "De-identification", ("identity",)),
    Item("12", "Missing data", ("missing_data",)),
    Item("13", "How the images were acquired"),
    Item("14", "Definition of the reference standard", ("reference",)),
    Item("15", "Why this reference standard"),
    Item("16", "Who annotated the reference standard"),
    Item("17", "How the test images were annotated"),
    Item("18", "Agreement within and between annotators"),
    Item("19", "How images were assigned to partitions", ("split",)),
    Item("20", "At which level the partitions are disjoint", ("disjoint",)),
    Item("21", "How the size of the test data was chosen", ("sample_size",)),
    Item("22", "The model", ("model",)),
    Item("23", "Software", ("software",)),
    Item("24", "How parameters were initialised", ("initialisation",)),
    Item("25", "Training", ("training",)),
    Item("26", "How the final model was selected", ("choice",)),
    Item("27", "Ensembles", ("ensemble",)),
    Item("28", "Metrics", ("metrics",)),
    Item("29", "Uncertainty and significance", ("uncertainty",)),
    Item("30", "Robustness", ("robustness",)),
    Item("31", "Explanations", ("explanation",)),
    Item("32", "Internal testing", ("internal",)),
    Item("33", "External testing", ("external",)),
    Item("34", "Registration of a trial"),
    Item("35", "Numbers of included and excluded images", ("numbers",)),
    Item("36", "Demographic and clinical characteristics by partition"),
    Item("37", "Performance with its uncertainty", ("performance",)),
    Item("38", "Diagnostic performance and its precision", ("diagnostic",)),
    Item("39", "Analysis of errors", ("errors",)),
    Item("40", "Limitations", ("limits",)),
    Item("41", "Implications for practice", ("practice",)),
    Item("42", "Where the full protocol is", ("protocol",)),
    Item("43", "Availability of software, model and data", ("availability",)),
    Item("44", "Funding"),
)

TRIPOD_AI = (
    Item("1", "Title: development or evaluation of a model", ("method",)),
    Item("2", "Abstract", ("summary",)),
    Item("3a", "Healthcare context and reason for the model", ("aim",)),
    Item("3b", "Target population, purpose and users", ("intended_use",)),
    Item("3c", "Known inequalities between groups of people"),
    Item("4", "Objectives", ("study",)),
    Item("5a", "Sources of data", ("data",)),
    Item("5b", "Dates of the data"),
    Item("6a", "Setting of the study"),
    Item("6b", "Eligibility", ("selection",)),
    Item("6c", "Treatments received"),
    Item("7", "Preparation of the data", ("preprocessing",)),
    Item("8a", "The outcome that is predicted", ("reference",)),
    Item("8b", "Who assessed the outcome"),
    Item("8c", "Blinding of the assessment"),
    Item("9a", "Choice of predictors", ("predictors",)),
    Item("9b", "Definition of predictors", ("preprocessing",)),
    Item("9c", "Assessment of predictors by people", ("no_people",)),
    Item("10", "Sample size", ("sample_size",)),
    Item("11", "Missing data", ("missing_data",)),
    Item("12a", "How the data were used and partitioned", ("split", "disjoint")),
    Item("12b", "How predictors were handled", ("preprocessing",)),
    Item("12c", "Type of model, building, hyperparameters", ("model", "training")),
    Item("12d", "Differences between hospitals or groups", ("slices",)),
    Item("12e", "Measures and plots of performance", ("metrics",)),
    Item("12f", "Updating of the model", ("updating",)),
    Item("12g", "How predictions are computed", ("prediction",)),
    Item("13", "Class imbalance", ("imbalance",)),
    Item("14", "Fairness"),
    Item("15", "Output of the model", ("output",)),
    Item("16", "Differences between training and evaluation data", ("disjoint",)),
    Item("17", "Ethical approval"),
    Item("18a", "Funding"),
    Item("18b", "Conflicts of interest"),
    Item("18c", "Protocol", ("protocol",)),
    Item("18d", "Registration"),
    Item("18e", "Availability of data", ("availability",)),
    Item("18f", "Availability of code", ("availability",)),
    Item("19", "Involvement of patients and the public"),
    Item("20a", "Flow of images through the study", ("numbers",)),
    Item("20b", "Characteristics of the people"),
    Item("20c", "Comparison of development and evaluation data", ("internal",)),
    Item("21", "Images and outcomes in each analysis", ("numbers",)),
    Item("22", "The full model", ("availability",)),
    Item("23a", "Performance with intervals, subgroups too", ("performance",)),
    Item("23b", "Differences in performance between groups", ("slices",)),
    Item("24", "Results of updating", ("comparison",)),
    Item("25", "Interpretation, fairness included", ("practice",)),
    Item("26", "Limitations", ("limits",)),
    Item("27a", "Poor or unavailable input", ("poor_input",)),
    Item("27b", "What users must know and do", ("practice",)),
    Item("27c", "Next steps", ("next_steps",)),
)


def answer(items: tuple[Item, ...], facts: Mapping[str, str]) -> tuple[Answer, ...]:
    """Answers a checklist.

    Args:
        items: The checklist.
        facts: What is known, by key.

    Returns:
        An answer an item, `unknown` where a fact is not there.
    """
    return tuple(
        Answer(
            number=item.number,
            question=item.question,
            answer=" ".join(facts[key] for key in item.facts if key in facts) or UNKNOWN,
        )
        for item in items
    )
