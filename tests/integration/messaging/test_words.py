"""Where a guest's own words are once he is answered: sealed in the archive, nowhere in plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.messaging.mesh import Mesh, text
from tests.integration.messaging.test_archive import archived, folder, sealer, serve
from tests.integration.messaging.test_media import file_of
from tests.integration.messaging.test_replay import replay

__all__ = ["folder"]

MARK = "zwrkxq"
"""A word that no program says by itself."""
SAID = [
    f"hola, soy {MARK}",
    f"del 10 al 12 de diciembre para 2 personas, {MARK}",
    f"¿y {MARK}, qué cuesta?",
    f"quiero hablar con {MARK}, una persona",
]

KEPT = {
    # What the conversation has understood so far; words that may name a room are part of it.
    "conversation.state",
    # The state before a step, for replays; as old as the archive at most.
    "conversation_step.snapshot",
}
"""The columns that keep words of a guest by design, as he wrote them."""

# Every column of the database that can hold a word, those of partitions once.
COLUMNS = """
SELECT format('%I.%I', n.nspname, c.relname) AS relation, quote_ident(a.attname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND format_type(a.atttypid, NULL)
      IN ('text', 'text[]', 'json', 'jsonb', 'bytea', 'bytea[]', 'character varying')
"""
# What is of type bytea reads as hexadecimal digits.
KEEPS = """
SELECT EXISTS (SELECT FROM {relation} WHERE strpos({name}::text, $1) > 0
    OR strpos({name}::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0)
"""


async def plain(mesh: Mesh) -> set[str]:
    """The columns that hold the mark as it was written."""
    found = await mesh.admin.fetch(COLUMNS)
    assert "inbox.event" in {_name(column) for column in found}, "it does not see what it should"
    return {
        _name(column) for column in found if await mesh.admin.fetchval(KEEPS.format(**column), MARK)
    }


def _name(column: Any) -> str:
    return f"{column['relation']}.{column['name']}".removeprefix("public.")


async def test_after_a_conversation_no_word_of_the_guest_is_in_plain(
    mesh: Mesh, folder: Path
) -> None:
    stub = await serve(mesh, folder, "serve")
    picture = file_of({"id": "1"})
    picture.event.message.media.caption = MARK
    await mesh.say(stub, *map(text, SAID), picture)
    assert await plain(mesh) == {"inbox.event"}
    await mesh.start("steps", "send", keys_folder=str(folder))
    await mesh.until_quiet()
    assert await plain(mesh) <= KEPT
    opened = [sealer(folder).open(item) for item in await archived(mesh)]
    assert sum(MARK.encode() in event for event in opened) == len(SAID) + 1
    assert not (await replay(mesh)).HasField("difference")
