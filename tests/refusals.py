"""How tests expect a refusal."""

import re

import pytest


def refuses(sentence, kind=ValueError):
    """Expect a refusal that contains the sentence, word for word."""
    return pytest.raises(kind, match=re.escape(sentence))
