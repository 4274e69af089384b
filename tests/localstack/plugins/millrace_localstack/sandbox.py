"""One process of a Lambda function, and the Runtime API server that it polls.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from concurrent.futures import Future, InvalidStateError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException

HOST = "127.0.0.1"
Answer = tuple[bytes, bool]
"""The body of an answer, and whether it is an error."""


def error_body(error_type: str, message: str) -> bytes:
    """An error as Lambda answers it."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def _settle(future: "Future[Any]", result: Any = None, error: Exception | None = None) -> None:
    """Resolves a future, unless a reply, a time-out or a crash did before."""
    with contextlib.suppress(InvalidStateError):
        future.set_exception(error) if error else future.set_result(result)


class _RuntimeApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """`/2018-06-01/runtime/invocation/next`: waits for the next invocation."""
        sandbox: Sandbox = self.server.sandbox
        _settle(sandbox.ready)
        invocation = sandbox.pending.get()
        if invocation is None:  # the process is gone
            self.close_connection = True
            return
        headers, event = invocation
        self._reply(200, event, headers)

    def do_POST(self) -> None:
        """`…/invocation/<id>/response`, `…/invocation/<id>/error` or `…/init/error`."""
        sandbox: Sandbox = self.server.sandbox
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        *_, request_id, kind = self.path.split("/")
        if request_id == "init":
            _settle(sandbox.ready, error=StatusErrorException("Runtime init error", payload=body))
        elif request_id == sandbox.request_id:
            _settle(sandbox.reply, _checked(body, kind == "error"))
        self._reply(202, b'{"status":"OK"}')

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def _checked(body: bytes, is_error: bool) -> Answer:
    limit = config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES
    if len(body) <= limit:
        return body, is_error
    message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return error_body("Function.ResponseSizeTooLarge", message), True


class Sandbox:
    """Runs one invocation at a time, as an execution environment of Lambda does."""

    def __init__(self, command: list[str], cwd: str, env: dict[str, str]) -> None:
        self.ready: Future[None] = Future()  # settled by the first poll, an init error or an exit
        self.reply: Future[Answer] = Future()
        self.request_id: str | None = None
        self.pending: queue.SimpleQueue[tuple[dict[str, str], bytes] | None] = queue.SimpleQueue()
        self._dir = Path(tempfile.mkdtemp(prefix="lambda-sandbox-"))
        (self._dir / "tmp").mkdir()
        # a file, not a pipe: whatever was printed before the reply was posted can be read at once
        self._log = (self._dir / "log").open("a+b", buffering=0)
        self._server = ThreadingHTTPServer((HOST, 0), _RuntimeApi)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._server.sandbox = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        address = f"{HOST}:{self._server.server_port}"
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**env, "AWS_LAMBDA_RUNTIME_API": address, "TMPDIR": str(self._dir / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        # whoever kills LocalStack outright finds here what it leaves behind
        (self._dir / "pid").write_text(str(self._process.pid))
        threading.Thread(target=self._reap, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def invoke(self, request_id: str, headers: dict[str, str], event: bytes, timeout: int) -> Answer:
        """The answer to one invocation; a process that takes longer than `timeout` seconds is killed."""
        self.reply, self.request_id = Future(), request_id
        self._log.truncate(0)
        if not self.alive:  # died while idle, after the caller looked
            self._fail()
        self.pending.put((headers, event))
        try:
            return self.reply.result(timeout)
        except TimeoutError:
            self.kill()
            message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
            return error_body("Sandbox.Timedout", message), True

    def logs(self) -> str:
        """What the process printed since the last invocation began."""
        if self._log.closed:
            return ""
        fd = self._log.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace").replace("\r", "\n")

    def kill(self) -> None:
        """Kills the process and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _fail(self) -> None:
        code = self._process.returncode
        status = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        message = f"RequestId: {self.request_id} Error: Runtime exited with error: {status}"
        payload = error_body("Runtime.ExitError", message)
        _settle(self.ready, error=StatusErrorException("Runtime exited during init", payload))
        _settle(self.reply, (payload, True))

    def _reap(self) -> None:
        self._process.wait()
        self.kill()  # children it may have left in its process group
        self._fail()
        self.pending.put(None)
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._dir, ignore_errors=True)
