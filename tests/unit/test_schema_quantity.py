"""Quantities: the grammar, the canonical spelling, exact arithmetic."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import quantity

SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal(1000),
    "M": Decimal(10**6), "G": Decimal(10**9), "Ki": Decimal(1024), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"),
        ("500m", "500m"),
        ("1024Mi", "1Gi"),
        ("1500Mi", "1500Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Gi", "107374182400m"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("10e5", "1e6"),
        ("0", "0"),
        ("0Gi", "0"),
        ("512Ki", "512Ki"),
        ("1023Ki", "1023Ki"),
        ("+3", "3"),
        ("-5", "-5"),
        ("100n", "100n"),
        ("0.0000000001", "1n"),
        (2, "2"),
        (0.25, "250m"),
    ],
)
def test_it_writes_one_spelling_per_amount(text, canonical):
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "1.2.3", "1 Gi", "1gi", "1K", ".", "1e", "-", "0x10", "1Gi ", "٣", "1mm", None, True, [], {}],
)
def test_it_refuses_what_is_no_quantity(text):
    assert not quantity.valid(text)
    with pytest.raises(quantity.QuantityError):
        quantity.canonical(text)


@pytest.mark.parametrize(("text", "millis"), [("1", 1000), ("250m", 250), ("1n", 1), ("1500u", 2), ("0", 0), (2, 2000)])
def test_cpu_is_counted_in_thousandths_rounded_up(text, millis):
    assert quantity.cpu_millis(text) == millis


@pytest.mark.parametrize(("text", "count"), [("1Ki", 1024), ("1k", 1000), ("100m", 1), ("1.5Ki", 1536), ("1e3", 1000)])
def test_bytes_are_rounded_up(text, count):
    assert quantity.bytes_(text) == count


@pytest.mark.parametrize("text", ["1e9999", "9" * 60, "12E"])
def test_it_caps_huge_amounts_instead_of_computing_them(text):
    assert quantity.bytes_(text) == 2**63 - 1


def test_tiny_exponents_round_up_to_the_smallest_amount():
    assert quantity.canonical("1e-999") == "1e-9"


amounts = st.builds(
    lambda sign, whole, fraction, suffix: (f"{sign}{whole}{'.' + fraction if fraction else ''}{suffix}", suffix),
    st.sampled_from(["", "-"]),
    st.integers(0, 10**6),
    st.text("0123456789", max_size=4),
    st.sampled_from(sorted(SUFFIXES)),
)


@given(amounts)
def test_the_canonical_spelling_is_stable_and_means_the_same(amount):
    text, _ = amount
    once = quantity.canonical(text)
    assert quantity.canonical(once) == once
    assert quantity.compare(once, text) == 0


@given(amounts, amounts)
def test_comparison_agrees_with_decimal_arithmetic(one, other):
    def exact(amount):
        text, suffix = amount
        value = Decimal(text.removesuffix(suffix) if suffix else text) * SUFFIXES[suffix]
        nano = value * 10**9
        return nano.to_integral_value(rounding="ROUND_UP")

    first, second = exact(one), exact(other)
    assert quantity.compare(one[0], other[0]) == (first > second) - (first < second)


@given(st.integers(0, 2**62))
def test_formatted_bytes_read_back(count):
    assert quantity.bytes_(quantity.format_bytes(count)) == count


@given(st.text(max_size=12))
def test_any_text_is_either_valid_or_refused_with_a_quantity_error(text):
    try:
        quantity.canonical(text)
    except quantity.QuantityError:
        assert not quantity.valid(text)
    else:
        assert quantity.valid(text)
