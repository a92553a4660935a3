"""Mutations: the code broken on purpose, and the test that has to notice.

    python -m tests.mutations [PATTERN ...] [--fast] [--list]

The data are the YAML files beside this module, one for each area. An entry says what is broken
(`what`), in which `file`, by which edit (`find`, `replace`), and which `test` has to fail. Several
edits of one mutation are a list, `edits`. `fast: true` marks those that `make test` runs. `timeout`
is for a mutation that makes its test hang: seconds, other than the command's.
"""
