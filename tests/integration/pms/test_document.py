"""The published document and the fake system say the same: checked by schemathesis."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sandbox.pms.app import Addresses
from sandbox.pms.client import PmsControl

DOCUMENT = Path("services/booking/pms/generic/openapi.yaml")
EXAMPLES = 5
"""For each operation, with a fixed seed: the same requests every time."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

OPERATIONS = [
    (method, path)
    for path, operations in yaml.safe_load(DOCUMENT.read_text())["paths"].items()
    for method in operations
    if method != "parameters"
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_the_fake_system_keeps_the_document(
    method: str, path: str, addresses: Addresses, pms: PmsControl
) -> None:
    schema = schemathesis.openapi.from_path(DOCUMENT)
    operation = schema[path][method.upper()]

    @seed(20261126)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def every_answer_is_in_the_document(case: schemathesis.Case[Any]) -> None:
        case.path_parameters["property_id"] = "h1"
        response = case.call(
            base_url=addresses.url, headers={"Authorization": "Bearer h1"}, timeout=5
        )
        case.validate_response(response, checks=CHECKS)

    await asyncio.to_thread(every_answer_is_in_the_document)
