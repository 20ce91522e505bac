"""The repository keeps its word: documented commands exist, versions are pinned, container files hold."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pkgutil
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

import llm_playground
from llm_playground.cli.main import find, main
from llm_playground.runs.recipe_files import list_recipes, read_recipe

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SHELLS = {"", "sh", "bash", "shell", "console"}
OTHERS = {"git", "cd", "docker", "curl", "source", "export", "npm"}  # programs that are not the project's


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of each fenced or indented block of a page; indented ones have no language."""
    text = page.read_text(encoding="utf-8")
    fence = re.compile(r"^ *```([a-z]*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    for match in fence.finditer(text):
        yield match[1], match[2]
    for match in re.finditer(r"(?:^(?: {4}|\t).*\n)+", fence.sub("\n", text), re.MULTILINE):
        if re.search(r"\n\n\Z|\A\Z", fence.sub("\n", text)[: match.start()]):
            yield "", match[0]


def commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every command line that the pages show."""
    found = []
    for page in PAGES:
        for language, text in blocks(page):
            if language not in SHELLS:
                continue
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line.strip().removeprefix("$ "), comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words and (language or re.match(r"make$|llmp$|\.venv/|python", words[0])):
                    found.append((page.name, words))
    return found


def check_llmp(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if words in (["--help"], ["--version"]):
        return
    found = find(words)
    assert found is not None, f"llmp {' '.join(words)}"
    name, rest = found
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help"])
    assert ended.value.code in (0, None)
    usage = capsys.readouterr().out
    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("--"):
            group = option.partition(".")[0]
            assert option in usage or f"{group}.SETTING" in usage, f"llmp {name} {option}"
        elif word.endswith((".yaml", ".yml")) and word.startswith("recipes/"):
            assert (ROOT / word).is_file(), word


@pytest.mark.parametrize(
    ("page", "words"),
    commands(),
    ids=lambda value: "_".join(value)[:60] if isinstance(value, list) else value,
)
def test_every_command_that_a_page_shows_exists(
    page: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    program, rest = words[0], words[1:]
    if program == "make":
        assert {word for word in rest if "=" not in word and word[0] != "-"} <= make_targets()
    elif program.removeprefix(".venv/bin/") == "llmp":
        check_llmp(rest, capsys)
    elif re.fullmatch(r"(\.venv/bin/)?python[0-9.]*", program):
        if rest and rest[0] == "-m":
            assert rest[1] == "venv" or importlib.util.find_spec(rest[1].split(".")[0]), rest
        elif rest and rest[0] != "-c":
            assert (ROOT / rest[0]).is_file(), rest
    else:
        assert program in OTHERS or os.access(ROOT / program, os.X_OK), words


def test_the_readme_shows_the_two_commands_that_are_all_it_takes() -> None:
    shown = [words for page, words in commands() if page == "README.md"]
    assert ["make", "run"] in shown and ["make", "test"] in shown


def test_every_make_target_in_the_text_of_a_page_exists() -> None:
    for page in PAGES:
        for target in re.findall(r"`make ([a-z][a-z-]*)`", page.read_text(encoding="utf-8")):
            assert target in make_targets(), f"{page.name}: make {target}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_python_that_a_page_shows_compiles() -> None:
    for page in PAGES:
        for language, text in blocks(page):
            if language in ("python", "py"):
                compile(text, str(page), "exec")


def test_make_targets_are_phony_and_help_lists_the_chief_ones() -> None:
    phony = set(re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)[1].split())  # type: ignore[index]
    assert phony == make_targets()
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"run", "setup", "dev", "web", "test", "test-all", "bench", "openapi"} <= listed


def test_tools_that_the_makefile_calls_are_there() -> None:
    for script in re.findall(r"python\)? (tools/\S+\.py)", read("Makefile")):
        assert (ROOT / script).is_file(), script
    for module in re.findall(r"python -m (llm_playground[\w.]*)", read("Makefile")):
        assert importlib.util.find_spec(module), module


def dockerfile() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", read("Dockerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def ignored_by_docker(path: str) -> bool:
    patterns = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    return any(fnmatch(path, pattern) or path.startswith(f"{pattern}/") for pattern in patterns)


def test_the_dockerfile_takes_the_steps_of_the_makefile() -> None:
    lines = dockerfile()
    assert lines[0][0] == "FROM"
    python = re.fullmatch(r"python:3\.(\d+)(-slim)?", lines[0][1])
    assert python and 11 <= int(python[1]) <= 13
    known = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "VOLUME", "EXPOSE", "CMD", "ENTRYPOINT", "ARG"}
    assert {name for name, _ in lines} <= known
    runs = [shlex.split(part) for name, text in lines if name == "RUN" for part in text.split("&&")]
    made = [words[1:] for words in runs if words[0] == "make"]
    assert made and all(set(targets) <= make_targets() for targets in made)
    assert {words[0] for words in runs} <= {"make", "apt-get", "rm", "useradd", "mkdir", "chown"}
    for name, text in lines:
        if name == "COPY":
            for source in text.split()[:-1]:
                assert (ROOT / source).exists() and not ignored_by_docker(source), source
    command = json.loads(dict(lines)["CMD"])
    assert command[0] == ".venv/bin/llmp" and find(command[1:]) == ("serve", [])


def test_what_the_container_copies_is_all_that_its_steps_need() -> None:
    copied = {source for name, text in dockerfile() if name == "COPY" for source in text.split()[:-1]}
    setup = set(re.findall(r'ROOT / \(?"([^"]+)"', read("tools/setup_env.py")))
    for needed in (setup | {"Makefile", "tools", "frontend", "recipes", "README.md", "LICENSE"}) - {".venv"}:
        assert needed in copied, needed


def test_the_containers_port_is_one_everywhere_and_is_guarded_by_a_token() -> None:
    lines = dockerfile()
    environment = dict(
        word.split("=", 1) for name, text in lines if name == "ENV" for word in shlex.split(text)
    )
    (exposed,) = [text for name, text in lines if name == "EXPOSE"]
    compose = yaml.safe_load(read("compose.yaml"))
    (service,) = compose["services"].values()
    (port,) = service["ports"]
    assert service["build"] == "."
    assert environment["HOST"] == "0.0.0.0" and environment["PORT"] == exposed == port.rpartition(":")[2]
    assert port.startswith("127.0.0.1:"), "only this machine reaches the container"
    assert "LLMP_TOKEN" in service["environment"]
    volumes = dict(volume.split(":") for volume in service["volumes"])
    assert set(volumes) == set(compose["volumes"]) and environment["LLMP_WORKSPACE"] in volumes.values()
    assert any(name == "USER" and text != "root" for name, text in lines)
    readme = read("README.md")
    assert "`HOST`" in readme and "`PORT`" in readme and "token" in readme


def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def normal(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")  # type: ignore[index]


def locked(name: str) -> dict[str, str]:
    lines = [line for line in read(name).splitlines() if line and not line.startswith("#")]
    pins = [re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)( ; .*)?", line) for line in lines]
    assert all(pins), [line for line, pin in zip(lines, pins, strict=True) if not pin]
    return {normal(pin[1]): pin[2] for pin in pins if pin}


def test_every_requirement_is_pinned() -> None:
    settings = project()["project"]
    runtime, development = locked("requirements.lock"), locked("requirements-dev.lock")
    wanted = {normal(item) for item in settings["dependencies"]}
    assert wanted <= set(runtime)
    extra = {normal(item) for item in settings["optional-dependencies"]["dev"]}
    assert wanted | extra <= set(development)
    assert runtime["torch"] == development["torch"] == "2.13.0"
    assert runtime.items() <= development.items(), "both sets hold the same versions"
    assert not (extra - wanted) & set(runtime) - {"httpx2"}, "development tools stay out of the runtime"


def test_no_lock_names_a_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "://" not in read(name)
    packages = json.loads(read("frontend/package-lock.json"))["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert "omit-lockfile-registry-resolved=true" in read("frontend/.npmrc")


def test_the_web_apps_packages_are_pinned() -> None:
    package = json.loads(read("frontend/package.json"))
    lock = json.loads(read("frontend/package-lock.json"))["packages"]
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name}: {version}"
        assert lock[f"node_modules/{name}"]["version"] == version


def test_the_package_carries_recipes_and_web_app() -> None:
    build = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"]["recipes"] == "llm_playground/recipes"
    assert "backend/llm_playground/web/**" in build["artifacts"]
    assert project()["project"]["scripts"]["llmp"] == "llm_playground.cli.main:main"


def packages() -> list[str]:
    found = pkgutil.walk_packages(llm_playground.__path__, "llm_playground.")
    return [module.name for module in found if module.ispkg]


@pytest.mark.parametrize("name", packages())
def test_every_public_name_can_be_imported(name: str) -> None:
    package = importlib.import_module(name)
    names = getattr(package, "__all__", [])
    for public in names:
        assert getattr(package, public) is not None and public in dir(package)
    if names:
        with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'no_such_name'"):
            _ = package.no_such_name


def test_every_recipe_is_valid_and_named_after_its_file() -> None:
    files = sorted((ROOT / "recipes").glob("*.yaml"))
    recipes = [read_recipe(path) for path in files]
    assert [recipe.name for recipe in recipes] == [path.stem for path in files]
    assert {recipe.name for recipe in list_recipes()} == {recipe.name for recipe in recipes}
    assert all(recipe.title and recipe.description for recipe in recipes)


def test_ci_runs_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash" and "set -euo pipefail" in lines
    assert any(re.match(r"make test\b", line) for line in lines)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_no_file_holds_a_path_of_somebodys_home() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    home = re.compile(rb"(?<![\w.%{}/-])/(?:home|Users)/([a-z]+)|/(?:root)/\.")
    invented = {b"ann", b"app", b"me", b"user", b"you"}
    here = str(ROOT).encode() if len(ROOT.parts) > 2 else None
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes())[:8000]:
            found = [match[0] for match in home.finditer(data) if match[1] not in invented]
            assert not found, f"{name}: {found[0]!r}"
            assert here is None or here not in data, name


def test_every_file_of_tests_says_what_it_holds() -> None:
    for path in (ROOT / "backend" / "tests").rglob("test_*.py"):
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert re.fullmatch(r'""".+\.(""")?', first), path.name


def test_the_version_is_that_of_the_package() -> None:
    assert project()["tool"]["hatch"]["version"]["path"] == "backend/llm_playground/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", llm_playground.__version__)
