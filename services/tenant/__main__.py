"""`python -m services.tenant`: serves the directory of hotels."""

from meshkit.run import main
from services.tenant.access import ACCESS
from services.tenant.app import build
from services.tenant.settings import TenantSettings

if __name__ == "__main__":
    main("tenant", TenantSettings, build, migrations="services.tenant", access=ACCESS)
