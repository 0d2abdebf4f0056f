-- Photos of rooms are with the room types of the booking service; the house has others.
UPDATE tenant SET settings = settings - 'room_photos' WHERE settings ? 'room_photos';
