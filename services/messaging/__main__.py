"""`python -m services.messaging`: serves and works; `--only` splits it for scaling."""

from meshkit.run import main
from services.messaging.access import ACCESS
from services.messaging.app import MODES, build
from services.messaging.settings import MessagingSettings

if __name__ == "__main__":
    main(
        "messaging",
        MessagingSettings,
        build,
        migrations="services.messaging",
        modes=MODES,
        access=ACCESS,
    )
