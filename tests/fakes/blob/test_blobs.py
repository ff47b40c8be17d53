"""Blob storage through plain requests and through the SDK's own storage client."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
import requests

from fakes.services.blob.models import BlobBackend


@pytest.fixture
def account(azure):
    return azure.state.tenancy.accounts[azure.state.workspace().storage_account]


@pytest.fixture
def address(azure, account):
    """Return signed addresses of blobs in the container `azureml`."""
    blobs = azure.state.backend(BlobBackend)

    def make(name: str = "", query: str = "", **options) -> str:
        options.setdefault("permissions", "racwdl")
        url, _, signature = blobs.sas_url(account.name, "azureml", name, **options).partition("?")
        return f"{quote(url.rstrip('/'), safe=':/')}?{signature}{query}"

    return make


BLOCK = {"x-ms-blob-type": "BlockBlob"}


def test_put_get_head_delete(address):
    url = address("dir/ü +%.txt")
    made = requests.put(url, data=b"0123456789", headers={**BLOCK, "x-ms-meta-owner": "me", "Content-Type": "text/x"})
    assert made.status_code == 201 and made.content == b""
    found = requests.get(url)
    assert found.content == b"0123456789"
    assert found.headers["Content-Type"] == "text/x" and found.headers["x-ms-meta-owner"] == "me"
    assert not any("md5" in name.lower() or "crc" in name.lower() for name in found.headers)
    head = requests.head(url)
    assert head.headers["Content-Length"] == "10" and head.headers["ETag"] == found.headers["ETag"]
    assert requests.delete(url).status_code == 202
    missing = requests.head(url)
    assert (missing.status_code, missing.headers["x-ms-error-code"]) == (404, "BlobNotFound")
    assert "<Message>" in requests.get(url).text


@pytest.mark.parametrize("header", ["x-ms-range", "Range"])
def test_ranges(address, header):
    url = address("b")
    requests.put(url, data=b"0123456789", headers=BLOCK)
    for wanted, status, content, where in (
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
    ):
        found = requests.get(url, headers={header: wanted})
        assert (found.status_code, found.content, found.headers["Content-Range"]) == (status, content, where)
    for wanted, status, code in (("bytes=10-", 416, "InvalidRange"), ("bytes=5-2", 400, "InvalidHeaderValue")):
        found = requests.get(url, headers={header: wanted})
        assert (found.status_code, found.headers["x-ms-error-code"]) == (status, code)
    requests.put(url, data=b"", headers=BLOCK)
    assert requests.get(url, headers={header: "bytes=0-99"}).status_code == 416


def test_conditions(address):
    url = address("b")
    new = {**BLOCK, "If-None-Match": "*"}
    first = requests.put(url, data=b"1", headers=new)
    again = requests.put(url, data=b"2", headers=new)
    assert (first.status_code, again.status_code, again.headers["x-ms-error-code"]) == (201, 409, "BlobAlreadyExists")
    tag = first.headers["ETag"]
    assert requests.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert requests.get(url, headers={"If-Match": '"other"'}).status_code == 412
    assert requests.put(url, data=b"3", headers={**BLOCK, "If-Match": '"other"'}).status_code == 412
    assert requests.put(url, data=b"3", headers={**BLOCK, "If-Match": tag}).status_code == 201


def test_only_one_of_many_creates(address):
    url = address("race")
    headers = {**BLOCK, "If-None-Match": "*"}
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: requests.put(url, data=b"%d" % n, headers=headers).status_code, range(16)))
    assert sorted(found) == [201] + [409] * 15


def test_blocks(address):
    ids = [base64.b64encode(b"%04d" % n).decode() for n in range(3)]
    for number, block in enumerate(ids):
        url = address("big", f"&comp=block&blockid={quote(block, safe='')}")
        assert requests.put(url, data=b"%d" % number * 3).status_code == 201
    assert requests.get(address("big")).status_code == 404, "nothing is seen before the list"
    body = "<BlockList>" + "".join(f"<Latest>{block}</Latest>" for block in reversed(ids)) + "</BlockList>"
    assert requests.put(address("big", "&comp=blocklist"), data=body).status_code == 201
    assert requests.get(address("big")).content == b"222111000"
    assert requests.get(address("big", "&comp=blocklist")).text.count("<Block>") == 3
    wrong = requests.put(address("big", "&comp=blocklist"), data="<BlockList><Latest>eHh4eA==</Latest></BlockList>")
    assert wrong.headers["x-ms-error-code"] == "InvalidBlockList"
    for bad in ("<BlockList>", "<Other/>", '<!DOCTYPE x [<!ENTITY a "b">]><BlockList/>'):
        assert requests.put(address("big", "&comp=blocklist"), data=bad).status_code == 400


def test_append(address):
    url = address("log")
    append = address("log", "&comp=appendblock")
    assert requests.put(append, data=b"x").status_code == 404
    requests.put(url, headers={"x-ms-blob-type": "AppendBlob"})
    offsets = [requests.put(append, data=part).headers for part in (b"one\n", b"two\n")]
    assert [h["x-ms-blob-append-offset"] for h in offsets] == ["0", "4"]
    assert [h["x-ms-blob-committed-block-count"] for h in offsets] == ["1", "2"]
    assert requests.get(url).content == b"one\ntwo\n"
    wrong = requests.put(append, data=b"x", headers={"x-ms-blob-condition-appendpos": "3"})
    assert wrong.headers["x-ms-error-code"] == "AppendPositionConditionNotMet"
    requests.put(address("block"), data=b"x", headers=BLOCK)
    wrong = requests.put(address("block", "&comp=appendblock"), data=b"x")
    assert wrong.headers["x-ms-error-code"] == "InvalidBlobType"


def test_lists(address):
    for name in ("a/1", "a/2", "a/b/3", "c&<d>", "top"):
        requests.put(address(name), data=b"x", headers={**BLOCK, "x-ms-meta-k": "v"})
    every = requests.get(address("", "&restype=container&comp=list")).text
    assert every.count("<Blob>") == 5 and "c&amp;&lt;d&gt;" in every and "<Metadata>" not in every
    below = requests.get(address("", "&restype=container&comp=list&prefix=a/&delimiter=/&include=metadata")).text
    assert below.count("<Blob>") == 2 and "<BlobPrefix><Name>a/b/</Name></BlobPrefix>" in below
    assert "<k>v</k>" in below
    names, marker = [], ""
    while True:
        page = requests.get(address("", f"&restype=container&comp=list&maxresults=2&marker={quote(marker)}")).text
        names += [part.partition("</Name>")[0] for part in page.split("<Name>")[1:]]
        marker = page.partition("<NextMarker>")[2].partition("<")[0].replace("&amp;", "&").replace("&lt;", "<")
        marker = marker.replace("&gt;", ">")
        if not marker:
            break
    assert len(names) == 5 == len(set(names))


def test_wrong_digest_is_refused(address):
    digest = base64.b64encode(b"0" * 16).decode()
    answer = requests.put(address("b"), data=b"x", headers={**BLOCK, "Content-MD5": digest})
    assert answer.headers["x-ms-error-code"] == "Md5Mismatch"


def test_signatures_are_checked(azure, account, address):
    requests.put(address("b"), data=b"x", headers=BLOCK)
    good = address("b", permissions="r")
    assert requests.get(good).status_code == 200

    def code(answer):
        return answer.status_code, answer.headers.get("x-ms-error-code")

    assert code(requests.get(good.replace("/b?", "/other?"))) == (403, "AuthenticationFailed")
    assert code(requests.get(good.replace("sp=r", "sp=rw"))) == (403, "AuthenticationFailed")
    assert code(requests.put(good, data=b"", headers=BLOCK)) == (403, "AuthorizationPermissionMismatch")
    only_new = address("b", permissions="c")
    assert code(requests.put(only_new, data=b"", headers=BLOCK)) == (403, "AuthorizationPermissionMismatch")
    assert code(requests.get(good.replace("https://", "http://")))[0] == 403
    assert code(requests.get(good.partition("?")[0])) == (409, "PublicAccessNotPermitted")
    azure.state.clock.advance(25 * 3600)
    assert code(requests.get(good)) == (403, "AuthenticationFailed")


def test_containers_and_account(azure, address, account):
    from fakes.services.blob.signatures import service_sas

    base = f"https://{account.name}.blob.core.windows.net"
    now = azure.state.clock.now()

    def box(name):
        query = service_sas(account.name, name, "", account.keys[1], now=now, permissions="rwdlc", hours=1)
        return f"{base}/{name}?{query}&restype=container"

    assert requests.put(box("new-box")).status_code == 201
    assert requests.put(box("new-box")).headers["x-ms-error-code"] == "ContainerAlreadyExists"
    assert requests.put(box("Bad_Name")).headers["x-ms-error-code"] == "InvalidResourceName"
    assert requests.head(box("new-box")).status_code == 200
    assert requests.delete(box("new-box")).status_code == 202
    assert requests.get(box("new-box")).headers["x-ms-error-code"] == "ContainerNotFound"
    token = azure.token(audience="https://storage.azure.com/")
    found = requests.get(f"{base}/?comp=list", headers={"Authorization": f"Bearer {token}"}).text
    assert "<Name>azureml</Name>" in found
    assert requests.get(f"{base}/?comp=list", headers={"Authorization": f"Bearer {azure.token()}"}).status_code == 401
    unknown = requests.get(f"{base}/azureml/b?comp=lease", headers={"Authorization": f"Bearer {token}"})
    assert unknown.status_code == 501


@pytest.mark.azure
def test_the_storage_client_of_the_sdk(azure, account):
    """Shared key, account and container signatures as Microsoft's own client makes them; a large blob in blocks."""
    from azureml._vendor.azure_storage.blob import (
        BlobServiceClient,
        generate_account_sas,
        generate_container_sas,
    )

    base = f"https://{account.name}.blob.core.windows.net"
    service = BlobServiceClient(base, credential=account.keys[1])
    box = service.create_container("with-key")
    large = bytes(range(256)) * 20_000
    client = box.get_blob_client("dir/large ü.bin")
    client.upload_blob(large, max_concurrency=1)
    assert client.download_blob().readall() == large
    assert client.get_blob_properties().size == len(large)
    assert [b.name for b in box.list_blobs(name_starts_with="dir/")] == ["dir/large ü.bin"]
    client.set_blob_metadata({"k": "v"})
    assert client.get_blob_properties().metadata == {"k": "v"}
    copy = box.get_blob_client("copy")
    copy.start_copy_from_url(client.url)
    assert copy.download_blob().readall() == large
    log = box.get_blob_client("log")
    log.create_append_blob()
    log.append_block(b"line")
    assert log.download_blob().readall() == b"line"
    assert {c.name for c in service.list_containers()} >= {"azureml", "with-key"}
    assert service.get_account_information()["sku_name"] == "Standard_LRS"
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    for sas in (
        generate_account_sas(account.name, account.keys[0], "co", "r", later),
        generate_container_sas(account.name, "with-key", account.keys[0], permission="r", expiry=later),
    ):
        reader = BlobServiceClient(base, credential=sas).get_blob_client("with-key", "copy")
        assert reader.download_blob(offset=1, length=3).readall() == large[1:4]
        with pytest.raises(Exception, match=r"AuthorizationPermissionMismatch|AuthorizationResourceTypeMismatch"):
            reader.delete_blob()
    with pytest.raises(Exception, match="AuthenticationFailed"):
        BlobServiceClient(base, credential=base64.b64encode(b"wrong").decode()).create_container("other")
