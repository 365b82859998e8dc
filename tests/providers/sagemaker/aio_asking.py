"""Asking by a client of aiobotocore."""

from __future__ import annotations

import json
from typing import Any

from asking import CHAT


async def ask(client: Any, endpoint: str = "chat", body: Any = CHAT) -> Any:
    return await client.invoke_endpoint(EndpointName=endpoint, Body=json.dumps(body), ContentType="application/json")
