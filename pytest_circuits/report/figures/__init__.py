"""Findings as plotly figures: the same ones in a report's page and in a notebook."""

from pytest_circuits.report.figures.heatmaps import heat_maps
from pytest_circuits.report.figures.overview import mechanism, plot
from pytest_circuits.report.figures.paired import paired_samples
from pytest_circuits.report.figures.points import one_number, ranking, values_along
from pytest_circuits.report.figures.style import DARK
from pytest_circuits.report.figures.versions import Step, over_versions
from pytest_circuits.report.side_by_side import SideBySide

__all__ = [
    "DARK",
    "SideBySide",
    "Step",
    "heat_maps",
    "mechanism",
    "one_number",
    "over_versions",
    "paired_samples",
    "plot",
    "ranking",
    "values_along",
]
