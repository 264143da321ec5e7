"""What can be wrong with what crosses the wire."""


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
