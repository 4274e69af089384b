"""A runtime executor of LocalStack that runs Python functions as processes of this machine.

`LAMBDA_RUNTIME_EXECUTOR=subprocess` chooses it. `LAMBDA_SUBPROCESS_PYTHON` names the interpreter that runs the
functions; its environment holds what Lambda's own image holds: awslambdaric and boto3.
"""

import logging
import os
import sys
import time
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from millrace_localstack.sandbox import HOST, Sandbox

log = logging.getLogger(__name__)

PYTHON = os.environ.get("LAMBDA_SUBPROCESS_PYTHON") or sys.executable
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class SubprocessRuntimeExecutor(RuntimeExecutor):
    """One execution environment. A process that timed out or crashed is replaced at the next invocation, as Lambda
    does."""

    _sandbox: Sandbox | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        """Starts the process and waits until it asks for work."""
        function = self.function_version.config
        root = str(function.code.get_unzipped_code_location())
        layers = [layer.code.get_unzipped_code_location() for layer in reversed(function.layers)]
        env = {name: os.environ[name] for name in INHERITED if name in os.environ}
        env |= {name: str(value) for name, value in env_vars.items()}
        env |= {
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "LAMBDA_TASK_ROOT": root,
            "LAMBDA_RUNTIME_DIR": root,
            "PATH": os.pathsep.join([*(str(layer / "bin") for layer in layers), env.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join(_layer_paths(layers, function.runtime, env.get("PYTHONPATH"))),
        }
        self._arguments = ([PYTHON, "-m", "awslambdaric", function.handler], root, env)
        self._spawn()

    def _spawn(self) -> Sandbox:
        sandbox = self._sandbox = Sandbox(*self._arguments)
        try:
            sandbox.ready.result(config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT)
        except Exception as error:
            log.warning("%s did not start: %s\n%s", self.function_version.qualified_arn, error, sandbox.logs())
            sandbox.kill()
            raise
        return sandbox

    def stop(self) -> None:
        if self._sandbox:
            self._sandbox.kill()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """One invocation, with the log lines that Lambda would write around it."""
        request_id, function = payload["invoke-id"], self.function_version.config
        sandbox = self._sandbox if self._sandbox and self._sandbox.alive else self._spawn()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + function.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
            "Lambda-Runtime-Trace-Id": payload["trace-id"],
        }
        began = time.perf_counter()
        body, is_error = sandbox.invoke(request_id, headers, payload["payload"].encode(), function.timeout)
        elapsed = (time.perf_counter() - began) * 1000
        logs = (
            f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n"
            f"{sandbox.logs().rstrip()}\nEND RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {elapsed:.2f} ms\tMemory Size: {function.memory_size} MB\n"
        )
        return InvocationResult(request_id, body, is_error, logs)

    def get_logs(self) -> str:
        return self._sandbox.logs() if self._sandbox else ""

    def get_address(self) -> str:
        return HOST

    def get_endpoint_from_executor(self) -> str:
        return HOST

    def get_runtime_endpoint(self) -> str:
        return ""  # only LocalStack's own init binary calls back; the Runtime API server stands in for it

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpacks the code. Raises LambdaRuntimeException for what is no Python zip."""
        function = function_version.config
        if not function.code or not (function.runtime or "").startswith("python"):
            raise LambdaRuntimeException(f"Only Python zips run as subprocesses, not {function.runtime}.")
        for archive in (function, *function.layers):
            archive.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        pass  # LocalStack removes the unpacked code together with the archive


def _layer_paths(layers: list[Path], runtime: str, given: str | None) -> list[str]:
    version = runtime.removeprefix("python")
    paths = [
        str(path)
        for layer in layers
        for path in (layer / "python" / "lib" / f"python{version}" / "site-packages", layer / "python")
    ]
    return [*paths, *([given] if given else [])]


class SubprocessExecutorPlugin(RuntimeExecutorPlugin):
    name = "subprocess"

    def load(self, *args: object, **kwargs: object) -> type[RuntimeExecutor]:
        return SubprocessRuntimeExecutor
