"""One guest's odd bytes never hurt another hotel: each oddity as item 7 of 20."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from conserje.messaging.v1 import event_pb2 as pb

from gateway.payload import translate
from meshkit.validation import validate
from tests.unit.gateway.expectations import NOW

MIRADOR, LUNA = "100000000000001", "100000000000002"
ODD = 6
"""Where the odd item stands: the seventh."""
TEXT = r'{"from":"34600000107","id":"wamid.odd","timestamp":"1790000000","type":"text"%s}'
HOLA = ',"text":{"body":"hola"}'
DEEP = "[" * 2000 + "]" * 2000


def value(number: str, messages: str) -> str:
    metadata = f'{{"display_phone_number":"34910000001","phone_number_id":{number}}}'
    return f'{{"messaging_product":"whatsapp","metadata":{metadata},"messages":{messages}}}'


def message(index: int) -> str:
    return (
        f'{{"from":"5255000000{index:02}","id":"wamid.{index:02}","timestamp":"1790000000",'
        f'"type":"text","text":{{"body":"mensaje {index}"}}}}'
    )


def webhook(odd_value: str | bytes) -> bytes:
    """Twenty values, each with one message; the seventh, another hotel's, is given."""
    values = [value(f'"{LUNA}"', f"[{message(index)}]").encode() for index in range(20)]
    values[ODD] = odd_value.encode() if isinstance(odd_value, str) else odd_value
    changes = b",".join(b'{"field":"messages","value":%s}' % one for one in values)
    return (
        b'{"object":"whatsapp_business_account","entry":[{"id":"200000000000001","changes":[%s]}]}'
        % changes
    )


def events_of(odd_value: str | bytes) -> tuple[pb.InboundEvent, ...]:
    """What the odd value becomes, after its neighbours were found untouched."""
    events = translate(webhook(odd_value), NOW)
    plain = translate(webhook(value(f'"{MIRADOR}"', f"[{TEXT % HOLA}]")), NOW)
    after = len(events) - (len(plain) - ODD - 1)
    assert events[:ODD] == plain[:ODD]
    assert events[after:] == plain[ODD + 1 :]
    for event in events:
        validate(event, verbatim=True)
        assert len(event.SerializeToString()) > 0
    return tuple(events[ODD:after])


def event_of(item: str | bytes) -> pb.InboundEvent:
    """What a message becomes."""
    data = item.encode() if isinstance(item, str) else item
    (event,) = events_of(value(f'"{MIRADOR}"', "[%s]").encode().replace(b"%s", data))
    assert event.phone_number_id == MIRADOR
    return event


def text_event(written: str | bytes) -> pb.InboundEvent:
    data = written.encode() if isinstance(written, str) else written
    return event_of((TEXT % ',"text":{"body":"%s"}').encode().replace(b"%s", data))


@pytest.mark.parametrize(
    ("written", "body"),
    [
        pytest.param(r"a\u0000b", "a\0b", id="U+0000"),
        pytest.param(r"half \ud83d emoji", "half \ufffd emoji", id="high surrogate alone"),
        pytest.param(r"half \ude00 emoji", "half \ufffd emoji", id="low surrogate alone"),
        pytest.param(r"\ud83d\ud83d\ude00", "\ufffd😀", id="one half too many"),
        pytest.param(r"\\ud83d \ud83d", "\\ud83d \ufffd", id="escaped backslash"),
        pytest.param(b"caf\xe9 \xed\xa0\xbd", "caf\ufffd \ufffd\ufffd\ufffd", id="no UTF-8"),
        pytest.param(b"tab\there\nline", "tab\there\nline", id="control characters"),
        pytest.param("x" * 1_000_000, "x" * 1_000_000, id="1 MB"),
        pytest.param("", "", id="empty"),
    ],
)
def test_what_a_guest_writes_is_kept(written: str | bytes, body: str) -> None:
    event = text_event(written)
    assert event.message.text.body == body
    assert event.item_key == b"mwamid.odd"


