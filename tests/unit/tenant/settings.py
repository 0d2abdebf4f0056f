"""A hotel that has decided everything, for tests."""

from __future__ import annotations

from conserje.tenant.v1.tenant_pb2 import Tenant
from google.protobuf import text_format

EVERYTHING = """
tenant_id: "casa-verde"
display_name: "Casa Verde"
time_zone: "America/Mexico_City"
default_language_code: "es"
language_codes: ["es", "en"]
currency_code: "MXN"
address {
  lines: "Calle de la Paz 12"
  locality: "Oaxaca"
  region_code: "MX"
  coordinates { latitude: 17.06 longitude: -96.72 }
}
business_hours {
  days {
    weekday: WEEKDAY_MONDAY
    spans { open_time: "08:00" close_time: "13:00" }
    spans { open_time: "22:00" close_time: "02:00" }
  }
  days { weekday: WEEKDAY_TUESDAY spans { open_time: "00:00" close_time: "00:00" } }
  exceptions { date { year: 2026 month: 12 day: 25 } display_name: "Navidad" }
}
info_texts { topic: INFO_TOPIC_WIFI language_code: "es" text: "Red CasaVerde.\\nClave: 1234" }
info_texts { topic: INFO_TOPIC_WIFI language_code: "en" text: "Network CasaVerde" }
photos {
  topic: INFO_TOPIC_POOL
  photo_url: "https://example.com/pool.jpg?w=800"
  captions { language_code: "es" text: "La piscina" }
}
staff_contacts { display_name: "Ana" phone_number: "+525512345678" language_code: "es" }
feature_flags { tell_reception_hours: false }
suspension_policy { answers { language_code: "es" text: "Volvemos pronto." } }
"""


def everything(changes: str = "") -> Tenant:
    """The hotel, with `changes` in text format merged into it."""
    tenant = Tenant()
    text_format.Parse(EVERYTHING, tenant)
    text_format.Merge(changes, tenant)
    return tenant
