from __future__ import annotations

import ssl
from pathlib import Path

import faust
import pytest

from stream_gov.contracts import ConfigurationError
from stream_gov.runtime.faust_credentials import faust_credentials


def test_no_security_means_no_credentials() -> None:
    assert faust_credentials({}) is None
    assert faust_credentials({"security.protocol": "PLAINTEXT", "linger.ms": "5"}) is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_password_is_handed_on(mechanism: str) -> None:
    made = faust_credentials(
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism,
            "sasl.username": "gov",
            "sasl.password": "secret",
        }
    )
    assert isinstance(made, faust.SASLCredentials)
    assert (made.username, made.password, made.mechanism.value) == ("gov", "secret", mechanism)
    assert made.protocol.value == "SASL_SSL"


def test_a_password_without_encryption_is_possible() -> None:
    made = faust_credentials({"security.protocol": "sasl_plaintext", "sasl.username": "u", "sasl.password": "p"})
    assert made is not None
    assert made.protocol.value == "SASL_PLAINTEXT"


def test_encryption_checks_the_name_of_the_broker_unless_told_otherwise() -> None:
    made = faust_credentials({"security.protocol": "SSL"})
    assert isinstance(made, faust.SSLCredentials)
    assert made.context.verify_mode is ssl.CERT_REQUIRED
    assert made.context.check_hostname
    lax = faust_credentials({"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"})
    assert isinstance(lax, faust.SSLCredentials)
    assert not lax.context.check_hostname


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"`ssl\.\*` of the setting `kafka` names cannot be read"):
        faust_credentials({"security.protocol": "ssl", "ssl.ca.location": str(tmp_path / "ca.pem")})


@pytest.mark.parametrize(
    "options",
    [{"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER"}, {"security.protocol": "carrier_pigeon"}],
)
def test_what_the_client_cannot_do_is_told_with_what_it_can(options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="it knows plaintext, ssl, sasl_plaintext and sasl_ssl"):
        faust_credentials(options)
