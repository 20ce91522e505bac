"""The OpenAPI description: the web app's copy is up to date, and every answer conforms to it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tiny_workspace import Tiny, WritingSupervisor

from llm_playground.api import Settings, create_app
from llm_playground.api.openapi import openapi_text

pytestmark = pytest.mark.xdist_group("schema")  # one worker makes what these tests share
FRONTEND = Path(__file__).resolve().parents[3] / "frontend"


def test_the_web_apps_description_of_the_api_is_up_to_date() -> None:
    assert (FRONTEND / "openapi.json").read_text() == openapi_text(), "run `make openapi`"


def test_the_web_apps_types_are_those_of_the_description(tmp_path: Path) -> None:
    generator = FRONTEND / "node_modules" / ".bin" / "openapi-typescript"
    if not generator.exists() or not shutil.which("node"):
        pytest.skip("the web app's packages are not installed")
    made = tmp_path / "api.gen.ts"
    command = [str(generator), "openapi.json", "--default-non-nullable=false", "-o", str(made)]
    subprocess.run(command, cwd=FRONTEND, check=True, capture_output=True)
    assert (FRONTEND / "lib" / "api.gen.ts").read_text() == made.read_text(), "run `make openapi`"


def test_every_operation_is_described(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["description"] and operation["tags"] for operation in operations)


CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_headers_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.unsupported_method,
]
HOST = {"host": "127.0.0.1:8000"}


@pytest.fixture(scope="module")
def place(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return tiny.copy(tmp_path_factory.mktemp("schema") / "workspace")


@pytest.fixture(scope="module")
def described(place: Tiny) -> Any:
    """The API over a workspace of its own in which nothing is started, without the endless stream."""
    app = create_app(place.workspace, Settings(web=None))
    app.state.llmp.supervisor = WritingSupervisor(place.workspace)
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=HOST).exclude(
        operation_id="stream_events"
    )


OPERATIONS = [
    (method.upper(), path)
    for path, methods in json.loads(openapi_text())["paths"].items()
    for method, operation in methods.items()
    if operation["operationId"] != "stream_events"
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@settings(
    max_examples=12 if settings.default.derandomize else 100,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(data=st.data())
def test_whatever_is_asked_the_answer_conforms(
    described: Any, method: str, path: str, data: st.DataObject
) -> None:
    case = data.draw(described[path][method].as_strategy())
    case.call_and_validate(checks=CHECKS, headers=HOST)


def test_the_answers_to_real_ids_conform(described: Any, place: Tiny) -> None:
    conversation = described["/api/v1/playground/conversations"]["POST"].Case(body={"title": "x"})
    made = conversation.call_and_validate(checks=CHECKS, headers=HOST).json()
    ids = {
        "run_id": place.runs["base"],
        "model_id": place.chat,
        "artifact_id": place.score,
        "tokenizer": place.tokenizer,
        "conversation_id": made["id"],
    }
    names = {"/api/v1/stages/{name}": "sft", "/api/v1/recipes/{name}": "quickstart"}
    two = ",".join([place.runs["base"], place.runs["chat"]])
    queries = {
        "/api/v1/runs/curves": {"ids": two},
        "/api/v1/runs/compare": {"ids": two},
        "/api/v1/runs/{run_id}/batch": {"step": 3},
    }
    seen = 0
    for result in described.get_all_operations():
        operation = result.ok()
        if operation.method.upper() == "GET":
            values = {**ids, "name": names.get(operation.path)}
            wanted = {item.name for item in operation.path_parameters}
            case = operation.Case(
                path_parameters={name: values[name] for name in wanted}, query=queries.get(operation.path, {})
            )
            assert case.call_and_validate(checks=CHECKS, headers=HOST).status_code == 200, operation.label
            seen += 1
    assert seen >= 18
    body = {"model": place.chat, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
    for stream in (False, True):
        case = described["/v1/chat/completions"]["POST"].Case(body={**body, "stream": stream})
        assert case.call_and_validate(checks=CHECKS, headers=HOST).status_code == 200
