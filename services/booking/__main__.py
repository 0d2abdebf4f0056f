"""`python -m services.booking [migrate | --check-config]`."""

from meshkit.run import main
from services.booking.access import ACCESS
from services.booking.app import build
from services.booking.settings import BookingSettings

if __name__ == "__main__":
    main("booking", BookingSettings, build, migrations="services.booking", access=ACCESS)
