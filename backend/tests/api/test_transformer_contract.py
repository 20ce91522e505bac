"""The documented examples of the transformer routes work, and their answers are as described."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis

from llm_playground.api import Settings, create_app
from llm_playground.core.workspace import Workspace

HOST = {"host": "127.0.0.1:8000"}
CHECKS = [
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_headers_conformance,
    schemathesis.checks.response_schema_conformance,
]
OPERATIONS = 17


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    workspace = Workspace(tmp_path_factory.mktemp("described") / "workspace")
    app = create_app(workspace, Settings(web=None))
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=HOST).include(tag="transformer")


def test_the_documented_examples_are_answered_as_described(described: Any) -> None:
    schemas = described.raw_schema["components"]["schemas"]
    seen = 0
    for result in described.get_all_operations():
        operation = result.ok()
        seen += 1
        body = operation.definition.raw.get("requestBody")
        if body is None:
            answer = operation.Case().call_and_validate(checks=CHECKS, headers=HOST)
            assert answer.status_code == 200, operation.label
            continue
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for example in schemas[name]["examples"]:
            case = operation.Case(body=example)
            answer = case.call_and_validate(checks=CHECKS, headers=HOST)
            assert answer.status_code == 200, (operation.label, answer.text)
    assert seen == OPERATIONS


@pytest.mark.parametrize("model", ["preset:tiny-gpt2", "preset:tiny-encoder", "preset:tiny-mixture"])
def test_answers_about_other_architectures_are_as_described(described: Any, model: str) -> None:
    texts = {"model": model, "text": "Mia has a dog.\nLeo", "source_text": "Mia has a cat.\nLeo"}
    changes = [{"part": "ffn", "layer": 1, "kind": "patch"}]
    more = {
        "/attention": {},
        "/attention/thumbnails": {"kind": "rollout"},
        "/attention/map": {"layer": 1, "head": 3},
        "/trace": {},
        "/lens": {},
        "/patch": {"interventions": changes, "source_text": texts["source_text"], "targets": [1]},
        "/patch/sweep": {"source_text": texts["source_text"]},
    }
    for path, values in more.items():
        operation = described[f"/api/v1/transformer{path}"]["POST"]
        case = operation.Case(body={"model": model, "text": texts["text"], **values})
        answer = case.call_and_validate(checks=CHECKS, headers=HOST)
        assert answer.status_code == 200, (path, answer.text)
