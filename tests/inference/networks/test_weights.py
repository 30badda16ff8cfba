"""Weights become safetensors once, and only from the file that is pinned."""

from dataclasses import replace
from pathlib import Path

import pytest

from inference.models import FFDNET, HED, SPAN_X2, SPAN_X2_SOURCE, KerasSource, OwnSource
from inference.networks import weights


def test_prepared_once(tmp_path: Path) -> None:
    """The second call leaves the file alone and gives the same digest."""
    first = weights.prepare(SPAN_X2, tmp_path)
    written_ns = first.path.stat().st_mtime_ns
    assert weights.prepare(SPAN_X2, tmp_path) == first
    assert first.path.stat().st_mtime_ns == written_ns


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    """What does not match its digest is not served."""
    made = weights.prepare(SPAN_X2, tmp_path)
    made.path.write_bytes(b"damaged")
    assert weights.prepare(SPAN_X2, tmp_path) == made
    assert weights.digest(made.path) == made.sha256


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """A package with other weights under the same name does not slip in."""
    other = replace(SPAN_X2, source=replace(SPAN_X2_SOURCE, bin_sha256="0" * 64))
    with pytest.raises(weights.WeightsMissing, match="pinned"):
        weights.prepare(other, tmp_path)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    """The message says what to install."""
    other = replace(SPAN_X2, source=replace(SPAN_X2_SOURCE, distribution="no-such-package"))
    with pytest.raises(weights.WeightsMissing, match="install no-such-package"):
        weights.prepare(other, tmp_path)


def test_our_own_are_taken_as_they_are(tmp_path: Path) -> None:
    assert isinstance(FFDNET.source, OwnSource)
    assert weights.prepare(FFDNET, tmp_path).sha256 == FFDNET.source.sha256


def test_our_own_are_pinned_too(tmp_path: Path) -> None:
    """A file that somebody trained anew is not served under the old one's name."""
    assert isinstance(FFDNET.source, OwnSource)
    other = replace(FFDNET, source=replace(FFDNET.source, sha256="0" * 64))
    with pytest.raises(weights.WeightsMissing, match="check it out"):
        weights.prepare(other, tmp_path)


def test_keras_files_are_pinned_too(tmp_path: Path) -> None:
    assert isinstance(HED.source, KerasSource)
    other = replace(HED, source=replace(HED.source, sha256="0" * 64))
    with pytest.raises(weights.WeightsMissing, match="pinned"):
        weights.prepare(other, tmp_path)
