"""Security options of librdkafka, as Faust wants them: it connects by another client."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import faust
from faust.types.auth import CredentialsT

from stream_gov.contracts import ConfigurationError

__all__ = ["faust_credentials"]


def faust_credentials(options: Mapping[str, str]) -> CredentialsT | None:
    """Translate librdkafka's security options; None: no security.

    Raises
    ------
    ConfigurationError
        The options ask for something that client cannot do.
    """
    protocol = options.get("security.protocol", "plaintext").lower()
    if protocol == "plaintext":
        return None
    context = _ssl_context(options) if protocol in ("ssl", "sasl_ssl") else None
    if protocol == "ssl":
        return faust.SSLCredentials(context)
    mechanism = options.get("sasl.mechanism", options.get("sasl.mechanisms", "PLAIN")).upper()
    if protocol not in ("sasl_ssl", "sasl_plaintext") or mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        msg = (
            f"detect cannot connect with security.protocol {protocol!r} and sasl.mechanism {mechanism!r}; "
            "it knows plaintext, ssl, sasl_plaintext and sasl_ssl, and PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512"
        )
        raise ConfigurationError(msg)
    return faust.SASLCredentials(
        username=options.get("sasl.username"),
        password=options.get("sasl.password"),
        mechanism=mechanism,
        ssl_context=context,
    )


def _ssl_context(options: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ssl.ca.location") or None)
        if certificate := options.get("ssl.certificate.location"):
            context.load_cert_chain(
                certificate, options.get("ssl.key.location"), options.get("ssl.key.password") or None
            )
    except (OSError, ssl.SSLError) as err:
        msg = f"the files that `ssl.*` of the setting `kafka` names cannot be read: {err}"
        raise ConfigurationError(msg) from err
    if options.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    return context
