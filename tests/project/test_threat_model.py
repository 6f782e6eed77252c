"""The threat model's table is what was measured, and its links lead somewhere."""

from __future__ import annotations

import re

from scripts import threat_costs


def test_the_costs_are_those_of_the_kept_measurements() -> None:
    page = threat_costs.PAGE.read_text("utf-8")

    assert threat_costs.build_page(page) == page, "run: python -m scripts.threat_costs"
    assert len(threat_costs.build_rows()) == 5


def test_another_measurement_makes_another_table() -> None:
    page = threat_costs.PAGE.read_text("utf-8")
    (gas,) = {row[1] for row in threat_costs.build_rows() if row[0].endswith("against one rival")}

    assert threat_costs.build_page(page.replace(f"{gas:,}", f"{gas + 1:,}")) == page


def test_every_file_that_it_names_is_there() -> None:
    text = threat_costs.PAGE.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (threat_costs.PAGE.parent / target).exists(), target
    for named in re.findall(r"\((?:see )?(docs/[\w/.-]+)\)", text):
        assert (threat_costs.ROOT / named).exists(), named
