"""`python -m rules_engine.cli`: the `pravila` command where it is not on the PATH."""

from rules_engine.cli import main

main(prog_name="pravila")
