"""The retired service's interface in front of a backend: ``speech-compat serve``.

::

    client ──TLS──▶ server.py, protocols.py   uvicorn with deadlines; signals, drain
                ──▶ middleware.py             limits on bodies, log, metrics, headers, errors
                ──▶ app.py                    probes, offlinetask, voice_signatures, web/, websocket
                ──▶ access.py, limits.py ──▶ Gateway.owned_by ──▶ OwnedMeetings ──▶ MeetingService

Access
    An endpoint authenticates first and reaches meetings only through ``OwnedMeetings``, in which
    each id begins with the owner.  Errors propagate to one handler, also those of a handshake.
Meetings over a websocket
    ``dialogue.py`` interprets the messages of a connection without I/O (``framing.py`` parses
    them); :mod:`speech_compat.testing.loopback` uses both.  A ``RunningMeeting`` (``running.py``)
    owns the session and outlives its connections.  Its ``Delivery`` sends again what a client has
    missed.  Audio is acknowledged after the session has accepted it.  ``registry.py`` finds the
    meeting of a client that reconnects, or takes it over from a dead process.
Deadlines
    ``protocols.py`` limits the times of headers, bodies and slow readers, since uvicorn does not.
    Its base classes are no public interface, so a test fails if they change.
The end
    A drained process with meetings left ends by ``os._exit``: an orderly end would end recordings
    that another process can continue.

uvicorn and Starlette serve HTTP and websockets on one port.  aiohttp's server has no hook for
deadlines, and the server of ``websockets`` answers no HTTP.
"""

from __future__ import annotations

__all__: list[str] = []
