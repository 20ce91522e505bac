"""Commands that run one stage: the options are its configuration."""

from __future__ import annotations

import typing

from llm_playground.cli.options import read_config, take
from llm_playground.core.config import to_yaml
from llm_playground.core.errors import ConfigError
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor
from llm_playground.runs.stages import get_stage

_EXTRA = """
also: --config FILE (a YAML file to start from), --print-config (print the YAML and do nothing),
      --seed N (default 0), --detach (do not wait for the end)"""


def command(name: str, arguments: list[str]) -> int:
    """Run the stage that a command stands for, in a process of its own, and follow it."""
    rest = list(arguments)
    file = take(rest, "--config")
    only_print = take(rest, "--print-config", flag=True) is not None
    detach = take(rest, "--detach", flag=True) is not None
    seed = take(rest, "--seed") if name != "data prepare" else None
    if seed is not None and not seed.isdecimal():
        raise ConfigError(f"--seed: {seed!r} is not a whole number of 0 or more.", field="seed")
    stage = get_stage(name.replace(" ", "."))
    try:
        config = read_config(stage.config_class, name, rest, file)
    except SystemExit as exit:
        if exit.code in (0, None):
            for field, about in stage.config_class.model_fields.items():
                if typing.get_origin(about.annotation) is dict:  # any setting may follow: tyro shows none
                    print(f"\n--{field}.SETTING VALUE: {about.description}")
            print(_EXTRA)
        raise
    if only_print:
        print(to_yaml(config), end="")
        return 0
    supervisor = Supervisor(Workspace())
    record = supervisor.start(stage.name, config.model_dump(mode="json"), seed=int(seed or 0))
    if detach:
        print(record.id)
        return 0
    from llm_playground.cli.follow import follow

    return follow(supervisor, record.id)
