"""Voice signatures from recordings, as the retired service created them by REST.

::

    POST  {any prefix}/Signature/GenerateVoiceSignatureFromByteArray   body: a WAV file
    POST  {any prefix}/Signature/GenerateVoiceSignatureFromFormData    multipart, field "file"
    200   {"Status", "Signature": {"Version", "Tag", "Data"}, "Transcription"}

The program passes ``Signature`` as JSON text to a participant.  Programs in C# keep its three
documented fields only, so our signature is wrapped in them.  The values of ``Status``, and what
``Transcription`` contained, are unknown (docs/protocol/legacy-interface.md, 3.4).  Nothing is
stored: the recording is removed, and the client keeps the signature.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from speech_adapters import threads
from speech_adapters.enrollment import Enrollment, enroll
from speech_adapters.errors import AudioError, UnsupportedError
from speech_adapters.signatures import wrap_signature
from speech_adapters.temporary import create_folder, remove_folder
from speech_compat.gateway.access import Caller
from speech_compat.gateway.errors import error_response
from speech_compat.gateway.service import Gateway

__all__ = ["routes"]

Receiver = Callable[[Request, Path], Awaitable[None]]
_NAME: Final = "/Signature/GenerateVoiceSignatureFrom"
_MOST_FIELDS: Final = 10
_UNUSED: Final = (
    "This gateway transcribes with a backend that uses no voice signatures: the signature is a"
    " placeholder, and speakers are numbered."
)


def routes(gateway: Gateway) -> list[BaseRoute]:
    """Return the two endpoints."""
    return [
        _route(gateway, "ByteArray", _receive_body),
        _route(gateway, "FormData", _receive_form),
    ]


def _route(gateway: Gateway, name: str, receive: Receiver) -> Route:
    async def generate(request: Request) -> Response:
        caller = await gateway.access.authenticate(request.headers, request.query_params)
        # Before the body is read, so that a body that waits is not here but at the client.
        async with gateway.uploads.use(caller):
            return await _respond(gateway, caller, request, receive)

    route = Route(f"/api/v1{_NAME}{name}", generate, methods=["POST"])
    # As in offlinetask: programs may append the path to any endpoint.
    route.path_regex = re.compile(rf"(?:/.*)?{_NAME}{name}\Z", re.IGNORECASE)
    return route


async def _respond(
    gateway: Gateway, caller: Caller, request: Request, receive: Receiver
) -> Response:
    """Return the answer to a request; its recording exists only meanwhile."""
    folder = await threads.COMPUTE.run(create_folder)
    path = folder / "recording.wav"
    try:
        await receive(request, path)
        # Apart from the reception: clients that send slowly must not keep others waiting.
        async with gateway.enrollments.use(caller):
            return _created(await enroll(gateway.meetings, [path]), path)
    except UnsupportedError:
        return _answer("NotUsed", _UNUSED, wrap_signature(None))
    except AudioError as error:
        # Its text is about the recording, and the client can correct that.
        return error_response(400, _shown(str(error), path))
    finally:
        await threads.COMPUTE.run(remove_folder, folder)


async def _receive_body(request: Request, path: Path) -> None:
    with await threads.COMPUTE.run(path.open, "wb") as file:
        async for chunk in request.stream():
            await threads.COMPUTE.run(file.write, chunk)


async def _receive_form(request: Request, path: Path) -> None:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, "The body is no multipart form.")
    async with request.form(max_files=1, max_fields=_MOST_FIELDS) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise HTTPException(400, 'The form has no file in a field named "file".')
        await threads.COMPUTE.run(_copy, upload.file, path)


def _copy(source: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)


def _created(enrollment: Enrollment, path: Path) -> Response:
    message = _shown(" ".join(enrollment.warnings), path)
    return _answer("OK", message, wrap_signature(enrollment.signature))


def _answer(status: str, message: str, signature: dict[str, str | int]) -> Response:
    # "Message" is a field of ours; no field of the retired service could carry it.
    return JSONResponse(
        {"Status": status, "Message": message, "Signature": signature, "Transcription": ""}
    )


def _shown(text: str, path: Path) -> str:
    return text.replace(str(path), "The recording")
