"""The stock SDK of the VPC v3 dialect, pointed at a server of ours: signed requests over HTTP."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.api_server import ApiServer

from portlight.core.drafts_identity import AccessKeyDraft

Json = dict[str, Any]


def _at_a_home_of_its_own() -> Any:  # noqa: ANN401 -- the SDK has no types
    """Import the SDK; it writes a file into the user's home when it is loaded."""
    home = os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        try:
            import huaweicloudsdkvpc.v3 as sdk  # noqa: PLC0415 -- not before the home is another
        finally:
            if home is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = home
    return sdk


sdk = _at_a_home_of_its_own()
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # noqa: E402
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException  # noqa: E402

MODEL: Any = sdk
KINDS = {
    "filter": "TrafficMirrorFilter",
    "rule": "TrafficMirrorFilterRule",
    "session": "TrafficMirrorSession",
}


_PRIORITIES = itertools.count(1)


@dataclass(frozen=True)
class Refused(Exception):  # noqa: N818 -- an outcome that tests look at
    """What the SDK says of a refusal."""

    status: int
    code: str
    message: str
    request_id: str | None


@dataclass(frozen=True)
class VpcSdk:
    """Calls of the SDK by kind (`filter`, `rule`, `session`); answers as the SDK read them."""

    client: Any
    project_id: str

    def create(self, kind: str, **fields: object) -> Any:  # noqa: ANN401
        return self._write("Create", kind, {}, fields)

    def update(self, kind: str, identifier: str, **fields: object) -> Any:  # noqa: ANN401
        return self._write("Update", kind, {self._id(kind): identifier}, fields)

    def show(self, kind: str, identifier: str) -> Any:  # noqa: ANN401
        request = f"Show{KINDS[kind]}"
        return getattr(self._do(request, **{self._id(kind): identifier}), self._name(kind))

    def delete(self, kind: str, identifier: str) -> int:
        answer = self._do(f"Delete{KINDS[kind]}", **{self._id(kind): identifier})
        return int(answer.status_code)

    def find(self, kind: str, **query: object) -> Any:  # noqa: ANN401
        return self._do(f"List{KINDS[kind]}s", **query)

    def names(self, kind: str, **query: object) -> list[str]:
        found = getattr(self.find(kind, **query), f"{self._name(kind)}s")
        return [one.name if kind != "rule" else one.id for one in found]

    def add_sources(self, session: str, *ports: str) -> Any:  # noqa: ANN401
        return self._sources("AddSourcesToTrafficMirrorSession", session, ports)

    def remove_sources(self, session: str, *ports: str) -> Any:  # noqa: ANN401
        return self._sources("RemoveSourcesFromTrafficMirrorSession", session, ports)

    def quota(self) -> Json:
        answer: Json = self._do("ShowQuota").quota.to_dict()
        return answer

    def _sources(self, verb: str, session: str, ports: tuple[str, ...]) -> Any:  # noqa: ANN401
        fields = {"traffic_mirror_sources": list(ports)}
        option = MODEL.TrafficMirrorSourcesOption(**fields)
        return self._write_as(verb, "session", {self._id("session"): session}, option)

    def _write(self, verb: str, kind: str, path: Json, fields: Json) -> Any:  # noqa: ANN401
        call = f"{verb}{KINDS[kind]}"
        option = getattr(MODEL, f"{call}Option")(**fields)
        return self._write_as(call, kind, path, option)

    def _write_as(self, call: str, kind: str, path: Json, option: object) -> Any:  # noqa: ANN401
        name = self._name(kind)
        body = getattr(MODEL, f"{call}RequestBody")(**{name: option})
        return getattr(self._do(call, **path, body=body), name)

    def _do(self, call: str, **fields: object) -> Any:  # noqa: ANN401
        request = getattr(MODEL, f"{call}Request")(**fields)
        method = "".join(f"_{one.lower()}" if one.isupper() else one for one in call).lstrip("_")
        try:
            return getattr(self.client, method)(request)
        except ClientRequestException as error:
            raise Refused(
                error.status_code, error.error_code, error.error_msg, error.request_id
            ) from error

    @staticmethod
    def _name(kind: str) -> str:
        return {"filter": "traffic_mirror_filter", "rule": "traffic_mirror_filter_rule"}.get(
            kind, "traffic_mirror_session"
        )

    def _id(self, kind: str) -> str:
        return f"{self._name(kind)}_id"


def vpc_sdk(server: ApiServer, user: str = "portlight") -> VpcSdk:
    """Return the SDK with an access key of a user, made for it."""
    token = server.cloud.identity.token_of(server.http(user).headers["x-auth-token"])
    assert token.project is not None
    draft = AccessKeyDraft(user_id=token.user.id, project_id=token.project.id)
    key = server.cloud.identity.create_access_key(token, draft)
    return vpc_sdk_with(server, key.key.access, key.secret, token.project.id)


def vpc_sdk_with(server: ApiServer, access: str, secret: str, project_id: str) -> VpcSdk:
    """Return the SDK with this access key."""
    credentials = BasicCredentials(access, secret, project_id)
    builder = MODEL.VpcClient.new_builder().with_credentials(credentials)
    return VpcSdk(client=builder.with_endpoint(server.url).build(), project_id=project_id)


def a_filter(sdk: VpcSdk, name: str = "web") -> str:
    return str(sdk.create("filter", name=name).id)


def a_rule(sdk: VpcSdk, filter_id: str, **fields: object) -> Any:  # noqa: ANN401
    given = {
        "direction": "ingress",
        "protocol": "TCP",
        "ethertype": "IPv4",
        "action": "accept",
        "priority": 1,
    }
    return sdk.create("rule", traffic_mirror_filter_id=filter_id, **{**given, **fields})


def a_session(sdk: VpcSdk, ports: Iterator[str], **fields: object) -> Any:  # noqa: ANN401
    """Make a session with a filter, a source, a target and a priority of its own."""
    given: dict[str, object] = {
        "name": "mirror",
        "traffic_mirror_target_type": "eni",
        "priority": 1000 + next(_PRIORITIES),
    }
    if "traffic_mirror_filter_id" not in fields:
        given["traffic_mirror_filter_id"] = a_filter(sdk)
    if "traffic_mirror_sources" not in fields:
        given["traffic_mirror_sources"] = [next(ports)]
    if "traffic_mirror_target_id" not in fields:
        given["traffic_mirror_target_id"] = next(ports)
    return sdk.create("session", **{**given, **fields})


def refusal(call: Callable[..., object], *arguments: object, **fields: object) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*arguments, **fields)
    return caught.value
