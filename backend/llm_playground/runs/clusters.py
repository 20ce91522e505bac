"""Scripts that start a run on several machines: by torchrun, as a Slurm job, as a SkyPilot task.

The machines share the workspace's folder. Each script holds the run's settings and its id, so that starting
it again after a failure goes on with the run.
"""

from __future__ import annotations

import json
import shlex
import textwrap
from typing import Any

from llm_playground.core.config import StageConfig, to_yaml
from llm_playground.core.devices import THREAD_ENVIRONMENT
from llm_playground.core.errors import ConfigError

KINDS = ("torchrun", "slurm", "skypilot")
_MARK = "END_OF_SETTINGS"
_PORT = 29500


def cluster_script(kind: str, stage: str, config: StageConfig, run_id: str, seed: int = 0) -> str:
    """Return the script of a run.

    Args:
        kind: torchrun, slurm or skypilot.
        stage: a stage that several processes share; its configuration says how many, on how many machines.
        run_id: of the run, new.

    Raises:
        ConfigError: an unknown kind.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"--print-script: {kind!r} is unknown.", hint=f"Use {', '.join(KINDS)}.", field="print_script"
        )
    training: Any = config.training  # type: ignore[attr-defined]
    parts = {
        "run_id": run_id,
        "nodes": training.nodes,
        "processes": training.processes,
        "settings": f"<<'{_MARK}'\n{to_yaml(config)}{_MARK}",
        "work": f"-m llm_playground.runs.worker --stage {shlex.quote(stage)} --run-id {run_id} --seed {seed}",
        "environment": "\n".join(f"export {name}={value}" for name, value in _environment().items()),
        "port": _PORT,
        "gpus": training.device != "cpu",
    }
    return {"torchrun": _torchrun, "slurm": _slurm, "skypilot": _skypilot}[kind](parts)


def _environment() -> dict[str, str]:
    return {**THREAD_ENVIRONMENT, "TORCH_CPP_LOG_LEVEL": "ERROR", "TOKENIZERS_PARALLELISM": "false"}


def _torchrun(parts: dict[str, Any]) -> str:
    return """#!/usr/bin/env bash
# {nodes} x {processes} processes by torchrun. Run this on every machine, each with its number:
#   MASTER_ADDR=name-of-the-first NODE_RANK=0 LLMP_WORKSPACE=/shared/folder bash this-file
# All machines must see the folder LLMP_WORKSPACE. After a failure run it again: the training goes on.
set -euo pipefail
: "${{LLMP_WORKSPACE:?set it to the workspace, a folder that all machines see}}"
export LLMP_WORKSPACE
{environment}
settings="$(mktemp)"
trap 'rm -f "$settings"' EXIT
cat > "$settings" {settings}
"${{PYTHON:-python}}" -m torch.distributed.run \\
  --nnodes {nodes} --nproc-per-node {processes} --node-rank "${{NODE_RANK:-0}}" \\
  --master-addr "${{MASTER_ADDR:-localhost}}" --master-port "${{MASTER_PORT:-{port}}}" \\
  {work} --config "$settings"
""".format(**parts)


def _slurm(parts: dict[str, Any]) -> str:
    cards = "\n#SBATCH --gpus-per-node={processes}".format(**parts) if parts["gpus"] else ""
    return """#!/usr/bin/env bash
#SBATCH --job-name={run_id}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1{cards}
#SBATCH --output={run_id}-%j.log
#SBATCH --requeue
# {nodes} x {processes} processes as a Slurm job: LLMP_WORKSPACE=/shared/folder sbatch this-file
# All machines must see the folder LLMP_WORKSPACE. After a failure submit it again: the training goes on.
set -euo pipefail
: "${{LLMP_WORKSPACE:?set it to the workspace, a folder that all machines see}}"
export LLMP_WORKSPACE
{environment}
export PYTHON="${{PYTHON:-python}}"
export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export MASTER_PORT="${{MASTER_PORT:-{port}}}"
export SETTINGS="$LLMP_WORKSPACE/{run_id}.yaml"
cat > "$SETTINGS" {settings}
srun bash -c 'exec "$PYTHON" -m torch.distributed.run \\
  --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node {processes} --node-rank "$SLURM_NODEID" \\
  --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT" \\
  {work} --config "$SETTINGS"'
""".format(cards=cards, **parts)


def _skypilot(parts: dict[str, Any]) -> str:
    resources = f"accelerators: H100:{parts['processes']}" if parts["gpus"] else 'cpus: "4+"'
    run = """set -euo pipefail
{environment}
MASTER_ADDR="$(echo "$SKYPILOT_NODE_IPS" | head -n 1)"
settings="$(mktemp)"
cat > "$settings" {settings}
exec "${{PYTHON:-.venv/bin/python}}" -m torch.distributed.run \\
  --nnodes "$SKYPILOT_NUM_NODES" --nproc-per-node {processes} --node-rank "$SKYPILOT_NODE_RANK" \\
  --master-addr "$MASTER_ADDR" --master-port "${{MASTER_PORT:-{port}}}" \\
  {work} --config "$settings"
""".format(**parts)
    size = f"{parts['nodes']} x {parts['processes']}"
    return f"""# {size} processes as a SkyPilot task, from a checkout of this project: sky launch this-file
# All machines must see the folder LLMP_WORKSPACE: mount a volume there, with the data in it. After a failure
# launch it again: the training goes on.
name: {json.dumps(parts['run_id'])}
num_nodes: {parts['nodes']}
workdir: .
resources:
  {resources}
envs:
  LLMP_WORKSPACE: /mnt/llmp
setup: |
  make runtime
run: |
{textwrap.indent(run, '  ')}"""
