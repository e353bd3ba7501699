"""The VPC v3 dialect as plain HTTP: with a token, answers that are numbered, what the SDK lacks."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.support.api_server import ApiServer, Json
from tests.support.vpc_sdk import vpc_sdk

from portlight.api.vpc_v3.signing import SignedRequest, canonical_request, sign
from portlight.core.drafts_identity import AccessKeyDraft

NOBODY = "00000000-0000-4000-8000-000000000000"
RULE = {"direction": "egress", "protocol": "all", "ethertype": "ipv4", "action": "accept"}


def base(server: ApiServer, user: str = "portlight") -> str:
    token = server.http(user).headers["x-auth-token"]
    return f"/v3/{server.cloud.authenticate_token(token).project_id}/vpc"


def a_filter(server: ApiServer) -> str:
    body = {"traffic_mirror_filter": {"name": "face"}}
    made = server.must("POST", f"{base(server)}/traffic-mirror-filters", body)
    return str(made["traffic_mirror_filter"]["id"])


def refused(answer: httpx.Response) -> tuple[int, str]:
    document = answer.json()
    assert document.keys() == {"request_id", "error_code", "error_msg"}
    assert answer.headers["X-Request-Id"] == document["request_id"]
    return answer.status_code, document["error_code"]


@pytest.mark.covers("H132")
def test_every_answer_has_a_number_of_its_own(server: ApiServer) -> None:
    path = f"{base(server)}/traffic-mirror-filters"

    answers = [server.http().get(path) for _ in range(2)]
    missing = server.http().get(f"{path}/{NOBODY}")
    gone = server.http().delete(f"{path}/{a_filter(server)}")

    numbers = [answer.json()["request_id"] for answer in answers]
    assert numbers == [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(numbers)) == 2
    assert refused(missing) == (404, "VPC.9904")
    assert missing.json()["error_msg"] == f"MirrorFilter {NOBODY} could not be found."
    assert (gone.status_code, gone.content) == (204, b"")
    assert gone.headers["X-Request-Id"]
    assert refused(server.http().get("/v3/unknown")) == (404, "VPC.9904")


@pytest.mark.covers("H124", "H132")
def test_rules_are_made_in_a_batch_all_or_none(server: ApiServer) -> None:
    one = a_filter(server)
    filters = f"{base(server)}/traffic-mirror-filters/{one}"
    path = f"{filters}/traffic-mirror-filter-rules/batch-create"

    def batch(*priorities: int) -> Json:
        return {"traffic_mirror_filter_rules": [{**RULE, "priority": one} for one in priorities]}

    made = server.http().post(path, json=batch(2, 1))
    taken = server.http().post(path, json=batch(3, 2))
    empty = server.http().post(path, json=batch())

    assert made.status_code == 201
    assert [one["priority"] for one in made.json()["traffic_mirror_filter_rules"]] == [2, 1]
    assert refused(taken) == (409, "VPC.9902")
    assert refused(empty) == (400, "VPC.9901")
    shown = server.must("GET", filters)["traffic_mirror_filter"]
    assert [rule["priority"] for rule in shown["egress_rules"]] == [1, 2]
    assert shown["egress_rules"][0]["source_cidr_block"] is None
    nowhere = path.replace(one, NOBODY)
    assert refused(server.http().post(nowhere, json=batch(1))) == (404, "VPC.9904")
    foreign = path.replace(base(server), base(server, "admin"))
    assert refused(server.http("admin").post(foreign, json=batch(4))) == (404, "VPC.9904")


def test_a_repeated_filter_of_a_list_means_either(server: ApiServer) -> None:
    one, two = a_filter(server), a_filter(server)
    path = f"{base(server)}/traffic-mirror-filters"

    found = server.must("GET", f"{path}?id={one}&id={two}&name=face")
    none = server.must("GET", f"{path}?id={one}&name=other")

    assert {row["id"] for row in found["traffic_mirror_filters"]} == {one, two}
    assert none["traffic_mirror_filters"] == []
    assert none["page_info"] == {"current_count": 0}
    assert refused(server.http().get(f"{path}?colour=red")) == (400, "VPC.9901")


@pytest.mark.covers("H132")
def test_a_token_must_be_valid_and_of_the_project_in_the_address(server: ApiServer) -> None:
    path = f"{base(server)}/traffic-mirror-filters"

    with httpx.Client(base_url=server.url, trust_env=False) as http:
        wrong = http.get(path, headers={"X-Auth-Token": "wrong"})
        nothing = http.get(path)
    foreign = server.http("admin").get(path)
    other_header = server.http().get(path, headers={"X-Project-Id": "0" * 32})

    assert refused(wrong) == (401, "VPC.0008")
    assert refused(nothing) == (401, "APIGW.0301")
    assert refused(foreign) == (400, "VPC.0007")
    assert refused(other_header) == (400, "VPC.0007")


def test_a_reader_sees_and_changes_nothing(server: ApiServer) -> None:
    project = server.a_project("readers-of-mirrors")
    with server.someone(project, "reader") as reader:
        path = f"/v3/{project}/vpc/traffic-mirror-filters"
        assert reader.get(path).status_code == 200
        answer = reader.post(path, json={"traffic_mirror_filter": {"name": "x"}})

    assert refused(answer) == (403, "VPC.2201")


def test_an_old_or_changed_signature_is_refused_and_many_wait(server: ApiServer) -> None:
    sdk = vpc_sdk(server)
    token = server.cloud.identity.token_of(server.http().headers["x-auth-token"])
    assert token.project is not None
    key = server.cloud.identity.create_access_key(
        token, AccessKeyDraft(user_id=token.user.id, project_id=token.project.id)
    )
    path = f"/v3/{sdk.project_id}/vpc/traffic-mirror-filters"

    def ask(secret: str, minutes: int = 0) -> httpx.Response:
        moment = datetime.now(tz=UTC) + timedelta(minutes=minutes)
        headers = {
            "host": server.url.removeprefix("http://"),
            "x-sdk-date": moment.strftime("%Y%m%dT%H%M%SZ"),
        }
        request = SignedRequest(method="GET", target=path, headers=headers, body=b"")
        names = sorted(headers)
        signature = sign(canonical_request(request, names, ""), headers["x-sdk-date"], secret)
        headers["Authorization"] = (
            f"SDK-HMAC-SHA256 Access={key.key.access}, SignedHeaders={';'.join(names)}, "
            f"Signature={signature}"
        )
        return httpx.get(server.url + path, headers=headers, trust_env=False)

    assert ask(key.secret).status_code == 200
    assert refused(ask(key.secret, minutes=16)) == (401, "APIGW.0301")
    assert refused(ask("wrong")) == (401, "APIGW.0301")
    wrong = [ask("wrong") for _ in range(60)][-1]
    assert refused(wrong) == (401, "APIGW.0301")
    assert "too often" in wrong.json()["error_msg"]
    assert refused(ask(key.secret)) == (401, "APIGW.0301")
