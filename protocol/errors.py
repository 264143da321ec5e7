"""Errors: what can be wrong with what crosses the wire, and with what a user has written."""


class HintedError(ValueError):
    """Something that was written cannot be used: `message` says what is wrong, `hint` what would be right; str() is both."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)  # both, so that it can be pickled
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}"


class ProtocolError(Exception):
    """Bytes or calls that break the protocol."""


class LocalProtocolError(ProtocolError):
    """Our own side asked for something the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The other side sent bytes that are no frame.

    `offset` is the byte of the batch at which the frame that cannot be read begins.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"byte {offset}: {message}")
        self.offset = offset
