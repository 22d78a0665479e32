"""No statement is put together from text: what varies in it is a parameter, or an identifier that the driver quotes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import recommender_job

PACKAGE = Path(recommender_job.__path__[0])
#: Methods whose first argument is a statement: those of `Transaction`, of SQLAlchemy and of the driver.
TAKE_SQL = {
    "rows", "row", "run", "run_many", "define", "copy_out", "text", "SQL", "mogrify", "execute", "executemany",
    "exec_driver_sql", "copy_expert",
}  # fmt: skip
#: Statements that are put together all the same, and why nobody from outside has a say in them.
REASONS = {
    "storage/source.py: transaction.copy_out(wrapped)": "the customer's own query and the contract's columns",
    "storage/database.py: cursor.copy_expert(f'copy ({bound}) to stdout with ({form})')": (
        "COPY takes no parameters: the driver has bound and quoted them"
    ),
    "storage/embedded.py: connection.exec_driver_sql(f'create database {name}')": "SQLAlchemy has quoted the name",
}


def put_together(node: ast.expr, assigned: dict[str, list[ast.expr]]) -> bool:
    """Whether an expression, or what a name was assigned in the module, is text with something else put into it."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return True
    if isinstance(node, ast.IfExp):
        return put_together(node.body, assigned) or put_together(node.orelse, assigned)
    if isinstance(node, ast.Name):
        return any(put_together(value, {}) for value in assigned.get(node.id, []))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        made = node.func.value
        by_the_driver = isinstance(made, ast.Call) and ast.unparse(made.func).endswith("sql.SQL")
        return node.func.attr in ("format", "join", "replace") and not by_the_driver
    return False


def found(source: str) -> Iterator[str]:
    """Calls in a module whose statement is put together."""
    tree = ast.parse(source)
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
            grown = isinstance(node, ast.AugAssign)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    value = ast.BinOp(target, ast.Add(), node.value) if grown else node.value
                    assigned.setdefault(target.id, []).append(value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TAKE_SQL:
            given = [
                *node.args[:1],
                *(word.value for word in node.keywords if word.arg in ("sql", "template", "query")),
            ]
            for statement in given:
                if put_together(statement, assigned):
                    yield f"{ast.unparse(node.func)}({ast.unparse(statement)})"


def test_no_statement_of_the_job_is_put_together_from_text() -> None:
    modules = {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    assert len(modules) > 50
    calls = [f"{name}: {call}" for name, source in sorted(modules.items()) for call in found(source)]
    assert sorted(calls) == sorted(REASONS), "use a parameter, or Transaction.define for an identifier"


@pytest.mark.parametrize(
    "line",
    [
        't.rows(f"select {x}")',
        't.rows("select " + x)',
        't.row("select %s" % x)',
        't.run("select {}".format(x))',
        't.run(sql=f"select {x}")',
        't.define("drop table " + x, {})',
        't.run_many(" ".join(["select", x]), [])',
        'connection.execute(sa.text(f"select {x}"))',
        'query = f"select {x}"\nt.copy_out(query, {}, sink)',
        'query = "select 1"\nquery += x\nt.rows(query)',
        't.rows("select 1" if x else f"select {x}")',
        'cursor.execute(sql.SQL(f"drop table {x}"))',
    ],
)
def test_what_is_put_together_is_found(line: str) -> None:
    assert len(list(found(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        't.rows("select 1" " union select :x", x=x)',
        'QUERY = "select 1"\nt.rows(QUERY)',
        't.define("drop table {table}", {"table": f"recommender.{x}"})',
        'cursor.execute(psycopg2.sql.SQL("drop table {}").format(x))',
        "night.run(folds)",
        't.rows("select 1" if x else "select 2")',
    ],
)
def test_what_is_not_put_together_is_let_through(line: str) -> None:
    assert list(found(line)) == []
