"""The app as Streamlit serves it, closed to the pages of others: `streamlit run` finds `app` here.

Streamlit checks the names that it is called by for its websocket only, and lets any page of this machine or of its
addresses connect, which it asks the internet for.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config
from streamlit.starlette import App


class OwnPagesOnly:
    """Answers a request, and takes a websocket, only if host and origin are the monitor's own.

    The host must be one of `server.allowedHosts`, where these are set. The origin, which a browser sends with whatever
    another page asks for, must be the host that was asked.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Take what answers otherwise."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 403, or pass the request on."""
        if scope["type"] == "lifespan" or _is_own(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            answer = PlainTextResponse("The monitor does not answer to this name, or to this page.\n", status_code=403)
            await answer(scope, receive, send)


def _is_own(headers: Headers) -> bool:
    host, origin = headers.get("host", ""), headers.get("origin")
    try:
        name = urlsplit(f"//{host}").hostname
        asking = host if origin is None else urlsplit(origin).netloc
    except ValueError:  # brackets that do not close
        return False
    allowed = config.get_option("server.allowedHosts")
    return asking == host and (not allowed or name in allowed)


app = App(Path(__file__).with_name("app.py"), middleware=[Middleware(OwnPagesOnly)])
