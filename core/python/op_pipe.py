"""op_pipe: what a script is given that op-pipe runs.

    from op_pipe import ctx

    rate = ctx.params["rate"]
    with open(ctx.inputs["table"]) as table, open(ctx.outputs["model"], "w") as model:
        ...

It needs nothing but Python 3.8 or later, and imports no package.
"""
import hashlib
import json
import os
import pathlib
import sys

__all__ = ["ctx"]


class Checkpoint:
    """State of an unfinished step that survives a kill. It belongs to the step's key, and is gone once there is a result."""

    _digits = 64

    def __init__(self, file):
        self._file = file

    def load(self):
        """The bytes that were saved last, or None."""
        try:
            with open(self._file, "rb") as stream:
                data = stream.read()
        except OSError:
            return None
        saved, written = data[: -self._digits], data[-self._digits :]
        return saved if hashlib.sha256(saved).hexdigest().encode() == written else None

    def save(self, data):
        """Replaces what was saved, whole or not at all."""
        # of this writer's own: a machine that was given up for lost may go on
        aside = "%s.%s.new" % (self._file, os.urandom(8).hex())
        with open(aside, "wb") as stream:
            stream.write(data)
            stream.write(hashlib.sha256(data).hexdigest().encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, self._file)


def _paths(named):
    return {name: None if path is None else pathlib.Path(path) for name, path in named.items()}


class Context:
    """Parameters, inputs, outputs, and the means to say how far a script is."""

    def __init__(self):
        self._task = None
        self._channel = None

    def _of(self, name):
        if self._task is None:
            file = os.environ.get("OP_PIPE_CONTEXT")
            if file is None:
                raise RuntimeError(
                    "expected to be run by op-pipe, but found no OP_PIPE_CONTEXT. Run the step: op-pipe run --only STEP"
                )
            with open(file, encoding="utf-8") as stream:
                self._task = json.load(stream)
        return self._task[name]

    @property
    def params(self):
        """The step's parameters, as their Schema encodes them."""
        return self._of("params")

    @property
    def inputs(self):
        """Where each input lies: a pathlib.Path, or None of an optional one that is not there."""
        return _paths(self._of("inputs"))

    @property
    def outputs(self):
        """Where each output is to be written: a pathlib.Path. A folder exists already, unless it is optional."""
        return _paths(self._of("outputs"))

    @property
    def cores(self):
        """How many cores the step was given."""
        return self._of("cores")

    @property
    def checkpoint(self):
        """What survives a kill: `load()` and `save(data)`."""
        return Checkpoint(self._of("checkpoint"))

    def _say(self, message):
        if self._channel is None:
            self._channel = os.fdopen(self._of("channel"), "w", encoding="utf-8", closefd=False)
        self._channel.write(json.dumps(message) + "\n")
        self._channel.flush()

    def progress(self, done, total, unit="steps", label="", **figures):
        """Says how far the script is: 3 of 24 epochs, loss=1.2."""
        numbers = {name: float(value) for name, value in figures.items()}
        self._say(
            {
                "type": "progress",
                "label": label or "work",
                "done": float(done),
                "total": float(total),
                "unit": unit,
                "figures": numbers,
            }
        )

    def notice(self, text):
        """Says in one sentence what a user should know although the step goes on."""
        self._say({"type": "notice", "text": str(text)})

    def log(self, *values):
        """Prints to the step's log at once: `op-pipe logs STEP`."""
        print(*values, flush=True)

    def fail(self, reason, bad_input=False):
        """Ends the step: it could not do its work, or (`bad_input`) was given what it cannot use."""
        self._say({"type": "failed", "reason": str(reason), "badInput": bool(bad_input)})
        sys.exit(1)


ctx = Context()
