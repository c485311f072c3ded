"""The names that certificates are for, and the CA that a folder keeps."""

from __future__ import annotations

import socket
import ssl
import stat
from pathlib import Path

import pytest
import trustme

from mockserver.errors import CertificateError
from mockserver.server.certificates import CA_FILE, KEY_FILE, Certificates


def handshake(certificates: Certificates, name: str, ca: bytes) -> None:
    """A TLS handshake over memory; raises what the client makes of the certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=ca.decode())
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = certificates.server_context().wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "demo.ctraderapi.com"])
def test_each_name_is_covered(name: str) -> None:
    certificates = Certificates(["demo.ctraderapi.com"])
    handshake(certificates, name, certificates.ca)


def test_another_name_is_not() -> None:
    certificates = Certificates(["demo.ctraderapi.com"])
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(certificates, "live.ctraderapi.com", certificates.ca)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_covers_the_host_name(host: str) -> None:
    certificates = Certificates([host])
    handshake(certificates, socket.gethostname(), certificates.ca)


def test_a_folder_keeps_the_ca_from_one_start_to_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    first = Certificates(folder=folder)
    second = Certificates(["demo.ctraderapi.com"], folder=folder)
    assert second.ca == first.ca == (folder / CA_FILE).read_bytes()
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    handshake(second, "demo.ctraderapi.com", first.ca)


def test_a_start_that_was_cut_short_is_made_good(tmp_path: Path) -> None:
    first = Certificates(folder=tmp_path)
    (tmp_path / CA_FILE).unlink()
    second = Certificates(folder=tmp_path)
    assert second.ca != first.ca
    handshake(Certificates(folder=tmp_path), "localhost", second.ca)


def test_a_ca_without_its_key_is_named(tmp_path: Path) -> None:
    Certificates(folder=tmp_path)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(CertificateError, match=r"cannot keep a CA as ca\.pem and ca-key\.pem"):
        Certificates(folder=tmp_path)


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    Certificates(folder=tmp_path)
    (tmp_path / KEY_FILE).write_text("no key")
    with pytest.raises(CertificateError, match="Remove both files to have a new CA made"):
        Certificates(folder=tmp_path)


def own(folder: Path, name: str) -> tuple[Path, Path, bytes]:
    ca = trustme.CA()
    issued = ca.issue_cert(name)
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key, ca.cert_pem.bytes()


def test_ones_own_certificate_is_shown(tmp_path: Path) -> None:
    certificate, key, ca = own(tmp_path, "broker.example")
    handshake(Certificates(own=(certificate, key)), "broker.example", ca)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certificate, _, _ = own(tmp_path, "broker.example")
    other = tmp_path / "other"
    other.mkdir()
    _, key, _ = own(other, "broker.example")
    with pytest.raises(CertificateError, match="cannot be used"):
        Certificates(own=(certificate, key))
