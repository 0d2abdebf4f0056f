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
check_in_time: "14:00"
check_out_time: "12:00"
cancellation_policy {
  steps { before_arrival { seconds: 604800 } penalty { percent: 50 } }
  steps { before_arrival { seconds: 86400 } penalty { night_count: 1 } }
  no_show_penalty { percent: 100 }
}
deposit_rule {
  amount { amount { currency_code: "MXN" units: 500 } }
  deposit_period { seconds: 172800 }
}
late_checkout_rule {
  steps { until_time: "14:00" fee { amount { currency_code: "MXN" units: 250 nanos: 500000000 } } }
  room_ready_period { seconds: 5400 }
}
lock_period { seconds: 1800 }
info_texts { topic: INFO_TOPIC_WIFI language_code: "es" text: "Red CasaVerde.\\nClave: 1234" }
info_texts { topic: INFO_TOPIC_WIFI language_code: "en" text: "Network CasaVerde" }
room_photos {
  room_type_id: "doble"
  photo_url: "https://example.com/doble.jpg?w=800"
  captions { language_code: "es" text: "La doble" }
}
staff_contacts { display_name: "Ana" phone_number: "+525512345678" language_code: "es" }
feature_flags { tell_reception_hours: false }
pms_connection {
  kind: PMS_KIND_QLOAPPS
  base_url: "https://pms.example.com/api"
  property_id: "1"
}
suspension_policy { answers { language_code: "es" text: "Volvemos pronto." } }
"""


def everything(changes: str = "") -> Tenant:
    """The hotel, with `changes` in text format merged into it."""
    tenant = Tenant()
    text_format.Parse(EVERYTHING, tenant)
    text_format.Merge(changes, tenant)
    return tenant
