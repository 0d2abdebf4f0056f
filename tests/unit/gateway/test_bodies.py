"""Every body there is becomes the events it must become, alone and in any mix."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conserje.messaging.v1 import event_pb2 as pb

from gateway.payload import translate
from tests import bodies
from tests.bodies import Body, Item
from tests.unit.gateway.expectations import NOW, check_envelope, check_kind, payload_of

FIELDS = """
account_alerts account_review_update account_update automatic_events
business_capability_update business_username_updates calls flows group_lifecycle_update
group_participants_update group_settings_update group_status_update history
message_template_components_update message_template_quality_update
message_template_status_update partner_solutions payment_configuration_update
phone_number_name_update phone_number_quality_update security smb_app_state_sync
smb_message_echoes template_category_update user_id_update user_preferences
"""
"""What Meta posts to the address of a webhook beside messages."""
OURS = [body for body in bodies.load() if body.events is not None]


@pytest.mark.parametrize("body", bodies.load(), ids=lambda body: body.name)
def test_each_item_is_found_where_it_stands(body: Body) -> None:
    events = translate(body.data, NOW)
    items = list(bodies.walk(body.json))
    assert len(events) >= len(items) >= 1
    for event, item in zip(events, items, strict=False):
        check_envelope(event, item)
        check_kind(event, item)


@pytest.mark.parametrize("body", OURS, ids=lambda body: body.name)
def test_each_event_tells_what_the_file_says(body: Body) -> None:
    assert body.events is not None
    told = [payload_of(event) for event in translate(body.data, NOW)]
    assert told == list(body.events)


def test_there_is_a_body_for_every_kind_of_item() -> None:
    events = [event for body in bodies.load() for event in translate(body.data, NOW)]
    kinds = {event.message.WhichOneof("content") for event in events if event.HasField("message")}
    content = pb.InboundMessage.DESCRIPTOR.oneofs_by_name["content"]
    # None: a kind that is not known, kept raw.
    assert kinds == {field.name for field in content.fields} | {None}
    media = {event.message.media.kind for event in events if event.message.HasField("media")}
    assert media == set(pb.MediaKind.values()) - {pb.MEDIA_KIND_UNSPECIFIED}
    states = {event.status.state for event in events if event.HasField("status")}
    assert states == set(pb.DeliveryState.values())
    fields = {event.field_update.field for event in events if event.HasField("field_update")}
    assert set(FIELDS.split()) - fields == set()


def test_the_keys_of_all_items_differ() -> None:
    keys = [event.item_key for body in OURS for event in translate(body.data, NOW)]
    repeated = {
        # The same status and the same error stand in two files.
        "batch_entries_changes_messages",
        "statuses_messages_errors",
        "value_error_alone",
    }
    unique = [
        event.item_key
        for body in OURS
        if body.name not in repeated
        for event in translate(body.data, NOW)
    ]
    assert len(set(unique)) == len(unique) >= 100
    assert len(keys) - len(set(keys)) == 2


@pytest.mark.parametrize(("seed", "count"), [(1, 1), (2, 7), (3, 50), (4, 300), (5, 1000)])
def test_any_mix_of_items_is_read_item_by_item(seed: int, count: int) -> None:
    composed = bodies.compose(seed, count)
    events = translate(composed.data, NOW)
    assert len(events) == len(composed.items) == count
    for event, item in zip(events, composed.items, strict=True):
        check_envelope(event, item)
        assert payload_of(event) == item.event
    assert len({event.item_key for event in events}) == count


@pytest.mark.parametrize("seed", range(5))
def test_an_item_has_one_key_in_whatever_body_it_comes(seed: int) -> None:
    composed = bodies.compose(seed, 60)
    keys = sorted(event.item_key for event in translate(composed.data, NOW))
    again = bodies.recompose(composed.items, seed, bodies=7)
    assert len(again) == 7
    assert keys == sorted(event.item_key for part in again for event in translate(part.data, NOW))


@pytest.mark.parametrize("body", bodies.load(), ids=lambda body: body.name)
def test_keeping_everything_raw_changes_nothing_else(body: Body) -> None:
    events = translate(body.data, NOW)
    kept = translate(body.data, NOW, keep_raw=True)
    assert all(event.raw_json for event in kept)
    for event, with_raw in zip(events, kept, strict=True):
        if not event.raw_json:
            with_raw.ClearField("raw_json")
        assert event == with_raw


def test_what_has_no_id_is_told_apart_by_account_and_field() -> None:
    """One news for two accounts, or under two fields, is two items; told again it is one."""

    def key(account: str, field: str) -> bytes:
        item = Item("field", account, "", field, {"event": "APPROVED"})
        (event,) = translate(bodies.pack([item], 0).data, NOW)
        return event.item_key

    keys = [key("1", "account_update"), key("2", "account_update"), key("1", "flows")]
    assert len(set(keys)) == 3
    assert keys[0] == key("1", "account_update")


def test_a_status_is_told_apart_by_word_and_member() -> None:
    item = next(bodies.walk(bodies.body("status_group_participants").json))
    changes = [
        {},
        {"status": "read"},
        {"recipient_id": "another"},
        {"recipient_participant_id": "another"},
        {"id": "wamid.another"},
        {"timestamp": "1790000001"},
    ]
    items = [replace(item, json={**item.json, **change}) for change in changes]
    events = [translate(bodies.pack([one], 0).data, NOW)[0] for one in items]
    assert len({event.item_key for event in events[:5]}) == 5
    # The time only says in which partition to look for it.
    assert events[5].item_key == events[0].item_key
