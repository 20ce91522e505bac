"""Commands that run one stage: the options are its configuration."""

from __future__ import annotations

import typing

from llm_playground.cli.options import read_config, take
from llm_playground.core.config import to_yaml
from llm_playground.core.errors import ConfigError
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor
from llm_playground.runs.launch import PARALLEL_STAGES
from llm_playground.runs.queueing import new_run_id
from llm_playground.runs.stages import get_stage

_EXTRA = """
also: --config FILE (a YAML file to start from), --print-config (print the YAML and do nothing),
      --seed N (default 0), --detach (do not wait for the end)"""
_EXTRA_TOGETHER = """
      --nproc N (processes on a machine: short for --training.processes), --nnodes N (machines),
      --print-script torchrun|slurm|skypilot (print what starts it on several machines, and do nothing)"""


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
    together = stage.name in PARALLEL_STAGES
    script = None
    if together:
        for short, option in (("--nproc", "--training.processes"), ("--nnodes", "--training.nodes")):
            given = take(rest, short)
            rest += [] if given is None else [option, given]
        script = take(rest, "--print-script")
    try:
        config = read_config(stage.config_class, name, rest, file)
    except SystemExit as exit:
        if exit.code in (0, None):
            for field, about in stage.config_class.model_fields.items():
                if typing.get_origin(about.annotation) is dict:  # any setting may follow: tyro shows none
                    print(f"\n--{field}.SETTING VALUE: {about.description}")
            print(_EXTRA + (_EXTRA_TOGETHER if together else ""))
        raise
    if only_print:
        print(to_yaml(config), end="")
        return 0
    if script is not None:
        from llm_playground.runs.clusters import cluster_script

        run_id = new_run_id(stage.name)
        print(cluster_script(script, stage.name, config, run_id, int(seed or 0)), end="")
        return 0
    supervisor = Supervisor(Workspace())
    record = supervisor.start(stage.name, config.model_dump(mode="json"), seed=int(seed or 0))
    if detach:
        print(record.id)
        return 0
    from llm_playground.cli.follow import follow

    return follow(supervisor, record.id)