def test_nul_in_name_and_id() -> None:
    card = r'[{"wa_id":"34600000107","profile":{"name":"A\u0000na"}}]'
    item = (TEXT % HOLA).replace("wamid.odd", r"wamid.\u0000odd")
    odd = value(f'"{MIRADOR}"', f'[{item}],"contacts":{card}')
    (event,) = events_of(odd)
    assert event.message.sender.display_name == "A\0na"
    assert event.message.whatsapp_message_id == "wamid.\0odd"
    assert event.item_key == b"mwamid.\0odd"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none(number: str) -> None:
    item = TEXT.replace('"text"%s', '"location","location":{"latitude":%s,"longitude":1}')
    event = event_of(item % number)
    assert event.message.type == "location"
    assert str(event.message.location.latitude).lower() == number.lower().replace("inity", "")
    event = event_of(TEXT % f'{HOLA},"weight":{number}')
    assert event.message.text.body == "hola"
    assert json.loads(event.raw_json)["weight"] == number


def test_brackets_without_end() -> None:
    event = event_of(TEXT % f'{HOLA},"deep":{DEEP}')
    assert event.message.text.body == "hola"
    assert event.raw_json.count(b"[") == 2000
    event = event_of(TEXT % f',"text":{DEEP}')
    assert event.message.WhichOneof("content") is None
    assert event.raw_json.count(b"[") == 2000
    event = event_of(DEEP)
    assert event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    event = event_of("[" * 100_000 + "]" * 100_000)
    assert event.raw_json.count(b"[") == 100_000


@pytest.mark.parametrize("depth", [240, 250, 254, 255, 260, 390, 400, 1000, 1100])
def test_depths_around_the_bounds_of_both_parsers(depth: int) -> None:
    event = event_of(TEXT % f'{HOLA},"deep":{"[" * depth}{"]" * depth}')
    assert event.message.text.body == "hola"
    assert event.raw_json.count(b"[") == depth


@pytest.mark.parametrize("depth", [253, 254, 255, 300, 500])
def test_a_deep_item_has_one_key_beside_any_neighbour(depth: int) -> None:
    odd = f'{{"x":{"[" * depth}{"]" * depth}}}'
    alone = translate(webhook(odd), NOW)[ODD]
    beside = webhook(odd).replace(b"mensaje 3", rb"\ud83d")
    again = translate(beside, NOW)
    assert again[3].message.text.body == "\ufffd"
    assert again[ODD] == alone


def test_ids_as_numbers() -> None:
    item = '{"from":34600000107,"id":123,"timestamp":1790000000,"type":"text","text":{"body":5}}'
    (event,) = events_of(value(MIRADOR, f"[{item}]"))
    assert event.phone_number_id == MIRADOR
    assert event.message.sender.whatsapp_id == "34600000107"
    assert event.message.whatsapp_message_id == "123"
    assert event.event_time.seconds == 1790000000
    assert event.message.text.body == "5"


def test_ids_as_numbers_that_no_float_can_hold() -> None:
    item = (TEXT % HOLA).replace('"wamid.odd"', "12345678901234567890123456789")
    (event,) = events_of(value("12345678901234567890123456789012", f"[{item}]"))
    assert event.phone_number_id == "12345678901234567890123456789012"
    assert event.message.whatsapp_message_id == "12345678901234567890123456789"
    event = event_of((TEXT % HOLA).replace('"wamid.odd"', "9" * 5000))
    assert event.message.whatsapp_message_id == "9" * 5000


def test_a_list_that_is_null_is_kept() -> None:
    odd = value(f'"{MIRADOR}"', "null")
    (event,) = events_of(odd)
    assert event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    assert json.loads(event.raw_json) == json.loads(odd)


