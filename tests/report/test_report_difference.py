"""The table of what differs: alike differences of a stage share a line, and nothing is lost in that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vertebra.costs.difference import difference
from vertebra.report.cost_data import difference_data
from vertebra.report.difference_table import HEAD, SIGNS, _ranges, legend, rows, share, signed, total_rows
from vertebra.zoo import architecture


def test_seventeen_blocks_are_one_line():
    """He et al. 2016, table 1: ResNet-101 has 23 blocks in its third stage, where ResNet-50 has 6."""
    found = difference(architecture("resnet50"), architecture("resnet101"))
    assert rows(found.changes) == [
        ("+", "+19.0 M", "+3.71 G", "+5.12 M", "stages.2.6-22", "bottleneck(out=1024)"),
    ]
    assert all(len(row) == len(HEAD) for row in rows(found.layers))


def test_lines_of_a_stage():
    arch = architecture("resnet50")
    table = rows(difference(arch, arch.with_se(16)).changes)
    assert [row[4] for row in table] == ["stages.0.0-2", "stages.1.0-3", "stages.2.0-5", "stages.3.0-2"]
    assert {row[0] for row in table} == {"~"} and legend(table) == "~ changed"
    layers = rows(difference(arch, arch.with_se(16)).layers)
    assert [row[4] for row in layers] == [f"{row[4]}.attention" for row in table]


def test_nodes_fed_with_other_maps_are_one_line_a_part():
    arch = architecture("resnet18")
    table = rows(difference(arch, arch.with_resolution(256)).changes)
    assert [(row[0], row[4]) for row in table] == [("=", "stem"), *(("=", f"stages.{index}") for index in range(4))]
    assert legend(table) == "= the same, for a map of another shape"


@given(st.sets(st.integers(0, 40), min_size=1))
def test_ranges_lose_no_number(numbers):
    runs = [list(map(int, run.split("-"))) for run in _ranges(sorted(numbers)).split(",")]
    assert [number for run in runs for number in range(run[0], run[-1] + 1)] == sorted(numbers)


def test_signs_and_shares():
    assert (signed(2_359_296), signed(-528_128), signed(0)) == ("+2.36 M", "-528 k", "0")
    assert (share(35, 1000), share(-1, 2), share(0, 5), share(5, 0)) == ("+3.5%", "-50.0%", "-", "-")
    assert (share(-506_880, 1_814_073_344), share(1, 10**9)) == ("-0.03%", "~0%")
    assert set(SIGNS.values()) == set("-+~=>")


def test_totals_and_data():
    found = difference(architecture("resnet18"), architecture("resnet34"))
    table = {row[0]: row[1:] for row in total_rows(found)}
    # torchvision 0.28.0
    assert table["params"] == ("11,689,512", "21,797,672", "+10,108,160", "+86.5%")
    assert table["pixels"] == ("224", "224", "0", "-")
    data = difference_data(found)
    assert data["difference"]["params"] == 10_108_160 == sum(change["params"] for change in data["changes"])
    assert [part["part"] for part in data["parts"]] == ["stem", *(f"stages.{index}" for index in range(4)), "head"]
    assert data["before"]["name"] == "resnet18" and data["changes"][0]["before"] is None
