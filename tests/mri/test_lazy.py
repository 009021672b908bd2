"""The tables of commands say what the commands say of themselves."""

import subprocess
import sys

import typer

from mri.lazy import LazyGroup
from mri.main import app


def _groups(group: LazyGroup, name: str):
    yield name, group
    for one, command in group.commands.items():
        if isinstance(command, LazyGroup):
            yield from _groups(command, f"{name} {one}")


def test_a_line_of_a_table_is_the_first_of_the_commands_own_help():
    mri = typer.main.get_command(app)
    mri.load_all()
    told = {
        f"{name} {one}": (line, group.commands[one].help.split("\n\n")[0].replace("\n", " "))
        for name, group in _groups(mri, "mri")
        for one, (_, line) in group.table.items()
    }
    assert {"mri run", "mri data sample", "mri serve bench", "mri kubeflow runs"} <= set(told)
    for command, (line, own) in told.items():
        assert line == own, command


def test_a_command_is_loaded_with_no_other():
    code = (
        "import sys; from mri.main import app\n"
        "try: app(['data', 'sample', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(name for name in sys.modules if name.startswith('mri.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "mri.data mri.data.sample mri.lazy mri.main"


def test_no_command_loads_tensorflow_to_explain_itself():
    code = (
        "import sys, typer; from mri.main import app\n"
        "typer.main.get_command(app).load_all()\n"
        "print(*(name for name in ('tensorflow', 'keras') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("\n", "")
