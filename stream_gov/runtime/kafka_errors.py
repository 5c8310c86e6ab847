"""What to do about an error of Kafka: try again, give the partitions up, or mend the configuration."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

from enum import StrEnum

from confluent_kafka import KafkaError, KafkaException

from stream_gov.contracts import ConfigurationError, StreamGovError, UnavailableError

__all__ = ["AccessDeniedError", "Remedy", "TakenOverError", "remedy_for", "translate_kafka_error"]


class Remedy(StrEnum):
    """What a worker does about an error."""

    RETRY = "retry"
    """The same call may succeed later."""
    START_OVER = "start_over"
    """Another worker has the partitions, or the client is of no use any more: begin anew from what was committed."""
    DENIED = "denied"
    """The broker lets this user do nothing, or not this: somebody has to give it the right, and then a retry helps."""
    MEND = "mend"
    """No retry helps: something must be configured differently."""


class TakenOverError(UnavailableError):
    """The group gave this worker's partitions to another one. Remedy: none needed; the worker joins the group again."""


class AccessDeniedError(UnavailableError):
    """The broker refuses the log-in or the right. Remedy: mend password, certificate or rights; workers go on trying."""

    exit_code = 2


_RETRY = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._QUEUE_FULL,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._IN_PROGRESS,
        KafkaError._PREV_IN_PROGRESS,
        KafkaError._RETRY,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_BROKER,
        KafkaError._INTR,
        KafkaError._OUTDATED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.REBALANCE_IN_PROGRESS,
        # The member has not heard of the new generation yet; if it was thrown out, `lost` follows.
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError.REASSIGNMENT_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.REBOOTSTRAP_REQUIRED,
    }
)

_START_OVER = frozenset(
    {
        KafkaError._STATE,
        KafkaError._FATAL,
        KafkaError._FENCED,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._GAPLESS_GUARANTEE,
        KafkaError._INCONSISTENT,
        KafkaError._DESTROY,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.UNRELEASED_INSTANCE_ID,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.DUPLICATE_SEQUENCE_NUMBER,
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.PRODUCER_FENCED,
    }
)

_DENIED = {
    KafkaError._AUTHENTICATION: "check `sasl.*` in the setting `kafka`",
    KafkaError._SSL: "check `security.protocol` and `ssl.*` in the setting `kafka`",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check `sasl.username` and `sasl.password` in the setting `kafka`",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "give this user the right to read and write the topics",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "give this user the right to join the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "give this user the right to create topics and to produce idempotently",
}

_MEND = {
    KafkaError._INVALID_ARG: "check the setting `kafka`",
    KafkaError._NOT_CONFIGURED: "check the setting `kafka`",
    KafkaError._UNSUPPORTED_FEATURE: "the broker is too old, or lacks this feature",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "check `sasl.mechanism` in the setting `kafka`",
    KafkaError.ILLEGAL_SASL_STATE: "check `security.protocol` in the setting `kafka`",
    KafkaError.SECURITY_DISABLED: "check `security.protocol` in the setting `kafka`",
    KafkaError.TOPIC_EXCEPTION: "check the names in the setting `topics`: letters, digits, `.`, `_` and `-`, at most 249",
    KafkaError.INVALID_PARTITIONS: "check `topics.partitions`",
    KafkaError.INVALID_REPLICATION_FACTOR: "`topics.replication` is larger than the number of brokers",
    KafkaError.INVALID_CONFIG: "the broker does not allow a setting of the topic",
    KafkaError.POLICY_VIOLATION: "the broker's policy does not allow a topic like this; create it by hand",
    KafkaError.INVALID_GROUP_ID: "check the setting `group`",
    KafkaError.INVALID_SESSION_TIMEOUT: "`session.timeout.ms` is outside what the broker allows",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "another program uses this consumer group; choose another `group`",
    KafkaError.UNSUPPORTED_ASSIGNOR: "the broker does not know `group.remote.assignor` of the setting `kafka`",
    KafkaError.GROUP_MAX_SIZE_REACHED: "the consumer group has as many members as the broker allows",
    KafkaError.OFFSET_METADATA_TOO_LARGE: "raise `offset.metadata.max.bytes` of the broker to at least 200",
    KafkaError.INVALID_COMMIT_OFFSET_SIZE: "raise `offset.metadata.max.bytes` of the broker to at least 200",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise `max.message.bytes` of the topic",
    KafkaError.INVALID_MSG_SIZE: "raise `max.message.bytes` of the topic",
    KafkaError.RECORD_LIST_TOO_LARGE: "raise `max.message.bytes` of the topic",
    KafkaError.UNSUPPORTED_VERSION: "the broker is too old; Kafka 2.4 or later is needed",
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT: "raise `log.message.format.version` of the broker",
    KafkaError.UNSUPPORTED_COMPRESSION_TYPE: "set `compression.type` in the setting `kafka` to one the broker knows",
    KafkaError.INVALID_REQUIRED_ACKS: "take `acks` out of the setting `kafka`",
    KafkaError.INVALID_TIMESTAMP: "raise `message.timestamp.difference.max.ms` of the topic",
}


def remedy_for(code: int) -> Remedy:
    """Return what to do about an error code; a code we have no experience with is tried again."""
    if code in _START_OVER:
        return Remedy.START_OVER
    if code in _DENIED:
        return Remedy.DENIED
    return Remedy.MEND if code in _MEND else Remedy.RETRY


def translate_kafka_error(error: KafkaError | KafkaException, doing: str) -> StreamGovError:
    """Make an error of our tree; raise it `from` the original.

    Parameters
    ----------
    error
        What confluent-kafka raised or reported.
    doing
        What was tried, as it reads after "could not", such as `"commit the offsets of group stream-gov.ingest"`.
    """
    cause = error.args[0] if isinstance(error, KafkaException) else error
    if not isinstance(cause, KafkaError):
        return UnavailableError(f"could not {doing}: {cause}")
    text = f"could not {doing}: {cause.str()} ({cause.name()})"
    match remedy_for(cause.code()):
        case Remedy.MEND:
            return ConfigurationError(f"{text}; {_MEND[cause.code()]}")
        case Remedy.DENIED:
            return AccessDeniedError(f"{text}; {_DENIED[cause.code()]}")
        case Remedy.START_OVER:
            return TakenOverError(text)
        case _:
            if cause.fatal():
                return TakenOverError(text)
            return UnavailableError(text)
