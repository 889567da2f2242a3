"""Numbers to as many digits as they are worth."""

from __future__ import annotations


def rounded(value: object) -> object:
    """What JSON can hold, with the floats in it to four digits behind the point."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value