def test_a_list_that_is_an_object_is_its_only_item() -> None:
    (event,) = events_of(value(f'"{MIRADOR}"', TEXT % HOLA))
    assert event.message.text.body == "hola"


def test_an_object_of_items_is_kept_as_one() -> None:
    (event,) = events_of(value(f'"{MIRADOR}"', f'{{"0":{TEXT % HOLA}}}'))
    assert event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    assert b"wamid.odd" in event.raw_json


@pytest.mark.parametrize("item", ["null", "7", '"text"', "[]", "{}", "true", '[{"id":"x"}]'])
def test_an_item_that_is_no_message_is_kept(item: str) -> None:
    event = event_of(item)
    assert event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    assert json.loads(event.raw_json) == json.loads(item)
    assert not event.HasField("event_time")


def test_an_empty_wamid_leaves_the_item_itself_as_its_key() -> None:
    one = event_of((TEXT % HOLA).replace("wamid.odd", ""))
    other = event_of((TEXT % HOLA.upper().lower()).replace("wamid.odd", "").replace("hola", "¿?"))
    again = event_of((TEXT % HOLA).replace("wamid.odd", ""))
    assert one.message.text.body == "hola"
    assert one.item_key == again.item_key != other.item_key
    assert len(one.item_key) == 33


@pytest.mark.parametrize(("length", "plain"), [(1, True), (63, True), (64, False), (300, False)])
def test_a_long_wamid_is_hashed_into_the_key(length: int, plain: bool) -> None:
    wamid = "w" * length
    event = event_of((TEXT % HOLA).replace("wamid.odd", wamid))
    hashed = b"M" + sha256(b"m" + wamid.encode()).digest()
    assert event.item_key == (b"m" + wamid.encode() if plain else hashed)
    assert event.message.whatsapp_message_id == wamid


@pytest.mark.parametrize(
    "written",
    [
        *('"0"', "0", '"-5"', "-5", '"32503680000"', "32503680000", '"soon"', '""', '"²"'),
        *("null", "[]", "{}", "true", "1790000000.5", "1e400"),
        *('"1577836799"', str(int(NOW) + 2 * 86400 + 1)),
    ],
)
def test_a_time_that_cannot_be_is_no_time(written: str) -> None:
    event = event_of((TEXT % HOLA).replace('"1790000000"', written))
    assert event.message.text.body == "hola"
    assert not event.HasField("event_time")


@pytest.mark.parametrize("written", ['"1577836800"', str(int(NOW) + 2 * 86400), '"1790000000"'])
def test_a_time_that_can_be(written: str) -> None:
    event = event_of((TEXT % HOLA).replace('"1790000000"', written))
    assert str(event.event_time.seconds) == written.strip('"')


@pytest.mark.parametrize(
    "number", ['""', "null", '"abc"', '"1 2"', f'"{"1" * 33}"', "[]", "{}", "1.5", "-1", '"١"']
)
def test_a_number_that_cannot_be_read(number: str) -> None:
    (event,) = events_of(value(number, f"[{TEXT % HOLA}]"))
    assert event.unreadable.reason == pb.UNREADABLE_REASON_NUMBER
    assert event.phone_number_id == ""
    assert json.loads(event.raw_json) == json.loads(TEXT % HOLA)


def test_metadata_that_is_missing() -> None:
    for metadata in ("null", "[]", '"x"', "{}"):
        odd = f'{{"metadata":{metadata},"messages":[{TEXT % HOLA}]}}'
        (event,) = events_of(odd)
        assert event.unreadable.reason == pb.UNREADABLE_REASON_NUMBER


@pytest.mark.parametrize("odd", ["null", "[]", "7", '"value"', "{}"])
def test_a_value_that_is_none(odd: str) -> None:
    (event,) = events_of(odd)
    assert event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    assert json.loads(event.raw_json) == json.loads(odd)


