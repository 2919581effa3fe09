"""What must be installed is looked for as programs and named as packages."""

from lab.packages import lacking


def test_a_machine_with_everything_needs_nothing() -> None:
    assert lacking(lambda program: f"/usr/bin/{program}") == []


def test_only_what_is_missing_is_named() -> None:
    here = {"qemu-img", "ip", "openssl", "gcc", "mke2fs", "ssh", "mmdebstrap"}
    here |= {"pkg-config"}

    packages = lacking(lambda program: program if program in here else None)

    assert packages == ["buildah", "etcd-server", "libseccomp-dev", "qemu-system-x86"]


def test_a_compiler_brings_its_library() -> None:
    assert lacking(lambda program: None if program == "gcc" else program) == ["gcc", "libc6-dev"]


def test_only_what_was_asked_for_is_named() -> None:
    assert lacking(lambda _: None, ["mmdebstrap"]) == ["mmdebstrap"]
