"""What is promised, tested; `conftest.py` has the servers."""

import pkgutil

import pytest

# Helpers assert as well, and what they compared is worth telling as much as in a test.
pytest.register_assert_rewrite(*(one.name for one in pkgutil.iter_modules(__path__, "tests.")))
