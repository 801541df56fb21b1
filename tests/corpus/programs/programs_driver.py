"""The program itself ends badly, on the driver: imports, arguments, exceptions of every shape, exit codes, signals."""

from __future__ import annotations

from tests.corpus.program import Program

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-import-driver",
        title="A module that is not installed, on the driver",
        primary="app.import-error",
        why="main.py imports a package that is not there.",
        evidence="ModuleNotFoundError: No module named 'lightgbm_plus'",
        source_code="import ray\nimport lightgbm_plus\n\nray.init()\nprint(lightgbm_plus.__version__)\n",
    ),
    Program(
        id="m-task-nested-3",
        title="A task that called a task that called a task that divides by zero",
        primary="app.task-exception",
        acceptable=("app.exception",),
        why="The innermost of three nested tasks raised ZeroDivisionError.",
        evidence="ZeroDivisionError: division by zero",
        source_code="""import ray

ray.init()


@ray.remote(num_cpus=0)
def ratio(done, total):
    return done / total


@ray.remote(num_cpus=0)
def summarise(shard):
    return ray.get(ratio.remote(shard, 0))


@ray.remote(num_cpus=0)
def run(shards):
    return ray.get([summarise.remote(each) for each in range(shards)])


print("starting 3 shards")
print(ray.get(run.remote(3)))
""",
    ),
)
