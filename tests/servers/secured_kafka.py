"""A Kafka that asks who one is: SCRAM and PLAIN over TLS on one port, client certificates on another, and a plain one to set it up by."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.servers.finder import KAFKA, Server, free_port, server_or_skip

USER = "stream-gov"
"""May do everything; others only what they are allowed."""
PASSWORD = "correct-horse-42"


@dataclass(frozen=True)
class SecuredKafka:
    """Where it listens, and what a client needs."""

    server: Server
    sasl_address: str
    tls_address: str
    folder: Path
    """Holds `ca.pem`, and `client.pem` and `client.key`."""

    def scram(self, password: str, *, user: str = USER) -> dict[str, str]:
        """Options of librdkafka for SCRAM over TLS."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "ssl.ca.location": str(self.folder / "ca.pem"),
        }

    @property
    def mutual_tls(self) -> dict[str, str]:
        """Options of librdkafka for a client certificate."""
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.folder / "ca.pem"),
            "ssl.certificate.location": str(self.folder / "client.pem"),
            "ssl.key.location": str(self.folder / "client.key"),
        }

    def set_password(self, password: str, *, user: str = USER) -> None:
        admin = AdminClient({"bootstrap.servers": self.server.address})
        change = UserScramCredentialUpsertion(
            user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), password.encode()
        )
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result()

    def allow(self, user: str, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Give a user rights; one of another name than `USER` has none by itself."""
        admin = AdminClient({"bootstrap.servers": self.server.address})
        rights = [
            AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
            for operation in operations
        ]
        for future in admin.create_acls(rights).values():
            future.result()


def start_secured_kafka(folder: Path) -> SecuredKafka:
    """Start one, or skip; only a start script can."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    make_certificates(folder)
    sasl, tls = free_port(), free_port()
    server_pem = folder / "server.pem"
    listeners = f"PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}"
    kind = replace(
        KAFKA,
        variable="STREAM_GOV_TEST_KAFKA_SECURED",  # of no use by itself: a script starts it
        why_no_container="a container of it has no place for certificates",
        script_arguments=(
            f"listeners={listeners},CONTROLLER://127.0.0.1:{{controller_port}}",
            f"advertised.listeners={listeners}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "sasl.enabled.mechanisms=SCRAM-SHA-512",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            f"super.users=User:ANONYMOUS;User:{USER};User:CN=client",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "listener.name.ssl.ssl.client.auth=required",
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={server_pem}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={folder / 'ca.pem'}",
        ),
    )
    server = server_or_skip(kind, folder)
    return SecuredKafka(server, f"127.0.0.1:{sasl}", f"127.0.0.1:{tls}", folder)


def make_certificates(folder: Path) -> None:
    """A certificate authority, and a certificate each for server and client."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority",
        "-keyout", "ca.key", "-out", "ca.pem",
    )  # fmt: skip
    (folder / "names.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", f"{name}.key")
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names.ext", "-out", f"{name}.crt",
        )  # fmt: skip
    (folder / "server.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    (folder / "client.crt").rename(folder / "client.pem")
