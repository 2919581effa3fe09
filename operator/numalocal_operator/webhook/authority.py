"""Keys and certificates as values: what there is, and what is to be made of it.

An authority of our own signs the certificate of the webhook.  A new one is told to the API server
beside the old one before anything is signed by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 90
RENEW_DAYS: Final = 60
"""How old a leaf is when it is renewed; an authority is renewed when as many days are left."""
_CLOCKS_DIFFER: Final = timedelta(hours=1)
_KEPT_DAYS: Final = 1
_KEPT: Final = 2
"""Old authorities beside a new one: that of what is served, and one that was about to follow it."""

CA_BUNDLE, CA_KEY, LEAF, LEAF_KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
"""The Secret's fields; the bundle begins with the authority that signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the Secret holds, in PEM: all empty in the chart's own."""

    ca_bundle: bytes = b""
    ca_key: bytes = b""
    leaf: bytes = b""
    leaf_key: bytes = b""

    @classmethod
    def of(cls, data: Mapping[str, bytes]) -> "Credentials":
        """Read a Secret's fields."""
        return cls(
            ca_bundle=data.get(CA_BUNDLE, b""),
            ca_key=data.get(CA_KEY, b""),
            leaf=data.get(LEAF, b""),
            leaf_key=data.get(LEAF_KEY, b""),
        )

    def data(self) -> dict[str, bytes]:
        """Give the Secret's fields."""
        return {
            CA_BUNDLE: self.ca_bundle,
            CA_KEY: self.ca_key,
            LEAF: self.leaf,
            LEAF_KEY: self.leaf_key,
        }


def renewed(
    held: Credentials, hosts: Sequence[str], now: datetime, *, known: bytes = b""
) -> Credentials | None:
    """Make what is missing, broken, for other hosts or too old; None where all is well.

    `known` is the bundle that the API server has been told: in the name of its authorities
    something may still be served, even where the Secret has lost them.
    """
    signer = _signer(held, now)
    if signer is None:
        signer = _new_authority(now)
        both = (*_certificates(known), *_certificates(held.ca_bundle))
        valid = [one for one in dict.fromkeys(both) if one.not_valid_after_utc > now]
        bundle = b"".join(_pem(one) for one in (signer[0], *valid[:_KEPT]))
    else:
        bundle = held.ca_bundle
        if _is_good(held, signer[0], hosts, now):
            return _without_old(held, signer[0], now)
    leaf, leaf_key = _new_leaf(signer, hosts, now)
    return Credentials(
        ca_bundle=bundle,
        ca_key=_key_pem(signer[1]),
        leaf=_pem(leaf),
        leaf_key=_key_pem(leaf_key),
    )


def _without_old(held: Credentials, signer: x509.Certificate, now: datetime) -> Credentials | None:
    """Take out old authorities that nobody serves by: who has their keys could answer for us."""
    served_since = x509.load_pem_x509_certificate(held.leaf).not_valid_before_utc + _CLOCKS_DIFFER
    if len(_certificates(held.ca_bundle)) == 1 or now < served_since + timedelta(days=_KEPT_DAYS):
        return None
    return replace(held, ca_bundle=_pem(signer))


def authority(credentials: Credentials) -> bytes:
    """Give the authority that signs, in PEM; empty where it is not known."""
    return b"".join(_pem(one) for one in _certificates(credentials.ca_bundle)[:1])


_Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _signer(held: Credentials, now: datetime) -> _Signer | None:
    """Give the authority that signs; None where it cannot be read, or not for long."""
    try:
        key = serialization.load_pem_private_key(held.ca_key, password=None)
        certificate = x509.load_pem_x509_certificates(held.ca_bundle)[0]
    except (ValueError, TypeError):
        return None
    left = certificate.not_valid_after_utc - now
    if not isinstance(key, ec.EllipticCurvePrivateKey) or left < timedelta(days=RENEW_DAYS):
        return None
    return (certificate, key) if _matches(certificate, key) else None


def _is_good(
    held: Credentials, authority: x509.Certificate, hosts: Sequence[str], now: datetime
) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(held.leaf)
        key = serialization.load_pem_private_key(held.leaf_key, password=None)
        leaf.verify_directly_issued_by(authority)
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # whatever is wrong with it, a new one is right
        return False
    young = now < leaf.not_valid_before_utc + _CLOCKS_DIFFER + timedelta(days=RENEW_DAYS)
    names = set(named.get_values_for_type(x509.DNSName))
    return young and names == set(hosts) and _matches(leaf, key)


def _matches(certificate: x509.Certificate, key: object) -> bool:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return False
    public = certificate.public_key()
    return (
        isinstance(public, ec.EllipticCurvePublicKey)
        and public.public_numbers() == key.public_key().public_numbers()
    )


def _new_authority(now: datetime) -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "numalocal webhook authority")])
    usage = _usage(signs=True)
    certificate = (
        _builder(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _new_leaf(signer: _Signer, hosts: Sequence[str], now: datetime) -> _Signer:
    authority, authority_key = signer
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "numalocal webhook")])
    certificate = (
        _builder(name, authority.subject, key, now, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        # Old and new authorities have one name: the key tells which of them has signed.
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
