"""The `pravila` command. Parse, call a service, answer; every command takes --json.

Exit codes: 0 done, 1 refused or failed (the reason stands on standard error), 2 wrong usage.
"""

import importlib
import sys
from typing import Any

import click

from rules_engine.cli.output import fail
from rules_engine.errors import PravilaError

COMMANDS = {
    "init": ("rules_engine.cli.setup", "init"),
    "mode": ("rules_engine.cli.setup", "mode"),
    "token": ("rules_engine.cli.setup", "token"),
    "audit": ("rules_engine.cli.health", "audit"),
    "doctor": ("rules_engine.cli.health", "doctor"),
    "demo": ("rules_engine.cli.processes", "demo"),
    "run": ("rules_engine.cli.processes", "run"),
    "web": ("rules_engine.cli.processes", "web"),
    "worker": ("rules_engine.cli.processes", "worker"),
    "clock": ("rules_engine.cli.processes", "clock"),
    "import": ("rules_engine.cli.imports", "import_"),
    "run-due": ("rules_engine.cli.time", "run_due"),
    "replay": ("rules_engine.cli.time", "replay"),
    "decide": ("rules_engine.cli.decide", "decide"),
    "rules": ("rules_engine.cli.rules", "rules"),
    "explain": ("rules_engine.cli.explain", "explain"),
    "bonus": ("rules_engine.cli.bonus", "bonus"),
    "ledger": ("rules_engine.cli.ledger", "ledger"),
    "calendar": ("rules_engine.cli.calendar_cmd", "calendar"),
}
"""Each command and where it lives; a module is imported when its command is called, so that `--help` is quick."""


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PravilaError as problem:
            fail(problem)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pravila")
def main() -> None:
    """Pravila: rules for a sales department, and the engine that carries them out."""


if __name__ == "__main__":
    sys.exit(main())
