"""What a guest's phone shows."""

from typing import Any

from sandbox.phone import Option, Style, bubble, options_of

PLAIN = Style(width=40)


def shown(body: dict[str, Any], style: Style = PLAIN) -> list[str]:
    return bubble("Hotel Mirador", "10:15", body, style)


def test_text_is_wrapped_and_keeps_its_paragraphs() -> None:
    body = {"type": "text", "text": {"body": "Hola.\n\n" + "palabra " * 10}}
    lines = shown(body)
    assert lines[0] == "Hotel Mirador  10:15"
    assert lines[1:3] == ["│ Hola.", "│"]
    assert all(len(line) <= 40 for line in lines)
    assert lines[-1] == ""


def test_buttons_stand_in_a_row_with_their_numbers() -> None:
    buttons = [{"reply": {"id": "yes", "title": "Sí"}}, {"reply": {"id": "no", "title": "No"}}]
    body = {
        "type": "interactive",
        "interactive": {
            "type": "button",
            "body": {"text": "¿Confirmo?"},
            "action": {"buttons": buttons},
        },
    }
    assert shown(body)[1:] == ["│ ¿Confirmo?", "│", "│ [1] Sí   [2] No", ""]
    assert options_of(body)[1].tap("wamid.X") == {
        "id": "no",
        "title": "No",
        "kind": "button",
        "context": "wamid.X",
    }


def test_rows_of_a_list_stand_below_each_other_with_what_they_cost() -> None:
    rows = [
        {"id": "single", "title": "Individual", "description": "80 €"},
        {"id": "double", "title": "Doble"},
    ]
    body = {
        "type": "interactive",
        "interactive": {
            "type": "list",
            "header": {"type": "text", "text": "Habitaciones"},
            "body": {"text": "Libres:"},
            "action": {"button": "Ver", "sections": [{"rows": rows[:1]}, {"rows": rows[1:]}]},
        },
    }
    assert shown(body)[1:] == [
        "│ Habitaciones",
        "│ Libres:",
        "│",
        "│ Ver:",
        "│ [1] Individual  80 €",
        "│ [2] Doble",
        "",
    ]
    assert options_of(body)[0] == Option("single", "Individual", "list", "80 €")


def test_other_kinds_are_named() -> None:
    assert shown({"type": "image", "image": {"caption": "Plano"}})[1] == "│ [image] Plano"
    place = {"latitude": 1.5, "longitude": 2, "name": "Aquí"}
    assert shown({"type": "location", "location": place})[1] == "│ \U0001f4cd Aquí (1.5, 2)"


def test_markup_of_whatsapp_is_drawn_only_where_there_are_colours() -> None:
    body = {"type": "text", "text": {"body": "Código *AB12* y nombre_de_cosa"}}
    assert shown(body)[1] == "│ Código *AB12* y nombre_de_cosa"
    assert "\x1b[1mAB12\x1b[22m y nombre_de_cosa" in shown(body, Style(60, colours=True))[1]
