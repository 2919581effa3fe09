"""Certificates as openssl and Python's ssl see them."""

import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from numalocal_operator.webhook.authority import Credentials, renewed

from .conftest import HOSTS, NOW


def leaf(credentials: Credentials) -> x509.Certificate:
    return x509.load_pem_x509_certificate(credentials.leaf)


def authorities(credentials: Credentials) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(credentials.ca_bundle)


def test_an_empty_secret_is_filled(credentials: Credentials) -> None:
    (authority,) = authorities(credentials)
    named = leaf(credentials).extensions.get_extension_for_class(x509.SubjectAlternativeName)

    leaf(credentials).verify_directly_issued_by(authority)
    assert named.value.get_values_for_type(x509.DNSName) == list(HOSTS)
    assert authority.not_valid_after_utc - NOW == timedelta(days=3650)
    assert leaf(credentials).not_valid_after_utc - NOW == timedelta(days=90)
    assert Credentials.of(credentials.data()) == credentials


def test_what_is_good_stays(credentials: Credentials) -> None:
    assert renewed(credentials, HOSTS, NOW) is None
    assert renewed(credentials, HOSTS, NOW + timedelta(days=59)) is None


def test_a_leaf_is_renewed_long_before_it_ends_and_the_authority_stays(
    credentials: Credentials,
) -> None:
    made = renewed(credentials, HOSTS, NOW + timedelta(days=61))

    assert made is not None
    assert made.ca_bundle == credentials.ca_bundle
    assert made.leaf != credentials.leaf
    assert leaf(made).not_valid_after_utc - leaf(credentials).not_valid_after_utc == timedelta(61)


def test_a_new_authority_is_told_beside_the_old_one(credentials: Credentials) -> None:
    later = NOW + timedelta(days=3650 - 30)

    made = renewed(credentials, HOSTS, later)

    assert made is not None
    new, old = authorities(made)
    assert old == authorities(credentials)[0]
    leaf(made).verify_directly_issued_by(new)
    assert renewed(made, HOSTS, later) is None


def test_an_old_authority_is_believed_for_a_day_after_the_new_one_has_signed(
    credentials: Credentials,
) -> None:
    made = renewed(Credentials(), HOSTS, NOW, known=credentials.ca_bundle)
    assert made is not None
    assert len(authorities(made)) == 2

    assert renewed(made, HOSTS, NOW + timedelta(hours=23)) is None
    after = renewed(made, HOSTS, NOW + timedelta(hours=25))

    assert after is not None
    assert after == replace(made, ca_bundle=after.ca_bundle)
    assert authorities(after) == authorities(made)[:1]
    assert renewed(after, HOSTS, NOW + timedelta(hours=26)) is None


def test_other_hosts_need_another_leaf(credentials: Credentials) -> None:
    made = renewed(credentials, ("elsewhere.svc",), NOW)

    assert made is not None
    assert made.ca_bundle == credentials.ca_bundle


@pytest.mark.parametrize(
    "broken",
    [
        {"leaf": b""},
        {"leaf": b"no PEM"},
        {"leaf_key": b"\xff"},
        {"leaf_key": "another"},
        {"ca_key": b""},
        {"ca_bundle": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {"ca_key": "another"},
    ],
    ids=str,
)
def test_whatever_is_broken_is_made_anew(
    credentials: Credentials, broken: dict[str, bytes | str]
) -> None:
    other = renewed(Credentials(), HOSTS, NOW)
    assert other is not None
    fields = {
        name: getattr(other, name) if value == "another" else value
        for name, value in broken.items()
    }

    made = renewed(replace(credentials, **fields), HOSTS, NOW)  # type: ignore[arg-type]

    assert made is not None
    assert renewed(made, HOSTS, NOW) is None
    context = ssl.create_default_context(cadata=made.ca_bundle.decode())
    assert context.get_ca_certs()
