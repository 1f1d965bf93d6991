"""Who owns what when nobody said: the tenant and the user of an embedded installation. Two constants, nothing else.

Every table's rows carry a tenant; embedded, it is always this one, so that a later move to a service needs no rewrite.
"""

from __future__ import annotations

from typing import Final

LOCAL_TENANT: Final = "6b1f0c1e-7a52-4d0f-9c3e-2f5d8a4b7e01"
LOCAL_USER: Final = "6b1f0c1e-7a52-4d0f-9c3e-2f5d8a4b7e02"
