"""`python -m gateway`."""

from __future__ import annotations

from meshkit.run import main

from gateway.app import build
from gateway.settings import GatewaySettings

if __name__ == "__main__":
    main("gateway", GatewaySettings, build)
