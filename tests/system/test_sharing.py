"""Two projects on one network with one group: sharing followed to the packet."""

from collections.abc import Iterator

import pytest
from tests.support.deployment import Deployment, Guest, Json

PARTNER = "admin-credentials.json"


@pytest.fixture
def partner(cloud: Deployment) -> Iterator[Deployment]:
    """The same deployment, used by another project."""
    other = Deployment(cloud.state, cloud.listen)
    other.login(PARTNER)
    yield other
    for guest in other.guests:
        guest.end_background()
        other.call("DELETE", f"/portlight/v1/instances/{guest.id}")
    other.http.close()


def share(cloud: Deployment, object_type: str, thing: Json, target: str) -> Json:
    """Share a thing with a project."""
    body = {
        "object_type": object_type,
        "object_id": thing["id"],
        "action": "access_as_shared",
        "target_tenant": target,
    }
    policy: Json = cloud.neutron("POST", "/rbac-policies", {"rbac_policy": body})["rbac_policy"]
    return policy


def address_of(cloud: Deployment, guest: Guest) -> str:
    return str(cloud.ports_of(guest)[0]["fixed_ips"][0]["ip_address"])


@pytest.mark.extension("rbac-policies", "rbac-security-groups")
@pytest.mark.covers("N11", "H145")
def test_guests_of_two_projects_meet_in_a_shared_group_on_a_shared_network(
    cloud: Deployment, partner: Deployment
) -> None:
    project = partner.neutron("GET", "/quotas/project")["project"]["project_id"]
    network = cloud.network("common")
    cloud.subnet(network, "10.40.0.0/24")
    peers = cloud.group("peers")
    cloud.rule(peers, protocol="icmp", remote_group_id=peers["id"])
    policy = share(cloud, "network", network, project)
    share(cloud, "security_group", peers, project)
    groups = {"network_id": network["id"], "security_groups": [peers["id"]]}

    ours = cloud.guest("ours", groups)
    outsider = cloud.guest("outsider", {"network_id": network["id"]})
    theirs = partner.guest("theirs", groups)
    our_port, their_port = cloud.ports_of(ours)[0], partner.ports_of(theirs)[0]

    assert their_port["project_id"] == project != our_port["project_id"]
    assert theirs.pings(address_of(cloud, ours))
    assert ours.pings(address_of(partner, theirs))
    assert not outsider.pings(address_of(partner, theirs), deadline=1)
    partner.wait_drop(their_port, "ingress/no_ingress_rule")
    refusal = cloud.call("DELETE", f"/v2.0/rbac-policies/{policy['id']}")
    assert refusal.status_code == 409
    assert their_port["id"] in refusal.json()["NeutronError"]["detail"]
    assert theirs.pings(address_of(cloud, ours)), "a refusal changes no packet"