@pytest.mark.parametrize(
    "item",
    [
        TEXT.replace('"from":"34600000107",', "") % HOLA,
        TEXT.replace("34600000107", "") % HOLA,
        TEXT.replace("34600000107", "3" * 301) % HOLA,
        TEXT.replace('"34600000107"', '["34600000107"]') % HOLA,
        TEXT.replace('"wamid.odd"', '{"id":"wamid.odd"}') % HOLA,
        TEXT.replace('"text"%s', "true%s") % HOLA,
    ],
)
def test_a_message_without_a_usable_sender_id_or_type_is_kept(item: str) -> None:
    event = event_of(item)
    assert event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    assert json.loads(event.raw_json) == json.loads(item)


@pytest.mark.parametrize("content", ["null", "[]", "7", '"hola"', '{"body":[]}', '{"body":true}'])
def test_a_content_of_another_shape_leaves_the_message(content: str) -> None:
    event = event_of(TEXT % f',"text":{content}')
    assert event.message.sender.whatsapp_id == "34600000107"
    assert event.message.type == "text"
    assert event.message.WhichOneof("content") is None
    assert json.loads(event.raw_json)["text"] == json.loads(content)


@pytest.mark.parametrize("part", ['"context":7', '"referral":[]', '"group_id":{}'])
def test_an_origin_of_another_shape_leaves_the_content(part: str) -> None:
    event = event_of(TEXT % f"{HOLA},{part}")
    assert event.message.text.body == "hola"
    assert event.raw_json


@pytest.mark.parametrize(
    "card", ["null", "[null]", '"x"', '[{"wa_id":[]}]', '[{"wa_id":"34600000107","profile":null}]']
)
def test_a_card_of_another_shape(card: str) -> None:
    (event,) = events_of(value(f'"{MIRADOR}"', f'[{TEXT % HOLA}],"contacts":{card}'))
    if card == '[{"wa_id":[]}]':
        assert event.unreadable.reason == pb.UNREADABLE_REASON_SHAPE
    else:
        assert event.message.text.body == "hola"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hola",
        b"\x00\xff",
        b"[]",
        b"null",
        b'{"object":"page","entry":[]}',
        b'{"object":"whatsapp_business_account"}',
        b'{"object":"whatsapp_business_account","entry":[]}',
        b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[',
        b"[" * 200_000,
        b'{"object":' * 3000,
    ],
)
def test_a_body_that_cannot_be_read_is_kept_whole(body: bytes) -> None:
    (event,) = translate(body, NOW)
    assert event.unreadable.reason == pb.UNREADABLE_REASON_BODY
    assert event.raw_json == body
    assert event.item_key == b"b" + sha256(body).digest()
    validate(event, verbatim=True)


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        ("null", None),
        ("7", 7),
        ("[]", []),
        ('{"id":"1"}', {"id": "1"}),
        ('{"id":"1","changes":null}', {"id": "1", "changes": None}),
        ('{"id":"1","changes":[null]}', None),
        ('{"id":"1","changes":[{"value":{}}]}', {"value": {}}),
        ('{"id":"1","changes":[{"field":7,"value":{}}]}', {"field": 7, "value": {}}),
        ('{"id":"1","changes":[{"field":"","value":{}}]}', {"field": "", "value": {}}),
    ],
)
def test_an_entry_or_a_change_of_another_shape_is_kept(entry: str, kept: object) -> None:
    body = f'{{"object":"whatsapp_business_account","entry":[{entry},{entry}]}}'
    events = translate(body.encode(), NOW)
    assert [event.unreadable.reason for event in events] == [pb.UNREADABLE_REASON_SHAPE] * 2
    assert [json.loads(event.raw_json) for event in events] == [kept, kept]


def test_bytes_that_are_no_json_but_read_as_such() -> None:
    """A byte order mark in front."""
    plain = webhook(value(f'"{MIRADOR}"', f"[{TEXT % HOLA}]"))
    assert translate(b"\xef\xbb\xbf" + plain, NOW) == translate(plain, NOW)
