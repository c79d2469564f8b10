#!/usr/bin/env python3
"""Starts what the contract tests of keys need (a strict stub of Vault, moto's KMS, a token of SoftHSM) and runs them.

usage: tests/contract/run.py PROGRAM [ARGUMENT]...

Keys: PURPOSE-a and PURPOSE-b at each keeper. The exit status is that of the program.
"""
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import keepers  # noqa: E402


def vault(stub: keepers.VaultStub) -> dict:
    for name in "ab":
        for purpose, kind in (("model", "ecdsa-p256"), ("evidence", "ed25519"), ("ledger", "ed25519"), ("wrap", "aes256-gcm96")):
            stub.transit[f"{purpose}-{name}"] = keepers.Transit(kind)
    for purpose, kind in (("model", "ecdsa-p256"), ("evidence", "ed25519"), ("wrap", "aes256-gcm96"), ("derived", "ed25519")):
        stub.transit[f"rotated-{purpose}"] = keepers.Transit(kind)
    stub.transit["rotated-derived"].derived = True
    stub.transit["unbound"] = keepers.Transit("aes256-gcm96")
    stub.transit["unbound"].ignores_associated_data = True
    return {"HAUBERK_TEST_VAULT": stub.url, "HAUBERK_TEST_VAULT_TOKEN": "root"}


def kms(aws: keepers.Aws) -> dict:
    client = aws.client("kms")
    for name in "ab":
        for purpose in ("model", "evidence", "wrap"):
            kind = {} if purpose == "wrap" else {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
            key = client.create_key(**kind)["KeyMetadata"]["KeyId"]
            client.create_alias(AliasName=f"alias/{purpose}-{name}", TargetKeyId=key)
    return {"HAUBERK_TEST_KMS": aws.url, "AWS_ACCESS_KEY_ID": keepers.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": keepers.SECRET_KEY}


def pkcs11(hsm: keepers.SoftHsm) -> dict:
    for name in "ab":
        for purpose, kind in (("model", "ecdsa-p256"), ("evidence", "ed25519"), ("ledger", "ed25519"), ("wrap", "aes256")):
            hsm.add(f"{purpose}-{name}", kind)
    for label, kind in (("p384", "ecdsa-p384"), ("aes128", "aes128"), ("twice", "aes256"), ("twice", "aes256")):
        hsm.add(label, kind)
    return hsm.env | {"HAUBERK_TEST_PKCS11": keepers.SOFTHSM, "HAUBERK_TEST_PIN": keepers.PIN}


def main() -> int:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    stub, aws, folder = keepers.VaultStub(), keepers.Aws(), tempfile.TemporaryDirectory(prefix="hauberk-contract-")
    try:
        environment = os.environ | vault(stub) | kms(aws) | pkcs11(keepers.SoftHsm(pathlib.Path(folder.name) / "hsm"))
        refused = aws.checked.refused
        status = subprocess.run(sys.argv[1:], env=environment).returncode
        if aws.checked.refused != refused:
            print("botocore would have signed a request otherwise", file=sys.stderr)
            return status or 1
        return status
    finally:
        stub.stop()
        aws.stop()
        folder.cleanup()


if __name__ == "__main__":
    sys.exit(main())
