from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNKNOWN: _ClassVar[Event]
    RECEIVED_DISCONNECT: _ClassVar[Event]
    UNEXPECTED_DISCONNECT: _ClassVar[Event]
    CONNECTION_RESTORED: _ClassVar[Event]
UNKNOWN: Event
RECEIVED_DISCONNECT: Event
UNEXPECTED_DISCONNECT: Event
CONNECTION_RESTORED: Event

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RegistrationRequest(_message.Message):
    __slots__ = ("handler", "pid", "detached_content", "features")
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    DETACHED_CONTENT_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    handler: str
    pid: int
    detached_content: bool
    features: _containers.ScalarMap[str, str]
    def __init__(self, handler: _Optional[str] = ..., pid: _Optional[int] = ..., detached_content: _Optional[bool] = ..., features: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RegistrationResponse(_message.Message):
    __slots__ = ("registered", "address")
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    registered: bool
    address: str
    def __init__(self, registered: _Optional[bool] = ..., address: _Optional[str] = ...) -> None: ...

class Data(_message.Message):
    __slots__ = ("message_id", "metadata", "content", "response_to", "directive")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TO_FIELD_NUMBER: _ClassVar[int]
    DIRECTIVE_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    metadata: _containers.ScalarMap[str, str]
    content: bytes
    response_to: str
    directive: str
    def __init__(self, message_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., content: _Optional[bytes] = ..., response_to: _Optional[str] = ..., directive: _Optional[str] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("response",)
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    response: bytes
    def __init__(self, response: _Optional[bytes] = ...) -> None: ...

class EventNotification(_message.Message):
    __slots__ = ("name", "detail", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    name: Event
    detail: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[_Union[Event, str]] = ..., detail: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class EventReceipt(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Config(_message.Message):
    __slots__ = ("log_level", "client_id", "socket_addr", "server", "cert_file", "key_file", "ca_root")
    LOG_LEVEL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    SOCKET_ADDR_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    CERT_FILE_FIELD_NUMBER: _ClassVar[int]
    KEY_FILE_FIELD_NUMBER: _ClassVar[int]
    CA_ROOT_FIELD_NUMBER: _ClassVar[int]
    log_level: str
    client_id: str
    socket_addr: str
    server: str
    cert_file: str
    key_file: str
    ca_root: str
    def __init__(self, log_level: _Optional[str] = ..., client_id: _Optional[str] = ..., socket_addr: _Optional[str] = ..., server: _Optional[str] = ..., cert_file: _Optional[str] = ..., key_file: _Optional[str] = ..., ca_root: _Optional[str] = ...) -> None: ...
