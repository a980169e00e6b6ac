"""Tables of which there are several kinds, told apart by a key, and what the models of a scenario say of the tables in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class OneOf:
    """Annotation of a table that is of one of several kinds: `Annotated[A | B, OneOf("kind")]`, in lists too; one kind will do.

    `key` says which, by the Literal that each kind has there. A table without the key is of the kind that has a default for it.
    """

    def __init__(self, key: str) -> None:
        self.key = key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        tables = _tables(Annotated[source, self])
        assert tables is not None, f"{source} are no tables"
        schemas: dict[Any, CoreSchema] = {kind: handler.generate_schema(one) for kind, one in tables.kinds.items()}
        return core_schema.tagged_union_schema(schemas, discriminator=tables.kind_of)


class Tables(NamedTuple):
    """What a key stands for whose value is a table, or a list of tables."""

    kinds: dict[str | None, type[BaseModel]]
    """Model of each kind; where there are none, of None."""
    key: str | None = None
    """The key that says which kind; None where there are none."""
    is_list: bool = False

    def kind_of(self, table: Any) -> Any:
        """What a table says it is, which may be no kind; None if it does not say."""
        if self.key is None:
            return None
        if not isinstance(table, Mapping):
            return getattr(table, self.key, None)
        fields = ((kind, model.model_fields[self.key]) for kind, model in self.kinds.items())
        return table.get(self.key, next((kind for kind, field in fields if not field.is_required()), None))

    def model_of(self, table: Any) -> type[BaseModel] | None:
        """Model of a table; None if it is of no kind."""
        kind = self.kind_of(table)
        return self.kinds.get(kind) if isinstance(kind, str | None) else None


def tables_of(model: type[BaseModel] | None, key: str) -> Tables | None:
    """The tables that a key of a model stands for; None if it stands for a value, or for nothing."""
    field = model.model_fields.get(key) if model else None
    return _tables(Annotated[field.annotation, None, *field.metadata]) if field else None


def _tables(annotation: Any) -> Tables | None:
    annotation, *about = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if get_origin(annotation) is list:
        tables = _tables(*get_args(annotation))
        return tables._replace(is_list=True) if tables else None
    models = [one for one in get_args(annotation) or (annotation,) if _is_table(one)]
    key = next((one.key for one in about if isinstance(one, OneOf)), None)
    if key is None:
        return Tables({None: models[0]}) if models else None
    return Tables({get_args(one.model_fields[key].annotation)[0]: one for one in models}, key)


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
