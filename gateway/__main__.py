"""`python -m gateway`."""

from __future__ import annotations

from gateway.app import build
from gateway.settings import GatewaySettings
from meshkit.run import main

if __name__ == "__main__":
    main("gateway", GatewaySettings, build)
