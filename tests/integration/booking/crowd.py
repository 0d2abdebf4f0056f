"""Guests who want the same few rooms, call any replica, and ask again until they are answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from conserje.booking.v1.booking_service_pb2 import (
    AcquireLockRequest,
    CancelReservationRequest,
    ConfirmReservationRequest,
    CreateReservationRequest,
    ExtendLockRequest,
    ReleaseLockRequest,
    RoomRequest,
)
from conserje.booking.v1.lock_pb2 import Lock
from conserje.booking.v1.reservation_pb2 import Reservation

from meshkit.dates import from_date
from meshkit.errors import DeadlineExceeded, MeshError, ResourceExhausted, Unavailable
from tests.integration.booking.hotel import Hotel

UNDECIDED = (Unavailable, DeadlineExceeded, ResourceExhausted)
"""What says nothing about the request: it may have been carried out or not."""
LONGEST_THOUGHT = 20.0
LONGEST_PAUSE = 2.0
PATIENCE_SECONDS = 90.0
"""For one request; who is not answered by then never will be."""


@dataclass
class Told:
    """Every definite answer that anybody got."""

    answers: Counter[str] = field(default_factory=Counter)
    """By method and reason; the reason is empty for what was done."""
    repeats: int = 0
    locks: set[str] = field(default_factory=set)
    reservations: set[str] = field(default_factory=set)

    def count(self, method: str, reason: str = "") -> int:
        """How often a method was answered so."""
        return self.answers[f"{method} {reason}".rstrip()]


class Crowd:
    """Guests of one hotel, until told to go home."""

    def __init__(
        self, hotel: Hotel, stubs: Sequence[Any], kinds: Sequence[str], nights: int, seed: int
    ) -> None:
        """`stubs` call the replicas, in any order."""
        self.told = Told()
        self.gone = asyncio.Event()
        self._hotel = hotel
        self._stubs = stubs
        self._kinds = kinds
        self._nights = nights
        self._seed = seed

    async def visit(self, number: int) -> None:
        """One guest: thinks, wants something, and sees it through."""
        chance = random.Random(f"{self._seed}-{number}")
        guest = Guest(self.told, self._stubs, number % len(self._stubs), chance, self._hotel)
        await self._think(chance)
        while not self.gone.is_set():
            kind, first = chance.choice(self._kinds), chance.randrange(1, self._nights - 3)
            await guest.want(kind, first, chance.randint(1, 3))
            await self._think(chance)

    async def _think(self, chance: random.Random) -> None:
        try:
            await asyncio.wait_for(self.gone.wait(), chance.uniform(0, LONGEST_THOUGHT))
        except TimeoutError:
            return


class Guest:
    """What one guest does with a stay."""

    def __init__(
        self, told: Told, stubs: Sequence[Any], home: int, chance: random.Random, hotel: Hotel
    ) -> None:
        """`home` is the replica that is asked first."""
        self._told = told
        self._stubs = stubs
        self._home = home
        self._chance = chance
        self._hotel = hotel
        self._id = uuid4().hex

    async def want(self, kind: str, first: int, nights: int) -> None:
        """Locks and decides, or books at once; most change their minds later."""
        stay = self._hotel.stay(first, nights)
        dates = {
            "check_in_date": from_date(stay.check_in),
            "check_out_date": from_date(stay.check_out),
            "guest_id": self._id,
        }
        if self._chance.random() < 0.2:
            rooms = [RoomRequest(room_type_id=kind, adult_count=2)] * self._chance.randint(1, 2)
            booked = await self._ask(
                "CreateReservation", CreateReservationRequest, rooms=rooms, **dates
            )
            await self._booked(booked)
            return
        granted = await self._ask(
            "AcquireLock", AcquireLockRequest, room_type_id=kind, adult_count=2, **dates
        )
        if granted is not None:
            self._told.locks.add(granted.lock.lock_id)
            await self._decide(granted.lock)

    async def _decide(self, lock: Lock) -> None:
        held = {"lock_id": lock.lock_id, "owner_token": lock.owner_token}
        fenced = {**held, "fencing_number": lock.fencing_number}
        choice = self._chance.random()
        if choice < 0.2:
            await self._ask("ReleaseLock", ReleaseLockRequest, **held)
        elif choice < 0.9:
            if choice < 0.4:
                await self._ask("ExtendLock", ExtendLockRequest, **fenced)
            await self._booked(
                await self._ask("ConfirmReservation", ConfirmReservationRequest, **fenced)
            )
        # The others leave without a word.

    async def _booked(self, answer: Any) -> None:
        if answer is None:
            return
        reservation: Reservation = answer.reservation
        self._told.reservations.add(reservation.reservation_id)
        if self._chance.random() < 0.8:
            key = reservation.reservation_id
            await self._ask("CancelReservation", CancelReservationRequest, reservation_id=key)

    async def _ask(self, method: str, make: Callable[..., Any], **fields: Any) -> Any:
        """The answer; None for a refusal."""
        request = make(tenant_id=self._hotel.tenant_id, request_id=str(uuid4()), **fields)
        try:
            answer = await self._until_definite(method, request)
        except MeshError as refusal:
            self._told.answers[f"{method} {refusal.reason}"] += 1
            return None
        self._told.answers[method] += 1
        return answer

    async def _until_definite(self, method: str, request: Any) -> Any:
        """The same request, at one replica after the other."""
        until = time.monotonic() + PATIENCE_SECONDS
        for attempt, stub in enumerate(self._replicas()):
            call: Callable[[Any], Awaitable[Any]] = getattr(stub, method)
            try:
                return await call(request)
            except UNDECIDED:
                if time.monotonic() > until:
                    raise
                self._told.repeats += 1
                await asyncio.sleep(self._chance.uniform(0, min(0.1 * 2**attempt, LONGEST_PAUSE)))
        raise AssertionError("replicas never end")

    def _replicas(self) -> Any:
        number = self._home
        while True:
            yield self._stubs[number % len(self._stubs)]
            number += 1
