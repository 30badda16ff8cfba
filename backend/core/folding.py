"""Hides how names are found and put in order: without regard to case, accents and the ways to write one character.

`fold` makes "Café", "CAFE" and "ｃａｆé" one text (NFKD, marks off, NFKC, full case folding; Unicode chapters 3.13 and
5.18), of 200 characters at most. A model keeps its name's fold in a column that the database computes;
`folded__holds=q` finds q anywhere in it. No character of q is special.
"""

from typing import Any

from django.db import models


class Fold(models.Func):
    function = "fold"
    output_field = models.TextField()


def folded(column: str) -> models.GeneratedField:
    return models.GeneratedField(
        expression=models.Func(models.F(column), function="fold"), output_field=models.TextField(), db_persist=True
    )


@models.TextField.register_lookup
class Holds(models.Lookup):
    lookup_name = "holds"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        value, value_params = self.process_rhs(compiler, connection)
        column, column_params = self.process_lhs(compiler, connection)
        return f"{column} LIKE containing({value})", (*column_params, *value_params)
